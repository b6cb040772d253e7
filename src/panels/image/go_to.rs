//! "Go to": a typed place on the image, in sky coordinates or pixels.

use egui::{Key, RichText, TextEdit, Ui};

use super::ImagePanel;
use super::load::Shown;
use crate::data::parse_position;
use crate::plots::axes;

/// The open field.
#[derive(Default)]
pub(super) struct GoTo {
    text: String,
    problem: Option<String>,
    /// Takes the keyboard in the next frame.
    asks_focus: bool,
}

impl GoTo {
    /// An empty field that takes the keyboard.
    pub(super) fn open() -> Self {
        Self { asks_focus: true, ..Self::default() }
    }
}

impl ImagePanel {
    /// Draws the field, and goes there.
    pub(super) fn go_to_ui(&mut self, ui: &mut Ui) {
        let (Some(mut go_to), Some(shown)) = (self.go_to.take(), &self.load.shown) else { return };
        let mut stay = true;
        let mut target = None;
        ui.horizontal(|ui| {
            let label = ui.label("Go to");
            let hint = match shown.wcs.as_ref().filter(|wcs| wcs.shows_sky()) {
                Some(_) => "10:04:30.2 +41:12:50, 151.126 41.214, or x 120 y 33",
                None => "x 120 y 33",
            };
            let field = ui.add(TextEdit::singleline(&mut go_to.text).hint_text(hint).desired_width(300.0));
            let field = field.labelled_by(label.id);
            if std::mem::take(&mut go_to.asks_focus) {
                field.request_focus();
            }
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            let clicked = ui.button("Go").on_hover_text("Centre the view there and mark the place").clicked();
            if entered || clicked {
                match parse(&go_to.text, shown) {
                    Ok(pixel) => {
                        go_to.problem = None;
                        target = Some(pixel);
                    }
                    Err(problem) => go_to.problem = Some(problem),
                }
                field.request_focus();
            }
            // Used up here, so that it does not close the profile as well.
            let escape = ui.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::Escape));
            if ui.button("Close").clicked() || escape {
                stay = false;
            }
        });
        if let Some(problem) = &go_to.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).truncate());
        }
        if let Some(pixel) = target {
            self.saved.camera.center_on(pixel);
            self.saved.mark = Some(pixel);
        }
        if stay {
            self.go_to = Some(go_to);
        }
    }
}

/// The pixel of a typed place; a plain line where there is none.
fn parse(text: &str, shown: &Shown) -> Result<[f64; 2], String> {
    let text = text.trim();
    let pixel = match pixels(text) {
        Some(pixel) => pixel,
        None => {
            let Some(wcs) = shown.wcs.as_ref().filter(|wcs| wcs.shows_sky()) else {
                return Err(format!("{text:?}: this image has no sky coordinates; write a pixel as x 120 y 33"));
            };
            let (longitude, latitude) = parse_position(text)?;
            wcs.pixel_from_sky([longitude, latitude])
                .ok_or_else(|| format!("{text:?} lies where the projection of this image does not reach"))?
        }
    };
    let [width, height] = shown.source.size();
    let inside = |v: f64, n: usize| v >= -0.5 && v < n as f64 - 0.5;
    if inside(pixel[0], width) && inside(pixel[1], height) {
        return Ok(pixel);
    }
    let [x, y] = pixel.map(axes::fits_from_pixel);
    Err(format!("{text:?} is at x {x:.1} y {y:.1}, outside of the image of {width} × {height} pixels"))
}

/// `x 120 y 33`, counted from 1, as 0-based coordinates.
fn pixels(text: &str) -> Option<[f64; 2]> {
    let lower = text.to_ascii_lowercase().replace([',', '=', ':'], " ");
    let rest = lower.trim().strip_prefix('x')?;
    let (x, y) = rest.split_once('y')?;
    let number = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    Some([axes::pixel_from_fits(number(x)?), axes::pixel_from_fits(number(y)?)])
}

#[cfg(test)]
mod tests {
    use super::pixels;

    #[test]
    fn pixels_are_typed_from_one() {
        assert_eq!(pixels("x 120 y 33"), Some([119.0, 32.0]));
        assert_eq!(pixels("X=1.5, Y=2"), Some([0.5, 1.0]));
        for text in ["120 33", "x 120", "y 3 x 4", "x nan y 3", ""] {
            assert_eq!(pixels(text), None, "{text}");
        }
    }
}
