//! Weighted sums of shifted copies of an image: what a convolution with a small kernel is, as vector code.

use pulp::{Simd, WithSimd};

use super::vectors::add_scaled;

/// Vectors of sums that are kept in registers while the kernel runs over them: one add is done before the next to the same vector waits.
const GROUP: usize = 4;

/// `out[y, x] = sum_{j, i} kernel[j, i] source[y + s (centre[0] - j), x + s (centre[1] - i)]`, `s` being 1, or -1 for the adjoint.
/// Rows outside the source count as zero; along a row the source must hold enough columns on both sides of those that are summed.
///
/// Handed to `Arch::dispatch`. No operation is fused and the order of the terms is that of the kernel on every processor, so the bits are the same.
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
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = GROUP * S::F64_LANES;
        let [height, width] = self.shape;
        let Self { kernel, kernel_columns, centre, adjoint, source, out, .. } = self;
        let kernel_rows = kernel.len() / kernel_columns.max(1);
        for (y, target) in out.pixels.chunks_mut(out.stride).enumerate().take(height) {
            let Some(target) = target.get_mut(out.first..out.first + width) else { return };
            // The kernel's rows that fall into the image, and where column 0 meets the first element of each.
            let (least, most) = if adjoint {
                (centre[0].saturating_sub(y), (height + centre[0] - y).min(kernel_rows))
            } else {
                ((y + centre[0] + 1).saturating_sub(height), (y + centre[0] + 1).min(kernel_rows))
            };
            let start = |j: usize| {
                let row = if adjoint { y + j - centre[0] } else { y + centre[0] - j };
                let column = if adjoint { source.first.wrapping_sub(centre[1]) } else { source.first + centre[1] };
                (row * source.stride).wrapping_add(column)
            };
            let step = if adjoint { 1 } else { usize::MAX };
            let Some(last) = width.checked_sub(lanes) else {
                target.fill(0.0);
                for j in least..most {
                    let mut from = start(j);
                    for weight in &kernel[j * kernel_columns..(j + 1) * kernel_columns] {
                        let Some(shifted) = source.pixels.get(from..from.wrapping_add(width)) else { return };
                        add_scaled(target, shifted, *weight);
                        from = from.wrapping_add(step);
                    }
                }
                continue;
            };
            let mut x = 0;
            loop {
                let mut sums = [simd.splat_f64s(0.0); GROUP];
                for j in least..most {
                    let mut from = start(j).wrapping_add(x);
                    for weight in &kernel[j * kernel_columns..(j + 1) * kernel_columns] {
                        let Some(pixels) = source.pixels.get(from..from.wrapping_add(lanes)) else { return };
                        let Some(pixels) = S::as_simd_f64s(pixels).0.first_chunk::<GROUP>() else { return };
                        let weight = simd.splat_f64s(*weight);
                        for k in 0..GROUP {
                            sums[k] = simd.add_f64s(sums[k], simd.mul_f64s(weight, pixels[k]));
                        }
                        from = from.wrapping_add(step);
                    }
                }
                let Some(out) = S::as_mut_simd_f64s(&mut target[x..x + lanes]).0.first_chunk_mut::<GROUP>() else {
                    return;
                };
                *out = sums;
                if x == last {
                    break;
                }
                // The last group overlaps the one before rather than being shorter: the sums are the same.
                x = (x + lanes).min(last);
            }
        }
    }
}
