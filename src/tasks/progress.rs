//! How a running task reports, and how it is told to pause or stop.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::TaskError;

/// At most this often is a live snapshot taken (30 a second).
const UPDATE_INTERVAL: Duration = Duration::from_millis(33);
/// A series longer than this is thinned for the screen by dropping every second old point; the newest point always stays.
const SERIES_LIMIT: usize = 20_000;

/// Locks even when another holder panicked: the data are plain values, valid after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a job has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Go on.
    Running,
    /// Wait at the next check.
    Paused,
    /// Stop at the next check.
    Cancelled,
}

/// The switch by which a job is paused, resumed or cancelled. Clones share the switch.
#[derive(Clone, Debug)]
pub struct Cancel {
    inner: Arc<CancelInner>,
}

#[derive(Debug)]
struct CancelInner {
    /// Read on every check without a lock: true when anything but `Running` holds.
    attention: AtomicBool,
    state: Mutex<CancelState>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct CancelState {
    cancelled: bool,
    paused_by_user: bool,
    /// A long job stands aside while a short one runs.
    yielding: bool,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// A switch in the running position.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(CancelInner {
                attention: AtomicBool::new(false),
                state: Mutex::new(CancelState::default()),
                changed: Condvar::new(),
            }),
        }
    }

    fn change(&self, edit: impl FnOnce(&mut CancelState)) {
        let mut state = lock(&self.inner.state);
        edit(&mut state);
        self.inner.attention.store(state.cancelled || state.paused_by_user || state.yielding, Ordering::Release);
        self.inner.changed.notify_all();
    }

    /// Stops the job at its next check; final.
    pub fn cancel(&self) {
        self.change(|s| s.cancelled = true);
    }

    /// Pauses or resumes, as the user asked.
    pub fn set_paused(&self, paused: bool) {
        self.change(|s| s.paused_by_user = paused);
    }

    /// Makes a long job stand aside (or go on) while a short one runs.
    pub fn set_yielding(&self, yielding: bool) {
        self.change(|s| s.yielding = yielding);
    }

    /// What the job has been told.
    pub fn state(&self) -> RunState {
        let state = *lock(&self.inner.state);
        if state.cancelled {
            RunState::Cancelled
        } else if state.paused_by_user || state.yielding {
            RunState::Paused
        } else {
            RunState::Running
        }
    }

    /// True once cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.inner.attention.load(Ordering::Acquire) && lock(&self.inner.state).cancelled
    }

    /// Returns at once while running, waits while paused. For the job's own thread; see [`Progress::check`].
    ///
    /// # Errors
    /// [`TaskError::Cancelled`] once cancelled.
    pub fn check(&self) -> Result<(), TaskError> {
        if !self.inner.attention.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut state = lock(&self.inner.state);
        loop {
            if state.cancelled {
                return Err(TaskError::Cancelled);
            }
            if !state.paused_by_user && !state.yielding {
                return Ok(());
            }
            state = self.inner.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A named series that only grows, e.g. `chi2` against the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Name, unique within a job.
    pub name: String,
    /// (step, value) in the order logged.
    pub points: Vec<[f64; 2]>,
}

/// What the board shows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// 0 to 1.
    pub fraction: f64,
    /// What is being done, in a few words.
    pub phase: String,
    /// Number of log points so far; a plot redraws when it has grown.
    pub log_length: usize,
}

type Wake = Box<dyn Fn() + Send + Sync>;

/// The untyped side of [`Progress`]: what the jobs panel and the terminal read.
pub struct Board {
    cancel: Cancel,
    wake: Option<Wake>,
    state: Mutex<BoardState>,
}

#[derive(Default)]
struct BoardState {
    snapshot: Snapshot,
    series: Vec<Series>,
    latest: Option<Arc<dyn Any + Send + Sync>>,
    latest_at: Option<Instant>,
    product: Option<std::path::PathBuf>,
    checkpoint: Option<std::path::PathBuf>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

impl Board {
    /// A board with its own switch and nobody to wake.
    pub fn new() -> Arc<Self> {
        Self::with(Cancel::new(), None)
    }

    /// A board on a given switch; `wake` is called after each visible change (the window asks for a repaint there).
    pub fn with(cancel: Cancel, wake: Option<Wake>) -> Arc<Self> {
        Arc::new(Self { cancel, wake, state: Mutex::new(BoardState::default()) })
    }

    /// The switch.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Fraction and phase now.
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.state).snapshot.clone()
    }

    /// Copy of every series so far.
    pub fn series(&self) -> Vec<Series> {
        lock(&self.state).series.clone()
    }

    /// The newest live snapshot, if it is a `U`.
    pub fn latest<U: Send + Sync + 'static>(&self) -> Option<Arc<U>> {
        let latest = lock(&self.state).latest.clone()?;
        latest.downcast::<U>().ok()
    }

    /// Lets go of the newest live snapshot, which may be large. Called when a job is over and its result has been taken.
    pub fn forget_latest(&self) {
        let latest = lock(&self.state).latest.take();
        // Freed without the lock.
        drop(latest);
    }

    /// Says where the finished run was written; the list of jobs opens it from there.
    pub fn set_product(&self, folder: std::path::PathBuf) {
        lock(&self.state).product = Some(folder);
    }

    /// The folder of the last finished run of this job, if it wrote one.
    pub fn product(&self) -> Option<std::path::PathBuf> {
        lock(&self.state).product.clone()
    }

    /// Says where a long task may keep its state, so that it can go on when it was stopped. The first to say so is heard.
    pub fn set_checkpoint(&self, folder: std::path::PathBuf) {
        lock(&self.state).checkpoint.get_or_insert(folder);
    }

    /// A folder, not made yet perhaps, for the state of a long task; none if nothing is to be kept.
    pub fn checkpoint(&self) -> Option<std::path::PathBuf> {
        lock(&self.state).checkpoint.clone()
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake();
        }
    }
}

/// Handle by which a running task reports. Clones report to the same board.
pub struct Progress<U> {
    board: Arc<Board>,
    /// Where 0 and 1 of this handle lie on the board.
    range: [f64; 2],
    /// False for a part whose live snapshots nobody asked for.
    shows: bool,
    kind: PhantomData<fn(U)>,
}

impl<U> Clone for Progress<U> {
    fn clone(&self) -> Self {
        Self { board: self.board.clone(), range: self.range, shows: self.shows, kind: PhantomData }
    }
}

impl<U: Send + Sync + 'static> Progress<U> {
    /// Reports to `board`.
    pub fn on(board: &Arc<Board>) -> Self {
        Self { board: board.clone(), range: [0.0, 1.0], shows: true, kind: PhantomData }
    }

    /// Reports to nobody: for tests and for calls from other tasks.
    pub fn silent() -> Self {
        Self::on(&Board::new())
    }

    /// The board behind.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// A handle for a task that this one calls: its 0 to 1 fill `from` to `to` of this one's (both 0 to 1).
    /// Phases, series and the switch are shared. Live snapshots are shown only if they are of this one's type:
    /// whoever watches this task waits for that type, and another would take its place.
    pub fn part<V: Send + Sync + 'static>(&self, from: f64, to: f64) -> Progress<V> {
        Progress {
            board: self.board.clone(),
            range: [self.on_board(from), self.on_board(to)],
            shows: self.shows && TypeId::of::<U>() == TypeId::of::<V>(),
            kind: PhantomData,
        }
    }

    /// Sets the fraction done, 0 to 1 (other values are clamped).
    pub fn fraction(&self, fraction: f64) {
        lock(&self.board.state).snapshot.fraction = self.on_board(fraction);
        self.board.wake();
    }

    /// Where a fraction of this handle lies on the board.
    fn on_board(&self, fraction: f64) -> f64 {
        let [from, to] = self.range;
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
        from + fraction * (to - from)
    }

    /// Says what is being done.
    pub fn phase(&self, phase: impl Into<String>) {
        lock(&self.board.state).snapshot.phase = phase.into();
        self.board.wake();
    }

    /// Adds a point to a named series.
    pub fn log(&self, series: &str, step: f64, value: f64) {
        {
            let state = &mut *lock(&self.board.state);
            state.snapshot.log_length += 1;
            let series = match state.series.iter_mut().position(|s| s.name == series) {
                Some(i) => &mut state.series[i],
                None => {
                    state.series.push(Series { name: series.to_owned(), points: Vec::new() });
                    let last = state.series.len() - 1;
                    &mut state.series[last]
                }
            };
            if series.points.len() >= SERIES_LIMIT {
                let mut keep = true;
                series.points.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            series.points.push([step, value]);
        }
        self.board.wake();
    }

    /// Offers a live snapshot; `make` runs only when the last one is at least 33 ms old.
    pub fn update(&self, make: impl FnOnce() -> U) {
        if !self.shows {
            return;
        }
        let due = lock(&self.board.state).latest_at.is_none_or(|at| at.elapsed() >= UPDATE_INTERVAL);
        if due {
            self.update_now(make());
        }
    }

    /// Puts a live snapshot up whatever the clock says: for the last one of a phase.
    pub fn update_now(&self, update: U) {
        if !self.shows {
            return;
        }
        {
            let mut state = lock(&self.board.state);
            state.latest = Some(Arc::new(update));
            state.latest_at = Some(Instant::now());
        }
        self.board.wake();
    }

    /// Call often (at least every 0.2 s of work): waits while paused.
    ///
    /// For the job's own thread only: inside a parallel loop a paused job would hold the threads that all jobs share.
    /// There ask [`Progress::stopped`], and call this between the loops.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`] once cancelled; pass it on with `?`.
    pub fn check(&self) -> Result<(), TaskError> {
        self.board.cancel.check()
    }

    /// True once cancelled; never waits, so that it may be asked anywhere, parallel loops included.
    pub fn stopped(&self) -> bool {
        self.board.cancel.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_fills_its_range_and_shares_everything_else() {
        let board = Board::new();
        let whole = Progress::<u8>::on(&board);
        let part = whole.part::<String>(0.2, 0.6);
        for (fraction, shown) in [(0.0, 0.2), (0.5, 0.4), (1.0, 0.6), (7.0, 0.6), (f64::NAN, 0.2)] {
            part.fraction(fraction);
            assert!((board.snapshot().fraction - shown).abs() < 1e-12, "{fraction}");
        }
        let inner = part.part::<u8>(0.5, 1.0);
        inner.fraction(0.5);
        assert!((board.snapshot().fraction - 0.5).abs() < 1e-12, "0.2 + 0.75 * 0.4");
        part.phase("inner");
        part.log("loss", 1.0, 2.0);
        assert_eq!((board.snapshot().phase.as_str(), board.series()[0].points[0]), ("inner", [1.0, 2.0]));
        board.cancel().cancel();
        assert!(part.stopped() && part.check().is_err());
    }

    #[test]
    fn a_part_of_another_type_does_not_push_the_picture_away() {
        let board = Board::new();
        let whole = Progress::<u8>::on(&board);
        whole.update_now(1);
        let other = whole.part::<String>(0.0, 1.0);
        other.update_now("text".into());
        other.update(|| unreachable!("nobody looks at it"));
        // Not even a part of that part, whose type is the first one again by chance.
        other.part::<u8>(0.0, 1.0).update_now(7);
        assert_eq!(board.latest::<u8>().as_deref(), Some(&1));
        whole.part::<u8>(0.0, 1.0).update_now(2);
        assert_eq!(board.latest::<u8>().as_deref(), Some(&2));
        board.forget_latest();
        assert!(board.latest::<u8>().is_none());
    }

    #[test]
    fn asking_whether_to_stop_never_waits() {
        let progress = Progress::<()>::silent();
        progress.board().cancel().set_paused(true);
        // `check` would wait here for ever.
        assert!(!progress.stopped());
        progress.board().cancel().cancel();
        assert!(progress.stopped());
    }
}
