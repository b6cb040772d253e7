//! Promise: level lines are those that others draw.

use sextans::data::FitsFile;
use sextans::numerics::contour::level_lines;

use crate::fits_support::data_folder;

/// Count, closed ones and total length in pixels of the level lines of SLACS J0946+1006, by contourpy 1.3.3 (the engine of
/// matplotlib), algorithm "serial", on the pixels as 32-bit floats.
const CONTOURPY: [(f64, usize, usize, f64); 4] =
    [(0.05, 505, 504, 2846.9093), (0.1, 68, 68, 742.4995), (0.2, 10, 10, 288.7063), (0.5, 4, 4, 258.8076)];

#[test]
fn level_lines_of_a_real_image_are_those_of_matplotlib() {
    let Some(data) = data_folder("level_lines_of_a_real_image_are_those_of_matplotlib") else { return };
    let file = FitsFile::open(&data.join("lens/slacs-j0946/data.fits")).unwrap();
    let pixels = file.read_image::<f32>(0).unwrap().mapv(f64::from);
    for (level, count, closed, length) in CONTOURPY {
        let lines = level_lines(&pixels, level, [0.0, 0.0], 1.0);
        let total: f64 = lines
            .iter()
            .map(|line| {
                let ends = line.points.iter().zip(line.points.iter().cycle().skip(1));
                let steps = if line.closed { line.points.len() } else { line.points.len() - 1 };
                ends.take(steps).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).sum::<f64>()
            })
            .sum();
        let found = (lines.len(), lines.iter().filter(|l| l.closed).count());
        assert_eq!(found, (count, closed), "lines at {level}");
        assert!((total - length).abs() < 1e-3, "length at {level}: {total}, not {length}");
    }
}
