//! Threads: jobs in two lanes, queries, cancelling, and the containment of panics.
//!
//! [`Jobs`] runs what a user starts (fits, training): each job on its own named thread.
//! [`Queries`] computes what a picture needs (histograms, spectra, tiles): memoised, in the order asked, the newest request of a slot in place of its older one, never behind a job.
//! Parallel loops inside either use rayon; [`init_threads`] sizes the pool once.

mod handle;
pub mod jobs;
pub mod machine;
mod panics;
pub mod queries;

pub use handle::Job;
pub use jobs::{JobId, JobRow, JobState, Jobs};
pub use panics::{contain, quiet_panics};
pub use queries::{Answer, Counts, Key, Queries, Slot, Weigh};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Called after a visible change, from any thread; the window asks for a repaint there. Must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Wakes nobody: for the command line and for tests.
pub fn no_wake() -> Wake {
    Arc::new(|| ())
}

/// Stack of every thread that runs physics: as large as the main thread's.
const STACK_BYTES: usize = 8 << 20;

/// Sizes rayon's global pool to `threads` named threads (0: one a core) and returns the number in force.
/// Only the first call in a process has an effect; the pool lives as long as the process.
pub fn init_threads(threads: usize) -> usize {
    let wanted = if threads == 0 { machine::cores() } else { threads };
    // An error here means that the pool stands already: the number in force is returned below.
    rayon::ThreadPoolBuilder::new()
        .num_threads(wanted)
        .stack_size(STACK_BYTES)
        .thread_name(|i| format!("worker-{i}"))
        .build_global()
        .map_or_else(|_| rayon::current_num_threads(), |()| wanted)
}

/// Locks even when another holder panicked: the data under these locks are valid after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
