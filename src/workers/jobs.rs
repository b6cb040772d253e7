//! Jobs: what a user starts and waits for. Two lanes, each one job at a time, each job on a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::handle::{Job, ResultSlot};
use super::{STACK_BYTES, Wake, contain, lock, machine};
use crate::tasks::{Board, Cancel, Lane, Snapshot, TaskError};

/// Number of a job, in the order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its lane.
    Queued,
    /// Computes.
    Running,
    /// Stopped by the user until resumed (a queued job is held back).
    Paused,
    /// A long job that stands aside while a short one runs.
    Yielding,
    /// Told to cancel, has not answered yet.
    Stopping,
    /// Finished with a result.
    Done,
    /// Finished with an error; the message is one line.
    Failed(String),
    /// Stopped by the user.
    Cancelled,
}

impl JobState {
    /// True for done, failed and cancelled.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_) | Self::Cancelled)
    }
}

/// One line of the jobs panel.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Number.
    pub id: JobId,
    /// What the user started, e.g. `lens_reconstruction.fit`.
    pub name: String,
    /// Its queue.
    pub lane: Lane,
    /// Where it stands.
    pub state: JobState,
    /// Fraction and phase.
    pub snapshot: Snapshot,
    /// When it was submitted.
    pub submitted: Instant,
    /// When it left the queue.
    pub started: Option<Instant>,
    /// When it finished.
    pub ended: Option<Instant>,
    /// Seconds since it started, or that it took; pauses count.
    pub wall_seconds: Option<f64>,
    /// Processor seconds of the whole program during the job (rayon's threads serve all, so no finer share is known).
    /// `None` until it has finished, because the list is drawn in every frame and the system is not asked for each; and off Linux.
    pub cpu_seconds: Option<f64>,
    /// Series, live snapshot, switch.
    pub board: Arc<Board>,
}

/// What a job's closure is told when its turn comes.
enum Order<'a> {
    Run(&'a Arc<Board>),
    Refuse(TaskError),
}

/// Hands the result to whoever waits; called after the list shows the job as finished.
type Deliver = Box<dyn FnOnce() + Send>;
type Work = Box<dyn FnOnce(Order<'_>) -> (Result<(), TaskError>, Deliver) + Send>;

/// Fate of a job, apart from what the switch says.
#[derive(Clone, Debug)]
enum Phase {
    Queued,
    Running,
    Finished(JobState),
}

struct Entry {
    id: JobId,
    name: String,
    lane: Lane,
    phase: Phase,
    paused: bool,
    board: Arc<Board>,
    wake: Wake,
    /// Shared with the thread so that it survives a thread that could not be started.
    work: Arc<Mutex<Option<Work>>>,
    submitted: Instant,
    started: Option<(Instant, Option<f64>)>,
    ended: Option<(Instant, Option<f64>)>,
}

impl Entry {
    fn is(&self, lane: Lane, running: bool) -> bool {
        self.lane == lane
            && if running { matches!(self.phase, Phase::Running) } else { matches!(self.phase, Phase::Queued) }
    }

    fn finish(&mut self, result: &Result<(), TaskError>) {
        self.phase = Phase::Finished(match result {
            Ok(()) => JobState::Done,
            Err(TaskError::Cancelled) => JobState::Cancelled,
            Err(error) => JobState::Failed(error.to_string()),
        });
        self.ended = Some((Instant::now(), machine::cpu_seconds()));
    }

    fn row(&self, short_active: bool) -> JobRow {
        let state = match &self.phase {
            Phase::Queued if self.paused => JobState::Paused,
            Phase::Queued => JobState::Queued,
            Phase::Running if self.board.cancel().is_cancelled() => JobState::Stopping,
            Phase::Running if self.paused => JobState::Paused,
            Phase::Running if self.lane == Lane::Long && short_active => JobState::Yielding,
            Phase::Running => JobState::Running,
            Phase::Finished(state) => state.clone(),
        };
        let (wall_seconds, cpu_seconds) = match (self.started, self.ended) {
            (Some((from, cpu_from)), Some((to, cpu_to))) => {
                (Some((to - from).as_secs_f64()), cpu_from.zip(cpu_to).map(|(a, b)| b - a))
            }
            (Some((from, _)), None) => (Some(from.elapsed().as_secs_f64()), None),
            (None, _) => (None, None),
        };
        JobRow {
            id: self.id,
            name: self.name.clone(),
            lane: self.lane,
            state,
            snapshot: self.board.snapshot(),
            submitted: self.submitted,
            started: self.started.map(|s| s.0),
            ended: self.ended.map(|e| e.0),
            wall_seconds,
            cpu_seconds,
            board: self.board.clone(),
        }
    }
}

#[derive(Default)]
struct State {
    last_id: u64,
    entries: Vec<Entry>,
    threads: Vec<JoinHandle<()>>,
    closing: bool,
}

impl State {
    /// A short job computes (one that the user paused does not hold the long lane up).
    fn short_active(&self) -> bool {
        self.entries.iter().any(|e| e.is(Lane::Short, true) && !e.paused)
    }

    fn entry(&mut self, id: JobId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.id == id)
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Threads that exist now.
    live: AtomicUsize,
    /// Threads of the parallel loops of a job; 0: those of the whole program.
    loop_threads: AtomicUsize,
}

/// The two lanes. Dropping it cancels everything and waits until every thread has ended.
#[derive(Default)]
pub struct Jobs {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("rows", &self.list()).finish()
    }
}

impl Jobs {
    /// Empty lanes. No thread is started before the first job.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads the parallel loops of a job use, from the next job on; 0 leaves them to the pool of the whole program.
    pub fn set_threads(&self, threads: usize) {
        self.shared.loop_threads.store(threads, Ordering::Release);
    }

    /// What [`Jobs::set_threads`] was told last.
    pub fn threads(&self) -> usize {
        self.shared.loop_threads.load(Ordering::Acquire)
    }

    /// Queues `work` under `name`. It starts at once when its lane is free (a long job also waits for short ones).
    ///
    /// The closure gets the board to report on and must call `check` often (at least every 0.2 s).
    /// A panic in it becomes [`TaskError::Panicked`]. Dropping the returned handle does not cancel the job.
    pub fn submit<T: Send + 'static>(
        &self,
        name: impl Into<String>,
        lane: Lane,
        wake: Wake,
        work: impl FnOnce(&Arc<Board>) -> Result<T, TaskError> + Send + 'static,
    ) -> Job<T> {
        let board_wake = wake.clone();
        let board = Board::with(Cancel::new(), Some(Box::new(move || board_wake())));
        let slot = Arc::new(ResultSlot::<T>::new(board.clone()));
        let receiver = slot.clone();
        let work: Work = Box::new(move |order| {
            let result = match order {
                Order::Run(board) => {
                    contain(|| work(board)).unwrap_or_else(|message| Err(TaskError::Panicked(message)))
                }
                Order::Refuse(error) => Err(error),
            };
            let status = result.as_ref().map(|_| ()).map_err(Clone::clone);
            (status, Box::new(move || receiver.put(result)))
        });
        let (id, after) = {
            let mut state = lock(&self.shared.state);
            state.last_id += 1;
            let id = JobId(state.last_id);
            state.entries.push(Entry {
                id,
                name: name.into(),
                lane,
                phase: Phase::Queued,
                paused: false,
                board,
                wake,
                work: Arc::new(Mutex::new(Some(work))),
                submitted: Instant::now(),
                started: None,
                ended: None,
            });
            (id, pump(&self.shared, &mut state))
        };
        run_all(after);
        Job::new(id, slot)
    }

    /// Every job that has not been cleared, in the order of submission.
    pub fn list(&self) -> Vec<JobRow> {
        let state = lock(&self.shared.state);
        let short_active = state.short_active();
        state.entries.iter().map(|e| e.row(short_active)).collect()
    }

    /// True if no job waits or runs.
    pub fn is_idle(&self) -> bool {
        lock(&self.shared.state).entries.iter().all(|e| matches!(e.phase, Phase::Finished(_)))
    }

    /// Cancels a job: a queued one is finished at once, a running one at its next check.
    pub fn cancel(&self, id: JobId) {
        let mut after = Vec::new();
        {
            let mut state = lock(&self.shared.state);
            if let Some(entry) = state.entry(id) {
                entry.board.cancel().cancel();
                if matches!(entry.phase, Phase::Queued) {
                    after.extend(refuse(entry, TaskError::Cancelled));
                }
            }
            after.extend(pump(&self.shared, &mut state));
        }
        run_all(after);
    }

    /// Cancels every job.
    pub fn cancel_all(&self) {
        let ids: Vec<JobId> = lock(&self.shared.state).entries.iter().map(|e| e.id).collect();
        // Newest first, so that no queued job is started only to be cancelled.
        for id in ids.into_iter().rev() {
            self.cancel(id);
        }
    }

    /// Pauses a job at its next check, or holds a queued one back; its lane stays taken.
    pub fn pause(&self, id: JobId) {
        self.set_paused(id, true);
    }

    /// Lets a paused job go on.
    pub fn resume(&self, id: JobId) {
        self.set_paused(id, false);
    }

    fn set_paused(&self, id: JobId, paused: bool) {
        let after = {
            let mut state = lock(&self.shared.state);
            if let Some(entry) = state.entry(id).filter(|e| !matches!(e.phase, Phase::Finished(_))) {
                entry.paused = paused;
                if matches!(entry.phase, Phase::Running) {
                    entry.board.cancel().set_paused(paused);
                }
            }
            pump(&self.shared, &mut state)
        };
        run_all(after);
    }

    /// Takes finished jobs off the list.
    pub fn clear_finished(&self) {
        lock(&self.shared.state).entries.retain(|e| !matches!(e.phase, Phase::Finished(_)));
    }

    /// Job threads that exist now.
    pub fn live_threads(&self) -> usize {
        self.shared.live.load(Ordering::Acquire)
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        let (threads, after) = {
            let mut state = lock(&self.shared.state);
            state.closing = true;
            let mut after = Vec::new();
            for entry in &mut state.entries {
                entry.board.cancel().cancel();
                if matches!(entry.phase, Phase::Queued) {
                    after.extend(refuse(entry, TaskError::Cancelled));
                }
            }
            (std::mem::take(&mut state.threads), after)
        };
        run_all(after);
        let me = std::thread::current().id();
        for thread in threads {
            // A job that owns the last handle to its own lanes must not wait for itself. Panics were contained, so joining cannot fail.
            if thread.thread().id() != me {
                drop(thread.join());
            }
        }
    }
}

fn run_all(after: Vec<Deliver>) {
    for deliver in after {
        deliver();
    }
}

/// Finishes a job that never ran. What is returned is to be called without the lock.
fn refuse(entry: &mut Entry, error: TaskError) -> Vec<Deliver> {
    let work = lock(&entry.work).take();
    entry.finish(&Err(error.clone()));
    let wake = entry.wake.clone();
    let deliver: Deliver = Box::new(move || {
        if let Some(work) = work {
            work(Order::Refuse(error)).1();
        }
        wake();
    });
    vec![deliver]
}

/// Starts what can start and tells long jobs whether to stand aside.
fn pump(shared: &Arc<Shared>, state: &mut State) -> Vec<Deliver> {
    let mut after = Vec::new();
    state.threads.retain(|t| !t.is_finished());
    if state.closing {
        return after;
    }
    for lane in [Lane::Short, Lane::Long] {
        loop {
            let taken = state.entries.iter().any(|e| e.is(lane, true));
            if taken || (lane == Lane::Long && state.short_active()) {
                break;
            }
            let Some(entry) = state.entries.iter_mut().find(|e| e.is(lane, false) && !e.paused) else { break };
            match start(shared, entry) {
                Ok(thread) => state.threads.push(thread),
                Err(error) => {
                    let error = TaskError::Failed(format!("no thread could be started: {error}"));
                    after.extend(refuse(entry, error));
                }
            }
        }
    }
    let short_active = state.short_active();
    for entry in &state.entries {
        if entry.is(Lane::Long, true) {
            entry.board.cancel().set_yielding(short_active);
        }
    }
    after
}

fn start(shared: &Arc<Shared>, entry: &mut Entry) -> std::io::Result<JoinHandle<()>> {
    let (id, board, wake, work) = (entry.id, entry.board.clone(), entry.wake.clone(), entry.work.clone());
    let thread_shared = shared.clone();
    shared.live.fetch_add(1, Ordering::AcqRel);
    let thread = std::thread::Builder::new()
        .name(format!("job-{}", id.0))
        .stack_size(STACK_BYTES)
        .spawn(move || run_job(&thread_shared, id, &board, &wake, &work))
        .inspect_err(|_| {
            shared.live.fetch_sub(1, Ordering::AcqRel);
        })?;
    entry.phase = Phase::Running;
    entry.started = Some((Instant::now(), machine::cpu_seconds()));
    Ok(thread)
}

fn run_job(shared: &Arc<Shared>, id: JobId, board: &Arc<Board>, wake: &Wake, work: &Mutex<Option<Work>>) {
    let work = lock(work).take();
    if let Some(work) = work {
        let (status, deliver) = match loop_pool(shared, id) {
            Some(pool) => pool.install(|| work(Order::Run(board))),
            None => work(Order::Run(board)),
        };
        let after = {
            let mut state = lock(&shared.state);
            if let Some(entry) = state.entry(id) {
                entry.finish(&status);
            }
            pump(shared, &mut state)
        };
        deliver();
        run_all(after);
    }
    // Before the last wake, so that whoever is woken sees the thread gone.
    shared.live.fetch_sub(1, Ordering::AcqRel);
    wake();
}

/// The threads of one job's parallel loops. Each job has its own: a job that is paused inside a loop would hold a shared pool up for all.
/// `None` when the pool of the whole program is to be used, also should the system give no threads.
fn loop_pool(shared: &Shared, id: JobId) -> Option<rayon::ThreadPool> {
    let threads = shared.loop_threads.load(Ordering::Acquire);
    if threads == 0 {
        return None;
    }
    let name = move |i: usize| format!("job-{}-worker-{i}", id.0);
    rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_BYTES).thread_name(name).build().ok()
}
