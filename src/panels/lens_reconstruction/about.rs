//! The About side tab: what is computed, and from where.

use egui::{RichText, Ui};

/// Draws the text.
pub(super) fn about_ui(ui: &mut Ui) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.heading("Lens reconstruction");
        ui.label("A galaxy bends the light of another one behind it into arcs and rings. From one image of them follow the mass of the lens and the shape of the source.");
        section(ui, "Lens equation");
        ui.monospace("β = θ − α(θ),  ∇·α = 2κ");
        ui.label("β is the place in the source plane, θ in the image, α the deflection, κ the convergence (surface density over the critical one).");
        section(ui, "Mass: singular isothermal ellipsoid and shear");
        ui.monospace("κ = θE / (2 √(q x² + y²/q))");
        ui.label("The area inside the tangential critical curve of the ellipsoid is π θE²; with shear the effective Einstein radius, √(area/π), is what is quoted.");
        section(ui, "Light: elliptical Sersic");
        ui.monospace("I = Ie exp(−bn [(R/Re)^(1/n) − 1])");
        section(ui, "Fit");
        ui.label("χ² = Σ (data − model)² / σ² over the mask, by Levenberg-Marquardt with analytic derivatives from many seeded starts; the amplitudes of all light are solved inside, non-negative.");
        ui.label("Errors come from the curvature of χ² at the minimum: a Gaussian approximation, which leaves out what the model cannot represent.");
        section(ui, "Arrival times");
        ui.monospace("τ(θ) = (1 + zl) Dl Ds / (c Dls) [½ (θ − β)² − ψ(θ)]");
        ui.label("Images are where τ is stationary: minima, saddles (mirrored) and maxima. ψ is the deflection potential, ∇ψ = α.");
        section(ui, "Mass sheet");
        ui.monospace("κ → λ κ + 1 − λ,  β → λ β");
        ui.label("An image cannot tell λ: positions and χ² stay, delays change by λ, magnifications by 1/λ². A known Hubble constant or the motion of stars in the lens can.");
        section(ui, "Conventions");
        ui.label("Arcsec; x to the right, y up, origin at the image centre; angles counter-clockwise from +x.");
        section(ui, "Sources");
        ui.label("Adam, Perreault-Levasseur, Hezaveh and Welling 2022 (2207.01073): the study. Kormann, Schneider and Bartelmann 1994: the ellipsoid. Ciotti and Bertin 1999: bn. Falco, Gorenstein and Shapiro 1985: the mass sheet.");
    });
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(title).strong());
}
