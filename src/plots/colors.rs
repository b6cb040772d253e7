//! Every colour that a plot uses by name: the only place in the plots with colour literals.
//!
//! The hues lean on those of Okabe & Ito (2008), which stay apart for the common kinds of colour blindness;
//! each has one tone for dark and one for light backgrounds, and one meaning in the whole program.
#![allow(clippy::disallowed_methods)] // this is the file that the lint sends colour literals to

use egui::{Color32, Theme, Visuals};

/// What a line, point or bar stands for. One meaning, one colour, in all panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Tangential critical curve of a lens, in the image plane.
    TangentialCritical,
    /// Radial critical curve of a lens, in the image plane.
    RadialCritical,
    /// Tangential caustic, in the source plane.
    TangentialCaustic,
    /// Radial caustic, in the source plane.
    RadialCaustic,
    /// Observed or simulated data.
    Data,
    /// The classical answer.
    Model,
    /// The truth of a simulation.
    Truth,
    /// Doing nothing, or the mean of the prior.
    Null,
    /// The answer of the network.
    Network,
    /// Data minus model.
    Residual,
    /// What a reader should compare against: limits, thresholds, the normal curve.
    Reference,
    /// Image of a lens at a minimum of the arrival time.
    ArrivalMinimum,
    /// Image at a saddle, and the contours through it.
    ArrivalSaddle,
    /// Image at a maximum.
    ArrivalMaximum,
    /// Gas that stars ionise.
    StarForming,
    /// Gas that stars and something harder ionise.
    Composite,
    /// Gas that an active nucleus, shocks or old hot stars ionise.
    Active,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 17] = [
        Self::TangentialCritical,
        Self::RadialCritical,
        Self::TangentialCaustic,
        Self::RadialCaustic,
        Self::Data,
        Self::Model,
        Self::Truth,
        Self::Null,
        Self::Network,
        Self::Residual,
        Self::Reference,
        Self::ArrivalMinimum,
        Self::ArrivalSaddle,
        Self::ArrivalMaximum,
        Self::StarForming,
        Self::Composite,
        Self::Active,
    ];

    /// The colour of the role on the given background.
    #[must_use]
    pub fn color(self, theme: Theme) -> Color32 {
        let dark = theme == Theme::Dark;
        let pick = |on_dark: [u8; 3], on_light: [u8; 3]| opaque(if dark { on_dark } else { on_light });
        match self {
            Self::TangentialCritical => pick([255, 120, 60], [185, 40, 20]),
            Self::RadialCritical => pick([120, 215, 255], [0, 130, 215]),
            Self::TangentialCaustic => pick([255, 190, 80], [180, 120, 0]),
            Self::RadialCaustic => pick([190, 150, 255], [110, 60, 190]),
            Self::Data => pick([225, 228, 232], [40, 44, 52]),
            Self::Model => pick([70, 160, 235], [0, 90, 160]),
            Self::Truth => pick([40, 200, 150], [0, 135, 100]),
            Self::Null => pick([150, 155, 162], [120, 125, 132]),
            Self::Network => pick([245, 150, 40], [205, 90, 0]),
            Self::Residual => pick([225, 140, 190], [170, 70, 125]),
            Self::Reference => pick([240, 228, 66], [130, 115, 0]),
            Self::ArrivalMinimum => pick([140, 240, 120], [20, 120, 40]),
            Self::ArrivalSaddle => pick([255, 90, 130], [200, 20, 60]),
            Self::ArrivalMaximum => pick([230, 120, 255], [150, 30, 170]),
            Self::StarForming => pick([90, 130, 255], [60, 60, 220]),
            Self::Composite => pick([100, 200, 60], [70, 120, 0]),
            Self::Active => pick([255, 70, 60], [220, 0, 0]),
        }
    }
}

impl Role {
    /// The colour of the role on an image, whatever the theme: bright, as lines on images have a dark rim.
    #[must_use]
    pub fn on_image(self) -> Color32 {
        self.color(Theme::Dark)
    }
}

/// A colour by the name or the `#rrggbb` that a region file gives it.
#[must_use]
pub fn named(name: &str) -> Option<Color32> {
    let known = [
        ("black", [0, 0, 0]),
        ("white", [255, 255, 255]),
        ("red", [255, 60, 60]),
        ("green", [0, 230, 0]),
        ("blue", [70, 110, 255]),
        ("cyan", [0, 255, 255]),
        ("magenta", [255, 0, 255]),
        ("yellow", [255, 255, 0]),
        ("orange", [255, 165, 0]),
    ];
    let lower = name.trim().to_ascii_lowercase();
    let hex = lower.strip_prefix('#').filter(|digits| digits.len() == 6).and_then(|digits| {
        let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some([r, g, b])
    });
    known.iter().find(|(word, _)| *word == lower).map(|(_, rgb)| *rgb).or(hex).map(opaque)
}

/// The theme that these visuals belong to.
#[must_use]
pub fn theme_of(visuals: &Visuals) -> Theme {
    if visuals.dark_mode { Theme::Dark } else { Theme::Light }
}

/// Colours for series without a role, in order; a series beyond the last starts over.
#[must_use]
pub fn series(index: usize, theme: Theme) -> Color32 {
    const ORDER: [Role; 6] = [Role::Model, Role::Network, Role::Truth, Role::Residual, Role::Reference, Role::Null];
    ORDER[index % ORDER.len()].color(theme)
}

/// Pixels without a value: a grey that no colour map of signed or sequential data ends in.
#[must_use]
pub fn nan_neutral(theme: Theme) -> Color32 {
    match theme {
        Theme::Dark => opaque([84, 84, 96]),
        Theme::Light => opaque([190, 190, 202]),
    }
}

/// The area around an image.
#[must_use]
pub fn image_surround(theme: Theme) -> Color32 {
    match theme {
        Theme::Dark => opaque([18, 19, 22]),
        Theme::Light => opaque([228, 229, 232]),
    }
}

/// The tint of masked pixels.
#[must_use]
pub fn mask_tint(theme: Theme) -> Color32 {
    match theme {
        Theme::Dark => Color32::from_rgba_unmultiplied(230, 60, 160, 110),
        Theme::Light => Color32::from_rgba_unmultiplied(200, 0, 120, 100),
    }
}

/// Text and lines that lie on an image of any colour, and the dark rim that keeps them readable.
pub const ON_IMAGE: Color32 = Color32::from_rgb(250, 250, 250);

/// The rim or plate behind [`ON_IMAGE`].
pub const UNDER_IMAGE_TEXT: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 165);

/// The background behind plots: what a picture is cleared to before the interface is drawn.
#[must_use]
pub fn canvas(theme: Theme) -> Color32 {
    match theme {
        Theme::Dark => opaque([27, 27, 27]),
        Theme::Light => opaque([248, 248, 248]),
    }
}

/// An opaque colour from computed bytes, for colour maps.
#[must_use]
pub fn opaque(rgb: [u8; 3]) -> Color32 {
    Color32::from_rgb(rgb[0], rgb[1], rgb[2])
}

/// The same colour, more transparent: `alpha` from 0 to 1.
#[must_use]
pub fn faded(color: Color32, alpha: f32) -> Color32 {
    color.gamma_multiply(alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.1 relative luminance.
    fn luminance(color: Color32) -> f64 {
        let linear = |v: u8| {
            let s = f64::from(v) / 255.0;
            if s <= 0.04045 { s / 12.92 } else { ((s + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    #[test]
    fn roles_stand_out_from_the_canvas() {
        for theme in [Theme::Dark, Theme::Light] {
            let background = luminance(canvas(theme));
            for role in Role::ALL {
                let line = luminance(role.color(theme));
                let (high, low) = if line > background { (line, background) } else { (background, line) };
                let contrast = (high + 0.05) / (low + 0.05);
                // 3:1 is the WCAG 2.1 bound for graphical objects.
                assert!(contrast >= 3.0, "{role:?} in {theme:?}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn roles_have_colours_of_their_own() {
        for theme in [Theme::Dark, Theme::Light] {
            for (i, a) in Role::ALL.iter().enumerate() {
                for b in &Role::ALL[i + 1..] {
                    let (p, q) = (a.color(theme), b.color(theme));
                    let distance: i32 = (0..3).map(|c| (i32::from(p[c]) - i32::from(q[c])).abs()).sum();
                    assert!(distance > 40, "{a:?} and {b:?} in {theme:?}: {distance}");
                }
            }
        }
    }
}
