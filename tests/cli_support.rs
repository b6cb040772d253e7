//! What the command-line tests share: a small study of two tasks, and the program run with it in a process of its own.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fitsio::FitsFile;
use fitsio::images::{ImageDescription, ImageType};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sextans::cli::{self, CliError, Faces, Info};
use sextans::runs::{Hooks, Plane};
use sextans::tasks::{Cost, Lane, Metrics, Outcome, Progress, Provenance, Task, TaskEntry, TaskError};

/// The registry of the tests.
pub(crate) static TASKS: [TaskEntry; 2] = [TaskEntry::of::<Simulate>(), TaskEntry::of::<Fit>()];

/// A square image of noise.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Simulate {
    /// Seed of the noise.
    pub(crate) seed: u64,
    /// Pixels along a side.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "pix"))]
    pub(crate) side: u64,
    /// Standard deviation of the noise.
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "adu"))]
    pub(crate) noise_adu: f64,
    /// Constants that are added to every pixel.
    #[schemars(extend("x-unit" = "adu"))]
    pub(crate) levels_adu: Vec<f64>,
    /// Steps of 10 ms each, for tests that stop it on the way.
    pub(crate) steps: u32,
    /// What goes wrong.
    pub(crate) fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It panics.
    Panic,
    /// It says that it failed.
    Error,
    /// Adds a number that the seed does not determine.
    Irreproducible,
    /// Fails when half of the products are written.
    Disk,
}

impl Default for Simulate {
    fn default() -> Self {
        Self { seed: 1, side: 8, noise_adu: 2.0, levels_adu: Vec::new(), steps: 0, fault: Fault::None }
    }
}

/// An image with a fault on the way to the disk, perhaps.
pub(crate) struct Image {
    side: usize,
    values: Vec<f32>,
    fault: Fault,
}

fn write_image(file: &Path, side: usize, values: &[f32]) -> Result<(), TaskError> {
    let description = ImageDescription { data_type: ImageType::Float, dimensions: &[side, side] };
    let write = || -> Result<(), fitsio::errors::Error> {
        let mut fits = FitsFile::create(file).with_custom_primary(&description).open()?;
        let hdu = fits.primary_hdu()?;
        hdu.write_image(&mut fits, values)
    };
    write().map_err(|e| TaskError::Failed(format!("{}: {e}", file.display())))
}

fn read_image(file: &Path) -> Result<Vec<f32>, String> {
    let read = || -> Result<Vec<f32>, fitsio::errors::Error> {
        let mut fits = FitsFile::open(file)?;
        fits.primary_hdu()?.read_image(&mut fits)
    };
    read().map_err(|e| format!("cannot be read as FITS ({e})"))
}

impl Outcome for Image {
    fn metrics(&self) -> Metrics {
        let sum: f64 = self.values.iter().map(|v| f64::from(*v)).sum();
        Metrics::from([("sum".into(), sum), ("undefined".into(), f64::NAN)])
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        assert!(std::fs::read_dir(folder).unwrap().next().is_none(), "the folder is promised to be empty");
        write_image(&folder.join("image.fits"), self.side, &self.values)?;
        if self.fault == Fault::Disk {
            return Err(TaskError::Failed("no space left on device".into()));
        }
        let mut table = format!("# %ECSV 1.0\n# task: {}\npixel value\n", provenance.task);
        for (i, value) in self.values.iter().take(4).enumerate() {
            table += &format!("{i} {value}\n");
        }
        std::fs::write(folder.join("curve.ecsv"), table).unwrap();
        Ok(vec!["image.fits".into(), "curve.ecsv".into()])
    }

    fn load(folder: &Path, _: &serde_json::Value, _: &Metrics) -> Result<Self, TaskError> {
        let values = read_image(&folder.join("image.fits")).map_err(TaskError::Failed)?;
        Ok(Self { side: values.len().isqrt(), values, fault: Fault::None })
    }
}

impl Task for Simulate {
    const NAME: &'static str = "counting.simulate";
    const SUMMARY: &'static str = "A square image of noise.";
    const OUTPUTS: &'static [(&'static str, &'static str)] =
        &[("image.fits", "The image."), ("curve.ecsv", "Its first pixels.")];
    const LANE: Lane = Lane::Short;
    type Update = f64;
    type Outcome = Image;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        Ok(Cost { bytes: self.side.saturating_mul(self.side).saturating_mul(4), seconds: f64::from(self.steps) * 0.01 })
    }

    fn run(&self, progress: &Progress<f64>) -> Result<Image, TaskError> {
        progress.phase("counting");
        for step in 0..self.steps {
            progress.check()?;
            progress.fraction(f64::from(step) / f64::from(self.steps));
            progress.log("step", f64::from(step), 1.0);
            std::thread::sleep(Duration::from_millis(10));
        }
        match self.fault {
            Fault::Panic => panic!("the counting frame broke"),
            Fault::Error => return Err(TaskError::Failed("the count does not converge".into())),
            Fault::None | Fault::Irreproducible | Fault::Disk => {}
        }
        let side = usize::try_from(self.side).unwrap();
        // A stream of random numbers for each row, so that the threads do not matter.
        let row = |y: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            random.set_stream(y as u64);
            (0..side).map(|_| (random.random_range(-1.0..1.0) * self.noise_adu) as f32).collect::<Vec<f32>>()
        };
        let mut values: Vec<f32> = (0..side).into_par_iter().flat_map_iter(row).collect();
        let level = self.levels_adu.iter().sum::<f64>() as f32;
        values.iter_mut().for_each(|v| *v += level);
        if self.fault == Fault::Irreproducible {
            values[0] += std::process::id() as f32;
        }
        Ok(Image { side, values, fault: self.fault })
    }
}

/// Multiplies an image.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Fit {
    /// The image to multiply.
    #[schemars(extend("x-input" = true))]
    pub(crate) image: String,
    /// How much.
    pub(crate) model: Model,
    /// Seed; nothing here is random.
    pub(crate) seed: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Model {
    /// Factor.
    #[schemars(range(min = 0.5, max = 4.0))]
    pub(crate) factor: f64,
    /// An image to add, if any.
    #[schemars(extend("x-input" = true))]
    pub(crate) background: Option<String>,
}

impl Default for Model {
    fn default() -> Self {
        Self { factor: 2.0, background: None }
    }
}

impl Task for Fit {
    const NAME: &'static str = "counting.fit";
    const SUMMARY: &'static str = "Multiplies an image.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = &[("image.fits", "The product.")];
    const LANE: Lane = Lane::Short;
    type Update = f64;
    type Outcome = Image;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if self.image.is_empty() {
            return Err(TaskError::field("image", "", "an image is needed", "give --input image=FILE"));
        }
        // What a task that reads headers would do: a run folder would be no file.
        let file = sextans::data::Location::parse(&self.image).path;
        let bytes = std::fs::metadata(&file).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        let bytes = bytes.ok_or_else(|| TaskError::file(&file, "is not a file whose header could be read"))?;
        Ok(Cost { bytes, seconds: 0.1 })
    }

    fn run(&self, _: &Progress<f64>) -> Result<Image, TaskError> {
        let file = Path::new(&self.image);
        let values = read_image(file).map_err(|problem| TaskError::file(file, problem))?;
        let values: Vec<f32> = values.iter().map(|v| v * self.model.factor as f32).collect();
        Ok(Image { side: values.len().isqrt(), values, fault: Fault::None })
    }
}

fn read_planes(file: &Path) -> Result<Vec<Plane>, String> {
    let values: Vec<f64> = read_image(file)?.into_iter().map(f64::from).collect();
    let side = values.len().isqrt();
    Ok(vec![Plane { name: String::new(), shape: vec![side, side], values }])
}

/// The faces of the tests: the small study, no window.
pub(crate) fn faces() -> Faces {
    Faces {
        tasks: || &TASKS,
        open_window: |options| Err(format!("would open {options:?}")),
        render: |options| {
            if options.panel.as_deref() == Some("absent") {
                return Err(CliError::Usage("--panel absent: no such panel".into()));
            }
            std::fs::write(&options.out, format!("{options:?}")).map_err(|e| CliError::Failed(e.to_string()))
        },
        info: |file, _| {
            let length = std::fs::metadata(file).map_err(|e| e.to_string())?.len();
            Ok(Info { text: format!("{length} bytes"), json: serde_json::json!({"bytes": length}) })
        },
        read_planes,
        hooks: Hooks { picture: |_, _, _, record| Some(format!("picture of {record}").into_bytes()), ..Hooks::NONE },
    }
}

/// Says where the program's own standard output begins, after what the test runner prints.
const BEGIN: &str = "\u{2}begin\n";
const ARGUMENTS: &str = "SEXTANS_TEST_ARGUMENTS";

/// Not a test by itself: in a process started by [`command`] it is the program, with the tests' registry.
#[test]
fn helper_process() {
    let Some(text) = std::env::var_os(ARGUMENTS) else { return };
    let arguments: Vec<String> = serde_json::from_str(text.to_str().unwrap()).unwrap();
    {
        use std::io::Write;
        std::io::stdout().write_all(BEGIN.as_bytes()).unwrap();
    }
    let arguments = std::iter::once("sextans".to_owned()).chain(arguments).map(Into::into);
    let status = cli::status(arguments, &faces());
    #[allow(clippy::exit)] // the test runner must not add its own words
    std::process::exit(status.into());
}

/// The program with the tests' registry and no display, in a folder.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["cli_support::helper_process", "--exact", "--nocapture", "--test-threads=1"])
        .env(ARGUMENTS, serde_json::to_string(arguments).unwrap())
        .current_dir(folder)
        .stdin(Stdio::null());
    without_display(&mut command);
    command
}

/// Takes away what names a display.
pub(crate) fn without_display(command: &mut Command) {
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let out = String::from_utf8(output.stdout).unwrap();
        let out = out.split_once(BEGIN).map_or(out.clone(), |(_, own)| own.to_owned());
        Self { status: output.status.code(), out, err: String::from_utf8(output.stderr).unwrap() }
    }
}

/// Runs the program with the tests' registry to its end.
pub(crate) fn sextans(folder: &Path, arguments: &[&str]) -> Ended {
    command(folder, arguments).output().unwrap().into()
}

impl Ended {
    /// Asserts success.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Asserts a status and gives the one line on stderr, without the program's name.
    pub(crate) fn fails(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:?}");
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("sextans: ")).collect();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines[0].trim_start_matches("sextans: ").to_owned()
    }

    /// Asserts wrong usage: status 2 and nothing on stderr but one line, which is given.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        self.fails(2)
    }
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
