//! Lines of equal longitude and latitude over a picture, for any projection that can be asked both ways.

/// A picture of a sphere: pixels `[x, y]` to longitude and latitude in degrees, and back.
pub trait SphereMap {
    /// Longitude and latitude of a pixel; `None` beside the sphere.
    fn sphere(&self, pixel: [f64; 2]) -> Option<[f64; 2]>;
    /// Pixel of a longitude and latitude; `None` where the projection does not reach.
    fn pixel(&self, sphere: [f64; 2]) -> Option<[f64; 2]>;
}

/// How angles are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// Degrees with decimals.
    Decimal,
    /// Degrees, minutes and seconds of arc.
    Degrees,
    /// Hours, minutes and seconds of time, 15 degrees to the hour.
    Hours,
}

/// What a line keeps constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// A meridian.
    Longitude,
    /// A parallel.
    Latitude,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct GridLine {
    /// What it keeps constant.
    pub fixed: Fixed,
    /// The constant, degrees.
    pub value: f64,
    /// Its points in pixels `[x, y]`; NaN breaks it.
    pub points: Vec<[f64; 2]>,
}

/// The lines over a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graticule {
    /// The lines.
    pub lines: Vec<GridLine>,
    /// Degrees between meridians and between parallels.
    pub steps: [f64; 2],
}

/// Places a side at which the region is looked at.
const LOOKS: usize = 14;
/// Pieces of a line before it is refined.
const PIECES: usize = 24;
/// Degrees to the side of a meridian at which the other edge of a map is looked for.
const BESIDE: f64 = 1e-4;
/// A line is halved at most so often to follow its curve or to find where it ends.
const DEPTH: usize = 7;

/// The lines that a region `[x low, y low, x high, y high]` of pixels needs, at about `wanted` of each kind.
/// Nothing when the region does not show the sphere.
#[must_use]
pub fn graticule(map: &impl SphereMap, region: [f64; 4], divisions: [Division; 2], wanted: usize) -> Graticule {
    let Some(ranges) = ranges(map, region) else { return Graticule::default() };
    let [longitudes, latitudes] = ranges;
    let steps = [
        step(longitudes[1] - longitudes[0], wanted, divisions[0]),
        step(latitudes[1] - latitudes[0], wanted, divisions[1]),
    ];
    let tracer = Tracer { map, tolerance: (region[2] - region[0]).hypot(region[3] - region[1]) / 2000.0 };
    let mut lines = Vec::new();
    let around = longitudes[1] - longitudes[0] >= 360.0;
    for value in multiples(longitudes, steps[0]).into_iter().filter(|v| !around || *v < longitudes[0] + 360.0 - 1e-9) {
        let meridian =
            |longitude: f64| tracer.trace(|t| [longitude, latitudes[0] + t * (latitudes[1] - latitudes[0])], PIECES);
        let mut points = meridian(value);
        if around {
            // Where the map is cut open the meridian stands at both of its edges.
            for beside in [-BESIDE, BESIDE] {
                let other = meridian(value + beside);
                if far_apart(&points, &other, 100.0 * tracer.tolerance) {
                    points.push([f64::NAN; 2]);
                    points.extend(other);
                    break;
                }
            }
        }
        lines.push(GridLine { fixed: Fixed::Longitude, value: value.rem_euclid(360.0), points });
    }
    let pieces = if around { 3 * PIECES } else { PIECES };
    for value in multiples(latitudes, steps[1]).into_iter().filter(|v| v.abs() < 90.0 - 1e-9) {
        let points = tracer.trace(|t| [longitudes[0] + t * (longitudes[1] - longitudes[0]), value], pieces);
        lines.push(GridLine { fixed: Fixed::Latitude, value, points });
    }
    lines.retain(|line| line.points.iter().any(|p| p[0].is_finite()));
    Graticule { lines, steps }
}

/// True when the middles of two lines lie further apart than a length.
fn far_apart(a: &[[f64; 2]], b: &[[f64; 2]], length: f64) -> bool {
    match (a.get(a.len() / 2), b.get(b.len() / 2)) {
        (Some(p), Some(q)) => (p[0] - q[0]).hypot(p[1] - q[1]) > length,
        _ => false,
    }
}

/// Longitudes `[low, high]` (high may pass 360) and latitudes that the region shows, a little wider than seen.
fn ranges(map: &impl SphereMap, [x0, y0, x1, y1]: [f64; 4]) -> Option<[[f64; 2]; 2]> {
    let place = |i: usize, a: f64, b: f64| a + (b - a) * i as f64 / LOOKS as f64;
    let (mut longitudes, mut latitudes) = (Vec::new(), [f64::INFINITY, f64::NEG_INFINITY]);
    for row in 0..=LOOKS {
        for column in 0..=LOOKS {
            if let Some([longitude, latitude]) = map.sphere([place(column, x0, x1), place(row, y0, y1)]) {
                longitudes.push(longitude.rem_euclid(360.0));
                latitudes = [latitudes[0].min(latitude), latitudes[1].max(latitude)];
            }
        }
    }
    if longitudes.len() < 3 {
        return None;
    }
    longitudes.sort_by(f64::total_cmp);
    // The widest gap between neighbours on the circle is what the region does not show.
    let last = longitudes.len() - 1;
    let mut gap = (longitudes[0] + 360.0 - longitudes[last], 0);
    for i in 1..=last {
        let between = longitudes[i] - longitudes[i - 1];
        if between > gap.0 {
            gap = (between, i);
        }
    }
    let mut shown = [longitudes[gap.1], longitudes[gap.1] + 360.0 - gap.0];
    let margin = (latitudes[1] - latitudes[0]) / LOOKS as f64;
    latitudes = [(latitudes[0] - margin).max(-90.0), (latitudes[1] + margin).min(90.0)];
    let mut polar = false;
    for pole in [-90.0, 90.0] {
        let inside = |p: [f64; 2]| p[0] >= x0 && p[0] <= x1 && p[1] >= y0 && p[1] <= y1;
        if latitudes[0] <= pole + 30.0 && latitudes[1] >= pole - 30.0 && map.pixel([shown[0], pole]).is_some_and(inside)
        {
            polar = true;
            latitudes = [latitudes[0].min(pole), latitudes[1].max(pole)];
        }
    }
    let margin = (shown[1] - shown[0]) / LOOKS as f64;
    shown = [shown[0] - margin, shown[1] + margin];
    if polar || shown[1] - shown[0] > 300.0 {
        shown = [0.0, 360.0];
    }
    Some([shown, latitudes])
}

/// Steps that people expect, in degrees, from fine to coarse.
fn ladder(division: Division) -> Vec<f64> {
    let mut steps = Vec::new();
    match division {
        Division::Decimal => {
            for power in -9..0 {
                steps.extend([1.0, 2.0, 5.0].map(|m| m * 10f64.powi(power)));
            }
            steps.extend([1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 90.0]);
        }
        Division::Degrees | Division::Hours => {
            let unit = if division == Division::Hours { 15.0 } else { 1.0 };
            for power in -6..0 {
                steps.extend([1.0, 2.0, 5.0].map(|m| m * 10f64.powi(power) * unit / 3600.0));
            }
            for part in [3600.0, 60.0] {
                steps.extend([1.0, 2.0, 5.0, 10.0, 15.0, 30.0].map(|m| m * unit / part));
            }
            if division == Division::Hours {
                steps.extend([1.0, 2.0, 3.0, 6.0].map(|m| m * 15.0));
            } else {
                steps.extend([1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 90.0]);
            }
        }
    }
    steps
}

/// The finest step of the ladder that gives at most `wanted` lines in a span of degrees.
fn step(span: f64, wanted: usize, division: Division) -> f64 {
    let steps = ladder(division);
    let fits = |step: &&f64| span / **step <= wanted.max(1) as f64;
    steps.iter().find(fits).or(steps.last()).copied().unwrap_or(90.0)
}

fn multiples(range: [f64; 2], step: f64) -> Vec<f64> {
    let (first, last) = ((range[0] / step - 1e-9).ceil(), (range[1] / step + 1e-9).floor());
    let count = (last - first + 1.0).clamp(0.0, 400.0) as usize;
    // Dividing where a degree holds a whole number of steps keeps 1/3600 from adding up wrongly.
    let per_degree = 1.0 / step;
    let whole = (per_degree - per_degree.round()).abs() < 1e-9 * per_degree;
    (0..count)
        .map(|i| {
            let n = first + i as f64;
            if whole { n / per_degree.round() } else { n * step }
        })
        .collect()
}

struct Tracer<'a, M> {
    map: &'a M,
    /// Pixels by which a chord may miss the line.
    tolerance: f64,
}

impl<M: SphereMap> Tracer<'_, M> {
    /// The pixels of a line given as longitude and latitude at `t` from 0 to 1.
    fn trace(&self, sphere: impl Fn(f64) -> [f64; 2], pieces: usize) -> Vec<[f64; 2]> {
        // Formulas of some projections give a place for what lies on the far side; such a place leads back elsewhere.
        let at = |t: f64| {
            let there = sphere(t);
            let pixel = self.map.pixel(there)?;
            let back = self.map.sphere(pixel)?;
            (separation(there, back) < 1e-3).then_some(pixel)
        };
        let mut points = Vec::with_capacity(2 * pieces);
        let mut before = (0.0, at(0.0));
        points.extend(before.1);
        for i in 1..=pieces {
            let t = i as f64 / pieces as f64;
            let here = (t, at(t));
            self.join(&at, before, here, DEPTH, &mut points);
            before = here;
        }
        points
    }

    /// Adds the points from `a` (already there) to `b`: more where the line bends, a break where it jumps or ends.
    fn join(
        &self,
        at: &impl Fn(f64) -> Option<[f64; 2]>,
        a: (f64, Option<[f64; 2]>),
        b: (f64, Option<[f64; 2]>),
        depth: usize,
        points: &mut Vec<[f64; 2]>,
    ) {
        let middle = |t: f64| (t, at(t));
        match (a.1, b.1) {
            (None, None) => {}
            (Some(p), Some(q)) => {
                let chord = (q[0] - p[0]).hypot(q[1] - p[1]);
                if chord <= 4.0 * self.tolerance {
                    points.push(q);
                    return;
                }
                let m = middle(0.5 * (a.0 + b.0));
                let miss =
                    m.1.map_or(f64::INFINITY, |m| (m[0] - 0.5 * (p[0] + q[0])).hypot(m[1] - 0.5 * (p[1] + q[1])));
                if miss <= self.tolerance {
                    points.push(q);
                } else if depth > 0 {
                    self.join(at, a, m, depth - 1, points);
                    self.join(at, m, b, depth - 1, points);
                } else if miss < 0.25 * chord {
                    points.push(q);
                } else {
                    // However short the piece, its ends stay apart: the edge of the map lies between them.
                    points.push([f64::NAN; 2]);
                    points.push(q);
                }
            }
            _ if depth == 0 => {
                points.push([f64::NAN; 2]);
                points.extend(b.1);
            }
            _ => {
                let m = middle(0.5 * (a.0 + b.0));
                self.join(at, a, m, depth - 1, points);
                self.join(at, m, b, depth - 1, points);
            }
        }
    }
}

/// About how many degrees lie between two places.
fn separation(a: [f64; 2], b: [f64; 2]) -> f64 {
    let turn = (a[0] - b[0]).rem_euclid(360.0);
    turn.min(360.0 - turn) * a[1].to_radians().cos() + (a[1] - b[1]).abs()
}

/// The text of a line: only as fine as its step needs, as `10ʰ04ᵐ`, `+41°12′30″`, `120.5°`.
#[must_use]
pub fn label(value: f64, step: f64, division: Division, signed: bool) -> String {
    let sign = if value < 0.0 {
        "−"
    } else if signed && value > 0.0 {
        "+"
    } else {
        ""
    };
    let (unit, marks) = match division {
        Division::Decimal => {
            let decimals = (0..9).find(|d| whole(step * 10f64.powi(*d))).unwrap_or(9) as usize;
            return format!("{sign}{:.decimals$}°", value.abs());
        }
        Division::Degrees => (1.0, ["°", "′", "″"]),
        Division::Hours => (15.0, ["ʰ", "ᵐ", "ˢ"]),
    };
    let (value, step) = (value.abs() / unit, step / unit);
    let level = if whole(step) {
        0
    } else if whole(step * 60.0) {
        1
    } else {
        2
    };
    let fine = step * 3600.0;
    let decimals = if level < 2 { 0 } else { (0..9).find(|d| whole(fine * 10f64.powi(*d))).unwrap_or(9) };
    let parts = 10f64.powi(decimals);
    // Rounded once, so that 60 never stands there.
    let total = (value * 3600.0 * parts).round() / parts;
    let (first, rest) = ((total / 3600.0 + 1e-12).floor(), total);
    let minutes = ((rest - first * 3600.0) / 60.0 + 1e-9).floor().max(0.0);
    let seconds = (rest - first * 3600.0 - minutes * 60.0).max(0.0);
    let [a, b, c] = marks;
    let width = if decimals > 0 { decimals as usize + 3 } else { 2 };
    let decimals = decimals as usize;
    match level {
        0 => format!("{sign}{first:.0}{a}"),
        1 => format!("{sign}{first:.0}{a}{minutes:02.0}{b}"),
        _ => format!("{sign}{first:.0}{a}{minutes:02.0}{b}{seconds:0width$.decimals$}{c}"),
    }
}

fn whole(x: f64) -> bool {
    (x - x.round()).abs() < 1e-6 && x.round() >= 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plate carrée with `scale` degrees a pixel, longitude growing to the left, centred on `[longitude, latitude]`.
    struct Plate {
        center: [f64; 2],
        scale: f64,
        width: f64,
    }

    impl SphereMap for Plate {
        fn sphere(&self, p: [f64; 2]) -> Option<[f64; 2]> {
            let (dx, dy) = (-p[0] * self.scale, p[1] * self.scale);
            let latitude = self.center[1] + dy;
            (dx.abs() <= self.width && latitude.abs() <= 90.0)
                .then(|| [(self.center[0] + dx).rem_euclid(360.0), latitude])
        }
        fn pixel(&self, s: [f64; 2]) -> Option<[f64; 2]> {
            let dx = (s[0] - self.center[0] + 180.0).rem_euclid(360.0) - 180.0;
            (dx.abs() <= self.width).then(|| [-dx / self.scale, (s[1] - self.center[1]) / self.scale])
        }
    }

    /// The northern hemisphere seen from above the pole: radius is the distance from it.
    struct Polar;

    impl SphereMap for Polar {
        fn sphere(&self, p: [f64; 2]) -> Option<[f64; 2]> {
            let r = p[0].hypot(p[1]);
            (r <= 90.0).then(|| [p[1].atan2(p[0]).to_degrees().rem_euclid(360.0), 90.0 - r])
        }
        fn pixel(&self, s: [f64; 2]) -> Option<[f64; 2]> {
            let (sin, cos) = s[0].to_radians().sin_cos();
            (s[1] >= 0.0).then(|| [(90.0 - s[1]) * cos, (90.0 - s[1]) * sin])
        }
    }

    const EQUATORIAL: [Division; 2] = [Division::Hours, Division::Degrees];

    fn values(grid: &Graticule, fixed: Fixed) -> Vec<f64> {
        grid.lines.iter().filter(|l| l.fixed == fixed).map(|l| l.value).collect()
    }

    #[test]
    fn lines_run_through_zero_hours_at_round_steps() {
        let map = Plate { center: [0.02, 41.0], scale: 1e-4, width: 180.0 };
        let grid = graticule(&map, [-500.0, -500.0, 500.0, 500.0], EQUATORIAL, 6);
        // 0.1 degrees of 24 seconds of time and 360 arcsec.
        assert!((grid.steps[0] - 5.0 / 240.0).abs() < 1e-12, "{:?}", grid.steps);
        assert!((grid.steps[1] - 2.0 / 60.0).abs() < 1e-12, "{:?}", grid.steps);
        let meridians = values(&grid, Fixed::Longitude);
        assert!(meridians.iter().any(|v| v.abs() < 1e-9) && meridians.iter().any(|v| *v > 359.9), "{meridians:?}");
        let labels: Vec<String> = meridians.iter().map(|v| label(*v, grid.steps[0], Division::Hours, false)).collect();
        assert!(labels.contains(&"0ʰ00ᵐ00ˢ".to_owned()) && labels.contains(&"23ʰ59ᵐ55ˢ".to_owned()), "{labels:?}");
        for line in &grid.lines {
            for p in &line.points {
                let [longitude, latitude] = map.sphere(*p).unwrap();
                let found = if line.fixed == Fixed::Longitude { longitude } else { latitude };
                let off = (found - line.value).abs();
                assert!(off.min(360.0 - off) < 1e-9, "{line:?}");
            }
        }
    }

    #[test]
    fn a_map_of_the_whole_sky_is_broken_at_its_edge() {
        let map = Plate { center: [180.0, 0.0], scale: 1.0, width: 180.0 };
        let grid = graticule(&map, [-200.0, -100.0, 200.0, 100.0], [Division::Decimal; 2], 8);
        assert_eq!(values(&grid, Fixed::Longitude).len(), 8);
        for line in &grid.lines {
            let mut longest = 0.0f64;
            for pair in line.points.windows(2) {
                let length = (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
                longest = longest.max(if length.is_finite() { length } else { 0.0 });
            }
            assert!(longest < 200.0, "{line:?}");
        }
        // The centre at 0: parallels cross the edge of the map, where they must not be drawn across it.
        let map = Plate { center: [90.0, 0.0], scale: 1.0, width: 180.0 };
        let grid = graticule(&map, [-200.0, -100.0, 200.0, 100.0], [Division::Decimal; 2], 8);
        let equator = grid.lines.iter().find(|l| l.fixed == Fixed::Latitude && l.value == 0.0).unwrap();
        assert_eq!(equator.points.iter().filter(|p| p[0].is_nan()).count(), 1, "{equator:?}");
        let edge = grid.lines.iter().find(|l| l.fixed == Fixed::Longitude && l.value == 270.0).unwrap();
        let at = |x: f64| edge.points.iter().any(|p| (p[0] - x).abs() < 0.01);
        assert!(at(180.0) && at(-180.0), "{edge:?}");
    }

    #[test]
    fn the_pole_has_meridians_all_around_and_round_parallels() {
        let grid = graticule(&Polar, [-5.0, -4.0, 5.0, 6.0], EQUATORIAL, 8);
        let meridians = values(&grid, Fixed::Longitude);
        assert_eq!(meridians, [0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0]);
        for line in grid.lines.iter().filter(|l| l.fixed == Fixed::Latitude) {
            assert!(line.points.len() > 60);
            let radius = 90.0 - line.value;
            for pair in line.points.windows(2) {
                let middle = [0.5 * (pair[0][0] + pair[1][0]), 0.5 * (pair[0][1] + pair[1][1])];
                assert!((middle[0].hypot(middle[1]) - radius).abs() < 0.01 * radius.max(0.5), "{middle:?}");
            }
        }
    }

    #[test]
    fn labels_are_as_fine_as_the_step() {
        for (value, step, division, text) in [
            (150.0, 15.0, Division::Hours, "10ʰ"),
            (151.0, 0.25, Division::Hours, "10ʰ04ᵐ"),
            (151.125, 15.0 / 3600.0 * 30.0, Division::Hours, "10ʰ04ᵐ30ˢ"),
            (151.125, 15.0 / 3600.0 * 0.5, Division::Hours, "10ʰ04ᵐ30.0ˢ"),
            (41.2, 0.2, Division::Degrees, "+41°12′"),
            (-0.5, 0.5, Division::Degrees, "−0°30′"),
            (41.0, 1.0, Division::Degrees, "+41°"),
            (41.999_999_999_9, 1.0 / 3600.0, Division::Degrees, "+42°00′00″"),
            (0.0, 1.0, Division::Degrees, "0°"),
            (120.5, 0.5, Division::Decimal, "+120.5°"),
        ] {
            assert_eq!(label(value, step, division, division != Division::Hours), text);
        }
    }

    #[test]
    fn beside_the_sky_there_are_no_lines() {
        let map = Plate { center: [0.0, 0.0], scale: 1.0, width: 180.0 };
        let grid = graticule(&map, [500.0, 500.0, 600.0, 600.0], EQUATORIAL, 6);
        assert!(grid.lines.is_empty());
        let all_nan = graticule(&map, [f64::NAN; 4], EQUATORIAL, 6);
        assert!(all_nan.lines.is_empty());
    }
}
