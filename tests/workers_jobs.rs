//! Jobs: lanes, cancelling, pausing, panics, and no thread left over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sextans::tasks::{Board, Lane, Progress, TaskError};
use sextans::workers::{Job, JobId, JobState, Jobs, no_wake};

/// Long enough for a loaded machine, short enough to fail a test rather than hang it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds; panics after [`DEADLINE`].
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A gate that opens once.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub(crate) fn pass(&self) {
        let open = self.open.lock().unwrap();
        let (open, _) = self.changed.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap();
        assert!(*open, "nobody opened the gate");
    }
}

/// Counts until it is cancelled.
fn endless(board: &Arc<Board>, count: &AtomicUsize) -> Result<(), TaskError> {
    let progress = Progress::<()>::on(board);
    loop {
        progress.check()?;
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn state(jobs: &Jobs, id: JobId) -> JobState {
    jobs.list().into_iter().find(|row| row.id == id).unwrap().state
}

fn submit_endless(jobs: &Jobs, lane: Lane) -> (Job<()>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    (jobs.submit("endless", lane, no_wake(), move |board| endless(board, &counted)), count)
}

#[test]
fn a_job_runs_on_its_own_named_thread_and_gives_its_result() {
    let jobs = Jobs::new();
    let job = jobs.submit("name", Lane::Short, no_wake(), |board| {
        Progress::<()>::on(board).phase("working");
        Ok(std::thread::current().name().map(str::to_owned))
    });
    let id = job.id();
    assert_eq!(job.wait().unwrap(), Some(format!("job-{}", id.0)));
    let row = jobs.list().remove(0);
    assert_eq!((row.state, row.name.as_str(), row.snapshot.phase.as_str()), (JobState::Done, "name", "working"));
    assert!(row.wall_seconds.is_some() && row.ended >= row.started);
    wait_until("the thread is gone", || jobs.live_threads() == 0);
    jobs.clear_finished();
    assert!(jobs.list().is_empty());
}

#[test]
fn a_lane_runs_one_job_at_a_time_in_order() {
    let jobs = Jobs::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::new(AtomicUsize::new(0));
    let submitted: Vec<Job<()>> = (0..8)
        .map(|i| {
            let (order, inside) = (order.clone(), inside.clone());
            jobs.submit("in order", Lane::Short, no_wake(), move |_| {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                order.lock().unwrap().push(i);
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        })
        .collect();
    for job in submitted {
        job.wait().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_panicking_job_fails_alone_with_its_message() {
    sextans::workers::quiet_panics();
    let jobs = Jobs::new();
    let (long, count) = submit_endless(&jobs, Lane::Long);
    let before = jobs.submit("before", Lane::Short, no_wake(), |_| Ok(1));
    let bad = jobs.submit("bad", Lane::Short, no_wake(), |_| -> Result<u8, TaskError> {
        let values: Vec<u8> = (0..6).collect();
        Ok(*values.get(6).expect("the seventh value"))
    });
    let after = jobs.submit("after", Lane::Short, no_wake(), |_| Ok(2));
    let bad_id = bad.id();
    let Err(TaskError::Panicked(message)) = bad.wait() else { panic!("a panic is an error of its own") };
    assert!(message.starts_with("the seventh value, at tests/workers_jobs.rs:"), "{message}");
    assert_eq!((before.wait().unwrap(), after.wait().unwrap()), (1, 2));
    assert!(matches!(state(&jobs, bad_id), JobState::Failed(text) if text.contains("the seventh value")));
    // The other lane never noticed.
    let seen = count.load(Ordering::Relaxed);
    wait_until("the long job goes on", || count.load(Ordering::Relaxed) > seen);
    jobs.cancel(long.id());
    assert!(matches!(long.wait(), Err(TaskError::Cancelled)));
}

#[test]
fn cancelling_takes_less_than_a_second() {
    let jobs = Jobs::new();
    let (job, count) = submit_endless(&jobs, Lane::Short);
    wait_until("it runs", || count.load(Ordering::Relaxed) > 0);
    let asked = Instant::now();
    jobs.cancel(job.id());
    let id = job.id();
    assert!(matches!(job.wait(), Err(TaskError::Cancelled)));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(state(&jobs, id), JobState::Cancelled);
}

#[test]
fn a_queued_job_is_cancelled_at_once_and_never_runs() {
    let jobs = Jobs::new();
    let (first, _) = submit_endless(&jobs, Lane::Long);
    let ran = Arc::new(AtomicBool::new(false));
    let runs = ran.clone();
    let second = jobs.submit("second", Lane::Long, no_wake(), move |_| {
        runs.store(true, Ordering::SeqCst);
        Ok(())
    });
    jobs.cancel(second.id());
    assert!(second.is_finished());
    assert_eq!(state(&jobs, second.id()), JobState::Cancelled);
    assert!(matches!(second.take(), Some(Err(TaskError::Cancelled))));
    assert!(second.take().is_none(), "a result is given once");
    jobs.cancel(first.id());
    assert!(first.wait().is_err());
    drop(jobs);
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn a_long_job_stands_aside_while_a_short_one_runs() {
    let jobs = Jobs::new();
    let (long, count) = submit_endless(&jobs, Lane::Long);
    wait_until("the long job runs", || count.load(Ordering::Relaxed) > 0);
    let (gate, started) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (wait, begin) = (gate.clone(), started.clone());
    let short = jobs.submit("short", Lane::Short, no_wake(), move |_| {
        begin.open();
        wait.pass();
        Ok(())
    });
    started.pass();
    assert_eq!(state(&jobs, long.id()), JobState::Yielding);
    // At most the step that was under way is still counted.
    std::thread::sleep(Duration::from_millis(20));
    let standing = count.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count.load(Ordering::Relaxed), standing);
    gate.open();
    short.wait().unwrap();
    wait_until("the long job goes on", || count.load(Ordering::Relaxed) > standing);
    assert_eq!(state(&jobs, long.id()), JobState::Running);
}

#[test]
fn a_short_job_that_the_user_paused_does_not_hold_the_long_lane_up() {
    let jobs = Jobs::new();
    let (short, count) = submit_endless(&jobs, Lane::Short);
    wait_until("the short job runs", || count.load(Ordering::Relaxed) > 0);
    let waiting = jobs.submit("long", Lane::Long, no_wake(), |_| Ok(()));
    assert_eq!(state(&jobs, waiting.id()), JobState::Queued);
    jobs.pause(short.id());
    assert_eq!(state(&jobs, short.id()), JobState::Paused);
    waiting.wait_timeout(DEADLINE).expect("the long job was held up").unwrap();
    jobs.resume(short.id());
    let seen = count.load(Ordering::Relaxed);
    wait_until("the short job goes on", || count.load(Ordering::Relaxed) > seen);
}

#[test]
fn a_paused_queued_job_is_held_back_and_others_pass_it() {
    let jobs = Jobs::new();
    let gate = Arc::new(Gate::default());
    let wait = gate.clone();
    let first = jobs.submit("first", Lane::Short, no_wake(), move |_| {
        wait.pass();
        Ok(())
    });
    let held = jobs.submit("held", Lane::Short, no_wake(), |_| Ok(()));
    jobs.pause(held.id());
    let third = jobs.submit("third", Lane::Short, no_wake(), |_| Ok(()));
    gate.open();
    first.wait().unwrap();
    third.wait().unwrap();
    assert_eq!(state(&jobs, held.id()), JobState::Paused);
    jobs.resume(held.id());
    held.wait().unwrap();
}

#[test]
fn a_paused_job_can_be_cancelled() {
    let jobs = Jobs::new();
    let (job, count) = submit_endless(&jobs, Lane::Long);
    wait_until("it runs", || count.load(Ordering::Relaxed) > 0);
    jobs.pause(job.id());
    jobs.cancel(job.id());
    assert!(matches!(job.wait(), Err(TaskError::Cancelled)));
}

#[test]
fn ten_jobs_queued_and_cancelled_in_any_order_leave_no_thread() {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let jobs = Jobs::new();
        let mut open: Vec<Job<()>> = Vec::new();
        let mut submitted = 0;
        while submitted < 10 || !open.is_empty() {
            if submitted < 10 && (open.is_empty() || random.random_bool(0.6)) {
                let lane = if random.random_bool(0.5) { Lane::Short } else { Lane::Long };
                open.push(submit_endless(&jobs, lane).0);
                submitted += 1;
                continue;
            }
            let chosen = open.swap_remove(random.random_range(0..open.len()));
            match random.random_range(0..4) {
                0 => jobs.pause(chosen.id()),
                1 => jobs.resume(chosen.id()),
                2 => std::thread::sleep(Duration::from_micros(random.random_range(0..500))),
                _ => {}
            }
            jobs.cancel(chosen.id());
            assert!(matches!(chosen.wait(), Err(TaskError::Cancelled)), "seed {seed}");
        }
        assert!(jobs.list().iter().all(|row| row.state == JobState::Cancelled), "seed {seed}");
        wait_until("every thread is gone", || jobs.live_threads() == 0);
        jobs.clear_finished();
        assert!(jobs.list().is_empty());
    }
}

#[test]
fn dropping_the_lanes_cancels_everything_and_waits_for_the_threads() {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let jobs = Jobs::new();
    let mut handles = Vec::new();
    for lane in [Lane::Short, Lane::Long, Lane::Short, Lane::Long] {
        alive.fetch_add(1, Ordering::SeqCst);
        let guard = Alive(alive.clone());
        handles.push(jobs.submit("owns something", lane, no_wake(), move |board| {
            let _guard = guard;
            endless(board, &AtomicUsize::new(0))
        }));
    }
    drop(jobs);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "no thread owns anything any more");
    for handle in handles {
        assert!(matches!(handle.wait(), Err(TaskError::Cancelled)));
    }
}

#[test]
fn the_window_is_woken_when_a_job_reports_and_when_it_ends() {
    let jobs = Jobs::new();
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let wake: sextans::workers::Wake = Arc::new(move || drop(count.fetch_add(1, Ordering::SeqCst).to_string()));
    let job = jobs.submit("reports", Lane::Short, wake, |board| {
        Progress::<()>::on(board).fraction(0.5);
        Ok(())
    });
    job.wait().unwrap();
    wait_until("both wakes came", || woken.load(Ordering::SeqCst) == 2);
}

#[test]
fn the_last_picture_stays_until_the_result_is_taken_or_the_handle_dropped() {
    let jobs = Jobs::new();
    let show = |gate: Option<Arc<Gate>>| {
        jobs.submit("shows", Lane::Short, no_wake(), move |board| {
            Progress::<u8>::on(board).update_now(7);
            if let Some(gate) = gate {
                gate.pass();
            }
            Ok(())
        })
    };
    let shown = |board: &Arc<Board>| board.latest::<u8>().is_some();
    let taken = show(None);
    wait_until("it is done", || taken.is_finished());
    assert!(shown(taken.board()), "nobody has taken the result yet");
    taken.take().unwrap().unwrap();
    assert!(!shown(taken.board()));

    let dropped = show(None);
    wait_until("it is done", || dropped.is_finished());
    let board = dropped.board().clone();
    assert!(shown(&board));
    drop(dropped);
    assert!(!shown(&board));

    // A job that nobody waits for keeps its picture while it runs.
    let gate = Arc::new(Gate::default());
    let left = show(Some(gate.clone()));
    let board = left.board().clone();
    wait_until("it shows something", || shown(&board));
    drop(left);
    assert!(shown(&board));
    gate.open();
    wait_until("it lets go", || !shown(&board));
}

#[test]
fn the_result_of_a_job_that_nobody_waits_for_is_freed() {
    let jobs = Jobs::new();
    let gate = Arc::new(Gate::default());
    let large = Arc::new(());
    let (wait, result) = (gate.clone(), large.clone());
    drop(jobs.submit("unwanted", Lane::Short, no_wake(), move |_| {
        wait.pass();
        Ok(result)
    }));
    gate.open();
    wait_until("it is freed though the row stands", || Arc::strong_count(&large) == 1);
    assert_eq!(jobs.list().len(), 1);
}

#[test]
fn processor_seconds_are_told_when_a_job_is_over() {
    let jobs = Jobs::new();
    let (job, count) = submit_endless(&jobs, Lane::Short);
    wait_until("it runs", || count.load(Ordering::Relaxed) > 0);
    let row = jobs.list().remove(0);
    assert!(row.wall_seconds.is_some() && row.cpu_seconds.is_none(), "{row:?}");
    jobs.cancel(job.id());
    assert!(job.wait().is_err());
    assert_eq!(jobs.list().remove(0).cpu_seconds.is_some(), cfg!(target_os = "linux"));
}

#[test]
fn the_loops_of_a_job_use_as_many_threads_as_are_set() {
    let jobs = Jobs::new();
    let ask = || {
        let job = jobs.submit("count", Lane::Short, no_wake(), |_| Ok(rayon::current_num_threads()));
        wait_until("it is counted", || jobs.is_idle());
        job.take().unwrap().unwrap()
    };
    for threads in [3, 1] {
        jobs.set_threads(threads);
        assert_eq!((jobs.threads(), ask()), (threads, threads));
    }
    jobs.set_threads(0);
    assert_eq!(ask(), rayon::current_num_threads(), "those of the whole program");
    // A panic in a pool of its own ends that job alone.
    jobs.set_threads(2);
    let broken: Job<()> = jobs.submit("broken", Lane::Short, no_wake(), |_| panic!("on purpose"));
    wait_until("it is over", || jobs.is_idle());
    assert!(matches!(broken.take(), Some(Err(TaskError::Panicked(_)))));
    assert_eq!(ask(), 2);
    wait_until("no thread is left", || jobs.live_threads() == 0);
}
