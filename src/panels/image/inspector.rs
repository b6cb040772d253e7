//! The settings of an image view: colours, histogram, what is drawn over it, and what the HDU says.

use egui::{RichText, Ui};

use super::ImagePanel;
use super::regions;
use super::tools::LineTool;
use crate::data::regions::ShapeKind;
use crate::data::typeset_unit;
use crate::panels::display::display_ui_with_limits;
use crate::panels::{Command, PanelContext};
use crate::plots::axes;
use crate::plots::histogram::Histogram;
use crate::plots::limits::{Limits, sample_stride};
use crate::plots::limits_histogram::LimitsHistogram;
use crate::workers::Weigh;

/// The question of a view for its histogram.
pub(super) const SLOT: &str = "histogram";

/// Bins of the histogram.
const BINS: usize = 128;

/// The histogram of a plane with a few numbers beside it.
struct Counted {
    histogram: Histogram,
    /// One pixel in so many was looked at.
    stride: usize,
    /// Smallest, mean and largest of them.
    numbers: Option<[f64; 3]>,
}

impl Weigh for Counted {
    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.histogram.counts())
    }
}

impl ImagePanel {
    /// Draws the settings.
    pub(super) fn settings_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(recipe) = &mut self.saved.derived {
            self.derived.inspector_ui(ui, recipe);
        }
        self.regions_ui(ui, cx);
        ui.label(RichText::new("Display").strong());
        match &self.load.shown {
            Some(shown) => {
                let own = self.view.limits(&shown.source, &self.saved.display);
                let limits = self.slices.limits().unwrap_or(own);
                display_ui_with_limits(ui, "image display", &mut self.saved.display, limits);
                let stride = self.saved.display.limits.stride(shown.source.pixels.len());
                if stride > 1 {
                    ui.weak(format!("Limits from one pixel in {stride}"));
                }
            }
            None => crate::panels::display_ui(ui, "image display", &mut self.saved.display),
        }
        self.histogram_ui(ui, cx);
        ui.horizontal(|ui| {
            if ui.button("Fit").on_hover_text("Show the whole image (double-click, 0)").clicked() {
                self.saved.camera.follows_fit = true;
            }
            if ui.button("1:1").on_hover_text("One image pixel on one screen pixel (1)").clicked() {
                self.saved.camera.one_to_one(ui.ctx().pixels_per_point());
            }
            if ui.button("Go to…").on_hover_text("Centre on typed coordinates").clicked() {
                self.go_to = Some(super::go_to::GoTo::open());
            }
        });
        ui.separator();
        ui.label(RichText::new("Tools").strong());
        self.tool_buttons(ui);
        ui.separator();
        ui.label(RichText::new("Over the image").strong());
        let sky = self.load.shown.as_ref().and_then(|s| s.wcs.as_ref()).is_some_and(crate::data::PlaneWcs::shows_sky);
        ui.horizontal_wrapped(|ui| {
            ui.checkbox(&mut self.saved.display.axes, "Axes");
            ui.add_enabled(sky, egui::Checkbox::new(&mut self.saved.grid, "Grid"))
                .on_hover_text("Lines of equal longitude and latitude (G over the image)")
                .on_disabled_hover_text("This image has no sky coordinates");
            ui.add_enabled(sky, egui::Checkbox::new(&mut self.saved.compass, "Compass"))
                .on_hover_text("Arrows to the north and east")
                .on_disabled_hover_text("This image has no sky coordinates");
            ui.checkbox(&mut self.saved.scale_bar, "Scale bar");
        });
        ui.separator();
        self.linking.inspector_ui(ui, &mut self.saved.link);
        if let Some(world) = self.linking.world.as_ref().filter(|w| w.planes() > 1) {
            self.slices.inspector_ui(ui, world, &mut self.saved.slices);
        }
        self.contours.inspector_ui(ui, cx, &mut self.saved.contours);
        self.hdu_ui(ui, cx);
    }

    fn regions_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let (source, world) = (self.source(), self.linking.world.clone());
        let Some(shown) = &self.load.shown else { return };
        let (settings, selected) = (&mut self.saved.regions, &mut self.saved.selected_region);
        let plane = self.saved.plane;
        // Without regions the tool stands among the others.
        if settings.is_empty() && !self.regions.is_armed() {
            return;
        }
        let before = self.regions.is_armed();
        self.pending |= self.regions.inspector_ui(ui, cx, &source, world.as_ref(), shown, plane, settings, selected);
        if self.regions.is_armed() && !before {
            self.line_tool = LineTool::Off;
        }
    }

    fn tool_buttons(&mut self, ui: &mut Ui) {
        let center = self.saved.camera.center;
        ui.horizontal_wrapped(|ui| {
            let armed = self.line_tool != LineTool::Off;
            if ui
                .add(egui::Button::new("Line profile").selected(armed))
                .on_hover_text("Drag a line over the image (L over the image)")
                .clicked()
            {
                self.toggle_line();
            }
            if ui
                .button("Radial profile")
                .on_hover_text("Around the middle of the view; R over the image takes the place of the pointer")
                .clicked()
            {
                self.open_radial(center);
            }
            ui.menu_button("Draw region", |ui| {
                for kind in ShapeKind::ALL {
                    if ui.button(regions::title(kind)).clicked() {
                        self.line_tool = LineTool::Off;
                        self.regions.arm(&mut self.saved.regions, kind);
                        ui.close();
                    }
                }
            });
            let frozen = self.frozen;
            let freeze = ui.add_enabled(self.place.is_some(), egui::Button::new("Freeze read-out").selected(frozen));
            if freeze.on_hover_text("Keep the read-out where it is (F over the image)").clicked() {
                self.toggle_frozen();
            }
        });
    }

    fn histogram_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(shown) = &self.load.shown else { return };
        let pixels = shown.source.pixels.clone();
        let key = shown.key.and(&SLOT);
        let answer = cx.services.queries.ask(cx.slot(SLOT), key, &cx.services.wake, move |_| Ok(count(&pixels)));
        self.pending |= answer.ready().is_none();
        let Some(counted) = answer.newest() else {
            ui.spinner();
            return;
        };
        let unit = typeset_unit(&shown.source.unit);
        let own = self.view.limits(&shown.source, &self.saved.display);
        let limits = self.slices.limits().unwrap_or(own);
        LimitsHistogram::new(&counted.histogram, &mut self.saved.display, limits, &unit)
            .show(ui, "histogram", 70.0)
            .on_hover_text("Counts on a logarithmic scale; drag the two lines to set the limits");
        match counted.numbers {
            Some([low, mean, high]) => {
                let [low, mean, high] = [low, mean, high].map(|v| axes::format_value(v, 4));
                let sample =
                    if counted.stride > 1 { format!("; one pixel in {}", counted.stride) } else { String::new() };
                ui.add(
                    egui::Label::new(RichText::new(format!("{low} to {high}, mean {mean}{sample}")).weak().small())
                        .wrap(),
                );
            }
            None => {
                ui.weak("No pixel has a value");
            }
        }
    }

    fn hdu_ui(&self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(shown) = &self.load.shown else { return };
        ui.separator();
        ui.horizontal(|ui| {
            ui.label(RichText::new("HDU").strong());
            let file = !self.saved.path.as_os_str().is_empty();
            if file && ui.small_button("Header").on_hover_text("Every card of this HDU").clicked() {
                cx.send(Command::ShowHeader { path: self.saved.path.clone(), hdu: self.saved.hdu });
            }
        });
        ui.label(format!("{} {}", shown.hdu.index, shown.hdu.name));
        ui.label(&shown.hdu.description);
        if !shown.hdu.unit.is_empty() {
            ui.label(format!("Unit {}", typeset_unit(&shown.hdu.unit))).on_hover_text(&shown.hdu.unit);
        }
        if let Some(scale) = shown.hdu.pixel_scale_arcsec {
            ui.label(format!("{} arcsec per pixel", axes::format_value(scale, 5)));
        }
        if let Some(wcs) = &shown.wcs {
            for axis in wcs.wcs().axes() {
                ui.label(format!("{}: {}", axis.name, axis.describe()));
            }
            if let Some(frame) = wcs.wcs().sky_frame() {
                ui.label(format!("Frame {frame}"));
            }
        }
        for note in &shown.wcs_notes {
            let color = ui.visuals().warn_fg_color;
            ui.add(egui::Label::new(RichText::new(note).color(color)).wrap());
        }
    }
}

/// Counts the values between their extreme per mille, a quarter of that range further out on each side; of a large image
/// one pixel in so many.
fn count(pixels: &ndarray::Array2<f32>) -> Counted {
    let stride = sample_stride(pixels.len());
    let values = || pixels.iter().step_by(stride).copied().filter(|v| v.is_finite()).map(f64::from);
    let (mut low, mut high, mut sum, mut n) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
    for value in values() {
        low = low.min(value);
        high = high.max(value);
        sum += value;
        n += 1.0;
    }
    if n == 0.0 {
        return Counted { histogram: Histogram::of([], 0.0, 1.0, BINS), stride, numbers: None };
    }
    let most = Limits::of(pixels.view(), crate::plots::limits::LimitsMode::Percentile(99.8), [0.0; 2]);
    let margin = 0.25 * (most.high - most.low);
    let range =
        if low < high { [low.max(most.low - margin), high.min(most.high + margin)] } else { [most.low, most.high] };
    let histogram = Histogram::of(values(), range[0], range[1], BINS);
    Counted { histogram, stride, numbers: Some([low, sum / n, high]) }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn one_bright_pixel_does_not_squeeze_the_histogram() {
        let mut pixels = Array2::from_shape_fn((100, 100), |(y, x)| ((y * 100 + x) % 1000) as f32);
        pixels[[50, 50]] = 1e9;
        let counted = count(&pixels);
        let [low, high] = counted.histogram.range();
        assert!(low == 0.0 && high > 999.0 && high < 1300.0, "{low} {high}");
        assert_eq!(counted.histogram.outside()[1], 1);
        assert_eq!(counted.numbers.unwrap()[2], 1e9);
        assert_eq!(counted.stride, 1);
    }

    #[test]
    fn constant_and_empty_images_are_counted() {
        let counted = count(&Array2::from_elem((3, 3), 7.0f32));
        assert_eq!(counted.histogram.counts().iter().sum::<u64>(), 9);
        assert_eq!(counted.numbers, Some([7.0; 3]));
        let counted = count(&Array2::from_elem((3, 3), f32::NAN));
        assert_eq!((counted.numbers, counted.histogram.total()), (None, 0));
    }
}
