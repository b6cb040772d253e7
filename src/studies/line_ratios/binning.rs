//! Spaxels put together before they are measured: squares, or compact bins of equal signal to noise.

use std::ops::Range;

use ndarray::Array2;
use rayon::prelude::*;

use super::observation::Batch;

/// Square cells of some pixels a side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells {
    side: usize,
}

impl Cells {
    pub fn squares(side: usize) -> Self {
        Self { side }
    }

    pub fn side(&self) -> usize {
        self.side
    }

    /// Cells of a map.
    pub fn count(&self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.side) * columns.div_ceil(self.side)
    }

    /// Number of the first cell that starts at a row.
    pub fn first_bin(&self, row: usize, columns: usize) -> usize {
        row / self.side * columns.div_ceil(self.side)
    }

    /// The mean spectra of the cells in some rows, and the pixels of each. The first row begins a cell.
    pub fn bin(&self, batch: &Batch, rows: Range<usize>, columns: usize) -> (Batch, Vec<Vec<[usize; 2]>>) {
        let mut pixels = Vec::new();
        for top in rows.clone().step_by(self.side) {
            for left in (0..columns).step_by(self.side) {
                let inside = (top..(top + self.side).min(rows.end))
                    .flat_map(|row| (left..(left + self.side).min(columns)).map(move |column| [row, column]));
                pixels.push(inside.collect::<Vec<_>>());
            }
        }
        if self.side == 1 {
            return (batch.clone(), pixels);
        }
        let mut binned = Batch::zeros(0, batch.samples);
        for cell in &pixels {
            let mut sum = Sum::zeros(batch.samples);
            for [row, column] in cell {
                sum.add(batch.spectrum((row - rows.start) * columns + column));
            }
            sum.append_mean(&mut binned);
        }
        (binned, pixels)
    }
}

/// A sum of spectra: data and variances of the samples that count, and how many there were.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    data: Vec<f64>,
    variance: Vec<f64>,
    count: Vec<f64>,
}

impl Sum {
    pub fn zeros(samples: usize) -> Self {
        Self { data: vec![0.0; samples], variance: vec![0.0; samples], count: vec![0.0; samples] }
    }

    /// The sum of a batch.
    pub fn of(batch: &Batch) -> Self {
        let mut sum = Self::zeros(batch.samples);
        for index in 0..batch.len() {
            sum.add(batch.spectrum(index));
        }
        sum
    }

    /// Adds data and weights of one spectrum.
    pub fn add(&mut self, (data, weights): (&[f64], &[f64])) {
        for (sample, (value, weight)) in data.iter().zip(weights).enumerate() {
            if *weight > 0.0 {
                self.data[sample] += value;
                self.variance[sample] += 1.0 / weight;
                self.count[sample] += 1.0;
            }
        }
    }

    /// Appends the mean spectrum to a batch; a sample that less than half of the spectra have does not count.
    pub fn append_mean(&self, batch: &mut Batch) {
        let most = self.count.iter().copied().fold(0.0, f64::max);
        for ((data, variance), count) in self.data.iter().zip(&self.variance).zip(&self.count) {
            let good = *count > 0.0 && *count >= 0.5 * most;
            batch.data.push(if good { data / count } else { 0.0 });
            batch.weights.push(if good { count * count / variance } else { 0.0 });
        }
    }

    /// The mean of all, added in order.
    pub fn mean(sums: &[Self]) -> Option<Batch> {
        let samples = sums.first()?.data.len();
        let mut total = Self::zeros(samples);
        for sum in sums {
            for (total, part) in
                [(&mut total.data, &sum.data), (&mut total.variance, &sum.variance), (&mut total.count, &sum.count)]
            {
                for (total, part) in total.iter_mut().zip(part) {
                    *total += part;
                }
            }
        }
        let mut batch = Batch::zeros(0, samples);
        total.append_mean(&mut batch);
        Some(batch)
    }
}

/// A bin may deviate from a disc by this much (Cappellari & Copin 2003, eq. 5).
const ROUNDNESS: f64 = 0.3;
/// A bin that reaches this part of the target stands.
const ENOUGH: f64 = 0.8;
const MOST_ROUNDS: usize = 50;

/// A bin while it grows.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    pixels: f64,
    signal: f64,
    variance: f64,
    y: f64,
    x: f64,
}

impl Bin {
    fn with(self, [y, x]: [usize; 2], signal: f64, noise: f64) -> Self {
        Self {
            pixels: self.pixels + 1.0,
            signal: self.signal + signal,
            variance: self.variance + noise * noise,
            y: self.y + y as f64,
            x: self.x + x as f64,
        }
    }

    fn centre(&self) -> [f64; 2] {
        [self.y / self.pixels, self.x / self.pixels]
    }

    fn signal_to_noise(&self) -> f64 {
        self.signal / self.variance.sqrt()
    }
}

/// Compact bins whose summed signal has about `target` times its noise: accretion after Cappellari & Copin 2003 (MNRAS
/// 342, 345), then weighted Voronoi tessellation after Diehl & Statler 2006 (MNRAS 368, 497). Pixels without a positive
/// noise are in no bin. The order of the bins is that in which they grew.
pub(super) fn voronoi(signal: &Array2<f64>, noise: &Array2<f64>, target: f64) -> Vec<Vec<[usize; 2]>> {
    let good: Vec<[usize; 2]> = signal
        .indexed_iter()
        .filter(|((y, x), signal)| signal.is_finite() && noise[[*y, *x]].is_finite() && noise[[*y, *x]] > 0.0)
        .map(|((y, x), _)| [y, x])
        .collect();
    let mut bins = accrete(signal, noise, target, &good);
    if bins.is_empty() {
        // Nothing reaches the target: everything together is the best there is.
        return if good.is_empty() { Vec::new() } else { vec![good] };
    }
    let mut owners = assign(&good, &bins, target);
    for _ in 0..MOST_ROUNDS {
        let mut next = vec![Bin::default(); bins.len()];
        for (pixel, owner) in good.iter().zip(&owners) {
            next[*owner] = next[*owner].with(*pixel, signal[*pixel], noise[*pixel]);
        }
        // A bin that lost all its pixels stays where it was, to win some back or to stay empty.
        for (next, old) in next.iter_mut().zip(&bins) {
            if next.pixels == 0.0 {
                *next = *old;
            }
        }
        bins = next;
        let moved = assign(&good, &bins, target);
        if moved == owners {
            break;
        }
        owners = moved;
    }
    let mut cells = vec![Vec::new(); bins.len()];
    for (pixel, owner) in good.iter().zip(&owners) {
        cells[*owner].push(*pixel);
    }
    cells.retain(|cell| !cell.is_empty());
    cells
}

/// Bins that reach the target, grown one after another from where the last ended.
fn accrete(signal: &Array2<f64>, noise: &Array2<f64>, target: f64, good: &[[usize; 2]]) -> Vec<Bin> {
    let mut free = Array2::from_elem(signal.dim(), false);
    for pixel in good {
        free[*pixel] = true;
    }
    let ratio = |pixel: &[usize; 2]| signal[*pixel] / noise[*pixel];
    let mut start = good.iter().copied().max_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let mut done = Bin::default();
    let mut bins = Vec::new();
    while let Some(pixel) = start {
        let mut bin = Bin::default().with(pixel, signal[pixel], noise[pixel]);
        free[pixel] = false;
        done = done.with(pixel, 0.0, 0.0);
        let mut border = Vec::new();
        neighbours(pixel, &free, &mut border);
        while bin.signal_to_noise() < target {
            let centre = bin.centre();
            let Some(at) = nearest(&border, centre) else { break };
            let pixel = border.swap_remove(at);
            let grown = bin.with(pixel, signal[pixel], noise[pixel]);
            let away = distance(pixel, grown.centre());
            let round =
                away.sqrt() * (std::f64::consts::PI / grown.pixels).sqrt() - 1.0 <= ROUNDNESS || grown.pixels < 4.0;
            let nearer = (grown.signal_to_noise() - target).abs() <= (bin.signal_to_noise() - target).abs();
            if !round || (!nearer && bin.signal_to_noise() > ENOUGH * target) {
                break;
            }
            bin = grown;
            free[pixel] = false;
            done = done.with(pixel, 0.0, 0.0);
            neighbours(pixel, &free, &mut border);
        }
        if bin.signal_to_noise() >= ENOUGH * target {
            bins.push(bin);
        }
        let centre = done.centre();
        let left = good.iter().copied().filter(|pixel| free[*pixel]);
        start = left.min_by(|a, b| distance(*a, centre).total_cmp(&distance(*b, centre)));
    }
    bins
}

/// Every pixel to the bin that is nearest in units of the bin's own scale.
fn assign(good: &[[usize; 2]], bins: &[Bin], target: f64) -> Vec<usize> {
    let generators: Vec<([f64; 2], f64)> = bins
        .iter()
        .map(|bin| {
            let reached = (bin.signal_to_noise() / target).max(0.05);
            (bin.centre(), reached * std::f64::consts::PI / bin.pixels)
        })
        .collect();
    good.par_iter()
        .map(|pixel| {
            let scaled = |(centre, weight): &([f64; 2], f64)| distance(*pixel, *centre) * weight;
            let mut best = (0, f64::INFINITY);
            for (bin, generator) in generators.iter().enumerate() {
                let distance = scaled(generator);
                if distance < best.1 {
                    best = (bin, distance);
                }
            }
            best.0
        })
        .collect()
}

/// Squared distance.
fn distance([y, x]: [usize; 2], centre: [f64; 2]) -> f64 {
    (y as f64 - centre[0]).powi(2) + (x as f64 - centre[1]).powi(2)
}

fn nearest(border: &[[usize; 2]], centre: [f64; 2]) -> Option<usize> {
    (0..border.len()).min_by(|a, b| {
        let key = |at: &usize| distance(border[*at], centre);
        key(a).total_cmp(&key(b)).then(border[*a].cmp(&border[*b]))
    })
}

/// Adds the free neighbours of a pixel that the border does not have yet.
fn neighbours([y, x]: [usize; 2], free: &Array2<bool>, border: &mut Vec<[usize; 2]>) {
    let beside = [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)];
    for (y, x) in beside {
        if free.get((y, x)).copied().unwrap_or(false) && !border.contains(&[y, x]) {
            border.push([y, x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A beta model: bright in the middle, faint outside, with a hole.
    fn galaxy() -> (Array2<f64>, Array2<f64>) {
        let signal = Array2::from_shape_fn((60, 70), |(y, x)| {
            let r2 = (y as f64 - 31.0).powi(2) + (x as f64 - 28.0).powi(2);
            8.0 / (1.0 + r2 / 60.0).powf(1.2)
        });
        let mut noise = Array2::from_elem((60, 70), 1.0);
        for y in 5..9 {
            for x in 50..60 {
                noise[[y, x]] = f64::NAN;
            }
        }
        (signal, noise)
    }

    #[test]
    fn voronoi_bins_have_equal_signal_to_noise() {
        let (signal, noise) = galaxy();
        let target = 10.0;
        let cells = voronoi(&signal, &noise, target);
        assert_eq!(cells.iter().map(Vec::len).sum::<usize>(), 60 * 70 - 40, "every good pixel once");
        let ratios: Vec<f64> = cells
            .iter()
            .filter(|cell| cell.len() > 1)
            .map(|cell| cell.iter().map(|pixel| signal[*pixel]).sum::<f64>() / (cell.len() as f64).sqrt())
            .collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let scatter = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / ratios.len() as f64).sqrt();
        println!("{} bins, S/N {mean:.2} +- {scatter:.2}", cells.len());
        assert!((mean / target - 1.0).abs() < 0.1 && scatter / target < 0.15, "{mean} {scatter}");
        // Compact: the mean squared distance from the centre is near that of a disc, n / 2 pi.
        let compact = cells.iter().filter(|cell| cell.len() > 8).map(|cell| {
            let n = cell.len() as f64;
            let centre = [0, 1].map(|axis| cell.iter().map(|pixel| pixel[axis] as f64).sum::<f64>() / n);
            cell.iter().map(|pixel| distance(*pixel, centre)).sum::<f64>() / n / (n / std::f64::consts::TAU)
        });
        let compact: Vec<f64> = compact.collect();
        let typical = compact.iter().sum::<f64>() / compact.len() as f64;
        assert!(typical < 1.4, "{typical}");
        // Too high a target: one bin of everything.
        assert_eq!(voronoi(&signal, &noise, 1e6).len(), 1);
        assert!(voronoi(&signal, &Array2::zeros((60, 70)), 5.0).is_empty());
    }

    #[test]
    fn squares_take_the_mean_of_what_counts() {
        let mut batch = Batch::zeros(6, 2);
        for spectrum in 0..6 {
            batch.data[2 * spectrum] = spectrum as f64;
            batch.data[2 * spectrum + 1] = 1.0;
            batch.weights[2 * spectrum] = 0.25;
            batch.weights[2 * spectrum + 1] = if spectrum == 0 { 1.0 } else { 0.0 };
        }
        // Two rows of three columns, from row 4 on.
        let (binned, pixels) = Cells::squares(2).bin(&batch, 4..6, 3);
        assert_eq!(pixels, [vec![[4, 0], [4, 1], [5, 0], [5, 1]], vec![[4, 2], [5, 2]]]);
        // Spectra 0, 1, 3, 4: mean 2, variance 4 / 4; the second sample has one of four: it does not count.
        assert_eq!(binned.spectrum(0), (&[2.0, 0.0][..], &[1.0, 0.0][..]));
        assert_eq!(binned.spectrum(1).0[0], 3.5);
        assert_eq!((Cells::squares(2).count([6, 3]), Cells::squares(2).first_bin(4, 3)), (6, 4));
    }
}
