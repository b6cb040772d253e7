//! The arrival-time surface of the point that is looked at: contours, its stationary points, delays.

use std::sync::Arc;

use egui::{RichText, Ui, vec2};
use ndarray::Array2;

use super::linked::{Shown, image_markers};
use super::maps::MapMaker;
use super::{Finished, NARROW};
use crate::panels::PanelContext;
use crate::panels::lens_reconstruction::ARRIVAL;
use crate::panels::lens_reconstruction::curves::SURFACE;
use crate::panels::maps::{LineWidth, Look, MapEvent, MapLine, MapSpec, Views};
use crate::plots::colors::{self, Role};
use crate::studies::lens_reconstruction::{ArrivalSurface, Traced, arrival_surface};
use crate::tasks::TaskError;
use crate::workers::{Key, Weigh};

/// The surface of one point, in the unit that is shown.
pub(in super::super) struct Surface {
    found: Option<(ArrivalSurface, Arc<Array2<f32>>)>,
}

impl Weigh for Surface {
    fn bytes(&self) -> usize {
        self.found.as_ref().map_or(0, |(s, _)| {
            let points = s.isochrones.iter().flat_map(|i| &i.lines).map(|l| l.points.len()).sum::<usize>();
            s.surface.len() * 8 + points * 16
        })
    }
}

/// Asks for the surface of a point; the last one stays while the pointer moves.
pub(super) fn ask(
    finished: &Finished,
    traced: &Arc<Traced>,
    lambda: f64,
    before: Option<Arc<Surface>>,
    cx: &mut PanelContext<'_>,
) -> (Option<Arc<Surface>>, bool) {
    let Some(tracer) = finished.tracer.clone() else { return (None, false) };
    let factor = (lambda * finished.days.unwrap_or(1.0)) as f32;
    let [x, y] = traced.source;
    let key = Key::of(&("arrival surface", finished.id)).and_f64(x).and_f64(y).and_f64(lambda);
    let traced = traced.clone();
    let answer = cx.services.queries.ask(cx.slot(ARRIVAL), key, &cx.services.wake, move |_| {
        let found = arrival_surface(&tracer, &traced).map(|s| {
            let shown = Arc::new(s.surface.mapv(|v| v * factor));
            (s, shown)
        });
        Ok::<_, TaskError>(Surface { found })
    });
    let waiting = answer.ready().is_none();
    (answer.newest().cloned().or(before), waiting)
}

/// Draws surface, source and the table of images; tells what the pointer did.
pub(super) fn arrival_ui(
    ui: &mut Ui,
    finished: &Finished,
    maker: &MapMaker<'_>,
    shown: &Shown,
    surface: Option<&Surface>,
    views: &mut Views,
) -> Vec<MapEvent> {
    let mut events = Vec::new();
    let numbers = |ui: &mut Ui| {
        shown.read_out_ui(ui, finished);
        ui.add_space(6.0);
        for line in words(shown, finished.days) {
            ui.add(egui::Label::new(RichText::new(line).small().weak()).wrap());
        }
    };
    let room = ui.available_size();
    let narrow = room.x < NARROW;
    if narrow {
        egui::Panel::bottom("lens arrival below").resizable(false).exact_size(0.5 * room.y).show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                numbers(ui);
                ui.allocate_ui(vec2(ui.available_width(), 180.0), |ui| {
                    events = views.grid_ui(ui, 1, &[maker.source()]);
                });
            });
        });
    } else {
        let width = (room.x * 0.4).clamp(300.0, 400.0);
        egui::Panel::right("lens arrival numbers").resizable(false).exact_size(width).show(ui, |ui| {
            let below = (0.45 * ui.available_height()).clamp(120.0, 300.0);
            egui::Panel::bottom("lens arrival source").resizable(false).exact_size(below).show(ui, |ui| {
                events = views.grid_ui(ui, 1, &[maker.source()]);
            });
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, numbers);
        });
    }
    let unit = if finished.days.is_some() { "days" } else { "arcsec²" };
    if let Some((found, values)) = surface.and_then(|s| s.found.as_ref()) {
        let lines = found.isochrones.iter().flat_map(|isochrone| {
            let (color, width) = if isochrone.through_saddle {
                (Role::ArrivalSaddle.on_image(), 1.8)
            } else {
                (colors::faded(colors::ON_IMAGE, 0.7), 1.0)
            };
            isochrone.lines.iter().map(move |line| MapLine {
                points: line.points.clone(),
                closed: line.closed,
                color,
                width: LineWidth::Points(width),
            })
        });
        let map = MapSpec::new("arrival", "Arrival time", values, found.pixel_scale_arcsec, SURFACE, Look::Plain)
            .unit(unit)
            .centre(found.centre_arcsec)
            .lines(lines.collect())
            .markers(image_markers(&shown.traced.images, true, |p| found.pixel_of(p)));
        events.extend(views.grid_ui(ui, 1, &[map]));
    }
    events
}

fn words(shown: &Shown, days: Option<f64>) -> Vec<String> {
    let mut lines = vec![
        "Images are where the arrival time is stationary; contours through saddles cross themselves there.".to_owned(),
        "A singular lens has no image at its centre: there the surface has a cusp.".to_owned(),
    ];
    if let (Some(days), Some(last)) = (days, shown.traced.images.last())
        && last.delay_arcsec2 > 0.0
    {
        lines.push(format!("1 arcsec² of the Fermat potential is {days:.2} days at these redshifts."));
        lines.push("Delays are in inverse proportion to the Hubble constant of the run.".to_owned());
    } else if days.is_none() {
        lines.push("With redshift_lens and redshift_source given, delays are in days.".to_owned());
    }
    lines
}
