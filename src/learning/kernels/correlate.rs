//! Correlate: the gradient of the weight.

use rayon::prelude::*;

use super::geometry::{Geometry, Lattice, Tap};
use super::lanes::{Kernel, Lanes, Level, settled, with_lanes};
use super::outer;
use super::pack::{Grid, Images, Planes};
use super::products::samples_in_a_row;

/// Positions whose small and big planes stay in the first-level cache.
const CHUNK: usize = 1024;

/// `weight[s][b][tap] = sum over samples and positions of small[s] big[b]`; groups of samples are added in order.
pub(super) fn correlate(level: Level, geometry: &Geometry, small: &[f32], big: Images, weight: &mut [f32]) {
    let g = geometry;
    g.assert_lengths(small.len(), big.len(), weight.len());
    let group = samples_in_a_row(g);
    let groups = g.batch.div_ceil(group);
    let partials: Vec<Vec<f32>> = (0..groups)
        .into_par_iter()
        .map(|k| {
            let lattice = g.lattice(group.min(g.batch - k * group));
            let (small, big) = rayon::join(
                || Grid::small(g, small).pack(k * group, &lattice),
                || Grid::big(g, big).pack(k * group, &lattice),
            );
            let mut partial = vec![0.0; weight.len()];
            if many_channels(g) {
                outer::correlate_group(level, g, &lattice, &small, &big, &mut partial);
                return partial;
            }
            let taps = g.gathering(&lattice, lattice.channel_len());
            let per_channel = g.big_channels * g.taps();
            partial.par_chunks_mut(4 * per_channel).enumerate().for_each(|(block, out)| {
                with_lanes(
                    level,
                    Dots {
                        small: &small,
                        big: &big,
                        lattice: &lattice,
                        taps: &taps,
                        geometry: g,
                        first: 4 * block,
                        out,
                    },
                );
            });
            partial
        })
        .collect();
    weight.copy_from_slice(&partials[0]);
    for partial in &partials[1..] {
        for (sum, part) in weight.iter_mut().zip(partial) {
            *sum += part;
        }
    }
}

/// Whether the big grid has channels enough to fill vectors; then sums of outer products are faster, whatever the size of the image.
fn many_channels(g: &Geometry) -> bool {
    let vectors = g.big_channels.next_multiple_of(16);
    g.big_channels >= 16 && 4 * g.big_channels >= 3 * vectors
}

/// Dot products of up to four small channels with every tap of every big channel.
struct Dots<'a> {
    small: &'a Planes,
    big: &'a Planes,
    lattice: &'a Lattice,
    taps: &'a [Tap],
    geometry: &'a Geometry,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Dots<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(mut self) {
        let columns = self.geometry.big_channels * self.taps.len();
        let count = self.out.len() / columns;
        // SAFETY: passed on.
        unsafe {
            match count {
                1 => self.rows::<V, 1>(columns),
                2 => self.rows::<V, 2>(columns),
                3 => self.rows::<V, 3>(columns),
                _ => self.rows::<V, 4>(columns),
            }
        }
    }
}

impl Dots<'_> {
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn rows<V: Lanes, const S: usize>(&mut self, columns: usize) {
        let most = if V::WIDTH == 16 { 6 } else { 3 };
        let end = self.lattice.positions();
        let mut at = 0;
        while at < end {
            let len = (end - at).min(CHUNK).div_ceil(V::WIDTH);
            let mut column = 0;
            while column < columns {
                let count = (columns - column).min(most);
                // SAFETY: passed on.
                unsafe {
                    match count {
                        1 => self.block::<V, S, 1>(at, len, column, columns),
                        2 => self.block::<V, S, 2>(at, len, column, columns),
                        3 => self.block::<V, S, 3>(at, len, column, columns),
                        4 => self.block::<V, S, 4>(at, len, column, columns),
                        5 => self.block::<V, S, 5>(at, len, column, columns),
                        _ => self.block::<V, S, 6>(at, len, column, columns),
                    }
                }
                column += count;
            }
            at += CHUNK;
        }
    }

    /// `S` small channels by `J` columns over `len` vectors of positions from `at` on.
    ///
    /// # Safety
    /// As [`Lanes`]; the planes hold margins and slack around every position, and the small plane zeros where there is no position.
    #[inline(always)]
    unsafe fn block<V: Lanes, const S: usize, const J: usize>(
        &mut self,
        at: usize,
        len: usize,
        column: usize,
        columns: usize,
    ) {
        let taps = self.taps;
        // SAFETY: see above.
        unsafe {
            let small = self.small.data.as_ptr().add(self.first * self.small.channel + self.small.lead + at);
            let big: [*const f32; J] = std::array::from_fn(|j| {
                let (channel, tap) = ((column + j) / taps.len(), (column + j) % taps.len());
                let base = self.big.data.as_ptr().add(channel * self.big.channel + self.big.lead + at);
                base.offset(taps[tap].offset)
            });
            let mut sums = [[V::splat(0.0); J]; S];
            for k in 0..len {
                let mut values = [V::splat(0.0); S];
                for (s, value) in values.iter_mut().enumerate() {
                    *value = V::load(small.add(s * self.small.channel + k * V::WIDTH));
                }
                for j in 0..J {
                    let x = V::load(big[j].add(k * V::WIDTH));
                    for s in 0..S {
                        sums[s][j] = x.multiply_add(values[s], sums[s][j]);
                    }
                }
            }
            let sums = settled(&sums);
            for (s, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    self.out[s * columns + column + j] += sum.sum();
                }
            }
        }
    }
}
