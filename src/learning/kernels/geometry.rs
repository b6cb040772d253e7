//! Which position meets which under a kernel: one description for convolutions, transposed convolutions and their gradients.
//!
//! A convolution ties a small grid (its output) to a big one (its input): `big = stride * small + tap - padding` along each axis.
//! A transposed convolution is the same tie read the other way. So there are three products, and each gradient of one is another:
//!
//! | product | convolution | transposed convolution |
//! |---|---|---|
//! | gather: `small[s] = sum over b, tap of w[s][b][tap] big[b]` | forward | gradient of the input |
//! | spread: `big[b] = sum over s, tap of w[s][b][tap] small[s]` | gradient of the input | forward |
//! | correlate: `w[s][b][tap] = sum over samples, positions of small[s] big[b]` | gradient of the weight | gradient of the weight |
//!
//! The weight is `[small, big, taps]` in both of burn's conventions. Images are grids of depth 1 under kernels of depth 1.

/// Sizes of two grids and of the kernel between them; axes are `[z, y, x]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Samples.
    pub batch: usize,
    /// Channels on the small grid.
    pub small_channels: usize,
    /// Channels on the big grid.
    pub big_channels: usize,
    /// Sides of the small grid.
    pub small: [usize; 3],
    /// Sides of the big grid.
    pub big: [usize; 3],
    /// Sides of the kernel.
    pub kernel: [usize; 3],
    /// 1 or 2 along each axis.
    pub stride: [usize; 3],
    /// Rows of zeros before the big grid.
    pub padding: [usize; 3],
}

/// One tap as the lattice sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// From a position of the row to the element that the tap meets, within the planes of one channel.
    pub(super) offset: isize,
    /// Index in the kernel.
    pub(super) weight: usize,
}

impl Geometry {
    /// Taps of the kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Elements of a channel on the small grid.
    pub(super) fn small_len(&self) -> usize {
        self.small.iter().product()
    }

    /// Elements of a channel on the big grid.
    pub(super) fn big_len(&self) -> usize {
        self.big.iter().product()
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_empty(&self) -> bool {
        self.batch * self.small_channels * self.big_channels * self.taps() * self.small_len() * self.big_len() == 0
    }

    /// Elements of the small grids of all samples.
    pub(super) fn small_elements(&self) -> usize {
        self.batch * self.small_channels * self.small_len()
    }

    /// Elements of the big grids of all samples.
    pub(super) fn big_elements(&self) -> usize {
        self.batch * self.big_channels * self.big_len()
    }

    /// Elements of the weight.
    pub(super) fn weight_elements(&self) -> usize {
        self.small_channels * self.big_channels * self.taps()
    }

    /// Holds the lengths that the raw pointers of the kernels rely on.
    ///
    /// # Panics
    /// Where a slice is not as long as the geometry says, or the geometry is none that the lattice describes.
    pub(super) fn assert_lengths(&self, small: usize, big: usize, weight: usize) {
        assert!(
            !self.is_empty() && self.stride.iter().all(|s| (1..=2).contains(s)),
            "a geometry without positions: {self:?}"
        );
        assert_eq!(small, self.small_elements(), "elements of the small grids of {self:?}");
        assert_eq!(big, self.big_elements(), "elements of the big grids of {self:?}");
        assert_eq!(weight, self.weight_elements(), "elements of the weight of {self:?}");
    }

    /// Parts of the big grid that a stride takes apart: even and odd along each axis of stride 2.
    pub(super) fn phases(&self) -> Vec<[usize; 3]> {
        let [z, y, x] = self.stride;
        let mut out = Vec::with_capacity(z * y * x);
        for a in 0..z {
            for b in 0..y {
                out.extend((0..x).map(|c| [a, b, c]));
            }
        }
        out
    }

    /// Farthest reach of a tap along each axis, in steps of the small grid.
    fn reach(&self) -> [usize; 3] {
        std::array::from_fn(|a| {
            (0..self.kernel[a]).map(|d| self.split(a, d).1.unsigned_abs()).max().unwrap_or_default()
        })
    }

    /// Phase and step on the small grid of tap `d` along axis `a`.
    fn split(&self, a: usize, d: usize) -> (usize, isize) {
        let e = d as isize - self.padding[a] as isize;
        let s = self.stride[a] as isize;
        (e.rem_euclid(s) as usize, e.div_euclid(s))
    }

    /// The taps with the phase of the big grid that each meets and its step `[z, y, x]`.
    fn steps(&self) -> impl Iterator<Item = (usize, [usize; 3], [isize; 3])> + '_ {
        let [kz, ky, kx] = self.kernel;
        (0..kz * ky * kx).map(move |t| {
            let d = [t / (ky * kx), t / kx % ky, t % kx];
            let split: [(usize, isize); 3] = std::array::from_fn(|a| self.split(a, d[a]));
            (t, split.map(|s| s.0), split.map(|s| s.1))
        })
    }

    /// Taps of [`super::products::gather`] and of the correlation: offsets into the phases of a big channel, phase after phase, each of
    /// `phase_len` elements.
    pub(super) fn gathering(&self, lattice: &Lattice, phase_len: usize) -> Vec<Tap> {
        let phases = self.phases();
        self.steps()
            .map(|(weight, phase, step)| {
                let at = phases.iter().position(|p| *p == phase).unwrap_or_default();
                Tap { offset: (at * phase_len) as isize + lattice.offset(step), weight }
            })
            .collect()
    }

    /// Taps that reach a phase of the big grid from the small one.
    pub(super) fn spreading(&self, lattice: &Lattice, phase: [usize; 3]) -> Vec<Tap> {
        self.steps()
            .filter(|(_, p, _)| *p == phase)
            .map(|(weight, _, step)| Tap { offset: -lattice.offset(step), weight })
            .collect()
    }

    /// The row of positions that a group of `samples` becomes.
    pub(super) fn lattice(&self, samples: usize) -> Lattice {
        let reach = self.reach();
        let phase: [usize; 3] = std::array::from_fn(|a| self.big[a].div_ceil(self.stride[a]).max(self.small[a]));
        let pitch = phase[2] + reach[2];
        let plane = (phase[1] + reach[1]) * pitch;
        let sample = (phase[0] + reach[0]) * plane;
        let margin = reach[0] * plane + reach[1] * pitch + reach[2];
        Lattice { pitch, plane, sample, samples, margin }
    }
}

/// Grids laid out as one row of positions: rows with zeros between them, planes with rows of zeros between them, sample after sample.
/// The zeros after a row stand before the next one too, so a tap is one offset wherever it falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lattice {
    /// From row to row.
    pub(super) pitch: usize,
    /// From plane to plane.
    pub(super) plane: usize,
    /// From sample to sample.
    pub(super) sample: usize,
    /// Samples in the row.
    pub(super) samples: usize,
    /// Zeros that taps may reach before the first position and after the last.
    pub(super) margin: usize,
}

/// Positions that a kernel may read or write beyond the last one: the longest block.
pub(super) const SLACK: usize = 64;

impl Lattice {
    /// Positions, those between the rows included.
    pub(super) fn positions(&self) -> usize {
        self.samples * self.sample
    }

    /// Elements that a plane of a channel needs: margins, positions and [`SLACK`], off the multiples of 4096 bytes that would let
    /// channels evict each other from the cache.
    pub(super) fn channel_len(&self) -> usize {
        let len = (self.positions() + 2 * self.margin + SLACK).next_multiple_of(16);
        if len.is_multiple_of(256) { len + 16 } else { len }
    }

    fn offset(&self, [z, y, x]: [isize; 3]) -> isize {
        z * self.plane as isize + y * self.pitch as isize + x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(kernel: usize, stride: usize, big: usize) -> Geometry {
        let p = (kernel - 1) / 2;
        Geometry {
            batch: 1,
            small_channels: 1,
            big_channels: 1,
            small: [1, big.div_ceil(stride), big.div_ceil(stride)],
            big: [1, big, big],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            padding: [0, p, p],
        }
    }

    #[test]
    fn taps_of_stride_one_are_offsets_in_rows_with_one_zero_between() {
        let g = geometry(3, 1, 4);
        let lattice = g.lattice(1);
        assert_eq!((lattice.pitch, lattice.sample, lattice.margin), (5, 25, 6));
        let taps = g.gathering(&lattice, 1000);
        let offsets: Vec<isize> = taps.iter().map(|t| t.offset).collect();
        assert_eq!(offsets, [-6, -5, -4, -1, 0, 1, 4, 5, 6]);
        let back: Vec<isize> = g.spreading(&lattice, [0; 3]).iter().map(|t| t.offset).collect();
        assert_eq!(back, [6, 5, 4, 1, 0, -1, -4, -5, -6]);
    }

    #[test]
    fn a_stride_of_two_splits_taps_over_phases() {
        let g = geometry(3, 2, 5);
        assert_eq!(g.small, [1, 3, 3]);
        let lattice = g.lattice(1);
        assert_eq!(lattice.pitch, 4);
        let counts: Vec<usize> = g.phases().into_iter().map(|p| g.spreading(&lattice, p).len()).collect();
        assert_eq!(counts, [1, 2, 2, 4]);
        // The middle tap meets the even phase where it stands, the first one the odd phase one step before.
        let taps = g.gathering(&lattice, 100);
        assert_eq!(taps[4], Tap { offset: 0, weight: 4 });
        assert_eq!(taps[0], Tap { offset: 300 - 5, weight: 0 });
    }
}
