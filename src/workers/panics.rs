//! The one place where a panic is caught.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Where the last panic of this thread happened, left by the hook for [`contain`].
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; a panic comes back as its message, with file and line once [`quiet_panics`] has been called.
///
/// Panics are caught here and nowhere else, at the boundary of a job or query, so that a fault in one of them cannot take the window or the others along.
/// What `work` was changing is dropped with it, so nothing half-changed is seen afterwards.
///
/// # Errors
/// The message of the panic.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    PLACE.with_borrow_mut(|place| *place = None);
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = text_of(payload.as_ref());
        match PLACE.with_borrow_mut(Option::take) {
            Some(place) => format!("{message}, at {place}"),
            None => message,
        }
    })
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

/// Keeps the panics of worker threads off the terminal: they are reported as the one-line failure of their job.
/// `RUST_BACKTRACE` brings the full report back; panics of other threads are printed as ever.
pub fn quiet_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PLACE.with_borrow_mut(|place| *place = place_of(info));
            let thread = std::thread::current();
            let ours = thread
                .name()
                .is_some_and(|name| ["job-", "queries-", "worker-"].iter().any(|start| name.starts_with(start)));
            if !ours || std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
                before(info);
            }
        }));
    });
}

fn place_of(info: &PanicHookInfo<'_>) -> Option<String> {
    info.location().map(|l| format!("{}:{}", l.file(), l.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_comes_back() {
        assert_eq!(contain(|| 3), Ok(3));
        let text = contain(|| -> () { std::panic::resume_unwind(Box::new("plain")) }).unwrap_err();
        assert_eq!(text, "plain");
        let text = contain(|| -> () { std::panic::resume_unwind(Box::new(format!("made {}", 7))) }).unwrap_err();
        assert_eq!(text, "made 7");
        let text = contain(|| -> () { std::panic::resume_unwind(Box::new(5_u8)) }).unwrap_err();
        assert_eq!(text, "a panic without a message");
    }
}
