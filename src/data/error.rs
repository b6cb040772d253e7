//! What can be wrong with a file, in one plain line that names file, HDU or keyword, value and cure.

use std::path::{Path, PathBuf};

use crate::tasks::TaskError;

/// A file (or a result of ours) that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct DataError {
    /// The file; for something that lives in memory only, its name in the data tree.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The kinds of problem; each prints as one line without the file's name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The operating system refused.
    #[error("cannot {doing}: {reason}")]
    Io {
        /// What was tried: "open", "read 2880 bytes at 0", "rename".
        doing: String,
        /// What the system said.
        reason: String,
    },
    /// Not FITS, or FITS in a wrapping that we do not open.
    #[error("{what}; {cure}")]
    Format {
        /// What the file is instead.
        what: String,
        /// What to do.
        cure: String,
    },
    /// No such HDU.
    #[error("there is no HDU [{wanted}]; the file has {have}")]
    NoHdu {
        /// The HDU asked for.
        wanted: String,
        /// The HDUs that exist, as a list.
        have: String,
    },
    /// A keyword whose value cannot be used.
    #[error("HDU {hdu}: {keyword} = {value}: {problem}")]
    Keyword {
        /// HDU number, 0 is the primary.
        hdu: usize,
        /// The keyword.
        keyword: String,
        /// Its value, or "(missing)".
        value: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The header asks for more data than the file holds.
    #[error(
        "HDU {hdu}: the header asks for {needed} bytes of data and the file holds {present}; it is cut off or its NAXISn are wrong; fetch it again"
    )]
    Truncated {
        /// HDU number.
        hdu: usize,
        /// Bytes that the header asks for.
        needed: u64,
        /// Bytes that are there.
        present: u64,
    },
    /// The HDU is something else than what was asked of it.
    #[error("HDU {hdu} {what}; {cure}")]
    Kind {
        /// HDU number.
        hdu: usize,
        /// What it is, as a predicate: "is a binary table".
        what: String,
        /// What to do.
        cure: String,
    },
    /// World coordinates that cannot be used.
    #[error("the world coordinates{} cannot be used: {reason}", of_letter(*letter))]
    World {
        /// Letter of the alternate description; a space for the primary one.
        letter: char,
        /// Why.
        reason: String,
    },
    /// A position or shape that does not fit.
    #[error("HDU {hdu}: {what}; {cure}")]
    Shape {
        /// HDU number.
        hdu: usize,
        /// What does not fit, with the numbers.
        what: String,
        /// What to do.
        cure: String,
    },
    /// More memory than one read may take.
    #[error("HDU {hdu}: {bytes} bytes are more than one read may take ({limit}); read one plane or a box of it")]
    Memory {
        /// HDU number.
        hdu: usize,
        /// Bytes needed.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Something that cannot be written.
    #[error("cannot write {what}: {reason}")]
    Write {
        /// The plane, keyword or column.
        what: String,
        /// Why and what to do.
        reason: String,
    },
    /// A line of a text table that cannot be understood.
    #[error("line {line}: {what}; {cure}")]
    Table {
        /// Line number, 1-based.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        cure: String,
    },
    /// The store holds nothing under this number.
    #[error("it is no longer in the store; open it again")]
    Gone,
}

fn of_letter(letter: char) -> String {
    if letter == ' ' { String::new() } else { format!(" {letter}") }
}

/// What this layer returns.
pub type Result<T> = std::result::Result<T, DataError>;

impl DataError {
    /// A problem with a file.
    pub fn new(file: &Path, problem: Problem) -> Self {
        Self { file: file.to_owned(), problem }
    }

    /// The operating system refused to do something with a file.
    pub fn io(file: &Path, doing: impl Into<String>, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file; check the name".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied; check who may read and write it".to_owned(),
            std::io::ErrorKind::UnexpectedEof => {
                "the file has become shorter while it was open; open it again".to_owned()
            }
            std::io::ErrorKind::IsADirectory => "it is a folder; name a file in it".to_owned(),
            _ => error.to_string(),
        };
        Self::new(file, Problem::Io { doing: doing.into(), reason })
    }
}

impl From<DataError> for TaskError {
    fn from(error: DataError) -> Self {
        TaskError::File { problem: error.problem.to_string(), file: error.file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_stays_the_same_as_a_task_error() {
        let error = DataError::new(
            Path::new("a.fits"),
            Problem::Keyword {
                hdu: 1,
                keyword: "BITPIX".into(),
                value: "12".into(),
                problem: "not a FITS pixel type; use 8, 16, 32, 64, -32 or -64".into(),
            },
        );
        let text = error.to_string();
        assert_eq!(text, "a.fits: HDU 1: BITPIX = 12: not a FITS pixel type; use 8, 16, 32, 64, -32 or -64");
        let task = TaskError::from(error);
        assert_eq!(task.to_string(), text);
        assert!(task.is_usage());
    }
}
