//! Fonts: egui's own, with DejaVu Sans behind them for the signs of science (″ ∇ ⟨ ⟩ ☉ χ ħ and the superscripts).

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

const FALLBACK: &str = "DejaVu Sans";

/// The font set: egui's defaults first, DejaVu Sans as the last resort of both families.
#[must_use]
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    fonts.font_data.insert(FALLBACK.to_owned(), Arc::new(FontData::from_static(dejavu::sans::regular())));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.entry(family).or_default().push(FALLBACK.to_owned());
    }
    fonts
}

/// Installs [`definitions`] in a context; call once, before its first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(definitions());
}

#[cfg(test)]
mod tests {
    use egui::{FontId, epaint::text::TextOptions};

    #[test]
    fn scientific_signs_have_glyphs() {
        let mut fonts = egui::epaint::text::Fonts::new(TextOptions::default(), super::definitions());
        let mut view = fonts.with_pixels_per_point(1.0);
        for font in [FontId::proportional(13.0), FontId::monospace(13.0)] {
            for sign in "′″∇⟨⟩⊙⁻₀→←↑↓●◆☉λμÅχ²ħ∑√∞×−±⁰¹⁹".chars() {
                assert!(view.has_glyph(&font, sign), "no glyph for {sign}");
            }
        }
    }
}
