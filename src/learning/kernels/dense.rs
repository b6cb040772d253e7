//! Dense layers for inference: a matrix packed once, then many rows a call, bias and rectifier in the same pass.

use super::lanes::{Kernel, Lanes, Level, with_lanes};

/// Vectors side by side in a tile.
const ACROSS: usize = 3;
/// Elements of the longest vector.
const WIDEST: usize = 16;

/// `y = x W + b`, with or without a rectifier, for many rows `x`. Results have the same bits for any number of rows in a call.
#[derive(Clone, Debug)]
pub struct DenseKernel {
    inputs: usize,
    outputs: usize,
    /// Columns `[p n .. (p + 1) n]` of the matrix, row after row, for each panel `p` of `n` columns; zeros beyond the last.
    panels: Vec<f32>,
    bias: Vec<f32>,
    level: Level,
}

impl DenseKernel {
    /// A matrix `[inputs, outputs]`, row by row, and as many biases as outputs, for the best instructions of this processor.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn new(weight: &[f32], bias: &[f32]) -> Self {
        Self::at(Level::current(), weight, bias)
    }

    /// For a given level of instructions.
    fn at(level: Level, weight: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        assert!(outputs > 0 && weight.len().is_multiple_of(outputs), "dense kernel: {} by {outputs}", weight.len());
        let inputs = weight.len() / outputs;
        let columns = columns_of_panel(level);
        let count = outputs.div_ceil(columns);
        let mut panels = vec![0.0; count * inputs * columns];
        for (p, panel) in panels.chunks_exact_mut(inputs * columns).enumerate() {
            let first = p * columns;
            let own = columns.min(outputs - first);
            for (row, target) in weight.chunks_exact(outputs).zip(panel.chunks_exact_mut(columns)) {
                target[..own].copy_from_slice(&row[first..first + own]);
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(count * columns, 0.0);
        Self { inputs, outputs, panels, bias: padded, level }
    }

    /// Values of a row that it takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of a row that it gives.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows `x[stride r .. stride r + inputs]` (they may overlap, which makes convolutions) to `y[r outputs ..]`, as many as fill `y`.
    ///
    /// # Panics
    /// Where `x` is too short, or `y` holds no whole rows.
    pub fn apply(&self, x: &[f32], stride: usize, rectify: bool, y: &mut [f32]) {
        assert!(y.len().is_multiple_of(self.outputs), "dense kernel: {} values for rows of {}", y.len(), self.outputs);
        let rows = y.len() / self.outputs;
        if rows == 0 {
            return;
        }
        assert!((rows - 1) * stride + self.inputs <= x.len(), "dense kernel: {} values hold no {rows} rows", x.len());
        with_lanes(self.level, Product { layer: self, x, stride, rectify, y });
    }
}

fn columns_of_panel(level: Level) -> usize {
    ACROSS * if level == Level::Avx512 { WIDEST } else { WIDEST / 2 }
}

struct Product<'a> {
    layer: &'a DenseKernel,
    x: &'a [f32],
    stride: usize,
    rectify: bool,
    y: &'a mut [f32],
}

// No closures and no adapters below: what is not inlined by force may be compiled without the instructions of the level.
impl Kernel for Product<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { layer, x, stride, rectify, y } = self;
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let columns = ACROSS * V::WIDTH;
        let rows = y.len() / outputs;
        let mut panel = 0;
        while panel * columns < outputs {
            let first = panel * columns;
            let tile = Tile {
                inputs,
                outputs,
                stride,
                rectify,
                weight: layer.panels[panel * inputs * columns..].as_ptr(),
                bias: layer.bias[first..].as_ptr(),
                own: columns.min(outputs - first),
            };
            let mut row = 0;
            // SAFETY: `apply` has seen that every row lies in `x` and in `y`; panels and biases are padded to whole panels.
            unsafe {
                if V::WIDTH == WIDEST {
                    while row + 8 <= rows {
                        tile.run::<V, 8>(x.as_ptr().add(row * stride), y.as_mut_ptr().add(row * outputs + first));
                        row += 8;
                    }
                }
                while row + 4 <= rows {
                    tile.run::<V, 4>(x.as_ptr().add(row * stride), y.as_mut_ptr().add(row * outputs + first));
                    row += 4;
                }
                while row < rows {
                    tile.run::<V, 1>(x.as_ptr().add(row * stride), y.as_mut_ptr().add(row * outputs + first));
                    row += 1;
                }
            }
            panel += 1;
        }
    }
}

/// Some rows of one panel.
struct Tile {
    inputs: usize,
    outputs: usize,
    stride: usize,
    rectify: bool,
    weight: *const f32,
    bias: *const f32,
    /// Columns of the panel that exist.
    own: usize,
}

impl Tile {
    /// # Safety
    /// `x` begins `ROWS` rows of `inputs`, `stride` apart; `y` as many of `own` values, `outputs` apart; see [`Lanes`].
    #[inline(always)]
    unsafe fn run<V: Lanes, const ROWS: usize>(&self, x: *const f32, y: *mut f32) {
        // SAFETY: the contract above.
        unsafe {
            let mut sums = [[V::splat(0.0); ACROSS]; ROWS];
            let mut r = 0;
            while r < ROWS {
                let mut a = 0;
                while a < ACROSS {
                    sums[r][a] = V::load(self.bias.add(a * V::WIDTH));
                    a += 1;
                }
                r += 1;
            }
            let mut weight = self.weight;
            let mut k = 0;
            while k < self.inputs {
                let columns = [V::load(weight), V::load(weight.add(V::WIDTH)), V::load(weight.add(2 * V::WIDTH))];
                let mut r = 0;
                while r < ROWS {
                    let value = V::splat(*x.add(r * self.stride + k));
                    sums[r][0] = value.multiply_add(columns[0], sums[r][0]);
                    sums[r][1] = value.multiply_add(columns[1], sums[r][1]);
                    sums[r][2] = value.multiply_add(columns[2], sums[r][2]);
                    r += 1;
                }
                weight = weight.add(ACROSS * V::WIDTH);
                k += 1;
            }
            let least = V::splat(if self.rectify { 0.0 } else { f32::MIN });
            let mut r = 0;
            while r < ROWS {
                let target = y.add(r * self.outputs);
                let mut whole = [0.0; ACROSS * WIDEST];
                let out = if self.own == ACROSS * V::WIDTH { target } else { whole.as_mut_ptr() };
                let mut a = 0;
                while a < ACROSS {
                    sums[r][a].maximum(least).store(out.add(a * V::WIDTH));
                    a += 1;
                }
                if self.own < ACROSS * V::WIDTH {
                    std::ptr::copy_nonoverlapping(whole.as_ptr(), target, self.own);
                }
                r += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    /// Against plain sums in double precision, at every level, in shapes that reach every branch; overlapping rows too.
    #[test]
    fn products_are_those_of_plain_loops() {
        for (rows, inputs, outputs, stride) in
            [(1, 1, 1, 1), (3, 7, 5, 7), (8, 20, 48, 20), (13, 33, 49, 40), (21, 9, 100, 2), (64, 64, 24, 64)]
        {
            let (weight, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
            let x = numbers((rows - 1) * stride + inputs, 3);
            for (level, rectify) in Level::available().into_iter().flat_map(|l| [(l, false), (l, true)]) {
                let mut y = vec![f32::NAN; rows * outputs];
                DenseKernel::at(level, &weight, &bias).apply(&x, stride, rectify, &mut y);
                for (place, found) in y.iter().enumerate() {
                    let (r, c) = (place / outputs, place % outputs);
                    let sum = f64::from(bias[c])
                        + (0..inputs)
                            .map(|k| f64::from(x[r * stride + k]) * f64::from(weight[k * outputs + c]))
                            .sum::<f64>();
                    let expected = if rectify { sum.max(0.0) } else { sum };
                    assert!((f64::from(*found) - expected).abs() < 2e-5, "{level:?} {place}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others() {
        let layer = DenseKernel::new(&numbers(50 * 70, 4), &numbers(70, 5));
        let x = numbers(50 * 19, 6);
        let mut together = vec![0.0; 70 * 19];
        layer.apply(&x, 50, true, &mut together);
        for r in 0..19 {
            let mut alone = vec![0.0; 70];
            layer.apply(&x[r * 50..(r + 1) * 50], 50, true, &mut alone);
            assert_eq!(alone, together[r * 70..(r + 1) * 70]);
        }
    }
}
