//! Errors of the command line: one plain line and an exit status.

use clap::error::ErrorKind;

use super::output::Output;
use crate::tasks::{RequestError, TaskError};

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliError {
    /// Wrong usage or unreadable input: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The run failed: exit status 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl From<TaskError> for CliError {
    fn from(error: TaskError) -> Self {
        if error.is_usage() { Self::Usage(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

impl From<RequestError> for CliError {
    fn from(error: RequestError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Help and version go to stdout with status 0; a wrong argument becomes one line on stderr with status 2.
pub(super) fn of_clap(error: &clap::Error, output: &mut Output) -> u8 {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        output.text(&text);
        return 0;
    }
    output.error(&format!("sextans: {}", one_line(&text)));
    2
}

/// Clap's message and tips without the usage that follows, in one line.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> =
        lines.map(|line| line.trim_start_matches("error: ")).filter(|line| !line.is_empty()).collect();
    let mut out = String::new();
    for line in lines {
        // A line that ends in a colon opens a list of names; what follows belongs to it.
        let joint = if out.is_empty() {
            ""
        } else if out.ends_with(':') {
            " "
        } else {
            "; "
        };
        out = out + joint + line;
    }
    out + " (see sextans --help)"
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Arguments;

    #[test]
    fn wrong_arguments_are_one_line_with_a_tip() {
        let line = |text: &str| one_line(&Arguments::try_parse_from(text.split(' ')).unwrap_err().render().to_string());
        assert_eq!(
            line("sextans run a.fit"),
            "the following required arguments were not provided: --out <DIR> (see sextans --help)"
        );
        let tip = line("sextans run a.fit --ouy x");
        assert!(tip.contains("--ouy") && tip.contains("'--out'") && !tip.contains('\n'), "{tip}");
    }
}
