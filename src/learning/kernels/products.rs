//! Gather and spread: sums over channels and taps, a block of positions and of channels at a time held in registers.

use rayon::prelude::*;

use super::geometry::{Geometry, Lattice, SLACK, Tap};
use super::lanes::{Kernel, Lanes, Level, settled, with_lanes};
use super::pack::{Grid, Images, Planes};

/// Positions a row should have before samples are worth working on one by one.
const LONG_ROW: usize = 1000;
/// Most channels of a block.
const MOST_CHANNELS: usize = 8;

/// Samples that share a row, so that small images still fill vectors: by shape alone, never by threads.
pub(super) fn samples_in_a_row(geometry: &Geometry) -> usize {
    LONG_ROW.div_ceil(geometry.lattice(1).sample).clamp(1, geometry.batch.max(1))
}

/// `small[s] = bias[s] + sum over b, tap of weight[s][b][tap] big[b]`; `small` is overwritten.
pub(super) fn gather(
    level: Level,
    geometry: &Geometry,
    big: Images,
    weight: &[f32],
    bias: Option<&[f32]>,
    small: &mut [f32],
) {
    let g = geometry;
    g.assert_lengths(small.len(), big.len(), weight.len());
    assert!(bias.is_none_or(|b| b.len() == g.small_channels), "biases of {g:?}");
    let weights = Weights { data: weight, out: g.big_channels * g.taps(), sum: g.taps() };
    let sums = Sums { out_channels: g.small_channels, out_sides: g.small, out_stride: [1; 3], weights, bias };
    let passes = |lattice: &Lattice| vec![([0; 3], g.gathering(lattice, lattice.channel_len()))];
    run(level, g, Grid::big(g, big), &sums, passes, small);
}

/// `big[b] = bias[b] + sum over s, tap of weight[s][b][tap] small[s]`; `big` is overwritten.
pub(super) fn spread(
    level: Level,
    geometry: &Geometry,
    small: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    big: &mut [f32],
) {
    let g = geometry;
    g.assert_lengths(small.len(), big.len(), weight.len());
    assert!(bias.is_none_or(|b| b.len() == g.big_channels), "biases of {g:?}");
    let weights = Weights { data: weight, out: g.taps(), sum: g.big_channels * g.taps() };
    let sums = Sums { out_channels: g.big_channels, out_sides: g.big, out_stride: g.stride, weights, bias };
    let passes = |lattice: &Lattice| g.phases().into_iter().map(|p| (p, g.spreading(lattice, p))).collect();
    run(level, g, Grid::small(g, small), &sums, passes, big);
}

/// Where the weight of a channel, a summed channel and a tap lies.
#[derive(Clone, Copy)]
struct Weights<'a> {
    data: &'a [f32],
    /// From channel to channel of the result.
    out: usize,
    /// From summed channel to summed channel.
    sum: usize,
}

/// What is summed into what.
struct Sums<'a> {
    out_channels: usize,
    out_sides: [usize; 3],
    out_stride: [usize; 3],
    weights: Weights<'a>,
    bias: Option<&'a [f32]>,
}

/// A phase of the result with its taps.
type Pass = ([usize; 3], Vec<Tap>);

fn run(
    level: Level,
    g: &Geometry,
    source: Grid,
    sums: &Sums,
    passes: impl Fn(&Lattice) -> Vec<Pass> + Sync,
    out: &mut [f32],
) {
    let group = samples_in_a_row(g);
    let sample_len = sums.out_channels * sums.out_sides.iter().product::<usize>();
    out.par_chunks_mut(group * sample_len).enumerate().for_each(|(k, out)| {
        let lattice = g.lattice(out.len() / sample_len);
        let planes = source.pack(k * group, &lattice);
        let passes = passes(&lattice);
        // A block of channels whose weights stay in the second-level cache meets all positions before the next.
        let weights_of_one = source.channels * g.taps();
        let channels = ((1 << 15) / weights_of_one.max(1) / MOST_CHANNELS * MOST_CHANNELS).max(MOST_CHANNELS);
        let positions = (lattice.positions().div_ceil(8)).next_multiple_of(48).max(192);
        let blocks = sums.out_channels.div_ceil(channels);
        let parts = lattice.positions().div_ceil(positions);
        let shared = Shared(out.as_mut_ptr());
        let work = |task: usize| {
            let (block, part) = (task / parts, task % parts);
            let first = block * channels;
            let task = Task {
                planes: &planes,
                lattice: &lattice,
                passes: &passes,
                sums,
                summed: source.channels,
                channels: first..(first + channels).min(sums.out_channels),
                positions: part * positions..((part + 1) * positions).min(lattice.positions()),
                out: shared.pointer(),
            };
            with_lanes(level, task);
        };
        if blocks * parts == 1 {
            work(0);
        } else {
            (0..blocks * parts).into_par_iter().for_each(work);
        }
    });
}

/// The result, written by many tasks, each its own channels and positions.
struct Shared(*mut f32);
// SAFETY: no two tasks write the same element (their ranges of channels and positions are disjoint), and none reads.
unsafe impl Sync for Shared {}

impl Shared {
    fn pointer(&self) -> *mut f32 {
        self.0
    }
}

struct Task<'a> {
    planes: &'a Planes,
    lattice: &'a Lattice,
    passes: &'a [Pass],
    sums: &'a Sums<'a>,
    summed: usize,
    channels: std::ops::Range<usize>,
    positions: std::ops::Range<usize>,
    out: *mut f32,
}

/// Consecutive positions of a block that fall into one row of the result.
#[derive(Clone, Copy, Default)]
struct Run {
    block: usize,
    len: usize,
    out: usize,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let vectors = if V::WIDTH == 16 || V::WIDTH * 3 <= 24 { 3 } else { 1 };
        let mut runs = [Run::default(); SLACK];
        for (phase, taps) in self.passes {
            let mut at = self.positions.start;
            while at < self.positions.end {
                let left = (self.positions.end - at).div_ceil(V::WIDTH);
                // 7 vectors as 3, 2, 2: not 3, 3, 1.
                let left = left.div_ceil(left.div_ceil(vectors));
                let block = (left * V::WIDTH).min(self.positions.end - at);
                let count = self.runs(at, block, *phase, &mut runs);
                // SAFETY: the trait's contract; see `block` for the elements.
                unsafe {
                    match left {
                        1 => self.channels_of::<V, 1>(at, taps, &runs[..count]),
                        2 => self.channels_of::<V, 2>(at, taps, &runs[..count]),
                        _ => self.channels_of::<V, 3>(at, taps, &runs[..count]),
                    }
                }
                at += block;
            }
        }
    }
}

impl Task<'_> {
    /// The runs of a block of positions, as offsets into channel 0 of the result.
    fn runs(&self, first: usize, len: usize, phase: [usize; 3], runs: &mut [Run; SLACK]) -> usize {
        let Lattice { pitch, plane, sample, .. } = *self.lattice;
        let [depth, height, width] = self.sums.out_sides;
        let stride = self.sums.out_stride;
        let per_sample = self.sums.out_channels * depth * height * width;
        let (mut count, mut at) = (0, first);
        while at < first + len {
            let row_end = (at / pitch + 1) * pitch;
            let end = row_end.min(first + len);
            let (s, rest) = (at / sample, at % sample);
            let [z, y, x] = [rest / plane, rest % plane / pitch, rest % pitch];
            let [z, y, x] = [z * stride[0] + phase[0], y * stride[1] + phase[1], x * stride[2] + phase[2]];
            if z < depth && y < height && x < width {
                let len = (end - at).min((width - x).div_ceil(stride[2]));
                runs[count] = Run { block: at - first, len, out: s * per_sample + (z * height + y) * width + x };
                count += 1;
            }
            at = end;
        }
        count
    }

    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn channels_of<V: Lanes, const P: usize>(&self, at: usize, taps: &[Tap], runs: &[Run]) {
        if runs.is_empty() {
            return;
        }
        // Registers: 3 x 8 sums fit the 32 of AVX-512, 3 x 4 the 16 of AVX2.
        let most = if V::WIDTH == 16 { 8 } else { 4 };
        let mut c = self.channels.start;
        while c < self.channels.end {
            let count = (self.channels.end - c).min(most);
            // SAFETY: passed on.
            unsafe {
                match count {
                    1 => self.block::<V, P, 1>(at, c, taps, runs),
                    2 => self.block::<V, P, 2>(at, c, taps, runs),
                    3 => self.block::<V, P, 3>(at, c, taps, runs),
                    4 => self.block::<V, P, 4>(at, c, taps, runs),
                    5 => self.block::<V, P, 5>(at, c, taps, runs),
                    6 => self.block::<V, P, 6>(at, c, taps, runs),
                    7 => self.block::<V, P, 7>(at, c, taps, runs),
                    _ => self.block::<V, P, 8>(at, c, taps, runs),
                }
            }
            c += count;
        }
    }

    /// `P` vectors of positions from `at` on, `C` channels from `channel` on.
    ///
    /// # Safety
    /// As [`Lanes`]. Elements: `planes` holds the margin that taps reach before and after each position and [`SLACK`] after the last;
    /// `weights` holds all channels of `channels` and `summed`; the runs lie in the task's own part of the result.
    #[inline(always)]
    unsafe fn block<V: Lanes, const P: usize, const C: usize>(
        &self,
        at: usize,
        channel: usize,
        taps: &[Tap],
        runs: &[Run],
    ) {
        let Weights { data, out, sum } = self.sums.weights;
        let area = self.sums.out_sides.iter().product::<usize>();
        // SAFETY: see above.
        unsafe {
            let mut sums = [[V::splat(0.0); P]; C];
            if let Some(bias) = self.sums.bias {
                for (c, sums) in sums.iter_mut().enumerate() {
                    *sums = [V::splat(bias[channel + c]); P];
                }
            }
            let mut x = self.planes.data.as_ptr().add(self.planes.lead + at);
            let mut w = data.as_ptr().add(channel * out);
            for _ in 0..self.summed {
                for tap in taps {
                    let x = x.offset(tap.offset);
                    let w = w.add(tap.weight);
                    // A loop: a closure is compiled without the vector instructions and may stay a call.
                    let mut values = [V::splat(0.0); P];
                    for (p, value) in values.iter_mut().enumerate() {
                        *value = V::load(x.add(p * V::WIDTH));
                    }
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let factor = V::splat(*w.add(c * out));
                        for p in 0..P {
                            sums[p] = values[p].multiply_add(factor, sums[p]);
                        }
                    }
                }
                x = x.add(self.planes.channel);
                w = w.add(sum);
            }
            let sums = settled(&sums);
            let mut buffer = [0.0_f32; SLACK];
            for (c, sums) in sums.iter().enumerate() {
                for (p, sum) in sums.iter().enumerate() {
                    sum.store(buffer.as_mut_ptr().add(p * V::WIDTH));
                }
                let to = self.out.add((channel + c) * area);
                for run in runs {
                    copy_run(&buffer[run.block..run.block + run.len], to.add(run.out), self.sums.out_stride[2]);
                }
            }
        }
    }
}

/// Copies a run to every `stride`-th element.
///
/// # Safety
/// The elements from `to` on belong to the caller.
#[inline(always)]
unsafe fn copy_run(run: &[f32], to: *mut f32, stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if stride == 1 {
            std::ptr::copy_nonoverlapping(run.as_ptr(), to, run.len());
        } else {
            for (k, value) in run.iter().enumerate() {
                *to.add(k * stride) = *value;
            }
        }
    }
}
