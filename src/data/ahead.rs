//! Short reads at many places of a cold file: the system is told of the next ones, so that the disk works on many at once.
//!
//! A spectrum of a cube is one value from each plane. Read one after another from a cold disk, each waits for the disk
//! (512 planes: 25 to 60 ms on a fast disk); told ahead, they wait together. Of a file in the cache nothing is told,
//! because there telling costs as much as reading.

use std::time::{Duration, Instant};

use super::Source;

/// A read that takes longer came from the disk: from memory it takes one or two microseconds.
const SLOW: Duration = Duration::from_micros(30);
/// Places told ahead of the one being read: more than a disk's queue holds.
const WINDOW: usize = 256;
/// Longer stretches are left to the system's own reading ahead.
const LONGEST: u64 = 64 * 1024;
/// Two places in one page need to be told of once.
const PAGE: u64 = 4096;

/// Watches the reads of one box and tells the source of those to come.
pub(super) struct Ahead<'a, I> {
    source: &'a dyn Source,
    /// Where the stretches begin, in bytes, from the first not yet told of on.
    places: I,
    /// Bytes of a stretch.
    length: u64,
    /// Stretches told of or passed, and stretches read.
    told: usize,
    read: usize,
    /// A read was slow: the file is not in the cache.
    cold: bool,
    last_page: Option<u64>,
}

impl<'a, I: Iterator<Item = u64>> Ahead<'a, I> {
    /// For stretches of `length` bytes that begin at `places`, read in this order.
    pub fn new(source: &'a dyn Source, places: I, length: u64) -> Self {
        Self { source, places, length, told: 0, read: 0, cold: false, last_page: None }
    }

    /// Does the next read.
    pub fn around<R>(&mut self, read: impl FnOnce() -> R) -> R {
        if self.length > LONGEST {
            return read();
        }
        let start = Instant::now();
        let result = read();
        self.cold |= start.elapsed() > SLOW;
        self.read += 1;
        if self.cold && self.told < self.read + WINDOW / 2 {
            self.tell();
        }
        result
    }

    fn tell(&mut self) {
        while self.told < self.read + WINDOW {
            let Some(place) = self.places.next() else { break };
            let page = Some(place / PAGE);
            if self.told >= self.read && page != self.last_page {
                self.source.will_read(place, self.length);
                self.last_page = page;
            }
            self.told += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    struct Recorder(Mutex<Vec<(u64, u64)>>);

    impl Source for Recorder {
        fn length(&self) -> u64 {
            u64::MAX
        }

        fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
            Ok(())
        }

        fn will_read(&self, offset: u64, length: u64) {
            self.0.lock().unwrap().push((offset, length));
        }
    }

    fn told(count: u64, step: u64, length: u64, slow: Option<u64>) -> Vec<(u64, u64)> {
        let source = Recorder(Mutex::default());
        let mut ahead = Ahead::new(&source, (0..count).map(|i| i * step), length);
        for i in 0..count {
            ahead.around(|| {
                if Some(i) == slow {
                    std::thread::sleep(3 * SLOW);
                }
            });
        }
        source.0.into_inner().unwrap()
    }

    #[test]
    fn after_a_slow_read_every_later_place_is_told_once() {
        let places = told(1000, 1 << 20, 4, Some(0));
        assert_eq!(places, (1..1000).map(|i| (i << 20, 4)).collect::<Vec<_>>());
        // Places in one page are one.
        assert_eq!(told(1024, 1024, 4, Some(0)).len(), 256);
        assert!(told(100, 1 << 20, LONGEST + 1, Some(0)).is_empty());
        assert!(told(1, 4, 4, Some(0)).is_empty());
    }
}
