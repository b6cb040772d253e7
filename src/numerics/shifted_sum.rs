//! Weighted sums of shifted copies of an image: what a convolution with a small kernel is, as vector code.

use pulp::{Simd, WithSimd};

/// Pixels whose sums are kept in registers while the kernel runs over them.
const LANES: usize = 32;

/// `out[y, x] = sum_{j, i} kernel[j, i] source[y + s (centre[0] - j), x + s (centre[1] - i)]`, `s` being 1, or -1 for the adjoint.
/// Rows outside the source count as zero; along a row the source must hold enough columns on both sides of those that are summed.
///
/// Handed to `Arch::dispatch`. The order of the terms is that of the kernel on every processor, so the bits are the same.
pub(super) struct ShiftedSum<'a> {
    /// `[j, i]`, row by row.
    pub(super) kernel: &'a [f64],
    /// Columns of the kernel.
    pub(super) kernel_columns: usize,
    /// Its element that stays in place, `[j, i]`.
    pub(super) centre: [usize; 2],
    /// Take the adjoint.
    pub(super) adjoint: bool,
    /// Rows and columns that are summed.
    pub(super) shape: [usize; 2],
    /// The image.
    pub(super) source: Rows<&'a [f64]>,
    /// The sums.
    pub(super) out: Rows<&'a mut [f64]>,
}

/// Pixels with the same distance from row to row.
pub(super) struct Rows<T> {
    pub(super) pixels: T,
    /// Pixels from one row to the next.
    pub(super) stride: usize,
    /// Column of a row that counts as 0.
    pub(super) first: usize,
}

impl<T> Rows<T> {
    /// An image of this width without margins.
    pub(super) fn plain(pixels: T, width: usize) -> Self {
        Self { pixels, stride: width, first: 0 }
    }
}

impl WithSimd for ShiftedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let [height, width] = self.shape;
        let Self { kernel, kernel_columns, centre, adjoint, source, out, .. } = self;
        for (y, target) in out.pixels.chunks_mut(out.stride).enumerate().take(height) {
            let Some(target) = target.get_mut(out.first..out.first + width) else { return };
            // Where column 0 meets the first element of each of the kernel's rows that falls into the image.
            let rows = kernel.chunks_exact(kernel_columns).enumerate().filter_map(|(j, weights)| {
                let row = if adjoint { (y + j).checked_sub(centre[0])? } else { (y + centre[0]).checked_sub(j)? };
                let column = if adjoint { source.first.wrapping_sub(centre[1]) } else { source.first + centre[1] };
                (row < height).then(|| ((row * source.stride).wrapping_add(column), weights))
            });
            let Some(last) = width.checked_sub(LANES) else {
                narrow(target, source.pixels, rows, adjoint);
                continue;
            };
            let mut x = 0;
            loop {
                let mut sums = [0.0; LANES];
                for (start, weights) in rows.clone() {
                    let mut from = start.wrapping_add(x);
                    for weight in weights {
                        let Some(pixels) = source.pixels.get(from..).and_then(<[f64]>::first_chunk::<LANES>) else {
                            return;
                        };
                        for (sum, pixel) in sums.iter_mut().zip(pixels) {
                            *sum += weight * pixel;
                        }
                        from = if adjoint { from.wrapping_add(1) } else { from.wrapping_sub(1) };
                    }
                }
                target[x..x + LANES].copy_from_slice(&sums);
                if x == last {
                    break;
                }
                // The last group overlaps the one before rather than being shorter: the sums are the same.
                x = (x + LANES).min(last);
            }
        }
    }
}

/// A row that is narrower than a group of lanes.
#[inline(always)]
fn narrow<'a>(target: &mut [f64], pixels: &[f64], rows: impl Iterator<Item = (usize, &'a [f64])>, adjoint: bool) {
    target.fill(0.0);
    for (start, weights) in rows {
        let mut from = start;
        for weight in weights {
            let Some(shifted) = pixels.get(from..from.wrapping_add(target.len())) else { return };
            for (sum, pixel) in target.iter_mut().zip(shifted) {
                *sum += weight * pixel;
            }
            from = if adjoint { from.wrapping_add(1) } else { from.wrapping_sub(1) };
        }
    }
}
