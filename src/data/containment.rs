//! The one place in this layer where a panic of somebody else's code is caught.
//!
//! Decoders and coordinate transforms of other crates run on bytes that anybody may have written. Their sizes are
//! checked by our own code first; what slips through as a panic becomes words here, so that a bad file costs a message
//! and not the window.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work` of another crate; a panic becomes an error in words.
///
/// Nothing that `work` may have left half done is used afterwards: callers give it values that are dropped on failure,
/// or shared ones that it cannot change.
///
/// # Errors
/// The panic's own message.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.map_or_else(|| "it stopped without a reason".to_owned(), |text| text.replace('\n', " "))
    })
}

/// [`contained`] for a decoder that has errors of its own.
///
/// # Errors
/// What the decoder says, or the words of its panic.
pub(super) fn contained_result<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    contained(decode).unwrap_or_else(|words| Err(format!("the decoder failed inside ({words})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words() {
        assert_eq!(contained(|| 3), Ok(3));
        let index = [1, 2].len();
        let caught = contained(|| [1, 2][index..][0]);
        assert!(caught.unwrap_err().contains("index out of bounds"));
    }
}
