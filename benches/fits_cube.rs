//! Claims about cubes larger than what we hold: a float cube of 1024 x 1024 x 512 pixels (2.1 GB), made in the temporary
//! folder (`TMPDIR`) when one of these benches runs and removed after.
//!
//! The state of the page cache is set and named: `warm` after everything was read once, `cold` after the system was
//! told to drop the file's pages (fadvise DONTNEED, Linux only). Beside astropy: `benches/peers/fits_cube.py`.
//!
//! ```text
//! cargo bench --bench main -- fits_cube
//! ```

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use sextans::data::{FitsFile, Store, statistics::Statistics};

const SIDE: usize = 1024;
const PLANES: usize = 512;
const PIXELS: u64 = (SIDE * SIDE * PLANES) as u64;

/// The cube on disk; removed when dropped.
struct Cube {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Cube {
    fn make() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("cube.fits");
        let mut file = File::create(&path)?;
        let cards = [
            "SIMPLE  =                    T".to_owned(),
            "BITPIX  =                  -32".to_owned(),
            "NAXIS   =                    3".to_owned(),
            format!("NAXIS1  = {SIDE:>20}"),
            format!("NAXIS2  = {SIDE:>20}"),
            format!("NAXIS3  = {PLANES:>20}"),
            "END".to_owned(),
        ];
        let header: String = cards.iter().map(|card| format!("{card:<80}")).collect();
        file.write_all(format!("{header:<2880}").as_bytes())?;
        // Values without a pattern that compresses or repeats from plane to plane; all finite.
        let mut state = 20_261_120u32;
        let mut plane = Vec::with_capacity(4 * SIDE * SIDE);
        for _ in 0..PLANES {
            plane.clear();
            for _ in 0..SIDE * SIDE {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                plane.extend_from_slice(&((state >> 8) as f32 * 1e-3 - 4000.0).to_be_bytes());
            }
            file.write_all(&plane)?;
        }
        let padding = (4 * PIXELS).next_multiple_of(2880) - 4 * PIXELS;
        file.write_all(&vec![0; padding as usize])?;
        // Only pages that are on disk can be dropped.
        file.sync_all()?;
        Ok(Self { _folder: folder, path })
    }
}

/// Drops the file's pages from the cache; false where the system cannot be asked.
fn drop_pages(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        let Ok(file) = File::open(path) else { return false };
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unused = path;
        false
    }
}

/// Seconds that this process's threads have computed, the system's work for them included; 0 where it is not told.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(nanoseconds).sum::<u64>() as f64 * 1e-9
}

/// A size of /proc/self/status in MB.
fn memory_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

fn reset_peak() {
    let _not_linux = std::fs::write("/proc/self/clear_refs", "5");
}

/// A line for people and for the peer script: `fits_cube NAME VALUE UNIT`.
fn say(name: &str, value: f64, unit: &str) {
    println!("fits_cube {name} {value:.4} {unit}");
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn timed<R>(work: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// Positions that are not neighbours, so that none is in the cache through another.
fn position(i: usize) -> (usize, usize) {
    ((i * 389 + 17) % SIDE, (i * 631 + 101) % SIDE)
}

/// All of the claims, once each in criterion's sense: the whole is one function, because cold reads and the cube itself
/// are too dear to repeat by the hundred.
pub fn fits_cube(c: &mut Criterion) {
    let mut group = c.benchmark_group("fits_cube");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    let mut cube = None;
    // Nothing is made unless the filter asks for this group.
    group.bench_function("warm plane", |b| {
        let cube = cube.get_or_insert_with(|| {
            let cube = Cube::make().expect("the temporary folder takes 2.2 GB; set TMPDIR to one that does");
            claims(&cube.path);
            cube
        });
        let file = FitsFile::open(&cube.path).expect("the cube opens");
        b.iter(|| file.read_plane::<f32>(0, black_box(PLANES / 2)).expect("a plane"));
    });
    group.finish();
}

fn claims(path: &Path) {
    println!("fits_cube: 1024 x 1024 x 512 float32, 2.1 GB, in {}", path.display());
    reset_peak();
    let start = memory_mb("VmRSS");
    let open = || FitsFile::open(path).expect("the cube opens");
    if drop_pages(path) {
        say("open_cold", timed(open).as_secs_f64() * 1e3, "ms");
    }
    say("open_warm", median((0..9).map(|_| timed(open)).collect()), "ms");
    let file = open();
    if drop_pages(path) {
        cold(path, &file);
    }
    whole("statistics_cold", &file, drop_pages(path));
    for _ in 0..3 {
        whole("statistics_warm", &file, true);
    }
    let planes = (0..25).map(|i| timed(|| file.read_plane::<f32>(0, i * 20).expect("a plane")));
    say("plane_warm", median(planes.collect()), "ms");
    let spectrum = |i| {
        let (y, x) = position(i);
        timed(|| file.read_spectrum::<f32>(0, y, x).expect("a spectrum"))
    };
    say("spectrum_warm", median((0..101).map(spectrum).collect()), "ms");
    let apertures = (0..11).map(|i| aperture(&file, i));
    say("aperture_9x9_warm", median(apertures.collect()), "ms");
    let store = Arc::new(Store::new(64 << 20));
    let id = store.open(path).expect("the cube opens");
    let first = store.plane(id, 0, 5).expect("a plane");
    let again = (0..101).map(|_| timed(|| store.plane(id, 0, 5).expect("a plane")));
    say("plane_from_the_store", median(again.collect()), "ms");
    for i in 0..40 {
        black_box(store.plane(id, 0, i).expect("a plane"));
    }
    drop(first);
    say("store_of_67_MB_holds", store.cached_bytes() as f64 / 1e6, "MB");
    say("memory_anonymous_now", memory_mb("RssAnon"), "MB");
    say("memory_peak_above_start", memory_mb("VmHWM") - start, "MB");
}

fn aperture(file: &FitsFile, i: usize) -> Duration {
    let (y, x) = position(i);
    let (y, x) = (y.min(SIDE - 9), x.min(SIDE - 9));
    timed(|| file.read_box::<f32>(0, &[0..PLANES, y..y + 9, x..x + 9]).expect("a box"))
}

fn cold(path: &Path, file: &FitsFile) {
    let cold = |work: &dyn Fn() -> Duration| {
        drop_pages(path);
        work()
    };
    let planes = (0..9).map(|i| cold(&|| timed(|| file.read_plane::<f32>(0, 3 + i * 50).expect("a plane"))));
    say("plane_cold", median(planes.collect()), "ms");
    let spectrum = |i| {
        let (y, x) = position(i);
        cold(&|| timed(|| file.read_spectrum::<f32>(0, y, x).expect("a spectrum")))
    };
    say("spectrum_cold", median((0..9).map(spectrum).collect()), "ms");
    say("aperture_9x9_cold", median((0..5).map(|i| cold(&|| aperture(file, i))).collect()), "ms");
}

fn whole(name: &str, file: &FitsFile, known: bool) {
    if !known {
        return;
    }
    let before = cpu_seconds();
    let mut found = None;
    let wall = timed(|| found = Statistics::of_hdu(file, 0).ok()).as_secs_f64();
    let cpu = cpu_seconds() - before;
    assert_eq!(found.map(|found| found.finite), Some(PIXELS));
    say(name, wall, "s_wall");
    say(&format!("{name}_cpu"), PIXELS as f64 / cpu / 1e9, "Gpixel/s_of_CPU");
}
