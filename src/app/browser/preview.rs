//! What the marked file holds, shown before it is opened: HDUs with their shapes, the cards of one header; records and sessions in a few lines.

use std::path::Path;

use crate::app::Session;
use crate::data::{FitsFile, Hdu};
use crate::plots::picture::read_record;
use crate::runs::Record;
use crate::tasks::TaskError;
use crate::workers::Weigh;

/// A compressed file is unpacked as a whole to be looked at, so a large one is only named.
const UNPACK_LIMIT: u64 = 64 << 20;
/// Cards of one header that are shown.
const CARD_LIMIT: usize = 2000;
/// Bytes of a text file that are shown.
const TEXT_LIMIT: usize = 4096;

/// One HDU.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HduLine {
    pub(super) index: usize,
    /// `1 SCI  image 2048 × 2048, Jy`.
    pub(super) text: String,
}

/// What there is to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Preview {
    pub(super) hdus: Vec<HduLine>,
    /// Keyword, value, comment.
    pub(super) cards: Vec<[String; 3]>,
    /// Lines about anything that is not FITS.
    pub(super) lines: Vec<String>,
}

impl Weigh for Preview {
    fn bytes(&self) -> usize {
        let cards = self.cards.iter().flatten().map(String::len).sum::<usize>() + self.cards.len() * 72;
        size_of::<Self>() + cards + self.hdus.len() * 96 + self.lines.iter().map(String::len).sum::<usize>()
    }
}

/// Looks into a file; `hdu` is the one whose cards are wanted.
pub(super) fn read(path: &Path, hdu: usize) -> Result<Preview, TaskError> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if path.is_dir() {
        return Ok(lines(record_lines(&Record::read(path)?)));
    }
    match extension.as_str() {
        "json" => json(path),
        "png" => picture(path),
        "ecsv" | "txt" | "csv" | "md" | "toml" | "yaml" => text(path),
        _ => fits(path, hdu),
    }
}

fn lines(lines: Vec<String>) -> Preview {
    Preview { lines, ..Preview::default() }
}

fn fits(path: &Path, hdu: usize) -> Result<Preview, TaskError> {
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    if path.extension().is_some_and(|e| e == "gz") && bytes > UNPACK_LIMIT {
        return Ok(lines(vec!["Compressed by gzip and large: open it to see what is inside".into()]));
    }
    let file = FitsFile::open(path)?;
    let hdus = file.hdus().iter().map(|h| HduLine { index: h.index, text: describe(h) }).collect();
    let cards = file.hdus().get(hdu).map_or_else(Vec::new, |h| {
        let cards = h.header.cards().iter().take(CARD_LIMIT);
        cards
            .map(|card| {
                let value = card.value.as_ref().map_or_else(String::new, ToString::to_string);
                [card.keyword.clone(), value, card.comment.clone()]
            })
            .collect()
    });
    Ok(Preview { hdus, cards, lines: file.warnings().iter().map(|w| format!("Warning: {w}")).collect() })
}

/// `1 SCI  image 2048 × 2048, Jy`; sizes as users count them, the fastest axis first.
pub(super) fn describe(hdu: &Hdu) -> String {
    let name = if hdu.name.is_empty() { String::new() } else { format!(" {}", hdu.name) };
    let shape = hdu.shape();
    let size = if hdu.image().is_some() {
        let sides: Vec<String> = shape.iter().rev().map(ToString::to_string).collect();
        format!(" {}", sides.join(" × "))
    } else if let [rows, columns] = shape.as_slice() {
        format!(", {rows} rows, {columns} columns")
    } else {
        String::new()
    };
    let unit = hdu.unit().map_or_else(String::new, |u| format!(", {u}"));
    format!("{}{name}  {}{size}{unit}", hdu.index, hdu.describe())
}

fn record_lines(record: &Record) -> Vec<String> {
    let mut lines = vec![
        format!("Run of {}", record.task),
        format!("Started {}", record.started.replace('T', " ").trim_end_matches('Z')),
        format!("{:.1} s on {} threads, version {}", record.wall_seconds, record.threads, record.version),
    ];
    lines.extend(record.metrics.iter().take(20).map(|(name, value)| format!("{name} = {value:.6}")));
    lines.push(format!("Files: {}", record.files.join(", ")));
    lines
}

fn json(path: &Path) -> Result<Preview, TaskError> {
    if path.file_name().is_some_and(|n| n == crate::runs::RECORD_NAME) {
        return Ok(lines(record_lines(&Record::read(path)?)));
    }
    match Session::load(path) {
        Ok(session) => {
            let mut out = vec![format!("Session with {} views and {} files", session.views.len(), session.paths.len())];
            out.extend(session.paths.iter().map(|p| p.display().to_string()));
            Ok(lines(out))
        }
        Err(_) => text(path),
    }
}

fn picture(path: &Path) -> Result<Preview, TaskError> {
    let file = std::fs::File::open(path).map_err(|e| TaskError::file(path, e.to_string()))?;
    let record = read_record(std::io::BufReader::new(file)).map_err(|e| TaskError::file(path, e.to_string()))?;
    let Some(record) = record else { return Ok(lines(vec!["A picture without a record: nothing to reopen".into()])) };
    let record = Record::from_json(&record).map_err(|problem| TaskError::file(path, problem))?;
    let mut out = vec!["A picture that carries the record of its run".to_owned()];
    out.extend(record_lines(&record));
    Ok(lines(out))
}

/// The beginning of a text file.
fn text(path: &Path) -> Result<Preview, TaskError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| TaskError::file(path, e.to_string()))?;
    file.take(TEXT_LIMIT as u64).read_to_end(&mut bytes).map_err(|e| TaskError::file(path, e.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let shown = |line: &str| line.chars().filter(|c| !c.is_control()).take(160).collect::<String>();
    Ok(lines(text.lines().take(60).map(shown).collect()))
}
