//! `record.json`: the whole truth of a run.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::tasks::{Cancel, Metrics, TaskError};

/// Name of the record in a run folder.
pub const RECORD_NAME: &str = "record.json";
/// What stands under `program`: by this a folder is known as ours.
const PROGRAM: &str = "sextans";
/// Version of the record's keys; raised when one changes its meaning.
const FORMAT: u32 = 1;

/// Version of the program, with the commit in brackets if it is known.
pub fn version_line() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        commit().map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
    });
    &LINE
}

/// The commit that the program was built from, if it was built in a repository.
pub fn commit() -> Option<&'static str> {
    option_env!("SEXTANS_COMMIT")
}

/// A file that went into a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Field of the request that names it.
    pub role: String,
    /// Absolute path, with the extension in brackets (`file.fits[SCI]`) if one was asked for.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}

/// Network weights that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightFile {
    /// Absolute path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}

/// What a run was, on what machine, and what came out. Keys are stable; unknown ones are ignored when reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Always `sextans`.
    pub program: String,
    /// Version of these keys.
    pub format: u32,
    /// Program version.
    pub version: String,
    /// Commit the program was built from, if known.
    pub commit: Option<String>,
    /// Task, e.g. `lens_reconstruction.fit`.
    pub task: String,
    /// Every parameter; paths are absolute.
    pub request: Value,
    /// Seed of the random streams (it stands in the request too, under the name that the task gave it).
    pub seed: u64,
    /// Files that went in.
    pub inputs: Vec<InputFile>,
    /// Network weights that were used.
    pub weights: Vec<WeightFile>,
    /// Instruction sets in use, e.g. `x86-64-v3`; results are bit-equal only on the same level.
    pub cpu_level: String,
    /// Threads of the parallel loops.
    pub threads: usize,
    /// When it began, UTC, e.g. `2026-11-20T05:50:16Z`.
    pub started: String,
    /// Seconds by the clock, saving not included.
    pub wall_seconds: f64,
    /// Processor seconds of the whole program meanwhile; null where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Numbers of the run by name; `seconds` is the wall time. A value that is not finite is null.
    #[serde(with = "nullable_numbers")]
    pub metrics: Metrics,
    /// Why the result may not be trusted, in words; empty when nothing speaks against it.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Files of the folder in order of importance, without the record.
    pub files: Vec<String>,
}

impl Record {
    /// A record of this program on this machine, with the run itself still to be filled in.
    pub(super) fn begin(task: &str, request: Value, seed: u64) -> Self {
        Self {
            program: PROGRAM.into(),
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: commit().map(str::to_owned),
            task: task.into(),
            request,
            seed,
            inputs: Vec::new(),
            weights: Vec::new(),
            cpu_level: crate::workers::machine::cpu_level(),
            threads: rayon::current_num_threads(),
            started: utc(SystemTime::now()),
            wall_seconds: 0.0,
            cpu_seconds: None,
            metrics: BTreeMap::new(),
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The record as the text of `record.json`.
    ///
    /// # Errors
    /// A request that is not JSON, which cannot happen for one that was read from JSON.
    pub fn to_json(&self) -> Result<String, TaskError> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|e| TaskError::Failed(format!("the record cannot be written as JSON: {e}")))
    }

    /// Reads the text of a record.
    ///
    /// # Errors
    /// One line: not JSON, not a record of ours, or of a newer program.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("is not JSON ({e})"))?;
        if value.get("program").and_then(Value::as_str) != Some(PROGRAM) {
            return Err("is not the record of a sextans run".into());
        }
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format <= u64::from(FORMAT) => {}
            Some(format) => return Err(format!("was written by a newer program (record format {format})")),
            None => return Err("has no format number".into()),
        }
        serde_json::from_value(value).map_err(|e| format!("is damaged ({e})"))
    }

    /// Reads the record of a run folder, or a record file given by name.
    ///
    /// # Errors
    /// [`TaskError::File`] that says what is wrong with it.
    pub fn read(folder_or_file: &Path) -> Result<Self, TaskError> {
        let file = record_file(folder_or_file);
        let text = std::fs::read_to_string(&file).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound if file != folder_or_file => {
                TaskError::file(folder_or_file, format!("has no {RECORD_NAME}, so it is not a run folder"))
            }
            _ => TaskError::file(&file, format!("cannot be read ({e})")),
        })?;
        Self::from_json(&text).map_err(|problem| TaskError::file(&file, problem))
    }
}

/// The record file of a run folder; a path to a file stays as it is.
pub(super) fn record_file(folder_or_file: &Path) -> PathBuf {
    if folder_or_file.is_dir() { folder_or_file.join(RECORD_NAME) } else { folder_or_file.to_owned() }
}

/// Size and SHA-256 (hexadecimal) of a file, read in pieces so that cancelling is quick.
///
/// # Errors
/// [`TaskError::File`] if it cannot be read, [`TaskError::Cancelled`].
pub fn fingerprint(file: &Path, cancel: &Cancel) -> Result<(u64, String), TaskError> {
    let unreadable = |e: std::io::Error| TaskError::file(file, format!("cannot be read ({e})"));
    let mut open = std::fs::File::open(file).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 4 << 20];
    let mut bytes = 0_u64;
    loop {
        cancel.check()?;
        let read = open.read(&mut piece).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        bytes += read as u64;
    }
    Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// A time as `2026-11-20T05:50:16Z`.
pub fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = civil_from_days(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day comes last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// JSON knows no NaN and no infinity: they are written as null, and null is read as NaN.
mod nullable_numbers {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::tasks::Metrics;

    pub(super) fn serialize<S: Serializer>(metrics: &Metrics, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(metrics.iter().map(|(k, v)| (k, v.is_finite().then_some(*v))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
        let read = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(k, v)| (k, v.unwrap_or(f64::NAN))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_survives_writing_and_reading_even_with_nan() {
        let mut record = Record::begin("test.count", json!({"b": 1, "a": {"path": "/x"}}), u64::MAX);
        record.metrics = Metrics::from([("chi2".into(), 1.25), ("lost".into(), f64::NAN)]);
        record.files = vec!["a.fits".into()];
        let text = record.to_json().unwrap();
        let back = Record::from_json(&text).unwrap();
        assert!(back.metrics["lost"].is_nan());
        assert_eq!(back.metrics["chi2"], 1.25);
        assert_eq!(back.to_json().unwrap(), text);
        assert_eq!(back.seed, u64::MAX);
    }

    #[test]
    fn what_is_not_ours_is_refused_in_words() {
        assert!(Record::from_json("{").unwrap_err().starts_with("is not JSON"));
        assert_eq!(Record::from_json("{}").unwrap_err(), "is not the record of a sextans run");
        let newer = r#"{"program": "sextans", "format": 99}"#;
        assert_eq!(Record::from_json(newer).unwrap_err(), "was written by a newer program (record format 99)");
        assert!(Record::from_json(r#"{"program": "sextans", "format": 1}"#).unwrap_err().starts_with("is damaged"));
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        // From `date -u -d @N`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_fingerprint_is_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint(&file, &Cancel::new()).unwrap(), (3, expected.to_owned()));
        let stopped = Cancel::new();
        stopped.cancel();
        assert!(matches!(fingerprint(&file, &stopped), Err(TaskError::Cancelled)));
    }
}
