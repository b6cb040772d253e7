//! Drawing of a spectrum view: its controls, the plot, and its settings.

use egui::{ComboBox, DragValue, RichText, Ui};

use super::curve::Curve;
use super::{PanelContext, SpectrumPanel};
use crate::data::spectral_units::{LIGHT_SPEED_M_S, SpectralUnit};
use crate::numerics::aperture::Reduction;
use crate::plots::axes::{fits_from_pixel, format_value, format_with_unit, with_unit};
use crate::plots::colors::{self, Role};
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};

impl SpectrumPanel {
    /// Draws the view.
    pub(super) fn view_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        let Some(live) = self.live.clone() else {
            ui.centered_and_justified(|ui| {
                if self.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Open a cube or a spectrum; the spectrum under the pointer appears here");
                }
            });
            return;
        };
        if !cx.links.for_keeping {
            ui.horizontal(|ui| self.controls_ui(ui, &live));
            self.numbers_ui(ui);
            if self.saved.file.is_none() {
                self.range_ui(ui, cx, &live);
            }
            if !self.saved.pins.is_empty() {
                self.pins_ui(ui);
            }
        }
        self.plot_ui(ui, cx, &live);
    }

    fn controls_ui(&mut self, ui: &mut Ui, live: &Curve) {
        if live.units.len() > 1 {
            let label = ui.label("Axis");
            unit_combo(ui, live, &mut self.saved.unit).labelled_by(label.id);
        }
        ui.checkbox(&mut self.saved.full_range, "Full range")
            .on_hover_text("y over every value; else without noisy ends and single spikes");
        if live.has_error {
            ui.checkbox(&mut self.saved.band, "Error")
                .on_hover_text("One sigma to either side, from the error of the file");
        }
        ui.checkbox(&mut self.saved.lines.on, "Lines").on_hover_text("Spectral lines at a redshift");
        self.redshift_ui(ui, live);
        if !self.saved.lines.on {
            ui.add(egui::Label::new(RichText::new(&self.read_out).monospace()).truncate());
        }
    }

    /// The row of numbers: what is read out, where it has no room among the controls, and the region.
    fn numbers_ui(&mut self, ui: &mut Ui) {
        if self.saved.lines.on || self.region.is_some() {
            ui.horizontal(|ui| {
                if self.saved.lines.on {
                    ui.label(RichText::new(&self.read_out).monospace());
                }
                self.region_ui(ui);
            });
        }
    }

    /// What the region on the cube has in the channel that is read out.
    fn region_ui(&mut self, ui: &mut Ui) {
        let Some((note, found)) = self.region.clone() else { return };
        let channel = self.pointed.or(self.channel()).unwrap_or(0);
        let (mark, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
        ui.painter().rect_filled(mark, 2.0, note.color);
        let how = self.saved.reduction.name();
        let value = found.curve.points.get(channel).map_or(f64::NAN, |p| p[1]);
        let error = found.sigma.get(channel).copied().filter(|e| e.is_finite());
        let number = match error {
            Some(error) => format!("{} ± {}", format_value(value, 5), format_value(error, 2)),
            None => format_value(value, 5),
        };
        let number = if value.is_finite() { with_unit(&number, &found.curve.y.1) } else { "…".to_owned() };
        let combo = ComboBox::from_id_salt("reduction").width(76.0).selected_text(how).show_ui(ui, |ui| {
            for choice in Reduction::ALL {
                ui.selectable_value(&mut self.saved.reduction, choice, choice.name());
            }
        });
        let name = "Spectrum of the region";
        combo.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
        let text = format!("{} ({how} of {} px): {number}", note.name, found.pixels);
        ui.add(egui::Label::new(RichText::new(text).monospace()).truncate()).on_hover_text(name);
    }

    /// The pinned spectra, each with a button that takes it away.
    fn pins_ui(&mut self, ui: &mut Ui) {
        let theme = colors::theme_of(ui.visuals());
        let mut gone = None;
        ui.horizontal_wrapped(|ui| {
            for (index, pin) in self.saved.pins.iter().enumerate() {
                let text = RichText::new(format!("{} ×", pin_name(pin.pixel))).color(colors::series(pin.color, theme));
                if ui.small_button(text).on_hover_text("Take this pinned spectrum away").clicked() {
                    gone = Some(index);
                }
            }
            if self.saved.pins.len() > 1 && ui.small_button("Unpin all").clicked() {
                self.saved.pins.clear();
            }
        });
        if let Some(index) = gone
            && index < self.saved.pins.len()
        {
            self.saved.pins.remove(index);
            self.pinned.clear();
        }
    }

    fn plot_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, live: &Curve) {
        let theme = colors::theme_of(ui.visuals());
        let name = match (&self.saved.file, self.saved.cursor.pixel) {
            (Some(file), _) => file.name(),
            (None, Some(pixel)) => pin_name(pixel),
            (None, None) => "middle of the image".to_owned(),
        };
        let pins: Vec<(String, &Curve, usize)> = self
            .saved
            .pins
            .iter()
            .zip(&self.pinned)
            .filter_map(|(pin, curve)| Some((format!("pinned {}", pin_name(pin.pixel)), curve.as_deref()?, pin.color)))
            // One that is not yet in the unit shown would be drawn in the wrong place.
            .filter(|(_, curve, _)| curve.x == live.x)
            .collect();
        let region = self.region.as_ref().filter(|(_, found)| found.curve.x == live.x);
        let regional = region.map(|(_, found)| &found.curve);
        let all = || std::iter::once(live).chain(pins.iter().map(|(_, curve, _)| *curve)).chain(regional);
        let y = all().filter_map(|c| if self.saved.full_range { c.full } else { c.sturdy }).reduce(join).map(margin);
        // Room at both ends, so that the line of the first channel is not the frame.
        let x = all().filter_map(Curve::x_range).reduce(join).map(|[a, b]| [a - 0.01 * (b - a), b + 0.01 * (b - a)]);
        let y_label = if live.y.1.is_empty() { live.y.0.clone() } else { String::new() };
        let mut plot = LinePlot::new("Spectrum")
            .x(&live.x.0, &live.x.1)
            .y(&y_label, &live.y.1)
            .ranges(x, y, egui::Id::unique((live.unit as u64, self.saved.of())).value())
            .band("±1σ", &live.band, Role::Data.color(theme));
        for (name, curve, color) in &pins {
            plot = plot.series(
                Series::new(name, &curve.points).style(SeriesStyle::Steps).color(colors::series(*color, theme)),
            );
        }
        plot = plot.series(Series::new(&name, &live.points).style(SeriesStyle::Steps).role(Role::Data));
        if let Some((note, found)) = region {
            plot = plot.band("", &found.curve.band, note.color).series(
                Series::new(&note.name, &found.curve.points)
                    .style(SeriesStyle::Steps)
                    .color(on_plot(note.color, theme)),
            );
        }
        plot = plot.marks(self.line_marks(live, theme));
        for shade in self.shades(live, theme) {
            plot = plot.shade(shade);
        }
        let channel = self.channel();
        let at = channel.filter(|_| self.saved.file.is_none()).and_then(|c| live.points.get(c));
        if let Some(point) = at {
            plot = plot.handle("plane", point[0], Role::Reference.color(theme));
        }
        let response = plot.show(ui, "spectrum");
        if let Some(x) = response.dragged_x.or(response.clicked_x)
            && let Some(wanted) = live.channel_at(x)
            && Some(wanted) != channel
        {
            self.go_to(cx, wanted);
        }
        let pointed = response.hovered.and_then(|p| live.channel_at(p[0]));
        let picked = response.picked.filter(|_| self.saved.file.is_none());
        if self.pointed != pointed {
            self.pointed = pointed;
            ui.ctx().request_repaint();
        }
        let read_out = pointed.or(channel).map_or_else(String::new, |channel| read_out(live, channel));
        if read_out != self.read_out {
            self.read_out = read_out;
            ui.ctx().request_repaint();
        }
        if let Some(picked) = picked {
            self.take_picked(live, picked);
        }
    }

    /// The channel of the plane that the cube shows.
    fn channel(&self) -> Option<usize> {
        let world = self.world.as_ref().filter(|_| self.saved.file.is_none())?;
        world.indices(self.plane).get(world.channel_axis()?).copied()
    }

    /// Asks the view of the cube for the plane of a channel.
    fn go_to(&mut self, cx: &mut PanelContext<'_>, channel: usize) {
        let Some(world) = &self.world else { return };
        let Some(axis) = world.channel_axis() else { return };
        let plane = world.plane_with(self.plane, axis, channel);
        // Also without a view of the cube: the line is where it was put.
        self.plane = plane;
        if let Some(view) = self.cube_view(cx) {
            cx.links.wanted_planes.insert(view, plane);
        }
    }

    /// Draws the settings.
    pub(super) fn settings_ui(&mut self, ui: &mut Ui) {
        if !self.saved.of().is_empty() {
            ui.add(egui::Label::new(self.saved.of().name()).wrap());
        }
        ui.checkbox(&mut self.saved.full_range, "Full range of values");
        let Some(live) = self.live.clone() else { return };
        if live.takes_rest {
            self.rest_ui(ui, &live);
        }
        if live.has_error {
            ui.checkbox(&mut self.saved.band, "Error of one sigma");
        } else {
            ui.weak("No error belongs to this spectrum");
        }
        ui.separator();
        if self.saved.file.is_none() {
            ui.add(
                egui::Label::new(
                    RichText::new(
                        "Click on the image to pin the spectrum there. Click or drag in the plot to change the plane.",
                    )
                    .weak(),
                )
                .wrap(),
            );
        }
        self.lines_settings_ui(ui, &live);
        if self.saved.file.is_none() {
            self.range_settings_ui(ui, live.points.len());
        }
        let finite = live.points.iter().filter(|p| p[1].is_finite()).count();
        ui.label(format!("{} channels, {} with a value", live.points.len(), finite));
    }

    /// The rest wavelength, in the unit of light that the axis has.
    fn rest_ui(&mut self, ui: &mut Ui, live: &Curve) {
        let by_frequency = live.units.iter().any(|(u, name)| *u == SpectralUnit::Header && name.contains("Hz"));
        ui.horizontal(|ui| {
            let given = self.saved.rest_m.or(live.header_rest_m);
            let label = ui.label("Rest");
            // 1 mm and more is the domain of frequencies.
            let radio = by_frequency || given.is_some_and(|m| m > 1e-3);
            let (factor, unit) = if radio { (1e-9, " GHz") } else { (1e10, " Å") };
            let show = |metres: f64| if radio { LIGHT_SPEED_M_S / metres * factor } else { metres * factor };
            let mut value = given.map_or(0.0, show);
            let field = DragValue::new(&mut value)
                .range(0.0..=1e9)
                .speed(0.1)
                .custom_formatter(|v, _| if v > 0.0 { format!("{}{unit}", format_value(v, 9)) } else { "none".into() })
                .custom_parser(|text| text.trim().trim_end_matches(unit.trim()).trim().parse().ok());
            if ui
                .add(field)
                .labelled_by(label.id)
                .on_hover_text("Velocities are counted from here; 0 for none")
                .changed()
            {
                let metres = if radio { LIGHT_SPEED_M_S / (value / factor) } else { value / factor };
                self.saved.rest_m = Some(metres).filter(|m| m.is_finite() && *m > 0.0);
            }
        });
    }
}

/// The choice of the unit of the axis.
fn unit_combo(ui: &mut Ui, live: &Curve, unit: &mut SpectralUnit) -> egui::Response {
    let shown = live.units.iter().find(|(u, _)| *u == live.unit).map_or("", |(_, name)| name);
    ComboBox::from_id_salt("spectral unit")
        .width(110.0)
        // All of them at once: the longest list has eleven.
        .height(380.0)
        .selected_text(shown)
        .show_ui(ui, |ui| {
            for (choice, name) in &live.units {
                ui.selectable_value(unit, *choice, name);
            }
        })
        .response
}

fn pin_name([x, y]: [usize; 2]) -> String {
    format!("x {} y {}", fits_from_pixel(x as f64), fits_from_pixel(y as f64))
}

fn read_out(live: &Curve, channel: usize) -> String {
    let Some([x, y]) = live.points.get(channel) else { return String::new() };
    let value = format_with_unit(*y, 5, &live.y.1);
    let number = fits_from_pixel(channel as f64);
    if live.unit == SpectralUnit::Channel {
        return format!("channel {number}  {value}");
    }
    format!("channel {number}  {}  {value}", format_with_unit(*x, 7, &live.x.1))
}

/// The colour that a region has on the image, on the ground of a plot.
fn on_plot(color: egui::Color32, theme: egui::Theme) -> egui::Color32 {
    if theme == egui::Theme::Dark { color } else { color.lerp_to_gamma(Role::Data.color(theme), 0.45) }
}

fn join(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}

/// A tenth more to either side; a constant gets room too.
fn margin([low, high]: [f64; 2]) -> [f64; 2] {
    let span = high - low;
    let room = if span > 0.0 { 0.1 * span } else { low.abs().max(1e-30) };
    [low - room, high + room]
}
