//! Correlate where channels are many and positions few: sums of outer products, channels along the vectors.

use rayon::prelude::*;

use super::geometry::{Geometry, Lattice, Tap};
use super::lanes::{Kernel, Lanes, Level, settled, with_lanes};
use super::pack::{Planes, Scratch};

/// Small channels of a task.
const ROWS: usize = 8;
/// Channels of the big grid are padded to whole vectors of the widest kind.
const WIDEST: usize = 16;

/// `partial[s][b][tap]` is overwritten with the sum over the positions of a group of samples.
pub(super) fn correlate_group(
    level: Level,
    g: &Geometry,
    lattice: &Lattice,
    small: &Planes,
    big: &Planes,
    partial: &mut [f32],
) {
    let turned = Turned::new(g, lattice, big);
    // One "phase" of the turned planes is as long as in the planes themselves, so the taps are the same.
    let taps = g.gathering(lattice, lattice.channel_len());
    let rows = rows(g, lattice);
    partial.par_chunks_mut(ROWS * g.big_channels * g.taps()).enumerate().for_each(|(block, out)| {
        let task = Task { small, turned: &turned, taps: &taps, rows: &rows, geometry: g, first: block * ROWS, out };
        with_lanes(level, task);
    });
}

/// First positions of the rows of the small grid, all of the same length: the gaps between are left out.
fn rows(g: &Geometry, lattice: &Lattice) -> Vec<usize> {
    let mut out = Vec::with_capacity(lattice.samples * g.small[0] * g.small[1]);
    for n in 0..lattice.samples {
        for z in 0..g.small[0] {
            out.extend((0..g.small[1]).map(|y| n * lattice.sample + z * lattice.plane + y * lattice.pitch));
        }
    }
    out
}

/// Planes with the channel last: `[phase and position][channel]`.
struct Turned {
    data: Scratch,
    /// Channels, whole vectors of them.
    width: usize,
    lead: usize,
}

impl Turned {
    fn new(g: &Geometry, lattice: &Lattice, planes: &Planes) -> Self {
        let width = g.big_channels.next_multiple_of(WIDEST);
        // Position by position, blocks of as many as a vector, so that reads and writes both stay in the cache.
        let len = planes.channel;
        let mut data = Scratch::take(len * width);
        data.par_chunks_mut(WIDEST * width).enumerate().for_each(|(block, out)| {
            let at = block * WIDEST;
            let count = out.len() / width;
            for c in 0..width {
                if c < g.big_channels {
                    let from = &planes.data[c * len + at..][..count];
                    out.iter_mut().skip(c).step_by(width).zip(from).for_each(|(to, from)| *to = *from);
                } else {
                    out.iter_mut().skip(c).step_by(width).for_each(|to| *to = 0.0);
                }
            }
        });
        Self { data, width, lead: lattice.margin }
    }
}

struct Task<'a> {
    small: &'a Planes,
    turned: &'a Turned,
    taps: &'a [Tap],
    rows: &'a [usize],
    geometry: &'a Geometry,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        let count = self.out.len() / (self.geometry.big_channels * self.taps.len());
        let most = if V::WIDTH == 16 { 8 } else { 4 };
        let mut s = 0;
        while s < count {
            let rows = (count - s).min(most);
            // SAFETY: passed on.
            unsafe {
                match rows {
                    1 => self.row_block::<V, 1>(s),
                    2 => self.row_block::<V, 2>(s),
                    3 => self.row_block::<V, 3>(s),
                    4 => self.row_block::<V, 4>(s),
                    5 => self.row_block::<V, 5>(s),
                    6 => self.row_block::<V, 6>(s),
                    7 => self.row_block::<V, 7>(s),
                    _ => self.row_block::<V, 8>(s),
                }
            }
            s += rows;
        }
    }
}

impl Task<'_> {
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn row_block<V: Lanes, const C: usize>(&mut self, s: usize) {
        let vectors = self.geometry.big_channels.div_ceil(V::WIDTH);
        let mut v = 0;
        while v < vectors {
            let left = vectors - v;
            let count = left.div_ceil(left.div_ceil(3));
            for (t, tap) in self.taps.iter().enumerate() {
                // SAFETY: passed on.
                unsafe {
                    match count {
                        1 => self.block::<V, 1, C>(s, v * V::WIDTH, t, tap.offset),
                        2 => self.block::<V, 2, C>(s, v * V::WIDTH, t, tap.offset),
                        _ => self.block::<V, 3, C>(s, v * V::WIDTH, t, tap.offset),
                    }
                }
            }
            v += count;
        }
    }

    /// `C` small channels by `P` vectors of big channels, one tap, all positions.
    ///
    /// # Safety
    /// As [`Lanes`]; the turned planes hold the margin that the tap reaches and whole vectors of channels.
    #[inline(always)]
    unsafe fn block<V: Lanes, const P: usize, const C: usize>(
        &mut self,
        s: usize,
        b: usize,
        tap: usize,
        offset: isize,
    ) {
        let width = self.turned.width;
        let small_channel = self.small.channel;
        // SAFETY: see above.
        unsafe {
            let small = self.small.data.as_ptr().add((self.first + s) * small_channel + self.small.lead);
            let big = self.turned.data.as_ptr().add(self.turned.lead * width + b).offset(offset * width as isize);
            let mut sums = [[V::splat(0.0); P]; C];
            for &row in self.rows {
                for q in row..row + self.geometry.small[2] {
                    let mut values = [V::splat(0.0); P];
                    for (p, value) in values.iter_mut().enumerate() {
                        *value = V::load(big.add(q * width + p * V::WIDTH));
                    }
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let factor = V::splat(*small.add(c * small_channel + q));
                        for p in 0..P {
                            sums[p] = values[p].multiply_add(factor, sums[p]);
                        }
                    }
                }
            }
            let (taps, channels) = (self.taps.len(), self.geometry.big_channels);
            let sums = settled(&sums);
            let mut buffer = [0.0_f32; 3 * WIDEST];
            let count = (P * V::WIDTH).min(channels - b);
            for (c, sums) in sums.iter().enumerate() {
                for (p, sum) in sums.iter().enumerate() {
                    sum.store(buffer.as_mut_ptr().add(p * V::WIDTH));
                }
                let out = &mut self.out[((s + c) * channels + b) * taps + tap..];
                for (k, value) in buffer[..count].iter().enumerate() {
                    *out.get_unchecked_mut(k * taps) = *value;
                }
            }
        }
    }
}
