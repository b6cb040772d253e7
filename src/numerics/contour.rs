//! Level lines of a sampled function by marching squares, and areas of polygons.

use ndarray::ArrayRef2;

/// A chain of points `[x, y]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Polyline {
    /// Points in order; a closed line does not repeat its first point.
    pub points: Vec<[f64; 2]>,
    /// Whether the last point joins the first.
    pub closed: bool,
}

/// Lines along which `values` (`[y, x]`) equal `level`, linearly interpolated, joined into chains.
///
/// Sample `[j, i]` lies at `x = origin[0] + i * step`, `y = origin[1] + j * step`. Cells with a value that is not finite are left out,
/// so lines end there. A saddle cell is resolved by the mean of its corners.
pub fn level_lines(values: &ArrayRef2<f64>, level: f64, origin: [f64; 2], step: f64) -> Vec<Polyline> {
    let (rows, columns) = values.dim();
    if rows < 2 || columns < 2 {
        return Vec::new();
    }
    let mut links = Links { ends: vec![[NONE; 2]; 2 * rows * columns] };
    for j in 0..rows - 1 {
        for i in 0..columns - 1 {
            let corner =
                [values[[j, i]], values[[j, i + 1]], values[[j + 1, i + 1]], values[[j + 1, i]]].map(|v| v - level);
            if corner.iter().any(|v| !v.is_finite()) {
                continue;
            }
            // Edges of the cell: bottom, right, top, left; named by the sample at their lower or left end.
            let at = |j: usize, i: usize, vertical: usize| 2 * (j * columns + i) + vertical;
            let edge = [at(j, i, 0), at(j, i + 1, 1), at(j + 1, i, 0), at(j, i, 1)];
            let case = corner.iter().enumerate().fold(0, |case, (k, v)| case | (usize::from(*v > 0.0) << k));
            let centre_above = corner.iter().sum::<f64>() > 0.0;
            match case {
                1 | 14 => links.join(edge[3], edge[0]),
                2 | 13 => links.join(edge[0], edge[1]),
                4 | 11 => links.join(edge[1], edge[2]),
                8 | 7 => links.join(edge[2], edge[3]),
                3 | 12 => links.join(edge[3], edge[1]),
                6 | 9 => links.join(edge[0], edge[2]),
                5 | 10 => {
                    // Corners 0 and 2 agree; where the centre is with them, the other two are cut off.
                    if (case == 5) == centre_above {
                        links.join(edge[0], edge[1]);
                        links.join(edge[2], edge[3]);
                    } else {
                        links.join(edge[3], edge[0]);
                        links.join(edge[1], edge[2]);
                    }
                }
                _ => {}
            }
        }
    }
    let place = |edge: usize| {
        let (j, i) = (edge / 2 / columns, edge / 2 % columns);
        let (j2, i2) = if edge % 2 == 1 { (j + 1, i) } else { (j, i + 1) };
        let (a, b) = (values[[j, i]] - level, values[[j2, i2]] - level);
        let t = a / (a - b);
        let x = i as f64 + t * (i2 - i) as f64;
        let y = j as f64 + t * (j2 - j) as f64;
        [origin[0] + x * step, origin[1] + y * step]
    };
    links
        .chains()
        .into_iter()
        .map(|(edges, closed)| Polyline { points: edges.into_iter().map(place).collect(), closed })
        .collect()
}

const NONE: usize = usize::MAX;

/// Which crossed edges are neighbours along a line; every edge has at most two.
struct Links {
    ends: Vec<[usize; 2]>,
}

impl Links {
    fn join(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            let slot = usize::from(self.ends[from][0] != NONE);
            self.ends[from][slot] = to;
        }
    }

    fn chains(mut self) -> Vec<(Vec<usize>, bool)> {
        let mut chains = Vec::new();
        for closed in [false, true] {
            for start in 0..self.ends.len() {
                let open_end = self.ends[start][0] != NONE && self.ends[start][1] == NONE;
                let inside = self.ends[start][1] != NONE;
                if (!closed && open_end) || (closed && inside) {
                    chains.push((self.follow(start), closed));
                }
            }
        }
        chains
    }

    /// Walks from `start` to the end of the line (or around it), taking the links away.
    fn follow(&mut self, start: usize) -> Vec<usize> {
        let mut chain = vec![start];
        let mut here = start;
        loop {
            let [a, b] = self.ends[here];
            let next = if a == NONE { b } else { a };
            self.ends[here] = [NONE; 2];
            if next == NONE || next == start {
                return chain;
            }
            for slot in 0..2 {
                if self.ends[next][slot] == here {
                    self.ends[next][slot] = NONE;
                    break;
                }
            }
            chain.push(next);
            here = next;
        }
    }
}

/// Area of a polygon (shoelace formula): positive when its points run counter-clockwise.
pub fn signed_area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    0.5 * points.iter().zip(next).map(|(p, q)| p[0] * q[1] - q[0] * p[1]).sum::<f64>()
}

/// Area of a polygon without its sign.
pub fn area(points: &[[f64; 2]]) -> f64 {
    signed_area(points).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn sampled(n: usize, f: impl Fn(f64, f64) -> f64) -> (Array2<f64>, [f64; 2], f64) {
        let step = 4.0 / (n - 1) as f64;
        (Array2::from_shape_fn((n, n), |(j, i)| f(i as f64 * step - 2.0, j as f64 * step - 2.0)), [-2.0, -2.0], step)
    }

    #[test]
    fn an_ellipse_is_one_closed_line_of_the_right_area() {
        let (values, origin, step) = sampled(201, |x, y| x * x / 2.25 + y * y / 0.64);
        let lines = level_lines(&values, 1.0, origin, step);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].closed);
        let expected = std::f64::consts::PI * 1.5 * 0.8;
        assert!((area(&lines[0].points) / expected - 1.0).abs() < 2e-4);
        for [x, y] in &lines[0].points {
            assert!((x * x / 2.25 + y * y / 0.64 - 1.0).abs() < 2e-3);
        }
    }

    #[test]
    fn a_ring_has_two_lines_and_a_cut_line_is_open() {
        let (values, origin, step) = sampled(81, |x, y| (x.hypot(y) - 1.0).abs());
        let lines = level_lines(&values, 0.3, origin, step);
        let mut areas: Vec<f64> = lines.iter().map(|l| area(&l.points)).collect();
        areas.sort_by(f64::total_cmp);
        assert_eq!(areas.len(), 2);
        assert!((areas[0] - std::f64::consts::PI * 0.49).abs() < 0.01);
        assert!((areas[1] - std::f64::consts::PI * 1.69).abs() < 0.02);

        let (values, origin, step) = sampled(41, |x, y| x + 0.3 * y);
        let lines = level_lines(&values, 0.05, origin, step);
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].closed);
        let (first, last) = (lines[0].points[0], lines[0].points[lines[0].points.len() - 1]);
        assert!((first[1].abs() - 2.0).abs() < 1e-12 && (last[1].abs() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn saddles_and_holes_leave_no_loose_ends() {
        let (mut values, origin, step) = sampled(64, |x, y| (3.0 * x).sin() * (3.0 * y).sin());
        let lines = level_lines(&values, 1e-9, origin, step);
        for line in &lines {
            let ends = [line.points[0], line.points[line.points.len() - 1]];
            let on_border = ends.iter().all(|p| p.iter().any(|v| (v.abs() - 2.0).abs() < 1e-9));
            assert!(line.closed || on_border);
        }
        values[[30, 30]] = f64::NAN;
        assert!(
            level_lines(&values, 0.2, origin, step).iter().all(|l| l.points.iter().flatten().all(|v| v.is_finite()))
        );
    }

    #[test]
    fn areas_carry_their_sense() {
        let square = [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]];
        assert_eq!(signed_area(&square), 2.0);
        let reversed: Vec<[f64; 2]> = square.iter().rev().copied().collect();
        assert_eq!(signed_area(&reversed), -2.0);
        assert_eq!(area(&[]), 0.0);
    }
}
