//! The About side tab: what is computed, and from where.

use egui::{RichText, Ui};

/// Draws the text.
pub(super) fn about_ui(ui: &mut Ui) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.heading("Line ratios");
        ui.label("Gas between stars shines in lines. Where they lie tells its velocity, how wide they are its turbulence, and their ratios what it is made of and what makes it shine. From a spectrum in every pixel follow maps of all of it.");
        section(ui, "Axis and line shape of SITELLE");
        ui.monospace("σj = σmin + j dσ");
        ui.monospace("w = corr 10⁷ / (2 δ NL),  FWHM = 1.20671 w");
        ui.label("A Fourier-transform spectrometer samples evenly in wavenumber. An unresolved line is sin(πu)/(πu), u = (σ − σ0)/w, with δ the step in nm and NL the steps on the long side.");
        ui.monospace("f = sinc ∗ Gauss,  s = σv σ0 / c");
        ui.label("A line that is broadened by σv is the sinc convolved with a Gaussian (sincgauss). On wavelength axes the instrument is a Gaussian, that of MUSE by Bacon et al. 2017; the broadening quoted has the instrument removed.");
        section(ui, "Velocity");
        ui.monospace("v = c (λ − λ0) / λ0,  λ0 = (1 + z) λrest");
        ui.label("Positive away from us, counted from the redshift that is set; in the frame of the observer's file, with no correction to the Sun's. Wavelengths in air and in vacuum are told apart.");
        section(ui, "Fit");
        ui.label("χ² = Σ (data − model)² / σ², by variable projection: one velocity and one broadening for all lines by Levenberg-Marquardt with analytic slopes after a scan over all velocities, the fluxes and the continuum solved inside.");
        ui.label("Errors come from the normal equations, with the covariance of all fluxes in every ratio. Where a file has no errors, or wrong ones, the scatter of the samples between the lines sets them: NOISE_FACTOR shows by how much.");
        ui.monospace("[NII] 6583 / 6548 = 2.96,  [OIII] 5007 / 4959 = 2.98");
        ui.label("are held as atomic physics has them unless tie_doublets is off: then their ratio is a check of the fit.");
        section(ui, "Limits");
        ui.label("A flux below three of its errors is no detection: its upper limit is max(flux, 0) + 3 errors. A ratio has no value where its lower line is not detected.");
        section(ui, "Diagrams of excitation");
        ui.monospace("y = 0.61 / (x − 0.47) + 1.19");
        ui.label("Kewley et al. 2001: stars alone cannot lie above. x = log [NII]/Hα, y = log [OIII]/Hβ.");
        ui.monospace("y = 0.61 / (x − 0.05) + 1.30");
        ui.label("Kauffmann et al. 2003: pure star formation lies below; between the two is composite.");
        ui.monospace("y = 0.72 / (x − 0.32) + 1.30");
        ui.label("Kewley et al. 2001 for x = log [SII]/Hα. A place in a diagram is no proof: shocks and old hot stars lie where active nuclei do.");
        section(ui, "Simulated galaxy");
        ui.label("An inclined rotating disc with HII regions on spiral arms and diffuse gas. The ratios of each region are drawn from a mixture fitted to photoionisation models of HII regions (3MdB, BOND), densities and dust with them; white noise, as that of a Fourier-transform spectrometer. It is no observation.");
        section(ui, "Sources");
        ui.label("Rhea, Rousseau-Nepton, Prunet, Prasow-Emond, Hlavacek-Larrondo et al. 2021 (arXiv:2102.06230): line ratios by a network, the study. Rhea et al. 2020 (arXiv:2008.08093): velocity and broadening. Rhea, Hlavacek-Larrondo, Rousseau-Nepton et al. 2021 (arXiv:2111.12755): LUCI. Martin, Prunet and Drissen 2016: the sincgauss. Baldwin, Phillips and Terlevich 1981; Veilleux and Osterbrock 1987: the diagrams. Cappellari and Copin 2003: Voronoi bins.");
    });
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(title).strong());
}
