//! Critical curves and caustics of a lens, of every kind that it has, and their table in a run folder.

use std::f64::consts::TAU;
use std::path::Path;

use crate::data::{ColumnData, Table, TableColumn, read_ecsv, write_ecsv};
use crate::numerics::contour::area;
use crate::studies::lens_models::{Curve, Deflector, LensModel, Window, critical_curves, lens_curves};
use crate::tasks::TaskError;

/// Points on each curve that has a closed form.
const CURVE_POINTS: usize = 360;
/// Cells along the side of the window in which other curves are traced.
const CURVE_CELLS: usize = 120;
/// Points on the cut of a centre.
const CUT_POINTS: usize = 240;

/// A closed line of points `[x, y]` in arcsec from the image centre; the first is not repeated.
pub type Line = Vec<[f64; 2]>;

/// Critical curves and caustics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Tangential critical curves, image plane; the largest first.
    pub tangential: Vec<Line>,
    /// Tangential caustics, source plane, line by line those of `tangential`.
    pub caustic: Vec<Line>,
    /// Radial critical curves, image plane; a lens whose centre is singular has none.
    pub radial: Vec<Line>,
    /// Radial caustics, source plane, line by line those of `radial`.
    pub radial_caustic: Vec<Line>,
    /// What an isothermal centre has in place of a radial caustic, source plane: a source that crosses it gains or loses
    /// an image at the centre, without it ever being bright.
    pub cut: Vec<Line>,
}

/// Curves of a lens: in closed form where there is one.
pub fn curves_of(lens: &LensModel) -> Curves {
    if let Some(isothermal) = lens.as_isothermal() {
        let found = critical_curves(&isothermal, CURVE_POINTS);
        let (tangential, caustic, cut) = (vec![found.tangential], vec![found.caustic], vec![found.cut]);
        return Curves { tangential, caustic, cut, ..Curves::default() };
    }
    let centre = [lens.galaxy.x_arcsec, lens.galaxy.y_arcsec];
    traced_curves(&lens.prepare(), centre, 3.0 * lens.galaxy.einstein_radius_arcsec, &lens.centres())
}

/// Curves of any lens, traced around its masses at `centres`. `reach` (arcsec) is the distance within which curves are expected;
/// where one leaves it, the window grows.
pub fn traced_curves(lens: &impl Deflector, centre: [f64; 2], reach: f64, centres: &[[f64; 2]]) -> Curves {
    let window = |half_width_arcsec: f64| Window { centre, half_width_arcsec, cells: CURVE_CELLS };
    let farthest = centres.iter().map(|c| (c[0] - centre[0]).hypot(c[1] - centre[1])).fold(0.0, f64::max);
    let mut half = reach.max(1.2 * farthest).max(0.05);
    let mut found = lens_curves(lens, window(half), centres);
    for _ in 0..3 {
        if found.tangential.iter().chain(&found.radial).all(|c| c.closed) {
            break;
        }
        half *= 1.8;
        found = lens_curves(lens, window(half), centres);
    }
    let lines = |mut curves: Vec<Curve>| -> (Vec<Line>, Vec<Line>) {
        curves.retain(|c| c.closed);
        curves.sort_by(|a, b| area(&b.image).total_cmp(&area(&a.image)));
        curves.into_iter().map(|c| (c.image, c.source)).unzip()
    };
    let (tangential, caustic) = lines(found.tangential);
    let (radial, radial_caustic) = lines(found.radial);
    let cut = centres.iter().filter_map(|c| cut_of(lens, *c)).collect();
    Curves { tangential, caustic, radial, radial_caustic, cut }
}

/// The cut of a centre around which the deflection has a limit in every direction, as that of an isothermal one has:
/// where a vanishing circle around it comes from.
fn cut_of(lens: &impl Deflector, [x, y]: [f64; 2]) -> Option<Line> {
    let circle = |radius: f64| -> Line {
        (0..CUT_POINTS)
            .map(|i| {
                let (sin, cos) = (TAU * i as f64 / CUT_POINTS as f64).sin_cos();
                lens.source_from_image(x + radius * cos, y + radius * sin)
            })
            .collect()
    };
    let (outer, inner) = (circle(1e-6), circle(1e-7));
    let (a, b) = (area(&outer), area(&inner));
    (b > 1e-10 && (a / b - 1.0).abs() < 1e-3).then_some(inner)
}

/// Kinds of curves, as the table names them.
const KINDS: [&str; 5] = ["tangential_critical", "tangential_caustic", "radial_critical", "radial_caustic", "cut"];

impl Curves {
    /// The curves with a mass sheet: the source plane shrinks by `lambda` about the image centre, the image plane stays.
    #[must_use]
    pub fn with_sheet(&self, lambda: f64) -> Self {
        let scaled = |lines: &[Line]| -> Vec<Line> {
            lines.iter().map(|line| line.iter().map(|p| p.map(|c| lambda * c)).collect()).collect()
        };
        Self {
            tangential: self.tangential.clone(),
            caustic: scaled(&self.caustic),
            radial: self.radial.clone(),
            radial_caustic: scaled(&self.radial_caustic),
            cut: scaled(&self.cut),
        }
    }

    fn kinds(&self) -> [&Vec<Line>; 5] {
        [&self.tangential, &self.caustic, &self.radial, &self.radial_caustic, &self.cut]
    }

    /// Writes `curve, part, x, y` rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TaskError> {
        let mut names = Vec::new();
        let (mut parts, mut x, mut y) = (Vec::new(), Vec::new(), Vec::new());
        for (name, lines) in KINDS.iter().zip(self.kinds()) {
            for (part, line) in lines.iter().enumerate() {
                for [px, py] in line {
                    names.push((*name).to_owned());
                    parts.push(part as f64);
                    x.push(*px);
                    y.push(*py);
                }
            }
        }
        let table = Table::new(vec![
            TableColumn::new("curve", "", ColumnData::from(names)).described(
                "critical curves lie in the image plane, caustics and the cut of isothermal centres in the source plane",
            ),
            TableColumn::new("part", "", ColumnData::from(parts)).described("counts closed lines of one kind, from 0"),
            TableColumn::new("x", "arcsec", ColumnData::from(x)).described("right of the image centre"),
            TableColumn::new("y", "arcsec", ColumnData::from(y)).described("above the image centre"),
        ]);
        Ok(write_ecsv(path, &table)?)
    }

    /// Reads what [`Curves::write`] wrote; of older runs, which knew one line of each kind, without the column `part`.
    ///
    /// # Errors
    /// The file cannot be read or lacks a column.
    pub fn read(path: &Path) -> Result<Self, TaskError> {
        let table = read_ecsv(path)?;
        let missing = || TaskError::file(path, "expected the columns curve, x and y");
        let names = table.words("curve").ok_or_else(missing)?;
        let (x, y) = (table.numbers("x").ok_or_else(missing)?, table.numbers("y").ok_or_else(missing)?);
        let parts = table.numbers("part").unwrap_or_else(|| vec![0.0; x.len()]);
        let of = |kind: &str| -> Vec<Line> {
            let mut lines: Vec<Line> = Vec::new();
            let mut last = None;
            for ((name, part), (x, y)) in names.iter().zip(&parts).zip(x.iter().zip(&y)) {
                if name.as_str() != kind {
                    continue;
                }
                if last != Some(part.to_bits()) {
                    last = Some(part.to_bits());
                    lines.push(Line::new());
                }
                if let Some(line) = lines.last_mut() {
                    line.push([*x, *y]);
                }
            }
            lines
        };
        let [tangential, caustic, radial, radial_caustic, cut] = KINDS.map(of);
        Ok(Self { tangential, caustic, radial, radial_caustic, cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::PowerLaw;

    fn law(slope: f64) -> PowerLaw {
        PowerLaw {
            einstein_radius_arcsec: 1.0,
            slope,
            axis_ratio: 1.0,
            position_angle_deg: 0.0,
            x_arcsec: 0.1,
            y_arcsec: -0.2,
        }
    }

    /// Two masses at once.
    struct Both<A, B>(A, B);

    impl<A: Deflector, B: Deflector> Deflector for Both<A, B> {
        fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
            let (a, b) = (self.0.deflection(x, y), self.1.deflection(x, y));
            [0, 1].map(|k| a[k] + b[k])
        }
        fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
            let (a, b) = (self.0.hessian(x, y), self.1.hessian(x, y));
            [0, 1, 2].map(|k| a[k] + b[k])
        }
        fn potential(&self, x: f64, y: f64) -> f64 {
            self.0.potential(x, y) + self.1.potential(x, y)
        }
    }

    fn sie(x_arcsec: f64, einstein_radius_arcsec: f64) -> PowerLaw {
        PowerLaw { einstein_radius_arcsec, axis_ratio: 0.7, x_arcsec, y_arcsec: 0.0, ..law(2.0) }
    }

    /// Shallower than isothermal: a radial critical curve where `(2 - slope) r^(1 - slope) = 1`, and no cut.
    #[test]
    fn a_shallow_lens_has_a_radial_curve_and_no_cut() {
        let lens = law(1.7).prepare();
        let curves = traced_curves(&lens, [0.1, -0.2], 3.0, &[[0.1, -0.2]]);
        assert_eq!((curves.tangential.len(), curves.radial.len(), curves.cut.len()), (1, 1, 0));
        let radius = 0.3f64.powf(1.0 / 0.7);
        let caustic = radius - radius.powf(0.3);
        for (image, source) in curves.radial[0].iter().zip(&curves.radial_caustic[0]) {
            assert!(((image[0] - 0.1).hypot(image[1] + 0.2) / radius - 1.0).abs() < 1e-5, "{image:?}");
            assert!(((source[0] - 0.1).hypot(source[1] + 0.2) / caustic.abs() - 1.0).abs() < 1e-4, "{source:?}");
        }
        // A steeper one has neither: its deflection grows without limit towards the centre.
        let steep = traced_curves(&law(2.3).prepare(), [0.1, -0.2], 3.0, &[[0.1, -0.2]]);
        assert_eq!((steep.tangential.len(), steep.radial.len(), steep.cut.len()), (1, 0, 0));
    }

    /// The cut of an isothermal ellipsoid is its closed form (area 4.429378831 for 1.2 arcsec and q = 0.7); two galaxies have two.
    #[test]
    fn isothermal_centres_have_cuts() {
        let curves = traced_curves(&sie(0.0, 1.2).prepare(), [0.0, 0.0], 3.0, &[[0.0, 0.0]]);
        assert_eq!((curves.tangential.len(), curves.radial.len(), curves.cut.len()), (1, 0, 1));
        assert!((area(&curves.cut[0]) / 4.429_378_831 - 1.0).abs() < 1e-3, "{}", area(&curves.cut[0]));
        assert!((area(&curves.caustic[0]) / 0.094_514_587 - 1.0).abs() < 0.01);
        let both = Both(sie(0.0, 1.2).prepare(), sie(4.0, 0.15).prepare());
        let curves = traced_curves(&both, [0.0, 0.0], 2.5, &[[0.0, 0.0], [4.0, 0.0]]);
        assert_eq!((curves.tangential.len(), curves.cut.len()), (2, 2), "a satellite has a curve of its own");
        assert!(area(&curves.tangential[0]) > 20.0 * area(&curves.tangential[1]));
        for (line, caustic) in curves.tangential.iter().zip(&curves.caustic) {
            for (p, beta) in line.iter().zip(caustic) {
                assert!(both.inverse_magnification(p[0], p[1]).abs() < 1e-8);
                assert_eq!(both.source_from_image(p[0], p[1]), *beta);
            }
        }
    }

    #[test]
    fn curves_are_read_back_and_those_of_older_runs_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.ecsv");
        let both = Both(sie(0.0, 1.2).prepare(), sie(4.0, 0.15).prepare());
        let curves = traced_curves(&both, [0.0, 0.0], 3.5, &[[0.0, 0.0], [4.0, 0.0]]);
        curves.write(&path).unwrap();
        assert_eq!(Curves::read(&path).unwrap(), curves);
        let old = Table::new(vec![
            TableColumn::new("curve", "", ColumnData::from(vec!["tangential_critical".to_owned(), "cut".to_owned()])),
            TableColumn::new("x", "arcsec", ColumnData::from(vec![1.0, 2.0])),
            TableColumn::new("y", "arcsec", ColumnData::from(vec![3.0, 4.0])),
        ]);
        write_ecsv(&path, &old).unwrap();
        let read = Curves::read(&path).unwrap();
        assert_eq!((read.tangential, read.cut), (vec![vec![[1.0, 3.0]]], vec![vec![[2.0, 4.0]]]));
        assert!(read.radial.is_empty() && read.caustic.is_empty());
    }

    #[test]
    fn a_mass_sheet_shrinks_the_source_plane_alone() {
        let curves = traced_curves(&law(1.7).prepare(), [0.1, -0.2], 3.0, &[[0.1, -0.2]]);
        let with = curves.with_sheet(0.8);
        assert_eq!((&with.tangential, &with.radial), (&curves.tangential, &curves.radial));
        assert!((area(&with.radial_caustic[0]) / area(&curves.radial_caustic[0]) - 0.64).abs() < 1e-9);
    }
}
