//! Seconds of a method, without what is done beside it to watch it.

use std::time::{Duration, Instant};

/// A clock that can be stopped.
pub(super) struct Watch {
    spent: Duration,
    since: Instant,
}

impl Watch {
    /// Starts at zero.
    pub(super) fn start() -> Self {
        Self { spent: Duration::ZERO, since: Instant::now() }
    }

    /// Seconds so far.
    pub(super) fn seconds(&self) -> f64 {
        (self.spent + self.since.elapsed()).as_secs_f64()
    }

    /// Work that does not count.
    pub(super) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.spent += self.since.elapsed();
        let out = work();
        self.since = Instant::now();
        out
    }
}

/// How far a method had come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TrackPoint {
    /// Seconds since the image was there, what the method begins from included.
    pub(super) seconds: f64,
    /// Its step, from 0 for what it begins from.
    pub(super) step: usize,
    pub(super) convergence_rms_dex: f64,
    pub(super) source_rms_relative: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_aside_does_not_count() {
        let mut watch = Watch::start();
        let answer = watch.aside(|| {
            std::thread::sleep(Duration::from_millis(300));
            7
        });
        assert_eq!(answer, 7);
        // Generous: a busy machine may take the thread away for a while.
        assert!(watch.seconds() < 0.25, "{}", watch.seconds());
    }
}
