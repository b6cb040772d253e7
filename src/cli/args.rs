//! The arguments, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Desktop workbench for astronomers: FITS cubes, spectra and maps, live simulation and inference beside the classical answer.
#[derive(Parser, Debug)]
#[command(
    name = "sextans",
    version = crate::runs::version_line(),
    args_conflicts_with_subcommands = true,
    after_help = "Exit status: 0 done, 1 the run failed, 2 wrong usage or unreadable input."
)]
pub(super) struct Arguments {
    /// Files to open in the window: FITS, sessions, run folders, or a PNG that carries a record
    pub(super) files: Vec<PathBuf>,
    /// Threads for parallel loops [default: one a core; with the window one less]
    #[arg(long, global = true, value_name = "N", value_parser = threads, display_order = 901)]
    pub(super) threads: Option<usize>,
    /// Folder of the files that come with the program, e.g. trained weights [default: found beside it]
    #[arg(long, global = true, value_name = "DIR", display_order = 902)]
    pub(super) resources: Option<PathBuf>,
    /// What to do; without it the window opens.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What `sextans run --help` ends with.
const RUN_HELP: &str = "\
Examples:
  sextans run lens_reconstruction.simulate --set seed=7 --out sim
  sextans run lens_reconstruction.fit --input image=sim --out fit
  sextans run --repeat fit --verify --out again

Order of precedence: defaults, --request, --set, --input. A run is written beside --out and gets its name when it is whole.";

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// The main job on demo data: in the window, or with no display headless into ./sextans-demo/
    Demo {
        /// Study, e.g. lens_reconstruction
        study: Option<String>,
    },
    /// What is in a file: HDUs, axes, units, world coordinates
    Info(InfoArguments),
    /// The tasks, or the parameters, inputs and outputs of one
    List {
        /// Task, e.g. lens_reconstruction.fit, or a study
        task: Option<String>,
        /// As JSON, with the schema of the request
        #[arg(long)]
        json: bool,
    },
    /// Run a task into a folder, or repeat a run from its record
    #[command(after_help = RUN_HELP)]
    Run(RunArguments),
    /// Draw the window into a PNG, without a display
    Render(RenderArguments),
}

#[derive(Args, Debug)]
pub(super) struct InfoArguments {
    /// FITS files
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Only this HDU; 0 is the primary one
    #[arg(long, value_name = "N")]
    pub(super) hdu: Option<usize>,
    /// Value and world coordinates at a pixel, counted from 1 as FITS does
    #[arg(long, value_name = "X,Y[,Z]", value_parser = pixel, allow_hyphen_values = true)]
    pub(super) pixel: Option<Pixel>,
}

/// One to seven whole numbers, FITS order (fastest axis first), counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pixel(pub(super) Vec<i64>);

#[derive(Args, Debug)]
pub(super) struct RunArguments {
    /// Task, e.g. lens_reconstruction.fit (`sextans list` shows all)
    #[arg(required_unless_present = "repeat")]
    pub(super) task: Option<String>,
    /// Request as a JSON file, or a record; --set and --input change it further
    #[arg(long, value_name = "FILE", conflicts_with = "repeat")]
    pub(super) request: Option<PathBuf>,
    /// One parameter; may be given several times
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "repeat", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
    /// One input: a file, file.fits[EXT], or a run folder; may be given several times
    #[arg(long, value_name = "ROLE=FILE", conflicts_with = "repeat", value_parser = assignment)]
    pub(super) input: Vec<(String, String)>,
    /// Repeat the run that this folder or record.json describes
    #[arg(long, value_name = "DIR|record.json", conflicts_with = "task")]
    pub(super) repeat: Option<PathBuf>,
    /// After repeating, compare with the old run; status 1 unless equal to the bit
    #[arg(long, requires = "repeat", conflicts_with = "task")]
    pub(super) verify: bool,
    /// Folder for the result: absent or empty
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace the run that stands in --out
    #[arg(long)]
    pub(super) overwrite: bool,
    /// No progress, no results on the terminal
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Args, Debug)]
pub(super) struct RenderArguments {
    /// Bring this panel, e.g. lens_reconstruction, to its finished example, or to what --open gives it
    #[arg(long, value_name = "NAME")]
    pub(super) panel: Option<String>,
    /// Draw the window as this session has it
    #[arg(long, value_name = "FILE")]
    pub(super) session: Option<PathBuf>,
    /// Colours; otherwise the session's, or dark
    #[arg(long, value_enum)]
    pub(super) theme: Option<Theme>,
    /// Size in points
    #[arg(long, value_name = "WxH", default_value = "1366x768", value_parser = size)]
    pub(super) size: (u32, u32),
    /// Open a file or run folder first; may be given several times
    #[arg(long, value_name = "PATH")]
    pub(super) open: Vec<PathBuf>,
    /// The picture to write
    #[arg(value_name = "OUT.png")]
    pub(super) out: PathBuf,
}

/// Colours of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("expected a whole number from 1 to 1024".into()),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn pixel(text: &str) -> Result<Pixel, String> {
    let numbers: Result<Vec<i64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers {
        Ok(numbers) if (1..=7).contains(&numbers.len()) => Ok(Pixel(numbers)),
        _ => Err("expected whole numbers such as 10,20 or 10,20,3".into()),
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((w @ 16..=8192, h @ 16..=8192)) => Ok((w, h)),
        _ => Err("expected WIDTHxHEIGHT, each from 16 to 8192, such as 1366x768".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn values_are_read_or_refused_in_words() {
        assert_eq!(size("800x600"), Ok((800, 600)));
        assert!(size("800").is_err() && size("8x600").is_err() && size("800x99999").is_err());
        assert_eq!(pixel("1, 2,3"), Ok(Pixel(vec![1, 2, 3])));
        assert!(pixel("1,x").is_err() && pixel("").is_err());
        assert_eq!(assignment("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(assignment("=3").is_err() && assignment("a").is_err());
        assert!(threads("0").is_err() && threads("many").is_err());
    }

    #[test]
    fn a_run_needs_a_task_or_a_record() {
        let parse = |text: &str| Arguments::try_parse_from(text.split(' '));
        assert!(parse("sextans run --out x").is_err());
        assert!(parse("sextans run a.fit --repeat y --out x").is_err());
        assert!(parse("sextans run a.fit --verify --out x").is_err());
        assert!(parse("sextans run --repeat y --verify --out x --threads 2").is_ok());
        assert!(parse("sextans run --repeat y --set a=1 --out x").is_err());
        let files = parse("sextans a.fits b.fits").unwrap();
        assert!(files.command.is_none() && files.files.len() == 2);
    }
}
