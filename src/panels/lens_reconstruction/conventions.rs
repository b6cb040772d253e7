//! What the numbers of this study mean, said in one place of the screen.

use egui::{RichText, Ui};

use crate::studies::lens_reconstruction::Orientation;

const LINES: [(&str, &str); 7] = [
    (
        "Positions",
        "arcsec from the image centre, which is the middle of the middle pixel or the edge between two; x right, y up",
    ),
    ("positions.json", "a list of pairs [y, x], y first, of the same arcsec"),
    ("Pixels", "as FITS counts them: the middle of the first is 1, 1"),
    (
        "Einstein radius",
        "of the model: along the intermediate axis, where q x² + y²/q = R². Effective, in results: of the circle with the area inside the tangential critical curve, shear included. The two agree without shear",
    ),
    ("Ellipticity", "e1, e2 = (1 − q)/(1 + q) times cos 2φ, sin 2φ, with the axis ratio q and the angle φ"),
    ("Angles", "φ of the major axis, counter-clockwise from +x"),
    ("Shear", "γ1 > 0 stretches images along x, γ2 > 0 along the diagonal y = x; its angle is that of the stretching"),
];

/// A button that opens the text. `orientation`: of the sky on the image, where it is known.
pub(super) fn menu_ui(ui: &mut Ui, orientation: Option<Orientation>) {
    ui.menu_button("Conventions", |ui| {
        ui.set_max_width(380.0);
        for (name, text) in LINES {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(name).strong());
                ui.label(text);
            });
        }
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("East of north").strong());
            ui.label(match orientation {
                Some(o) => format!(
                    "angle = {:.2}° {} φ here, by the world coordinates of the image; +x lies at {:.2}°",
                    o.of_x_deg,
                    if o.mirrored { "−" } else { "+" },
                    o.of_x_deg
                ),
                None => "not given: the image has no world coordinates".to_owned(),
            });
        });
    })
    .response
    .on_hover_text("What positions, Einstein radius, ellipticity and angles mean here");
}
