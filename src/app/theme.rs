//! Colours, spacing and fonts of the window: the only place in `app` with colour literals.
#![allow(clippy::disallowed_methods)] // this is the place for them

use egui::{Color32, Context, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Theme, ThemePreference, Visuals};
use serde::{Deserialize, Serialize};

/// Which theme the user chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeChoice {
    /// Light marks on a dark ground: the default, as in most viewers of astronomical images.
    #[default]
    Dark,
    /// Dark marks on a light ground: for projectors and print.
    Light,
}

impl ThemeChoice {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Dark,
        }
    }
}

/// Installs fonts and both styles, and switches to `choice`.
pub fn install(ctx: &Context, choice: ThemeChoice) {
    crate::plots::fonts::install(ctx);
    ctx.style_mut_of(Theme::Dark, |style| {
        style.visuals = dark();
        spacing(style);
    });
    ctx.style_mut_of(Theme::Light, |style| {
        style.visuals = light();
        spacing(style);
    });
    apply(ctx, choice);
}

/// Switches to `choice`.
pub fn apply(ctx: &Context, choice: ThemeChoice) {
    ctx.set_theme(match choice {
        ThemeChoice::Dark => ThemePreference::Dark,
        ThemeChoice::Light => ThemePreference::Light,
    });
}

fn spacing(style: &mut egui::Style) {
    style.text_styles = [
        (TextStyle::Heading, FontId::new(17.0, FontFamily::Proportional)),
        (TextStyle::Body, FontId::new(13.5, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(13.5, FontFamily::Proportional)),
        (TextStyle::Small, FontId::new(11.0, FontFamily::Proportional)),
        (TextStyle::Monospace, FontId::new(12.5, FontFamily::Monospace)),
    ]
    .into();
    style.spacing.item_spacing = egui::vec2(7.0, 5.0);
    style.spacing.button_padding = egui::vec2(8.0, 3.0);
    style.spacing.interact_size.y = 22.0;
    style.spacing.slider_width = 130.0;
    style.interaction.tooltip_delay = 0.3;
}

fn rounded(mut visuals: Visuals) -> Visuals {
    let radius = CornerRadius::same(4);
    for widget in [
        &mut visuals.widgets.noninteractive,
        &mut visuals.widgets.inactive,
        &mut visuals.widgets.hovered,
        &mut visuals.widgets.active,
        &mut visuals.widgets.open,
    ] {
        widget.corner_radius = radius;
    }
    visuals.slider_trailing_fill = true;
    visuals.striped = false;
    visuals
}

fn dark() -> Visuals {
    let mut v = rounded(Visuals::dark());
    v.panel_fill = Color32::from_rgb(24, 27, 33);
    v.window_fill = Color32::from_rgb(29, 32, 39);
    v.extreme_bg_color = Color32::from_rgb(14, 16, 20);
    v.faint_bg_color = Color32::from_rgb(31, 35, 42);
    v.code_bg_color = Color32::from_rgb(35, 39, 47);
    v.widgets.noninteractive.fg_stroke = Stroke::new(1.0, Color32::from_rgb(205, 210, 219));
    v.widgets.noninteractive.bg_stroke = Stroke::new(1.0, Color32::from_rgb(47, 52, 62));
    v.widgets.inactive.fg_stroke = Stroke::new(1.0, Color32::from_rgb(217, 222, 230));
    v.widgets.inactive.bg_fill = Color32::from_rgb(47, 52, 63);
    v.widgets.inactive.weak_bg_fill = Color32::from_rgb(42, 47, 57);
    v.widgets.hovered.bg_fill = Color32::from_rgb(60, 67, 81);
    v.widgets.hovered.weak_bg_fill = Color32::from_rgb(54, 60, 73);
    v.selection.bg_fill = Color32::from_rgb(28, 92, 140);
    v.selection.stroke = Stroke::new(1.0, Color32::from_rgb(222, 239, 255));
    v.hyperlink_color = Color32::from_rgb(110, 182, 245);
    v.warn_fg_color = Color32::from_rgb(240, 180, 80);
    v.error_fg_color = Color32::from_rgb(244, 118, 110);
    v
}

fn light() -> Visuals {
    let mut v = rounded(Visuals::light());
    v.panel_fill = Color32::from_rgb(246, 247, 249);
    v.window_fill = Color32::from_rgb(252, 252, 253);
    v.extreme_bg_color = Color32::from_rgb(255, 255, 255);
    v.faint_bg_color = Color32::from_rgb(237, 239, 243);
    // White on near-white would not look like a field.
    v.text_edit_bg_color = Some(Color32::from_rgb(231, 235, 241));
    v.code_bg_color = Color32::from_rgb(232, 235, 240);
    v.widgets.noninteractive.fg_stroke = Stroke::new(1.0, Color32::from_rgb(42, 47, 56));
    v.widgets.noninteractive.bg_stroke = Stroke::new(1.0, Color32::from_rgb(208, 212, 219));
    v.widgets.inactive.fg_stroke = Stroke::new(1.0, Color32::from_rgb(35, 40, 48));
    v.widgets.inactive.bg_fill = Color32::from_rgb(219, 223, 230);
    v.widgets.inactive.weak_bg_fill = Color32::from_rgb(228, 231, 237);
    v.widgets.hovered.bg_fill = Color32::from_rgb(205, 212, 223);
    v.widgets.hovered.weak_bg_fill = Color32::from_rgb(214, 220, 230);
    v.selection.bg_fill = Color32::from_rgb(160, 205, 242);
    v.selection.stroke = Stroke::new(1.0, Color32::from_rgb(12, 55, 94));
    v.hyperlink_color = Color32::from_rgb(10, 92, 170);
    v.warn_fg_color = Color32::from_rgb(160, 92, 0);
    v.error_fg_color = Color32::from_rgb(184, 36, 30);
    v
}

/// Green of "done" and "check passed".
pub fn good(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(110, 200, 130) } else { Color32::from_rgb(20, 120, 50) }
}
