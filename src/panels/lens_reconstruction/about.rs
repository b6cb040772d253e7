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
        section(ui, "Free slope, multipoles, satellites");
        ui.monospace("κ = (3 − γ)/2 (θE/R)^(γ−1),  R² = q x² + y²/q");
        ui.label("With free_slope the mass is an elliptical power law; γ = 2 is isothermal. An image alone tells γ by the radial extent of the arcs only, and a mass sheet changes it. multipoles adds κ = (a cos mφ + b sin mφ)/2r with m = 3 and 4 about the galaxy: lopsided, boxy or disky mass. Each of the satellites starts at the place given: a singular isothermal sphere, or what is named there: pseudo_jaffe (isothermal up to a truncation), nfw (a halo of dark matter) or point_mass, all round. NFW scale and scale radius trade with each other: look at their draws.");
        section(ui, "Inversion");
        ui.label("The source becomes a grid of pixels, solved linearly under a smoothness prior (curvature or gradient). The strength of the prior maximises the evidence, the probability of the data with the source integrated over, and so do the parameters of the lens. The number of source pixels determined says how many the data tell, rather than the prior. Evidences compare runs on the same data, noise and mask.");
        section(ui, "Pixels");
        ui.label("From the parametric lens on, ln κ and the source are both moved in pixels to the most probable pair under smoothness priors, by L-BFGS with exact gradients. It is one best map, without errors; where χ² falls below that of blank sky it may be fitting noise.");
        section(ui, "Posterior");
        ui.label("Draws by the No-U-Turn sampler in four chains around the best parametric fit. Priors are flat within the bounds of the fit, in what the fit moves: Einstein radius, ellipticity vector, shear components, centres, amplitudes, radii, Sersic indices, and slope, multipole amplitudes and satellites where free. Trust them with R-hat below 1.01 and more than 400 effective draws.");
        section(ui, "Arrival times");
        ui.monospace("τ(θ) = (1 + zl) Dl Ds / (c Dls) [½ (θ − β)² − ψ(θ)]");
        ui.label("Images are where τ is stationary: minima, saddles (mirrored) and maxima. ψ is the deflection potential, ∇ψ = α.");
        section(ui, "Mass sheet");
        ui.monospace("κ → λ κ + 1 − λ,  β → λ β");
        ui.label("An image cannot tell λ: positions and χ² stay, delays change by λ, magnifications by 1/λ². A known Hubble constant or the motion of stars in the lens can.");
        section(ui, "Conventions");
        ui.label("Arcsec; x to the right, y up, origin at the image centre; angles counter-clockwise from +x.");
        section(ui, "Sources");
        ui.label("Adam, Perreault-Levasseur, Hezaveh and Welling 2022 (2207.01073): the study. Kormann, Schneider and Bartelmann 1994: the ellipsoid. Ciotti and Bertin 1999: bn. Falco, Gorenstein and Shapiro 1985: the mass sheet. Tessore and Metcalf 2015: the power law. Xu et al. 2015: multipoles. Suyu, Marshall, Hobson and Blandford 2006: inversion and evidence. Hoffman and Gelman 2014: the No-U-Turn sampler. Vehtari et al. 2021: R-hat and effective draws.");
    });
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(title).strong());
}
