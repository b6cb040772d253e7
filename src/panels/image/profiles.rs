//! Profiles under an image: values along a line, and around a point.

use egui::{DragValue, Modifiers, Sense, Ui, WidgetInfo, vec2};
use serde::{Deserialize, Serialize};

use super::ImagePanel;
use super::load::Shown;
use crate::data::PlaneWcs;
use crate::numerics::profile::{LineSample, RadialProfile, centroid, line_profile, radial_profile};
use crate::panels::derived::{CutRecipe, Derived};
use crate::panels::{Command, PanelContext};
use crate::plots::axes;
use crate::plots::color_table::Display;
use crate::plots::colors::{self, Role};
use crate::plots::image_view::ImageResponse;
use crate::plots::limits::LimitsMode;
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::workers::{Key, Weigh};

/// The question of a view for its profile.
pub(super) const SLOT: &str = "profile";

/// Radii of a radial profile, pixels.
const RADII: std::ops::RangeInclusive<f64> = 2.0..=500.0;

/// What is drawn below the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Profile {
    /// Along a line between two pixel coordinates `[x, y]`, 0-based.
    Line {
        /// First and last point.
        ends: [[f64; 2]; 2],
    },
    /// Around a pixel coordinate.
    Radial {
        /// The place that was pointed at.
        center: [f64; 2],
        /// Pixels.
        radius: f64,
        /// Moves to the centre of light near that place.
        recentre: bool,
    },
}

impl Profile {
    /// A radial profile as it begins.
    pub(super) fn around(center: [f64; 2]) -> Self {
        Self::Radial { center, radius: 12.0, recentre: true }
    }

    /// `None` for what a file must not bring in.
    pub(super) fn sane(self) -> Option<Self> {
        let finite = |p: &[f64; 2]| p.iter().all(|v| v.is_finite() && v.abs() < 1e9);
        match self {
            Self::Line { ends } => ends.iter().all(finite).then_some(self),
            Self::Radial { center, radius, recentre } => (finite(&center) && radius.is_finite())
                .then(|| Self::Radial { center, radius: radius.clamp(*RADII.start(), *RADII.end()), recentre }),
        }
    }

    fn key(&self, plane: Key) -> Key {
        let numbers = match self {
            Self::Line { ends: [a, b] } => [a[0], a[1], b[0], b[1], 0.0],
            Self::Radial { center, radius, recentre } => {
                [center[0], center[1], *radius, if *recentre { 1.0 } else { 0.0 }, 1.0]
            }
        };
        numbers.into_iter().fold(plane, Key::and_f64)
    }
}

/// A profile as computed.
enum Computed {
    Line(Vec<LineSample>),
    Radial(RadialProfile),
}

impl Weigh for Computed {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Line(samples) => size_of_val(samples.as_slice()),
                Self::Radial(profile) => size_of_val(profile.rings.as_slice()),
            }
    }
}

/// What the user did below the image.
#[derive(Default)]
struct Done {
    close: bool,
    profile: Option<Profile>,
    cut: bool,
}

/// The height that the profile takes of the room for the view.
pub(super) fn height(room: f32) -> f32 {
    (0.38 * room).clamp(110.0, 230.0)
}

impl ImagePanel {
    /// Draws the profile below the image.
    pub(super) fn profile_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let (Some(profile), Some(shown)) = (self.saved.profile, &self.load.shown) else {
            ui.centered_and_justified(|ui| ui.weak("Drag a line over the image; Esc puts the tool down"));
            return;
        };
        let pixels = shown.source.pixels.clone();
        let answer = cx.services.queries.ask(cx.slot(SLOT), profile.key(shown.key), &cx.services.wake, move |_| {
            let image = pixels.view();
            Ok(match profile {
                Profile::Line { ends } => Computed::Line(line_profile(&image, ends)),
                Profile::Radial { center, radius, recentre } => {
                    let center = if recentre { centroid(&image, center, radius.min(8.0)) } else { center };
                    Computed::Radial(radial_profile(&image, center, radius))
                }
            })
        });
        self.pending |= answer.ready().is_none();
        let mut done = Done::default();
        // An answer of the other kind is that of the profile before.
        match (profile, answer.newest().map(AsRef::as_ref)) {
            (Profile::Line { ends }, Some(Computed::Line(samples))) => line_ui(ui, cx, shown, ends, samples, &mut done),
            (Profile::Radial { .. }, Some(Computed::Radial(rings))) => {
                radial_ui(ui, cx, shown, profile, rings, &mut done);
                self.found_center = Some(rings.center);
            }
            _ => {
                ui.spinner();
            }
        }
        if done.profile.is_some() {
            self.saved.profile = done.profile;
        }
        if let (true, Profile::Line { ends }) = (done.cut, profile) {
            let recipe = CutRecipe { of: self.source(), plane: self.saved.plane, ends, width: 3.0, follow: true };
            let display =
                Display { color_map: "inferno".into(), limits: LimitsMode::Percentile(99.5), ..Display::default() };
            let state = serde_json::json!({ "derived": Derived::Cut(recipe), "display": display });
            cx.send(Command::NewView("image", Box::new(state)));
        }
        if done.close {
            self.saved.profile = None;
        }
    }

    /// The handles of the profile on the image.
    pub(super) fn profile_handles(&mut self, ui: &Ui, response: &ImageResponse) {
        match &mut self.saved.profile {
            Some(Profile::Line { ends }) => {
                for (end, name) in ends.iter_mut().zip(["Start of the line profile", "End of the line profile"]) {
                    handle(ui, response, end, name, Grip::Large);
                }
            }
            Some(Profile::Radial { center, recentre, .. }) => {
                let mut at = self.found_center.filter(|_| *recentre).unwrap_or(*center);
                if handle(ui, response, &mut at, "Centre of the radial profile", Grip::Large) {
                    *center = at;
                    self.found_center = None;
                }
            }
            None => {}
        }
    }
}

/// How large a grip is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grip {
    /// One or two of them.
    Large,
    /// Many, around a region.
    Small,
}

/// A grip at a pixel coordinate; true when it was moved.
pub(super) fn handle(ui: &Ui, response: &ImageResponse, pixel: &mut [f64; 2], name: &str, grip: Grip) -> bool {
    let place = response.screen_from_pixel(*pixel);
    if !response.view.contains(place) {
        return false;
    }
    let (side, radius) = if grip == Grip::Large { (14.0, 4.5) } else { (12.0, 3.5) };
    let touched = ui.interact(
        egui::Rect::from_center_size(place, vec2(side, side)),
        ui.scope_id().with(name),
        Sense::click_and_drag(),
    );
    touched.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, name));
    let painter = ui.painter_at(response.view);
    let color = ui.style().interact(&touched).fg_stroke.color;
    painter.circle(place, radius, colors::faded(colors::UNDER_IMAGE_TEXT, 0.6), egui::Stroke::new(1.5, color));
    let touched = touched.on_hover_cursor(egui::CursorIcon::Move).on_hover_text("Drag, or focus and use the arrows");
    let step = arrows(ui, &touched);
    if step != [0.0; 2] {
        *pixel = [pixel[0] + step[0], pixel[1] + step[1]];
        return true;
    }
    match touched.interact_pointer_pos().filter(|_| touched.dragged() && touched.drag_delta() != egui::Vec2::ZERO) {
        Some(pointer) => {
            *pixel = response.camera.pixel_from_screen(response.view, pointer);
            true
        }
        None => false,
    }
}

/// The pixels `[x, y]` that the arrow keys move a focused grip by: one, with Shift ten.
fn arrows(ui: &Ui, touched: &egui::Response) -> [f64; 2] {
    if !touched.has_focus() {
        return [0.0; 2];
    }
    let filter = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(touched.id, filter));
    arrow_steps(ui)
}

/// The pixels `[x, y]` of the arrow keys of this frame: one, with Shift ten.
pub(super) fn arrow_steps(ui: &Ui) -> [f64; 2] {
    let mut step = [0.0; 2];
    // Shift first: a key without it is found in one with it.
    for (modifiers, pixels) in [(Modifiers::SHIFT, 10.0), (Modifiers::NONE, 1.0)] {
        let times = |key: egui::Key| ui.input_mut(|input| input.count_and_consume_key(modifiers, key)) as f64;
        step[0] += pixels * (times(egui::Key::ArrowRight) - times(egui::Key::ArrowLeft));
        step[1] += pixels * (times(egui::Key::ArrowUp) - times(egui::Key::ArrowDown));
    }
    step
}

/// Angle between two places on the sky (longitude and latitude in degrees), in arcsec.
fn separation_arcsec(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [a, b] = [a, b].map(|p| p.map(f64::to_radians));
    let half = |x: f64| (0.5 * x).sin().powi(2);
    let haversine = half(b[1] - a[1]) + a[1].cos() * b[1].cos() * half(b[0] - a[0]);
    2.0 * haversine.clamp(0.0, 1.0).sqrt().asin().to_degrees() * 3600.0
}

/// Both sides of the pixel at a place, in one unit; `None` where the two axes are no plane of angles.
fn sides(wcs: &PlaneWcs, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let ends = [[x + 0.5, y], [x, y + 0.5]].into_iter().zip([[x - 0.5, y], [x, y - 0.5]]);
    let length = |(a, b): ([f64; 2], [f64; 2])| {
        if wcs.shows_sky() {
            return Some(separation_arcsec(wcs.sky_from_pixel(a)?, wcs.sky_from_pixel(b)?));
        }
        let axes = wcs.wcs().axes();
        // A cut through a cube has one axis on the sky, or none; both of a plain grid have one unit.
        let plain = wcs.wcs().celestial().is_none() && axes.first()?.unit == axes.get(1)?.unit;
        let (a, b) = (wcs.world(a).filter(|_| plain)?, wcs.world(b)?);
        Some((a.first()? - b.first()?).hypot(a.get(1)? - b.get(1)?))
    };
    let lengths: Vec<f64> = ends.map(length).collect::<Option<_>>()?;
    <[f64; 2]>::try_from(lengths).ok()
}

/// Arcsec of a pixel in every direction: where the picture shows the sky and its pixels are squares, to 1 %.
fn square_scale(shown: &Shown) -> Option<f64> {
    let scale = shown.source.arcsec_per_pixel?;
    let Some(wcs) = &shown.wcs else { return Some(scale) };
    let [width, height] = shown.source.size().map(|n| n as f64);
    let [a, b] = sides(wcs, [0.5 * width, 0.5 * height])?;
    ((a - b).abs() <= 0.01 * a.max(b)).then_some(scale)
}

/// Arcsec of a pixel along a line: for pixels that are no squares, from the places of its two ends.
fn line_scale(shown: &Shown, ends: [[f64; 2]; 2]) -> Option<f64> {
    square_scale(shown).or_else(|| {
        let wcs = shown.wcs.as_ref().filter(|wcs| wcs.shows_sky())?;
        let [a, b] = ends;
        let arcsec = separation_arcsec(wcs.sky_from_pixel(a)?, wcs.sky_from_pixel(b)?);
        Some(arcsec / (b[0] - a[0]).hypot(b[1] - a[1])).filter(|scale| scale.is_finite() && *scale > 0.0)
    })
}

/// The unit of distances of so many pixels: how many of it a pixel is, and its name.
fn distance_unit(scale: Option<f64>, pixels: f64) -> (f64, &'static str) {
    match scale {
        Some(scale) if scale * pixels > 36_000.0 => (scale / 3600.0, "deg"),
        Some(scale) if scale * pixels > 1200.0 => (scale / 60.0, "arcmin"),
        Some(scale) => (scale, "arcsec"),
        None => (1.0, "pixel"),
    }
}

/// `12.3 px`, and on the sky where the scale is known.
fn distance_text(scale: Option<f64>, pixels: f64) -> String {
    let (factor, unit) = distance_unit(scale, pixels);
    let text = format!("{} px", axes::format_value(pixels, 4));
    if unit == "pixel" { text } else { format!("{text} = {} {unit}", axes::format_value(pixels * factor, 4)) }
}

/// The unit for the axis, or, where it is too long for that, words for the line above the plot.
fn value_unit(shown: &Shown) -> (String, String) {
    let unit = crate::data::typeset_unit(&shown.source.unit);
    if unit.chars().count() <= 12 { (unit, String::new()) } else { (String::new(), format!("  in {unit}")) }
}

fn line_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    shown: &Shown,
    ends: [[f64; 2]; 2],
    samples: &[LineSample],
    done: &mut Done,
) {
    let length = samples.last().map_or(0.0, |s| s.distance);
    let scale = line_scale(shown, ends);
    let (factor, unit) = distance_unit(scale, length);
    let (y_unit, said) = value_unit(shown);
    ui.horizontal_wrapped(|ui| {
        buttons(ui, done, || cx.send(Command::Copy(line_table(scale, samples))));
        if shown.planes() > 1 {
            let help = "Position along the line against the spectral axis, as a new image that follows the line";
            done.cut = ui.button("Cut through the cube").on_hover_text(help).clicked();
        }
        let [a, b] = ends.map(|p| p.map(|v| format!("{:.1}", axes::fits_from_pixel(v))));
        ui.label(format!("Line profile  {}{said}", distance_text(scale, length)));
        ui.weak(format!("from ({}, {}) to ({}, {})", a[0], a[1], b[0], b[1]));
    });
    let points: Vec<[f64; 2]> = samples.iter().map(|s| [s.distance * factor, s.value]).collect();
    LinePlot::new("Line profile")
        .x("distance", unit)
        .y("value", &y_unit)
        .series(Series::new("image", &points).role(Role::Data))
        .show(ui, "line profile");
}

fn radial_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    shown: &Shown,
    profile: Profile,
    found: &RadialProfile,
    done: &mut Done,
) {
    let Profile::Radial { center, mut radius, mut recentre } = profile else { return };
    let scale = square_scale(shown);
    let (factor, unit) = distance_unit(scale, radius);
    let (y_unit, said) = value_unit(shown);
    ui.horizontal_wrapped(|ui| {
        buttons(ui, done, || cx.send(Command::Copy(radial_table(scale, found))));
        let [x, y] = found.center.map(|v| format!("{:.2}", axes::fits_from_pixel(v)));
        ui.label(match &found.star {
            Some(star) => format!(
                "FWHM {} (Gaussian, {:.0} % of the variance)",
                distance_text(scale, star.fwhm()),
                (100.0 * star.explained).floor()
            ),
            None => "No star: a Gaussian does not describe it".to_owned(),
        });
        ui.label(format!("Radial profile at ({x}, {y}){said}"));
        let label = ui.label("radius");
        ui.add(DragValue::new(&mut radius).range(RADII).speed(0.2).max_decimals(1).suffix(" px")).labelled_by(label.id);
        ui.checkbox(&mut recentre, "recentre").on_hover_text("Move to the centre of light near the place");
    });
    let changed = Profile::Radial { center, radius, recentre };
    if changed != profile && radius.is_finite() {
        done.profile = Some(changed);
    }
    let means: Vec<[f64; 2]> = found.rings.iter().map(|r| [r.radius * factor, r.mean]).collect();
    let scatter: Vec<f64> = found.rings.iter().map(|r| if r.scatter.is_finite() { r.scatter } else { 0.0 }).collect();
    let curve: Vec<[f64; 2]> = found.star.as_ref().map_or_else(Vec::new, |star| {
        (0..=100).map(|i| f64::from(i) / 100.0 * radius).map(|r| [r * factor, star.at(r)]).collect()
    });
    let mut plot = LinePlot::new("Radial profile").x("radius", unit).y("value", &y_unit).series(
        Series::new("mean and scatter of rings", &means)
            .role(Role::Data)
            .style(SeriesStyle::Points)
            .width(2.5)
            .errors(&scatter),
    );
    if !curve.is_empty() {
        plot = plot.series(Series::new("Gaussian", &curve).role(Role::Model).style(SeriesStyle::Dashed));
    }
    plot.show(ui, "radial profile");
}

fn buttons(ui: &mut Ui, done: &mut Done, copy: impl FnOnce()) {
    if ui.button("Close").on_hover_text("Close the profile (Esc over the image)").clicked() {
        done.close = true;
    }
    if ui.button("Copy data").on_hover_text("Copy the numbers as a table with tabs").clicked() {
        copy();
    }
}

/// A table with tabs: pixels counted from 1.
fn line_table(scale: Option<f64>, samples: &[LineSample]) -> String {
    let mut text = "distance_pixel\tdistance_arcsec\tx\ty\tvalue\n".to_owned();
    for sample in samples {
        let [x, y] = sample.pixel.map(axes::fits_from_pixel);
        let arcsec = sample.distance * scale.unwrap_or(f64::NAN);
        text.push_str(&format!("{:.4}\t{arcsec:.6}\t{x:.4}\t{y:.4}\t{:e}\n", sample.distance, sample.value));
    }
    text
}

fn radial_table(scale: Option<f64>, profile: &RadialProfile) -> String {
    let mut text = "radius_pixel\tradius_arcsec\tmean\tscatter\tpixels\n".to_owned();
    for ring in &profile.rings {
        let arcsec = ring.radius * scale.unwrap_or(f64::NAN);
        text.push_str(&format!(
            "{:.4}\t{arcsec:.6}\t{:e}\t{:e}\t{}\n",
            ring.radius, ring.mean, ring.scatter, ring.count
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Header, Wcs};

    fn plane(text: &str, shape: &[usize]) -> PlaneWcs {
        let wcs = Wcs::from_header(&Header::from_lines(text.as_bytes())).unwrap().unwrap();
        PlaneWcs::new(Arc::new(wcs), shape, 0)
    }

    #[test]
    fn pixels_have_sides_where_both_axes_are_angles() {
        let sky = "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 150.0\nCRVAL2  = 60.0\nCRPIX1  = 50\n\
             CRPIX2  = 50\nCDELT1  = -0.001\nCDELT2  = 0.002";
        let [a, b] = sides(&plane(sky, &[100, 100]), [49.0, 49.0]).unwrap();
        assert!((a - 3.6).abs() < 1e-5 && (b - 7.2).abs() < 1e-5, "{a} {b}");
        let grid =
            "CTYPE1  = 'X'\nCTYPE2  = 'Y'\nCUNIT1  = 'arcsec'\nCUNIT2  = 'arcsec'\nCDELT1  = 0.05\nCDELT2  = 0.05";
        let [a, b] = sides(&plane(grid, &[10, 10]), [5.0, 5.0]).unwrap();
        assert!((a - 0.05).abs() < 1e-9 && (b - 0.05).abs() < 1e-9, "{a} {b}");
        let cut = "CTYPE1  = 'GLON-CAR'\nCTYPE2  = 'VRAD'\nCTYPE3  = 'GLAT-CAR'\nCUNIT2  = 'm/s'\nCDELT1  = -0.01\n\
             CDELT2  = 500.0\nCDELT3  = 0.01";
        assert_eq!(sides(&plane(cut, &[3, 10, 10]), [5.0, 5.0]), None);
        assert!((separation_arcsec([359.9, 0.0], [0.1, 0.0]) - 720.0).abs() < 1e-6);
    }

    #[test]
    fn nonsense_from_a_file_is_left_out() {
        assert_eq!(Profile::Line { ends: [[0.0, f64::INFINITY], [1.0, 1.0]] }.sane(), None);
        assert_eq!(Profile::Radial { center: [0.0, f64::NAN], radius: 3.0, recentre: true }.sane(), None);
        let wide = Profile::Radial { center: [0.0, 1.0], radius: 1e9, recentre: false }.sane();
        assert_eq!(wide, Some(Profile::Radial { center: [0.0, 1.0], radius: 500.0, recentre: false }));
    }
}
