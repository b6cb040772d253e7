//! The one place of this layer that catches panics, around decoders that others wrote.
//!
//! They read bytes of unknown files. Their authors promise errors, not panics, but mutated files have made every FITS
//! crate panic somewhere, and a picture must not be lost to a broken tile in another file. Sizes are checked by us
//! before, so that what is caught here is a failed index or an overflow, never a lack of memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a decoder of another crate; a panic becomes its message.
///
/// # Errors
/// What the decoder says, or the words of its panic.
pub(super) fn contained<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What the closure captures is dropped, or only read afterwards, so that no half-changed state is seen.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|payload| {
        let words = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no reason given".into());
        Err(format!("the decoder failed inside ({words})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words() {
        let numbers = [1, 2];
        let at = numbers.len() + 3;
        let error = contained(|| Ok::<i32, String>(numbers[at])).unwrap_err();
        assert!(error.contains("out of bounds"), "{error}");
        assert_eq!(contained(|| Ok(5)), Ok(5));
        assert_eq!(contained::<()>(|| Err("no".into())), Err("no".into()));
    }
}
