//! What can be wrong with an observation or its fit.

use std::borrow::Cow;

use crate::tasks::TaskError;

/// Errors of lens modelling. Each prints as one line that names the cause and the cure.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LensError {
    /// Arrays that belong together differ in shape.
    #[error("{what} has {found_rows} x {found_columns} pixels but the image has {rows} x {columns}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its rows.
        found_rows: usize,
        /// Its columns.
        found_columns: usize,
        /// Rows of the image.
        rows: usize,
        /// Columns of the image.
        columns: usize,
    },
    /// The point-spread function cannot be used.
    #[error("the PSF {0}")]
    Psf(&'static str),
    /// Used pixels without a usable value or error.
    #[error("{count} used pixels have {problem}; leave them out with the mask")]
    Pixels {
        /// How many.
        count: usize,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// Too few pixels.
    #[error(
        "only {used} pixels are used but the model has {parameters} parameters; widen the mask or simplify the model"
    )]
    TooFewPixels {
        /// Pixels in the mask.
        used: usize,
        /// Free parameters.
        parameters: usize,
    },
    /// A number out of its range.
    #[error("{name} = {value}: {problem}")]
    Value {
        /// Which.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What was expected.
        problem: Cow<'static, str>,
    },
    /// The network has nothing to look at.
    #[error("the network sees {what} ({used} of its pixels are used); widen the mask, or centre it on the lens")]
    Machine {
        /// What it lacks.
        what: &'static str,
        /// Pixels of its field that are used.
        used: usize,
    },
    /// The fit was stopped by its callback.
    #[error("the fit was cancelled")]
    Cancelled,
    /// No start gave a lens that explains anything.
    #[error("no lensed source was found in the used pixels: every model is as good without one")]
    NothingFound,
}

impl From<LensError> for TaskError {
    /// A number out of its range is the request's fault (exit status 2), everything else a run that failed.
    fn from(error: LensError) -> Self {
        match error {
            LensError::Value { name, value, problem } => {
                Self::field(name, value, problem, format!("give another with --set {name}=NUMBER"))
            }
            LensError::Cancelled => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_is_wrong_usage_and_a_fit_without_a_lens_is_not() {
        let value = LensError::Value { name: "starts", value: 24.0, problem: "expected 1 to 20".into() };
        let error = TaskError::from(value);
        assert!(error.is_usage());
        assert_eq!(error.to_string(), "starts = 24: expected 1 to 20; give another with --set starts=NUMBER");
        assert!(!TaskError::from(LensError::NothingFound).is_usage());
        assert!(matches!(TaskError::from(LensError::Cancelled), TaskError::Cancelled));
    }
}
