//! Damaged files, made from a seed, opened and read whole in child processes under an address space of 4 GB: none makes
//! the reader panic, die, hang, read more than there is, or hold more memory than the file's bytes can stand for.
//!
//! 1,000 mutants run with the other tests. Many more, with the table of what became of them:
//!
//! ```text
//! SEXTANS_MUTANTS=20000 cargo test --release --test main fits_mutants_in_children -- --nocapture
//! ```

use std::any::Any;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use sextans::data::healpix::HealpixMap;
use sextans::data::ogip::{Arf, Pha, Rmf};
use sextans::data::ramp::read_ramp;
use sextans::data::spectra::{find_spectra, read_spectrum};
use sextans::data::{FitsFile, HduKind, ImageTile, Source, info, pixel_scale_arcsec, statistics::Statistics};

use super::fits_mutation::{Damage, mutant};
use super::fits_support::{cube, data_folder, extension, mixed, primary, random_groups, shorts};

/// How many mutants; without it 1,000.
const COUNT: &str = "SEXTANS_MUTANTS";
/// Set for a child: the numbers "from..to" that it is to do.
const BATCH: &str = "SEXTANS_MUTANTS_BATCH";
/// Set for a child: a fault to commit at mutant 2, so that the harness can be tested.
const FAULT: &str = "SEXTANS_MUTANTS_FAULT";
/// Mutants of one child.
const BATCH_SIZE: u64 = 250;
/// Longest time for one mutant.
const LONGEST: Duration = Duration::from_secs(10);
/// Address space of a child in KiB: 4 GB.
const ADDRESS_SPACE_KIB: u64 = 4 << 20;
/// Memory that a mutant may take: a share for each byte of the file (a byte per pixel read as f64, a file that holds
/// half of its pixels: 16, twice over for the copy in flight), and what buffers and threads take anyway. It is the
/// peak of resident memory, counted from where the child began.
const MEMORY_PER_BYTE: u64 = 64;
const MEMORY_ANYWAY: u64 = 32 << 20;

/// Counts what is read from memory.
struct Counted {
    bytes: Vec<u8>,
    read: Arc<AtomicU64>,
}

impl Source for Counted {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_at(offset, buffer)
    }
}

/// The files that mutants are made from: generated ones, and the real ones where they are.
fn seeds() -> Vec<Vec<u8>> {
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(&mixed()).expect("memory takes bytes");
    let cards = ["HIERARCH ESO A = 'x'", "LONG    = 'a&'", "CONTINUE  'b'"];
    let long = [primary(8, &[], &cards, &[]), extension("SCI", 16, &[40, 3], &[], &shorts(0..120))].concat();
    let mut seeds = vec![cube(), mixed(), random_groups(), long, zipped.finish().expect("memory takes bytes")];
    if let Some(data) = data_folder("fits_mutants_in_children") {
        let mut paths = Vec::new();
        for folder in ["fits-corpus", "fits-corpus/invalid", "plasma", "lines", "structures"] {
            let entries = std::fs::read_dir(data.join(folder)).expect("the folder can be listed");
            paths.extend(entries.map(|entry| entry.expect("the entry can be read").path()));
        }
        // Large files only take longer; what they hold is in small ones too.
        let small = |path: &PathBuf| path.metadata().is_ok_and(|m| m.is_file() && m.len() <= 400_000);
        paths.retain(small);
        paths.sort();
        seeds.extend(paths.iter().map(|path| std::fs::read(path).expect("the file can be read")));
    }
    seeds
}

/// Reads everything that a file offers. Gives the number of arrays and tables that came out.
fn read_everything(file: &FitsFile, read: &AtomicU64) -> usize {
    let length = file.length();
    let mut found = 0;
    for hdu in file.hdus() {
        let plain = matches!(hdu.kind, HduKind::Image(_));
        assert!(hdu.data_present <= length);
        if hdu.is_compressed() {
            // Few bytes stand for many pixels; HCOMPRESS for the most.
            let most = (1 << 20) + length * 16_384;
            if let Ok(array) = file.read_array::<f32>(hdu.index) {
                found += 1;
                assert!(array.len() as u64 <= most, "{} pixels from {length} bytes", array.len());
            }
            continue;
        }
        if let Ok(table) = file.read_table(hdu.index) {
            let values: usize = table.columns.iter().map(|column| column.values.len()).sum();
            assert!(values as u64 <= 32 * length, "{values} values from {length} bytes");
        }
        read.store(0, Ordering::Relaxed);
        if let Ok(array) = file.read_array::<f64>(hdu.index) {
            found += 1;
            assert!(!plain || array.len() as u64 <= 2 * length, "{} pixels from {length} bytes", array.len());
            assert!(!plain || read.load(Ordering::Relaxed) <= length, "{read:?} bytes read of {length}");
        }
        for index in [0, 1, 1 << 40] {
            let planes = file.read_plane::<f32>(hdu.index, index).map(|plane| plane.len());
            let spectra = file.read_spectrum::<f32>(hdu.index, index, index / 2).map(|spectrum| spectrum.len());
            for pixels in [planes, spectra].into_iter().flatten() {
                assert!(!plain || pixels as u64 <= 2 * length, "{pixels} pixels from {length} bytes");
            }
        }
        if let Ok(tile) = file.read_tile::<f32>(hdu.index, ImageTile { plane: 0, rows: [0, 1], columns: [0, 2] }) {
            assert_eq!(tile.dim(), (1, 2));
        }
        if let Ok(found) = Statistics::of_hdu(file, hdu.index) {
            assert!(!plain || found.finite + found.nan + found.infinite <= length);
        }
        assert!(pixel_scale_arcsec(&hdu.header).is_none_or(f64::is_finite));
    }
    for pixel in [None, Some(&[1][..]), Some(&[1, 1]), Some(&[1, 1, 1])] {
        if let Ok(described) = info::describe_file(file, None, pixel) {
            assert!(serde_json::to_string(&described).is_ok() && !described.to_text().is_empty());
        } else {
            assert!(pixel.is_some(), "what opens can be described");
        }
    }
    for place in find_spectra(file) {
        // Few; a damaged table may claim to hold many.
        for number in 0..place.count.min(3) {
            if let Ok(spectrum) = read_spectrum(file, &place, number) {
                assert_eq!(spectrum.flux.len(), spectrum.axis.values.len());
            }
        }
    }
    for hdu in file.hdus() {
        if let Ok(Some(map)) = HealpixMap::recognise(file, hdu.index) {
            let _either = map.columns.first().map(|&column| map.read(file, column));
        }
    }
    let _either = (Pha::read(file), Arf::read(file), Rmf::read(file), read_ramp(file));
    found
}

/// Opens and reads a mutant. Gives the number of arrays and tables in it, `None` when it is refused.
fn exercise(bytes: Vec<u8>) -> Option<usize> {
    let length = bytes.len() as u64;
    let read = Arc::new(AtomicU64::new(0));
    let file = FitsFile::from_source(Path::new("mutant.fits"), Box::new(Counted { bytes, read: read.clone() }));
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("mutant.fits: ") && !text.contains('\n'), "{text:?} is not a plain line");
            return None;
        }
    };
    if file.length() == length {
        // Headers once, and a look of three blocks behind each HDU.
        let most = length * 2 + 9 + file.hdus().len() as u64 * 4 * 2880;
        assert!(read.load(Ordering::Relaxed) <= most, "opening read {read:?} of {length} bytes");
        let cards: usize = file.hdus().iter().map(|hdu| hdu.header.cards().len()).sum();
        assert!(cards as u64 <= length / 2 + 1, "{cards} cards from {length} bytes");
    }
    Some(read_everything(&file, &read))
}

/// A line "NAME:  123 kB" of /proc/self/status in bytes; 0 where there is no such file.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok()).map_or(0, |kib: u64| kib * 1024)
}

/// Does on purpose what no mutant may do.
fn commit(fault: &str) {
    match fault {
        "panic" => panic!("on purpose"),
        "allocate" => drop(black_box(vec![0u8; black_box(5 << 30)])),
        "hang" => std::thread::sleep(6 * LONGEST),
        "hold" => drop(black_box(vec![1u8; 100 << 20])),
        _ => {}
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// The child: does nothing unless it was started for a batch.
#[test]
fn fits_mutants_child() {
    let Ok(batch) = std::env::var(BATCH) else { return };
    let (from, to) = batch.split_once("..").expect("a batch is from..to");
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let capped = format!("{}", ADDRESS_SPACE_KIB * 1024);
    assert!(limits.is_empty() || limits.lines().any(|l| l.contains("address space") && l.contains(&capped)));
    let (seeds, fault) = (seeds(), std::env::var(FAULT).unwrap_or_default());
    // The threads are started before memory is measured.
    assert!(exercise(cube()).is_some());
    let before = memory("VmRSS");
    for number in from.parse::<u64>().expect("a number")..to.parse::<u64>().expect("a number") {
        println!("mutant begin {number}");
        let (_, _, bytes) = mutant(number, &seeds);
        let length = bytes.len() as u64;
        // Sets the peak of resident memory back to what it is now (proc(5)); elsewhere than on Linux it is not measured.
        let _not_linux = std::fs::write("/proc/self/clear_refs", "5");
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if number == 2 {
                commit(&fault);
            }
            exercise(bytes)
        }));
        let (milliseconds, grown) = (start.elapsed().as_millis(), memory("VmHWM").saturating_sub(before));
        let outcome = match outcome {
            Ok(_) if grown > MEMORY_ANYWAY + MEMORY_PER_BYTE * length => format!("memory {grown} bytes for {length}"),
            Ok(Some(found)) => format!("opened {found}"),
            Ok(None) => "refused".to_owned(),
            Err(panic) => format!("panicked {}", text_of(panic.as_ref()).replace('\n', " ")),
        };
        println!("mutant end {milliseconds} {} {outcome}", grown >> 10);
    }
}

/// What became of the mutants of one kind.
#[derive(Default)]
struct Row {
    mutants: u64,
    opened: u64,
    /// Of these, with at least one array or table in them.
    read: u64,
    refused: u64,
    slowest_ms: u64,
    most_kib: u64,
}

#[derive(Default)]
struct Report {
    rows: [Row; Damage::ALL.len()],
    failures: Vec<String>,
}

impl Report {
    fn end(&mut self, number: u64, text: &str) {
        let row = &mut self.rows[(number % Damage::ALL.len() as u64) as usize];
        row.mutants += 1;
        let mut words = text.splitn(3, ' ');
        let mut count = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let (milliseconds, kib) = (count(), count());
        row.slowest_ms = row.slowest_ms.max(milliseconds);
        row.most_kib = row.most_kib.max(kib);
        match words.next().unwrap_or("") {
            "refused" => row.refused += 1,
            outcome if outcome.starts_with("opened ") => {
                row.opened += 1;
                row.read += u64::from(outcome != "opened 0");
            }
            outcome => self.failures.push(format!("mutant {number}: {outcome}")),
        }
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{:<16}{:>8}{:>8}{:>10}{:>9}{:>12}{:>10}\n",
            "damage", "mutants", "opened", "with data", "refused", "slowest ms", "most MB"
        );
        let mut all = Row::default();
        let mut line = |name: &str, row: &Row| {
            let megabytes = row.most_kib as f64 / 1024.0;
            let Row { mutants, opened, read, refused, slowest_ms, .. } = row;
            let _infallible = writeln!(
                text,
                "{name:<16}{mutants:>8}{opened:>8}{read:>10}{refused:>9}{slowest_ms:>12}{megabytes:>10.1}"
            );
        };
        for (damage, row) in Damage::ALL.iter().zip(&self.rows) {
            line(damage.name(), row);
            all.mutants += row.mutants;
            all.opened += row.opened;
            all.read += row.read;
            all.refused += row.refused;
            all.slowest_ms = all.slowest_ms.max(row.slowest_ms);
            all.most_kib = all.most_kib.max(row.most_kib);
        }
        line("all", &all);
        text
    }
}

/// How a batch is run.
struct Trial {
    /// Longest time for one mutant.
    longest: Duration,
    /// See [`commit`]; empty for none.
    fault: &'static str,
}

/// Starts this test binary again under the limit of address space, for the child test alone.
fn spawn(from: u64, to: u64, fault: &str) -> Child {
    let binary = std::env::current_exe().expect("this test has a binary");
    let script = format!("ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(binary)
        .args(["--exact", "fits_mutants::fits_mutants_child", "--nocapture", "--test-threads=1"])
        .env(BATCH, format!("{from}..{to}"))
        .env(FAULT, fault)
        // Reading debug information for the trace of a panic takes some 300 MB, which is not the file's doing.
        .env("RUST_BACKTRACE", "0")
        // Panics that are contained say so there; the outcome comes on the other stream.
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell can be started")
}

fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = sync_channel(64);
    let output = child.stdout.take().expect("it is piped");
    std::thread::Builder::new()
        .name("output of a child".into())
        .spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })
        .expect("a thread can be started");
    receiver
}

/// Runs mutants `from..to` in one child. Gives the number of the next one when the child did not get through.
fn run_batch(from: u64, to: u64, trial: &Trial, report: &mut Report) -> u64 {
    let longest = trial.longest;
    let mut child = spawn(from, to, trial.fault);
    let output = lines(&mut child);
    let (mut next, mut begun) = (from, false);
    loop {
        // Reading the seeds may take longer than a mutant may, and a loaded machine is not a hang.
        match output.recv_timeout(if begun { longest } else { 6 * LONGEST }) {
            Ok(line) => {
                // The test harness writes into our first line.
                if line.contains("mutant begin ") {
                    begun = true;
                } else if let Some((_, text)) = line.split_once("mutant end ") {
                    report.end(next, text);
                    next += 1;
                    begun = false;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                child.kill().expect("a child of ours can be ended");
                report.failures.push(format!("mutant {next}: hangs for more than {longest:?}"));
                child.wait().expect("it was ended");
                return next + 1;
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().expect("a child of ours has a status");
                if next == to && status.success() {
                    return to;
                }
                report.failures.push(format!("mutant {next}: the child ended with {status}"));
                return next + 1;
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn fits_mutants_in_children() {
    let count = std::env::var(COUNT).map_or(1000, |count| count.parse().expect("SEXTANS_MUTANTS is a number"));
    let files = seeds().len();
    let start = Instant::now();
    let mut report = Report::default();
    for from in (0..count).step_by(BATCH_SIZE as usize) {
        let to = (from + BATCH_SIZE).min(count);
        let mut next = from;
        while next < to && report.failures.len() < 100 {
            next = run_batch(next, to, &Trial { longest: LONGEST, fault: "" }, &mut report);
        }
    }
    println!("{count} mutants of {files} files in {:.0} s", start.elapsed().as_secs_f64());
    println!("{}", report.table());
    let repeat = format!("repeat one with {BATCH}=N..N+1 and the test fits_mutants_child");
    assert!(report.failures.is_empty(), "{}\n{repeat}", report.failures.join("\n"));
    let sum = |value: fn(&Row) -> u64| report.rows.iter().map(value).sum::<u64>();
    assert_eq!(sum(|row| row.mutants), count);
    // Most damage leaves something to read; if nothing were, the reader would refuse too much.
    assert!(sum(|row| row.read) > count / 6 && sum(|row| row.refused) > 0);
}

/// The harness itself: what it is there to find is found, at the mutant that did it, and the batch goes on behind it.
#[cfg(unix)]
#[test]
fn faults_in_children_are_found() {
    let memory = if cfg!(target_os = "linux") { "mutant 2: memory " } else { "" };
    let faults = [
        ("panic", "mutant 2: panicked on purpose"),
        ("allocate", "mutant 2: the child ended with signal: 6"),
        ("hang", "mutant 2: hangs"),
        ("hold", memory),
    ];
    for (fault, expected) in faults.into_iter().filter(|(_, expected)| !expected.is_empty()) {
        let mut report = Report::default();
        let mut next = 0;
        while next < 4 {
            next = run_batch(next, 4, &Trial { longest: Duration::from_secs(2), fault }, &mut report);
        }
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        assert!(report.failures[0].starts_with(expected), "{:?}", report.failures);
        let ended = if matches!(fault, "panic" | "hold") { 4 } else { 3 };
        assert_eq!(report.rows.iter().map(|row| row.mutants).sum::<u64>(), ended, "{fault}");
    }
}
