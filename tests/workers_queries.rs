//! Queries: computed once, a slot's newest request only, cancelled when outdated, within a budget, and never behind a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use sextans::tasks::{Lane, Progress, TaskError};
use sextans::workers::{Answer, Jobs, Key, Queries, Slot, no_wake};

use crate::workers_jobs::{Gate, wait_until};

type Bytes = Vec<u8>;

fn slot(name: &str) -> Slot {
    Slot::of(&name)
}

fn key(number: u64) -> Key {
    Key::of(&number)
}

/// Asks for `size` bytes under a key.
fn ask(queries: &Queries, who: &str, number: u64, size: usize) -> Answer<Bytes> {
    queries.ask(slot(who), key(number), &no_wake(), move |_| Ok(vec![u8::try_from(number % 256).unwrap(); size]))
}

/// Asks until the answer is there.
fn answer(queries: &Queries, who: &str, number: u64, size: usize) -> Arc<Bytes> {
    wait_until("the query is answered", || ask(queries, who, number, size).ready().is_some());
    ask(queries, who, number, size).ready().unwrap().clone()
}

/// Keeps the only query thread busy until the gate opens.
fn occupy(queries: &Queries) -> Arc<Gate> {
    let (gate, begun) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (wait, begin) = (gate.clone(), begun.clone());
    queries.ask(slot("occupy"), key(u64::MAX), &no_wake(), move |_: &Progress<Bytes>| {
        begin.open();
        wait.pass();
        Ok(Bytes::new())
    });
    begun.pass();
    gate
}

#[test]
fn an_answer_is_computed_once() {
    let queries = Queries::new(1 << 20, 2).unwrap();
    assert_eq!(answer(&queries, "a", 7, 3).as_slice(), [7, 7, 7]);
    for _ in 0..100 {
        assert!(ask(&queries, "a", 7, 3).ready().is_some());
        assert!(ask(&queries, "b", 7, 3).ready().is_some());
    }
    assert_eq!(queries.counts().executed, 1);
}

#[test]
fn only_the_latest_request_of_a_slot_is_computed() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    let gate = occupy(&queries);
    for number in 1..=50 {
        assert!(matches!(ask(&queries, "slider", number, 1), Answer::Pending { .. }));
    }
    // Asking again for the same changes nothing.
    ask(&queries, "slider", 50, 1);
    assert_eq!((queries.counts().dropped, queries.counts().pending), (49, 2));
    gate.open();
    answer(&queries, "slider", 50, 1);
    assert_eq!(queries.counts().executed, 2);
}

#[test]
fn a_running_query_is_cancelled_when_its_key_changes() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    let stopped = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(Gate::default());
    let (stops, begin) = (stopped.clone(), begun.clone());
    queries.ask(slot("a"), key(1), &no_wake(), move |progress: &Progress<Bytes>| {
        begin.open();
        loop {
            if let Err(error) = progress.check() {
                stops.store(true, Ordering::SeqCst);
                return Err(error);
            }
            std::thread::yield_now();
        }
    });
    begun.pass();
    // With one thread the second can only be answered after the first gave up.
    answer(&queries, "a", 2, 1);
    assert!(stopped.load(Ordering::SeqCst));
    // The first may be asked for again, and is not remembered as a failure.
    answer(&queries, "a", 1, 1);
}

#[test]
fn two_slots_share_one_computation_and_one_of_them_may_leave() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    let gate = occupy(&queries);
    ask(&queries, "a", 1, 1);
    ask(&queries, "b", 1, 1);
    ask(&queries, "a", 2, 1);
    assert_eq!(queries.counts().dropped, 0, "b still wants it");
    gate.open();
    answer(&queries, "b", 1, 1);
    answer(&queries, "a", 2, 1);
    assert_eq!(queries.counts().executed, 3);
    queries.forget(slot("b"));
    assert_eq!(queries.counts().pending, 0);
}

#[test]
fn the_last_answer_and_parts_of_the_next_are_shown_meanwhile() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    answer(&queries, "a", 1, 4);
    let (gate, shown) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let begin = || {
        let (wait, show) = (gate.clone(), shown.clone());
        queries.ask(slot("a"), key(2), &no_wake(), move |progress: &Progress<Bytes>| {
            progress.update_now(vec![2]);
            progress.fraction(0.25);
            show.open();
            wait.pass();
            Ok(vec![2, 2])
        })
    };
    let first = begin();
    assert_eq!(first.newest().map(|v| v.to_vec()).as_deref(), Some([1, 1, 1, 1].as_slice()));
    shown.pass();
    match begin() {
        Answer::Pending { last, partial, fraction } => {
            assert_eq!((last.unwrap().as_slice(), partial.unwrap().as_slice()), ([1; 4].as_slice(), [2].as_slice()));
            assert!((fraction - 0.25).abs() < 1e-12);
        }
        other => panic!("expected a part, got {other:?}"),
    }
    gate.open();
    wait_until("it is whole", || begin().ready().is_some_and(|v| v.len() == 2));
}

#[test]
fn memory_stays_within_the_budget_and_the_oldest_goes_first() {
    let queries = Queries::new(4096, 1).unwrap();
    for number in 0..10 {
        answer(&queries, "a", number, 1000);
        assert!(queries.counts().bytes <= 4096);
    }
    let counts = queries.counts();
    assert_eq!((counts.executed, counts.evicted), (10, 6), "each takes 1024 bytes, so four stay");
    assert!(ask(&queries, "a", 6, 1000).ready().is_some(), "the fourth newest is remembered");
    answer(&queries, "a", 0, 1000);
    assert_eq!(queries.counts().executed, 11, "the oldest had to be computed again");
}

#[test]
fn what_is_on_the_screen_is_not_thrown_out() {
    // Two views that each need more than half the budget must not push each other out in turn.
    let queries = Queries::new(1000, 1).unwrap();
    answer(&queries, "a", 1, 800);
    answer(&queries, "b", 2, 800);
    for _ in 0..10 {
        assert!(ask(&queries, "a", 1, 800).ready().is_some());
        assert!(ask(&queries, "b", 2, 800).ready().is_some());
    }
    assert_eq!(queries.counts().executed, 2);
    queries.forget(slot("a"));
    answer(&queries, "b", 3, 10);
    assert!(queries.counts().evicted >= 1);
}

#[test]
fn a_panic_is_a_failure_of_that_query_alone() {
    sextans::workers::quiet_panics();
    let queries = Queries::new(1 << 20, 1).unwrap();
    let fail = || {
        queries.ask(slot("a"), key(1), &no_wake(), |_| -> Result<Bytes, TaskError> {
            let empty: Vec<Bytes> = Vec::new();
            Ok(empty.first().expect("a first value").clone())
        })
    };
    wait_until("it failed", || matches!(fail(), Answer::Failed(_)));
    let Answer::Failed(message) = fail() else { panic!("it failed before") };
    assert!(message.contains("a first value"), "{message}");
    assert_eq!(queries.counts().executed, 1, "a failure is not tried again in every frame");
    answer(&queries, "b", 2, 1);
    queries.forget(slot("a"));
    fail();
    wait_until("it was tried again", || queries.counts().executed == 3);
}

#[test]
fn the_type_belongs_to_the_key() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    answer(&queries, "a", 1, 2);
    let text = || queries.ask(slot("b"), key(1), &no_wake(), |_| Ok("text".to_owned()));
    wait_until("the text is there", || text().ready().is_some());
    assert_eq!(text().ready().unwrap().as_str(), "text");
}

#[test]
fn keys_tell_parameters_apart() {
    assert_eq!(key(1).and(&2).and_f64(0.0), key(1).and(&2).and_f64(-0.0));
    assert_ne!(key(1).and(&2).and(&3), key(1).and(&3).and(&2));
    assert_ne!(key(1).and_f64(1.0), key(1).and_f64(1.0 + f64::EPSILON));
    assert_ne!(Key::of(&("ab", "c")), Key::of(&("a", "bc")));
}

#[test]
fn a_query_never_waits_behind_jobs() {
    let jobs = Jobs::new();
    let (gate, inside) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let mut held = Vec::new();
    for lane in [Lane::Short, Lane::Long] {
        let (wait, count) = (gate.clone(), inside.clone());
        held.push(jobs.submit("holds every worker", lane, no_wake(), move |_| {
            rayon::broadcast(|_| {
                count.fetch_add(1, Ordering::SeqCst);
                wait.pass();
            });
            Ok(())
        }));
    }
    // Every one of them: a single free worker would do the sum below.
    wait_until("every worker is held", || inside.load(Ordering::SeqCst) >= rayon::current_num_threads());
    let queries = Queries::new(1 << 20, 1).unwrap();
    let sum = || {
        queries.ask(slot("a"), key(1), &no_wake(), |_| {
            // In the pool of the jobs this would wait for the gate.
            let sum: u64 = (0..10_000_u64).into_par_iter().sum();
            Ok(vec![sum])
        })
    };
    wait_until("it is answered while the jobs hold the pool", || sum().ready().is_some());
    assert_eq!(sum().ready().unwrap().as_slice(), [49_995_000]);
    gate.open();
    for job in held {
        job.wait().unwrap();
    }
}

#[test]
fn dropping_the_queries_stops_the_running_one() {
    let queries = Queries::new(1 << 20, 2).unwrap();
    let begun = Arc::new(Gate::default());
    let begin = begun.clone();
    let owned = Arc::new(());
    let inside = owned.clone();
    queries.ask(slot("a"), key(1), &no_wake(), move |progress: &Progress<Bytes>| {
        let _inside = inside;
        begin.open();
        loop {
            progress.check()?;
            std::thread::yield_now();
        }
    });
    begun.pass();
    drop(queries);
    assert_eq!(Arc::strong_count(&owned), 1, "the thread has ended");
}

#[test]
fn the_asker_is_woken_by_parts_and_by_the_answer() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    let woken = Arc::new(Gate::default());
    let bell = woken.clone();
    let wake: sextans::workers::Wake = Arc::new(move || bell.open());
    let answer = || queries.ask(slot("a"), key(1), &wake, |_| Ok(vec![1_u8]));
    assert!(answer().ready().is_none());
    woken.pass();
    assert!(answer().ready().is_some(), "there is something to show when the bell rings");
}

#[test]
fn memory_is_given_back_except_what_is_on_the_screen() {
    let queries = Queries::new(1 << 20, 1).unwrap();
    answer(&queries, "a", 1, 1000);
    answer(&queries, "a", 2, 2000);
    // The slot shows the second; the first is only remembered.
    let before = queries.counts().bytes;
    let given = queries.free();
    assert!((1000..1200).contains(&given), "{given}");
    assert_eq!(queries.counts().bytes, before - given);
    assert!(ask(&queries, "a", 2, 2000).ready().is_some());
    assert_eq!(queries.free(), 0);
}
