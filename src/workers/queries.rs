//! Queries: everything that computes for a picture. Asked for anew in every frame, answered from memory once computed.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{STACK_BYTES, Wake, contain, lock};
use crate::tasks::{Board, Cancel, Progress, TaskError};

/// A slot that was asked this recently is on the screen: its answer is not thrown out, whatever the budget says.
const ON_SCREEN: Duration = Duration::from_secs(2);

/// A failure that nobody asked for this long is forgotten: the file may be there now, the memory free.
const FAILURE_KEPT: Duration = Duration::from_secs(5);

/// Who asks: one view's histogram, one cursor's spectrum. The newest request of a slot replaces its older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u128);

impl Slot {
    /// The slot of a name, e.g. `Slot::of(&("histogram", view_id))`.
    pub fn of(name: &impl Hash) -> Self {
        Self(hash128(name))
    }
}

/// What is asked: data id and every parameter that changes the answer, hashed to 128 bits (so that chance collisions do not happen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u128);

impl Key {
    /// The key of some parameters, e.g. `Key::of(&("moment", data_id, order))`.
    pub fn of(parameters: &impl Hash) -> Self {
        Self(hash128(parameters))
    }

    /// This key with one more parameter.
    #[must_use]
    pub fn and(self, parameter: &impl Hash) -> Self {
        Self(hash128(&(self.0, hash128(parameter))))
    }

    /// This key with one more real parameter, compared bit by bit (0 and -0 count as the same).
    #[must_use]
    pub fn and_f64(self, parameter: f64) -> Self {
        self.and(&(parameter + 0.0).to_bits())
    }
}

fn hash128(value: &impl Hash) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(salt);
        value.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(0x9e37_79b9_7f4a_7c15))
}

/// How much memory an answer takes.
pub trait Weigh {
    /// Bytes, the heap included, and what an [`Arc`] inside keeps alive: as long as the answer is remembered, that memory is not free,
    /// whoever else shares it. What several answers share is counted for each, so the budget errs on the safe side.
    fn bytes(&self) -> usize;
}

impl<T> Weigh for Vec<T> {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<T>()
    }
}

impl Weigh for String {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }
}

impl<T, D: ndarray::Dimension> Weigh for ndarray::Array<T, D> {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.len() * size_of::<T>()
    }
}

/// What a query knows now.
#[derive(Debug)]
pub enum Answer<T> {
    /// The answer to exactly this key.
    Ready(Arc<T>),
    /// It is being computed.
    Pending {
        /// The slot's last complete answer (to an older key), if it is still in memory: show it meanwhile.
        last: Option<Arc<T>>,
        /// What the computation has so far, if it publishes partial answers.
        partial: Option<Arc<T>>,
        /// 0 to 1.
        fraction: f64,
    },
    /// It cannot be computed; one line. Asking again gives the same until [`Queries::forget`], another key, or 5 s in which nobody asked.
    Failed(Arc<str>),
}

impl<T> Answer<T> {
    /// The best thing to draw: the answer, else its part, else the last one.
    pub fn newest(&self) -> Option<&Arc<T>> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Pending { last, partial, .. } => partial.as_ref().or(last.as_ref()),
            Self::Failed(_) => None,
        }
    }

    /// What there is to exactly this key: the answer, or its part; never that of an older question.
    pub fn current(&self) -> Option<&Arc<T>> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Pending { partial, .. } => partial.as_ref(),
            Self::Failed(_) => None,
        }
    }

    /// The answer to exactly this key.
    pub fn ready(&self) -> Option<&Arc<T>> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Pending { .. } | Self::Failed(_) => None,
        }
    }
}

/// What the queries have done since the start, for tests and for the status line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Computations begun.
    pub executed: u64,
    /// Asked and found in memory.
    pub hits: u64,
    /// Requests dropped from the queue, or cancelled while running, because nobody wanted them any more.
    pub dropped: u64,
    /// Answers thrown out to keep the budget.
    pub evicted: u64,
    /// Bytes held now.
    pub bytes: usize,
    /// Requests queued or running now.
    pub pending: usize,
}

/// The type stands in the key: the same parameters asked as another type are another query.
type FullKey = (TypeId, Key);
type Erased = Arc<dyn Any + Send + Sync>;
type Computed = Result<(Erased, usize), TaskError>;
type Run = Box<dyn FnOnce(&Arc<Board>) -> Computed + Send>;

/// A remembered answer.
struct Kept {
    content: Result<Erased, Arc<str>>,
    bytes: usize,
    used: u64,
    /// When it was last asked for, or made.
    asked: Instant,
}

/// A query that is queued or running and that somebody wants.
struct Flight {
    id: u64,
    board: Arc<Board>,
    wanted_by: BTreeSet<Slot>,
    wakes: Arc<Mutex<Vec<Wake>>>,
}

struct Waiting {
    id: u64,
    key: FullKey,
    board: Arc<Board>,
    run: Run,
}

struct SlotState {
    current: FullKey,
    last: Option<FullKey>,
    asked: Instant,
}

struct State {
    budget: usize,
    failure_kept: Duration,
    closing: bool,
    clock: u64,
    last_id: u64,
    kept: BTreeMap<FullKey, Kept>,
    flights: BTreeMap<FullKey, Flight>,
    queue: VecDeque<Waiting>,
    slots: BTreeMap<Slot, SlotState>,
    running: Vec<Arc<Board>>,
    counts: Counts,
}

impl State {
    fn touch(&mut self, key: &FullKey) -> Option<&Kept> {
        self.clock += 1;
        let clock = self.clock;
        let kept = self.kept.get_mut(key)?;
        kept.used = clock;
        kept.asked = Instant::now();
        Some(kept)
    }

    /// Forgets that `key` failed, if it did.
    fn forgive(&mut self, key: &FullKey) {
        if self.kept.get(key).is_some_and(|kept| kept.content.is_err())
            && let Some(failure) = self.kept.remove(key)
        {
            self.counts.bytes -= failure.bytes;
        }
    }

    /// A remembered answer of type `T`.
    fn recall<T: Send + Sync + 'static>(&mut self, key: &FullKey) -> Option<Arc<T>> {
        let content = self.touch(key)?.content.as_ref().ok()?.clone();
        content.downcast::<T>().ok()
    }

    /// `slot` no longer wants `key`: nobody else does either, so it leaves the queue or is cancelled.
    /// Returns what is to be dropped outside the lock.
    fn release(&mut self, slot: Slot, key: &FullKey) -> Option<Waiting> {
        let flight = self.flights.get_mut(key)?;
        if !flight.wanted_by.remove(&slot) || !flight.wanted_by.is_empty() {
            return None;
        }
        let flight = self.flights.remove(key)?;
        flight.board.cancel().cancel();
        self.counts.dropped += 1;
        let place = self.queue.iter().position(|w| w.id == flight.id)?;
        self.queue.remove(place)
    }

    /// What was asked for within 2 s.
    fn on_screen(&self) -> BTreeSet<FullKey> {
        let now = Instant::now();
        // A pending slot shows its last answer, so that one counts as well.
        (self.slots.values())
            .filter(|s| now - s.asked < ON_SCREEN)
            .flat_map(|s| std::iter::once(s.current).chain(s.last))
            .collect()
    }

    fn keep(&mut self, key: FullKey, content: Result<Erased, Arc<str>>, bytes: usize) {
        self.clock += 1;
        self.counts.bytes += bytes;
        let kept = Kept { content, bytes, used: self.clock, asked: Instant::now() };
        if let Some(old) = self.kept.insert(key, kept) {
            self.counts.bytes -= old.bytes;
        }
        if self.counts.bytes <= self.budget {
            return;
        }
        let on_screen = self.on_screen();
        let mut by_age: Vec<(u64, FullKey)> = self.kept.iter().map(|(k, v)| (v.used, *k)).collect();
        by_age.sort_unstable();
        for (_, old) in by_age {
            if self.counts.bytes <= self.budget {
                break;
            }
            if old != key
                && !on_screen.contains(&old)
                && let Some(old) = self.kept.remove(&old)
            {
                self.counts.bytes -= old.bytes;
                self.counts.evicted += 1;
            }
        }
    }
}

struct Shared {
    state: Mutex<State>,
    queued: Condvar,
}

/// The query lane. Its threads (`queries-0`, ...) are its own: neither jobs nor rayon's global pool can keep it waiting.
pub struct Queries {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Queries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queries").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Queries {
    /// Starts `threads` threads (at least one) that remember answers up to `budget` bytes.
    /// What is on the screen (asked within 2 s) and the newest answer stay even above the budget.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(budget: usize, threads: usize) -> std::io::Result<Self> {
        let state = State {
            budget,
            failure_kept: FAILURE_KEPT,
            closing: false,
            clock: 0,
            last_id: 0,
            kept: BTreeMap::new(),
            flights: BTreeMap::new(),
            queue: VecDeque::new(),
            slots: BTreeMap::new(),
            running: Vec::new(),
            counts: Counts::default(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), queued: Condvar::new() });
        // Built first, so that threads already started end when a later one fails.
        let mut queries = Self { shared, threads: Vec::new() };
        for i in 0..threads.max(1) {
            let shared = queries.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("queries-{i}"))
                .stack_size(STACK_BYTES)
                .spawn(move || serve(&shared))?;
            queries.threads.push(thread);
        }
        Ok(queries)
    }

    /// Asks in the name of `slot` for the answer to `key`; never waits. Call it in every frame.
    ///
    /// `work` runs (once, on a query thread) only if the answer is neither in memory nor under way; it must depend on nothing but what is in `key`.
    /// It reports parts with [`Progress::update`] and must call [`Progress::check`] often: an outdated query is cancelled.
    /// `wake` is called when there is more to show.
    pub fn ask<T: Weigh + Send + Sync + 'static>(
        &self,
        slot: Slot,
        key: Key,
        wake: &Wake,
        work: impl FnOnce(&Progress<T>) -> Result<T, TaskError> + Send + 'static,
    ) -> Answer<T> {
        let key: FullKey = (TypeId::of::<T>(), key);
        let mut state = lock(&self.shared.state);
        let before = state.slots.get(&slot).map(|s| (s.current, s.last));
        let mut last = before.and_then(|b| b.1);
        // Dropped after the lock: it may own large data.
        let outdated = before.filter(|b| b.0 != key).and_then(|b| state.release(slot, &b.0));
        if state.kept.get(&key).is_some_and(|kept| kept.asked.elapsed() >= state.failure_kept) {
            state.forgive(&key);
        }
        let remembered = state.touch(&key).map(|kept| kept.content.clone());
        let answer = match remembered {
            Some(Ok(value)) => {
                state.counts.hits += 1;
                last = Some(key);
                match value.downcast::<T>() {
                    Ok(value) => Answer::Ready(value),
                    Err(_) => Answer::Failed("an answer was remembered under another type".into()),
                }
            }
            Some(Err(message)) => Answer::Failed(message),
            None => {
                let board = self.fly(&mut state, slot, key, wake, work);
                Answer::Pending {
                    last: last.and_then(|l| state.recall(&l)),
                    partial: board.latest::<T>(),
                    fraction: board.snapshot().fraction,
                }
            }
        };
        state.slots.insert(slot, SlotState { current: key, last, asked: Instant::now() });
        drop(state);
        drop(outdated);
        answer
    }

    /// Joins the query that is under way for `key`, or queues it.
    fn fly<T: Weigh + Send + Sync + 'static>(
        &self,
        state: &mut State,
        slot: Slot,
        key: FullKey,
        wake: &Wake,
        work: impl FnOnce(&Progress<T>) -> Result<T, TaskError> + Send + 'static,
    ) -> Arc<Board> {
        if let Some(flight) = state.flights.get_mut(&key) {
            if flight.wanted_by.insert(slot) {
                lock(&flight.wakes).push(wake.clone());
            }
            return flight.board.clone();
        }
        state.last_id += 1;
        let id = state.last_id;
        let wakes = Arc::new(Mutex::new(vec![wake.clone()]));
        let heard = wakes.clone();
        let board = Board::with(Cancel::new(), Some(Box::new(move || call_all(&heard))));
        let run: Run = Box::new(move |board| {
            let value = work(&Progress::on(board))?;
            let bytes = value.bytes();
            Ok((Arc::new(value) as Erased, bytes))
        });
        let flight = Flight { id, board: board.clone(), wanted_by: BTreeSet::from([slot]), wakes };
        state.flights.insert(key, flight);
        state.queue.push_back(Waiting { id, key, board: board.clone(), run });
        self.shared.queued.notify_one();
        board
    }

    /// The asker is gone, or wants a failed query tried again: its request is dropped, its failure forgotten.
    pub fn forget(&self, slot: Slot) {
        let mut state = lock(&self.shared.state);
        let Some(gone) = state.slots.remove(&slot) else { return };
        let outdated = state.release(slot, &gone.current);
        state.forgive(&gone.current);
        drop(state);
        drop(outdated);
    }

    /// Changes the memory budget; it is kept from the next answer on.
    pub fn set_budget(&self, bytes: usize) {
        lock(&self.shared.state).budget = bytes;
    }

    /// Lets go of every answer that is not on the screen (asked within 2 s); returns the bytes that this gave.
    pub fn free(&self) -> usize {
        let gone: Vec<Kept> = {
            let mut state = lock(&self.shared.state);
            let on_screen = state.on_screen();
            let gone: Vec<FullKey> = state.kept.keys().filter(|k| !on_screen.contains(k)).copied().collect();
            let gone: Vec<Kept> = gone.iter().filter_map(|key| state.kept.remove(key)).collect();
            let bytes: usize = gone.iter().map(|k| k.bytes).sum();
            state.counts.bytes -= bytes;
            state.counts.evicted += gone.len() as u64;
            gone
        };
        // Dropped here, without the lock.
        gone.iter().map(|k| k.bytes).sum()
    }

    /// The memory budget in bytes.
    pub fn budget(&self) -> usize {
        lock(&self.shared.state).budget
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        let state = lock(&self.shared.state);
        Counts { pending: state.flights.len(), ..state.counts }
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        let queue = {
            let mut state = lock(&self.shared.state);
            state.closing = true;
            for board in &state.running {
                board.cancel().cancel();
            }
            std::mem::take(&mut state.queue)
        };
        drop(queue);
        self.shared.queued.notify_all();
        let me = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // Panics were contained, so joining cannot fail.
            if thread.thread().id() != me {
                drop(thread.join());
            }
        }
    }
}

fn call_all(wakes: &Mutex<Vec<Wake>>) {
    let wakes = lock(wakes).clone();
    for wake in wakes {
        wake();
    }
}

fn serve(shared: &Shared) {
    // Parallel loops inside a query stay on this thread: in the global pool they would queue behind the jobs' loops.
    // Should the pool fail to build, queries still work and only share that pool.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    loop {
        let waiting = {
            let mut state = lock(&shared.state);
            loop {
                if state.closing {
                    return;
                }
                if let Some(waiting) = state.queue.pop_front() {
                    state.counts.executed += 1;
                    state.running.push(waiting.board.clone());
                    break waiting;
                }
                state = shared.queued.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let Waiting { id, key, board, run } = waiting;
        let compute = || contain(|| run(&board)).unwrap_or_else(|message| Err(TaskError::Panicked(message)));
        let computed = match &pool {
            Ok(pool) => pool.install(compute),
            Err(_) => compute(),
        };
        finish(shared, id, key, &board, computed);
    }
}

fn finish(shared: &Shared, id: u64, key: FullKey, board: &Arc<Board>, computed: Computed) {
    let wakes = {
        let mut state = lock(&shared.state);
        state.running.retain(|b| !Arc::ptr_eq(b, board));
        let wanted = state.flights.get(&key).is_some_and(|f| f.id == id);
        match computed {
            // Worth keeping even if nobody waits any more: the key says all there is to say.
            Ok((value, bytes)) => state.keep(key, Ok(value), bytes),
            Err(error) if wanted => {
                let message: Arc<str> = error.to_string().into();
                let bytes = message.len();
                state.keep(key, Err(message), bytes);
            }
            Err(_) => {}
        }
        if wanted { state.flights.remove(&key).map(|f| f.wakes) } else { None }
    };
    if let Some(wakes) = wakes {
        call_all(&wakes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for something that never succeeds until it has failed `executed` times.
    fn fail(queries: &Queries, executed: u64) {
        let start = Instant::now();
        let ask = || {
            let work = |_: &Progress<String>| Err(TaskError::Failed("gone".into()));
            queries.ask::<String>(Slot::of(&"a"), Key::of(&1), &crate::workers::no_wake(), work)
        };
        while !matches!(ask(), Answer::Failed(_)) || queries.counts().executed < executed {
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", queries.counts());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_failure_is_kept_while_it_is_asked_for_and_forgotten_after() {
        let queries = Queries::new(1 << 20, 1).unwrap();
        fail(&queries, 1);
        fail(&queries, 1);
        assert_eq!(queries.counts().executed, 1, "asked within the time");
        {
            let mut state = lock(&queries.shared.state);
            for kept in state.kept.values_mut() {
                kept.asked -= FAILURE_KEPT;
            }
        }
        fail(&queries, 2);
        assert_eq!(queries.counts().executed, 2, "tried once more");
    }
}
