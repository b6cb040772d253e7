//! The maps of the step, each with what lies over it, and the sight that shows them all.

use std::sync::Arc;

use egui::Ui;
use ndarray::Array2;

use super::linked::{Shown, image_markers, source_marker};
use super::sheet::SheetMaps;
use super::table::{fit_ui, parameters_ui, warnings_height, warnings_ui};
use super::{Finished, NARROW};
use crate::panels::lens_reconstruction::curves::{IMAGE, SOURCE, image_curves, pixel_of, source_curves};
use crate::panels::maps::{CurveOverlay, LineWidth, Look, MapEvent, MapLine, MapMarkers, MapSpec, Views};
use crate::plots::colors::{self, Role};
use crate::studies::lens_reconstruction::Curves;

/// The draw that stands out now: four a second.
pub(super) fn flicker(ui: &Ui) -> usize {
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(250));
    (ui.input(|i| i.time) * 4.0) as usize
}

/// Builds the maps of the step, each with what lies over it.
pub(super) struct MapMaker<'a> {
    pub finished: &'a Finished,
    pub shown: Option<&'a Shown>,
    pub lambda: f64,
    pub sheet: Option<&'a SheetMaps>,
    /// The draw that stands out, when draws are shown.
    pub draw: Option<usize>,
}

impl<'a> MapMaker<'a> {
    /// A map of the image plane.
    fn image(&self, id: &'static str, title: &'a str, image: &'a Arc<Array2<f32>>, look: Look) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (shape, scale) = (outcome.model.dim(), outcome.pixel_scale_arcsec);
        let place = |p: [f64; 2]| pixel_of(p, [0.0; 2], shape, scale);
        let markers = self.shown.filter(|s| s.marked()).map(|s| image_markers(&s.traced.images, false, place));
        let lines = self.draw_lines(|d| &d.tangential, Role::TangentialCritical, 1.0, place);
        MapSpec::new(id, title, image, scale, IMAGE, look)
            .unit(&outcome.unit)
            .markers(markers.unwrap_or_default())
            .lines(lines)
    }

    fn image_curves(&self) -> Vec<CurveOverlay> {
        let outcome = &self.finished.outcome;
        image_curves(&outcome.curves, outcome.model.dim(), outcome.pixel_scale_arcsec)
    }

    pub(super) fn residual(&self) -> MapSpec<'a> {
        self.image("residual", "Residual", &self.finished.residual, Look::Residual).unit("sigma")
    }

    /// A map of the source plane with the caustics of `curves`.
    fn source_plane(
        &self,
        id: &'static str,
        title: &'a str,
        image: &'a Arc<Array2<f32>>,
        curves: &Curves,
        markers: Vec<MapMarkers>,
    ) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (centre, shape, scale) = (outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
        MapSpec::new(id, title, image, scale, SOURCE, Look::Light)
            .unit(&outcome.unit)
            .centre(centre)
            .curves(source_curves(curves, centre, shape, scale))
            .markers(markers)
    }

    /// The fitted source, with the mass sheet if there is one.
    pub(super) fn source(&self) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (centre, shape, scale) = (outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
        let place = |p: [f64; 2]| pixel_of(p, centre, shape, scale);
        let markers = self.shown.filter(|s| s.marked()).map(|s| source_marker(s.traced.source, place));
        let image = self.sheet.map_or(&outcome.source, |s| &s.source);
        let title = if self.sheet.is_some() { "Source with the mass sheet" } else { "Source" };
        let curves = outcome.curves.with_sheet(self.lambda);
        self.source_plane("source", title, image, &curves, markers.unwrap_or_default()).lines(self.draw_lines(
            |d| &d.caustic,
            Role::TangentialCaustic,
            self.lambda,
            place,
        ))
    }

    fn convergence(&self) -> MapSpec<'a> {
        let image = self.sheet.map_or(&self.finished.outcome.convergence, |s| &s.convergence);
        let title = if self.sheet.is_some() { "Convergence with the mass sheet" } else { "Convergence" };
        self.image("convergence", title, image, Look::Convergence).unit("").curves(self.image_curves())
    }

    /// One curve of every draw, thin, and one of them bold.
    fn draw_lines(
        &self,
        of: impl Fn(&Curves) -> &Vec<Vec<[f64; 2]>>,
        role: Role,
        factor: f64,
        place: impl Fn([f64; 2]) -> [f64; 2],
    ) -> Vec<MapLine> {
        let draws = &self.finished.draws;
        let Some(bold) = self.draw.map(|d| d % draws.len().max(1)) else { return Vec::new() };
        let mut lines = Vec::new();
        // The bold one last, so that it lies over the others.
        let others = (0..draws.len()).filter(|k| *k != bold);
        for k in others.chain([bold]) {
            let Some(drawn) = draws.get(k) else { continue };
            lines.extend(of(drawn).iter().map(|line| MapLine {
                points: line.iter().map(|p| place(p.map(|c| factor * c))).collect(),
                closed: true,
                color: if k == bold { colors::ON_IMAGE } else { colors::faded(colors::ON_IMAGE, 0.45) },
                width: LineWidth::Points(if k == bold { 1.6 } else { 0.6 }),
            }));
        }
        // The best fit stays in its colour over all of them.
        lines.extend(of(&self.finished.outcome.curves).iter().map(|line| MapLine {
            points: line.iter().map(|p| place(p.map(|c| factor * c))).collect(),
            closed: true,
            color: role.on_image(),
            width: LineWidth::Points(1.0),
        }));
        lines
    }
}

/// Height of two rows of maps that need not scroll, in points.
const TWO_ROWS: f32 = 346.0;

/// Maps above, numbers and the point that is looked at below.
pub(super) fn comparison_ui(ui: &mut Ui, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let finished = maker.finished;
    let room = ui.available_size();
    let narrow = room.x < NARROW;
    // A few lines of what speaks against the numbers; the rest scrolls.
    let warnings = warnings_height(ui, finished, room.x - 12.0).min(52.0);
    let below = (200.0 + warnings).min(0.42 * room.y).min((room.y - TWO_ROWS).max(150.0));
    let height = (room.y - below - 8.0).max(120.0);
    let mut events = Vec::new();
    ui.allocate_ui(egui::vec2(room.x, height), |ui| {
        ui.set_min_size(ui.available_size());
        events = maps_ui(ui, maker, views);
    });
    if narrow {
        egui::ScrollArea::vertical().id_salt("lens numbers").auto_shrink(false).show(ui, |ui| {
            warnings_ui(ui, finished);
            parameters_ui(ui, finished, maker.lambda != 1.0);
            fit_ui(ui, finished);
            point_ui(ui, maker);
        });
        return events;
    }
    if warnings > 0.0 {
        let scroll = egui::ScrollArea::vertical().id_salt("lens warnings").max_height(warnings);
        scroll.auto_shrink([false, true]).show(ui, |ui| warnings_ui(ui, finished));
    }
    let below = ui.available_height();
    ui.horizontal_top(|ui| {
        // Room for the table of images beside them.
        let numbers = (0.6 * room.x).min(room.x - 310.0);
        ui.allocate_ui(egui::vec2(numbers, below), |ui| {
            egui::ScrollArea::both().id_salt("lens numbers").auto_shrink(false).show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.vertical(|ui| {
                        ui.set_max_width(0.58 * numbers);
                        parameters_ui(ui, finished, maker.lambda != 1.0);
                    });
                    ui.vertical(|ui| fit_ui(ui, finished));
                });
            });
        });
        ui.allocate_ui(egui::vec2(ui.available_width(), below), |ui| {
            egui::ScrollArea::both().id_salt("lens point").auto_shrink(false).show(ui, |ui| {
                ui.vertical(|ui| point_ui(ui, maker));
            });
        });
    });
    events
}

fn point_ui(ui: &mut Ui, maker: &MapMaker<'_>) {
    match maker.shown {
        Some(shown) => shown.read_out_ui(ui, maker.finished),
        None => {
            ui.weak("The lens of this run is not known: run it again to trace rays");
        }
    }
}

fn maps_ui(ui: &mut Ui, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let finished = maker.finished;
    let outcome = &finished.outcome;
    let mut maps = vec![
        maker.image("data", "Data", &outcome.data, Look::Light).mask(&finished.left_out),
        maker.image("model", "Model", &outcome.model, Look::Light).limits_of("data").curves(maker.image_curves()),
        maker.residual(),
        maker.source(),
    ];
    let arcs = maker.image("arcs", "Data less lens light", &finished.arcs, Look::Light).mask(&finished.left_out);
    let lens_light = maker.image("lens light", "Lens light", &outcome.lens_light, Look::Light).limits_of("data");
    // Six maps in a laptop's window, eight where there is room.
    let wide = ui.available_width() > 1020.0;
    if let Some(truth) = &finished.truth {
        let curves = &truth.outcome.curves;
        let true_source = maker.source_plane("true source", "True source", &truth.source, curves, Vec::new());
        maps.push(true_source.limits_of("source"));
        maps.push(maker.convergence());
        if wide {
            maps.extend([arcs, lens_light]);
        }
    } else {
        maps.extend([arcs, maker.convergence()]);
        if wide {
            maps.extend([lens_light, maker.image("noise", "Noise", &outcome.noise, Look::Plain)]);
        }
    }
    views.grid_ui(ui, if wide { 4 } else { 3 }, &maps)
}
