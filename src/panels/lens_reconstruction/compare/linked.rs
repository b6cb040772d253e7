//! The two planes linked: a point under the pointer, or pinned by a click, with its source and all its images on every map.

use std::sync::Arc;

use egui::{Grid, RichText, Ui};
use serde::{Deserialize, Serialize};

use super::Finished;
use crate::panels::lens_reconstruction::curves::{IMAGE, SOURCE};
use crate::panels::maps::{MapEvent, MapEventKind, MapMarkers};
use crate::plots::axes::format_value;
use crate::plots::colors::{self, Role, theme_of};
use crate::plots::image_overlay::MarkerShape;
use crate::studies::lens_reconstruction::{Method, Stationary, Traced, TracedImage};

/// Which plane a point lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Plane {
    /// The sky as it is seen.
    #[default]
    Image,
    /// Behind the lens; without a mass sheet.
    Source,
}

/// A point of one plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Point {
    plane: Plane,
    /// `[x, y]` in arcsec from the image centre.
    arcsec: [f64; 2],
}

/// Where the point that is looked at comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Hovered,
    Pinned,
    Brightest,
}

/// What is kept of the linked planes between frames.
#[derive(Default)]
pub(in super::super) struct Linked {
    hovered: Option<Point>,
    traced: Option<(u64, Point, Arc<Traced>)>,
}

/// A point with its rays, as the maps show it.
pub(super) struct Shown {
    why: Why,
    point: Point,
    /// Without a mass sheet.
    pub plain: Arc<Traced>,
    /// With it.
    pub traced: Traced,
}

impl Linked {
    /// The point to show: under the pointer, else pinned, else the brightest of the source. `None` where the lens is not known.
    pub(super) fn shown(&mut self, finished: &Finished, pinned: Option<Point>, lambda: f64) -> Option<Shown> {
        let tracer = finished.tracer.as_ref()?;
        let brightest = Point { plane: Plane::Source, arcsec: finished.brightest };
        let (point, why) = match (self.hovered, pinned) {
            (Some(point), _) => (point, Why::Hovered),
            (None, Some(point)) => (point, Why::Pinned),
            (None, None) => (brightest, Why::Brightest),
        };
        let known = self.traced.as_ref().filter(|(id, p, _)| *id == finished.id && *p == point);
        let trace = || {
            let source = match point.plane {
                Plane::Image => tracer.source_of(point.arcsec),
                Plane::Source => point.arcsec,
            };
            // Some 0.2 ms.
            Arc::new(tracer.trace(source))
        };
        let plain = known.map_or_else(trace, |k| k.2.clone());
        self.traced = Some((finished.id, point, plain.clone()));
        let traced = plain.as_ref().clone().with_sheet(lambda);
        Some(Shown { why, point, plain, traced })
    }

    /// Takes over what the pointer did; a click pins the point, a click on the pinned one frees it. True when there is another point to show.
    pub(super) fn take(
        &mut self,
        events: &[MapEvent],
        finished: &Finished,
        lambda: f64,
        pinned: &mut Option<Point>,
    ) -> bool {
        let before = (self.hovered.take(), *pinned);
        for event in events {
            let Some(point) = point_of(event, finished, lambda) else { continue };
            match event.kind {
                MapEventKind::Hover => self.hovered = Some(point),
                MapEventKind::Click => {
                    let near = |p: &Point| {
                        let reach = 6.0 / event.points_per_pixel * scale_of(event.frame, finished);
                        let off = [0, 1].map(|k| p.arcsec[k] - point.arcsec[k]);
                        p.plane == point.plane && off[0].hypot(off[1]) < reach
                    };
                    *pinned = if pinned.as_ref().is_some_and(near) { None } else { Some(point) };
                }
                _ => {}
            }
        }
        before != (self.hovered, *pinned)
    }
}

fn scale_of(frame: &str, finished: &Finished) -> f64 {
    if frame == SOURCE { finished.outcome.source_scale_arcsec } else { finished.outcome.pixel_scale_arcsec }
}

/// The point of an event on a map of either plane; `None` beside the map.
fn point_of(event: &MapEvent, finished: &Finished, lambda: f64) -> Option<Point> {
    let outcome = &finished.outcome;
    let (plane, (rows, columns), centre) = match event.frame {
        IMAGE => (Plane::Image, outcome.model.dim(), [0.0; 2]),
        SOURCE => (Plane::Source, outcome.source.dim(), outcome.source_centre_arcsec),
        _ => return None,
    };
    let inside = |v: f64, n: usize| v > -0.5 && v < n as f64 - 0.5;
    if !inside(event.pixel[0], columns) || !inside(event.pixel[1], rows) {
        return None;
    }
    let middle = [0.5 * (columns as f64 - 1.0), 0.5 * (rows as f64 - 1.0)];
    let scale = scale_of(event.frame, finished);
    let arcsec = [0, 1].map(|k| centre[k] + (event.pixel[k] - middle[k]) * scale);
    // With a mass sheet the source plane is shown shrunk.
    let arcsec = if plane == Plane::Source { arcsec.map(|c| c / lambda) } else { arcsec };
    Some(Point { plane, arcsec })
}

/// Colour and shape of each kind of image.
pub(super) const KINDS: [(Stationary, Role, MarkerShape, &str, &str); 3] = [
    (
        Stationary::Minimum,
        Role::ArrivalMinimum,
        MarkerShape::Circle,
        "minimum",
        "Positive parity: a valley of the arrival time",
    ),
    (
        Stationary::Saddle,
        Role::ArrivalSaddle,
        MarkerShape::Saltire,
        "saddle",
        "Negative parity: mirrored, a pass of the arrival time",
    ),
    (
        Stationary::Maximum,
        Role::ArrivalMaximum,
        MarkerShape::Square,
        "maximum",
        "Positive parity: a hill of the arrival time near the lens centre",
    ),
];

/// Markers of images, numbered in order of arrival, in the legend if they are `named`; `pixel_of` turns arcsec into pixels of the map.
pub(super) fn image_markers(
    images: &[TracedImage],
    named: bool,
    pixel_of: impl Fn([f64; 2]) -> [f64; 2],
) -> Vec<MapMarkers> {
    let of_kind = |(kind, role, shape, label, _): (Stationary, Role, MarkerShape, &'static str, _)| {
        // The others leave gaps, so that numbers count through all kinds.
        let place = |i: &TracedImage| if i.kind == kind { pixel_of(i.place) } else { [f64::NAN; 2] };
        let points: Vec<_> = images.iter().map(place).collect();
        MapMarkers::new(points, shape, 6.0, role.on_image(), if named { label } else { "" }).numbered()
    };
    let present = KINDS.iter().filter(|k| images.iter().any(|i| i.kind == k.0));
    present.map(|k| of_kind(*k)).collect()
}

/// The marker of a point of the source plane.
pub(super) fn source_marker(source: [f64; 2], pixel_of: impl Fn([f64; 2]) -> [f64; 2]) -> Vec<MapMarkers> {
    vec![MapMarkers::new(vec![pixel_of(source)], MarkerShape::Cross, 8.0, colors::ON_IMAGE, "")]
}

impl Shown {
    /// Whether maps mark it: what nobody pointed at stays unmarked.
    pub(super) fn marked(&self) -> bool {
        self.why != Why::Brightest
    }

    /// What the point is, its source, its images.
    pub(super) fn read_out_ui(&self, ui: &mut Ui, finished: &Finished) {
        let what = match self.why {
            Why::Hovered => "Under the pointer",
            Why::Pinned => "Pinned point",
            Why::Brightest => "Brightest point of the source",
        };
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(what).small().strong());
            match (self.why, self.point.plane) {
                (Why::Brightest, _) => {
                    ui.label(RichText::new("point at a map; a click pins").small().weak());
                }
                (_, Plane::Image) => {
                    let [x, y] = self.point.arcsec;
                    ui.label(RichText::new(format!("Image plane at {x:.4}, {y:.4} arcsec")).small());
                }
                (_, Plane::Source) => {
                    ui.label(RichText::new("Source plane").small());
                }
            }
        });
        let [x, y] = self.traced.source;
        let images = self.traced.images.len();
        let plural = if images == 1 { "" } else { "s" };
        ui.label(RichText::new(format!("Source at {x:.4}, {y:.4} arcsec: {images} image{plural}")).small());
        images_ui(ui, &self.traced, finished.days);
        let text = match finished.outcome.method {
            Method::Parametric | Method::Inversion => None,
            Method::Pixels => Some("Through the parametric lens, without its corrections in pixels"),
            Method::Rim => Some("Through the parametric lens that was fitted before, not through the mass in pixels"),
        };
        if let Some(text) = text {
            ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
        }
    }
}

/// The images of a point, in order of arrival.
pub(super) fn images_ui(ui: &mut Ui, traced: &Traced, days: Option<f64>) {
    let theme = theme_of(ui.visuals());
    let unit = if days.is_some() { "days" } else { "arcsec²" };
    Grid::new("lens images of a point")
        .num_columns(6)
        .striped(true)
        .min_row_height(15.0)
        .spacing([6.0, 1.0])
        .min_col_width(14.0)
        .show(ui, |ui| {
            for (text, help) in [
                ("", "In order of arrival"),
                ("x", "In arcsec from the image centre"),
                ("y", "In arcsec from the image centre"),
                ("μ", "Magnification; negative: mirrored"),
                ("kind", "Of the arrival time"),
            ] {
                ui.label(RichText::new(text).small().strong()).on_hover_text(help);
            }
            ui.label(RichText::new(format!("delay / {unit}")).small().strong()).on_hover_text(match days {
                Some(_) => {
                    "After the first image; flat universe, with the redshifts and the Hubble constant of the run"
                }
                None => {
                    "After the first image, as a difference of Fermat potentials; with both redshifts known, in days"
                }
            });
            ui.end_row();
            for (i, image) in traced.images.iter().enumerate() {
                let delay = image.delay_arcsec2 * days.unwrap_or(1.0);
                let cells = [
                    (i + 1).to_string(),
                    format!("{:.3}", image.place[0]),
                    format!("{:.3}", image.place[1]),
                    magnification(image.magnification),
                ];
                for text in cells {
                    ui.label(RichText::new(text).small());
                }
                if let Some((_, role, _, name, help)) = KINDS.iter().find(|k| k.0 == image.kind) {
                    ui.label(RichText::new(*name).small().color(role.color(theme))).on_hover_text(*help);
                }
                ui.label(RichText::new(if i == 0 { "0".to_owned() } else { format_value(delay, 4) }).small());
                ui.end_row();
            }
        });
    ui.label(RichText::new(format!("Total magnification {}", total(traced))).small());
}

fn total(traced: &Traced) -> String {
    format_value(traced.total_magnification(), 4)
}

/// With its sign: the sign is the parity.
fn magnification(value: f64) -> String {
    if value.abs() < 1000.0 { format!("{value:+.3}") } else { format_value(value, 3) }
}
