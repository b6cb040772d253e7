//! Grids as rows of positions ([`Lattice`]), in buffers that are used again.

use std::sync::Mutex;

use super::geometry::{Geometry, Lattice};

/// Buffers given back by earlier calls: fresh pages cost as much as a small convolution.
static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
/// Buffers kept.
const KEPT: usize = 32;

/// A buffer of `f32` with any contents; goes back to the pool when dropped.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` elements of any value.
    pub(super) fn take(len: usize) -> Self {
        let pooled = POOL.lock().ok().and_then(|mut pool| {
            let fit = (0..pool.len()).filter(|&k| pool[k].capacity() >= len).min_by_key(|&k| pool[k].capacity());
            fit.or_else(|| pool.len().checked_sub(1)).map(|k| pool.swap_remove(k))
        });
        let mut buffer = pooled.unwrap_or_default();
        if buffer.len() < len {
            buffer.clear();
            buffer.resize(len, 0.0);
        } else {
            buffer.truncate(len);
        }
        Self(buffer)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(mut pool) = POOL.lock()
            && pool.len() < KEPT
        {
            pool.push(std::mem::take(&mut self.0));
        }
    }
}

impl std::ops::Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl std::ops::DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// Channels of a group of samples as rows of positions.
pub(super) struct Planes {
    /// `[channel][phase][channel_len]`
    pub(super) data: Scratch,
    /// From channel to channel.
    pub(super) channel: usize,
    /// From the start of a channel to its first position.
    pub(super) lead: usize,
}

/// Channels of samples: in one tensor, or in two whose channels follow each other.
#[derive(Clone, Copy)]
pub(super) enum Images<'a> {
    /// `[sample][channel][z][y][x]`
    One(&'a [f32]),
    /// The same, in two tensors.
    Two {
        /// The first channels of all samples.
        first: &'a [f32],
        /// Count of the first channels.
        channels: usize,
        /// The other channels of all samples.
        second: &'a [f32],
    },
}

impl<'a> From<&'a [f32]> for Images<'a> {
    fn from(data: &'a [f32]) -> Self {
        Self::One(data)
    }
}

impl<'a> Images<'a> {
    /// Elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(data) => data.len(),
            Self::Two { first, second, .. } => first.len() + second.len(),
        }
    }

    /// A channel of `area` elements of one of the samples with `channels` channels.
    fn channel(&self, sample: usize, channel: usize, channels: usize, area: usize) -> &'a [f32] {
        let (data, at) = match *self {
            Self::One(data) => (data, sample * channels + channel),
            Self::Two { first, channels: count, .. } if channel < count => (first, sample * count + channel),
            Self::Two { second, channels: count, .. } => (second, sample * (channels - count) + channel - count),
        };
        &data[at * area..][..area]
    }
}

/// One of the two grids of a geometry.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    /// What lies on it.
    pub(super) data: Images<'a>,
    /// Channels of a sample.
    pub(super) channels: usize,
    /// Sides.
    pub(super) sides: [usize; 3],
    /// 1 or 2 along each axis: how many phases it is taken apart into.
    pub(super) stride: [usize; 3],
}

impl<'a> Grid<'a> {
    /// The small grid of a geometry.
    pub(super) fn small(geometry: &Geometry, data: impl Into<Images<'a>>) -> Self {
        Self { data: data.into(), channels: geometry.small_channels, sides: geometry.small, stride: [1; 3] }
    }

    /// The big grid of a geometry.
    pub(super) fn big(geometry: &Geometry, data: impl Into<Images<'a>>) -> Self {
        Self { data: data.into(), channels: geometry.big_channels, sides: geometry.big, stride: geometry.stride }
    }

    fn phases(&self) -> usize {
        self.stride.iter().product()
    }

    /// The channels of samples `first..first + lattice.samples`.
    pub(super) fn pack(&self, first: usize, lattice: &Lattice) -> Planes {
        use rayon::prelude::*;
        let len = lattice.channel_len();
        let channel = self.phases() * len;
        let mut data = Scratch::take(self.channels * channel);
        let side = self.sides.iter().product::<usize>();
        let pack = |(c, plane): (usize, &mut [f32])| {
            let source = |s: usize| self.data.channel(first + s, c, self.channels, side);
            for (phase, plane) in plane.chunks_exact_mut(len).enumerate() {
                self.pack_phase(plane, lattice, self.phase(phase), source);
            }
        };
        // Small ones are not worth a second thread.
        if self.channels * channel < 1 << 15 {
            data.chunks_exact_mut(channel).enumerate().for_each(pack);
        } else {
            data.par_chunks_exact_mut(channel).with_min_len(1 + (1 << 13) / channel).enumerate().for_each(pack);
        }
        Planes { data, channel, lead: lattice.margin }
    }

    /// The phase of this number, as [`Geometry::phases`] counts them.
    fn phase(&self, k: usize) -> [usize; 3] {
        let [_, y, x] = self.stride;
        [k / (y * x), k / x % y, k % x]
    }

    /// Writes every element of `plane`, zeros included: buffers come with old contents.
    fn pack_phase<'s>(
        &self,
        plane: &mut [f32],
        lattice: &Lattice,
        phase: [usize; 3],
        source: impl Fn(usize) -> &'s [f32],
    ) {
        let count: [usize; 3] =
            std::array::from_fn(|a| (self.sides[a] + self.stride[a] - 1 - phase[a]) / self.stride[a]);
        let (head, body) = plane.split_at_mut(lattice.margin);
        head.fill(0.0);
        let (body, tail) = body.split_at_mut(lattice.positions());
        tail.fill(0.0);
        for (s, sample) in body.chunks_exact_mut(lattice.sample).enumerate() {
            let from = source(s);
            for (z, level) in sample.chunks_exact_mut(lattice.plane).enumerate() {
                if z >= count[0] {
                    level.fill(0.0);
                    continue;
                }
                let z = z * self.stride[0] + phase[0];
                for (y, row) in level.chunks_exact_mut(lattice.pitch).enumerate() {
                    if y >= count[1] {
                        row.fill(0.0);
                        continue;
                    }
                    let y = y * self.stride[1] + phase[1];
                    let from = &from[(z * self.sides[1] + y) * self.sides[2]..][..self.sides[2]];
                    let (row, gap) = row.split_at_mut(count[2]);
                    gap.fill(0.0);
                    if self.stride[2] == 1 {
                        row.copy_from_slice(from);
                    } else {
                        for (to, from) in row.iter_mut().zip(from[phase[2]..].iter().step_by(2)) {
                            *to = *from;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_plane_holds_rows_with_zeros_between_whatever_lay_in_the_buffer() {
        let g = Geometry {
            batch: 2,
            small_channels: 1,
            big_channels: 1,
            small: [1, 2, 2],
            big: [1, 3, 3],
            kernel: [1, 3, 3],
            stride: [1, 2, 2],
            padding: [0, 1, 1],
        };
        drop({
            let mut dirty = Scratch::take(4096);
            dirty.fill(f32::NAN);
            dirty
        });
        let data: Vec<f32> = (1..=18).map(|k| k as f32).collect();
        let lattice = g.lattice(2);
        let planes = Grid::big(&g, data.as_slice()).pack(0, &lattice);
        assert!(planes.data.iter().all(|v| v.is_finite()));
        let row = |phase: usize| -> Vec<f32> {
            planes.data[phase * lattice.channel_len() + planes.lead..][..lattice.positions()].to_vec()
        };
        assert_eq!(row(0), [1., 3., 0., 7., 9., 0., 0., 0., 0., 10., 12., 0., 16., 18., 0., 0., 0., 0.]);
        assert_eq!(row(3), [5., 0., 0., 0., 0., 0., 0., 0., 0., 14., 0., 0., 0., 0., 0., 0., 0., 0.]);
    }
}
