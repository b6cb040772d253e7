//! The numbers of a fit: every free parameter of its mass, chi2 beside doing nothing, evidence, and what speaks against them.

use egui::{Grid, RichText, Ui};

use super::Finished;
use crate::plots::colors::{Role, theme_of};
use crate::studies::lens_models::ISOTHERMAL_SLOPE;
use crate::studies::lens_reconstruction::{FitOutcome, Method};
use crate::tasks::{Metrics, Outcome};

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub name: String,
    pub metric: String,
    pub unit: &'static str,
    digits: usize,
    pub help: String,
}

impl Row {
    fn new(name: &str, metric: &str, unit: &'static str, digits: usize, help: &str) -> Self {
        Self { name: name.to_owned(), metric: metric.to_owned(), unit, digits, help: help.to_owned() }
    }

    /// The number among those of the truth; a true lens that does not name its slope is isothermal.
    pub(super) fn truth(&self, truth: &Metrics) -> Option<f64> {
        truth.get(&self.metric).copied().or_else(|| (self.metric == "slope").then_some(ISOTHERMAL_SLOPE))
    }
}

/// Rows whose draws the corner plot shows.
const IN_CORNER: [&str; 7] = [
    "einstein_radius_arcsec",
    "ellipse_einstein_radius_arcsec",
    "axis_ratio",
    "position_angle_deg",
    "slope",
    "shear",
    "shear_angle_deg",
];

/// Every line that a fit may have.
pub(super) fn rows(metrics: &Metrics) -> Vec<Row> {
    let turn = "counter-clockwise from +x";
    let mut rows = vec![
        Row::new(
            "Effective Einstein radius",
            "einstein_radius_arcsec",
            "arcsec",
            4,
            "Effective: of the circle with the area inside the tangential critical curve, shear included",
        ),
        Row::new(
            "Ellipse Einstein radius",
            "ellipse_einstein_radius_arcsec",
            "arcsec",
            4,
            "Of the galaxy's ellipse alone, along its intermediate axis, without shear: what other programs call the Einstein radius",
        ),
        Row::new("Axis ratio", "axis_ratio", "", 3, "Of the mass, minor over major axis"),
        Row::new(
            "Position angle from +x",
            "position_angle_deg",
            "deg",
            1,
            &format!("Of the major axis of the mass, {turn}"),
        ),
        Row::new("Slope", "slope", "", 3, "Logarithmic slope of the density in three dimensions: 2 is isothermal"),
        Row::new("Shear", "shear", "", 4, "Strength of the external shear"),
        Row::new(
            "Shear angle from +x",
            "shear_angle_deg",
            "deg",
            1,
            &format!("Direction in which the shear stretches images, {turn}"),
        ),
        Row::new("Lens centre x", "lens_x_arcsec", "arcsec", 4, "Of the mass, from the image centre, to the right"),
        Row::new("Lens centre y", "lens_y_arcsec", "arcsec", 4, "Of the mass, from the image centre, up"),
    ];
    for order in [3, 4] {
        let shape = if order == 3 { "three lobes: lopsided" } else { "four lobes: boxy or disky" };
        rows.push(Row::new(
            &format!("Multipole m={order}"),
            &format!("multipole{order}_arcsec"),
            "arcsec",
            4,
            &format!("Amplitude √(a² + b²) of the multipole with {shape}; convergence (a cos mφ + b sin mφ) / 2r"),
        ));
        rows.push(Row::new(
            &format!("Multipole m={order} angle"),
            &format!("multipole{order}_angle_deg"),
            "deg",
            1,
            &format!("Of a lobe, {turn}"),
        ));
    }
    let satellites = (1..).take_while(|k| metrics.contains_key(&format!("satellite_{k}_x_arcsec")));
    for k in satellites {
        for (name, what, unit, help) in [
            (
                "Einstein radius",
                "einstein_radius_arcsec",
                "arcsec",
                "Of the satellite alone; of a pseudo-Jaffe one, without its truncation",
            ),
            ("truncation", "truncation_arcsec", "arcsec", "Radius beyond which a pseudo-Jaffe profile falls off"),
            (
                "convergence scale",
                "convergence_scale",
                "",
                "Of the NFW halo: rho_s r_s over the critical surface density",
            ),
            ("scale radius", "scale_radius_arcsec", "arcsec", "Of the NFW halo"),
            ("x", "x_arcsec", "arcsec", "From the image centre, to the right"),
            ("y", "y_arcsec", "arcsec", "From the image centre, up"),
        ] {
            let metric = format!("satellite_{k}_{what}");
            if metrics.contains_key(&metric) {
                rows.push(Row::new(&format!("Satellite {k} {name}"), &metric, unit, 4, help));
            }
        }
    }
    rows.extend([
        Row::new(
            "Mass inside",
            "einstein_mass_msun",
            "M☉",
            2,
            "Mass inside the Einstein radius; flat universe of the request (hubble_constant, omega_matter), redshifts as given or from info.json",
        ),
        Row::new(
            "Dispersion, SIS",
            "velocity_dispersion_km_s",
            "km/s",
            0,
            "Velocity dispersion of the singular isothermal sphere with this Einstein radius; not a measurement of the stars",
        ),
    ]);
    rows
}

/// The rows of the corner plot.
pub(super) fn corner_rows(metrics: &Metrics) -> Vec<Row> {
    rows(metrics).into_iter().filter(|r| IN_CORNER.contains(&r.metric.as_str())).collect()
}

/// What a drawn quantity is called, and the metric that the fit has of it.
pub(super) fn drawn_row(rows: &[Row], quantity: &str) -> Row {
    let metric = quantity.replace('.', "_");
    if let Some(row) = rows.iter().find(|r| r.metric == metric) {
        return row.clone();
    }
    let (name, unit) = match metric.as_str() {
        "gamma1" => ("Shear γ1".to_owned(), ""),
        "gamma2" => ("Shear γ2".to_owned(), ""),
        "sky" => ("Sky".to_owned(), ""),
        other => match other.strip_prefix("multipole").and_then(|m| m.split_once('_')) {
            Some((order, what)) => (format!("Multipole m={order} {}", what.trim_end_matches("_arcsec")), "arcsec"),
            None => (other.replace('_', " "), ""),
        },
    };
    Row { name, metric, unit, digits: 4, help: quantity.to_owned() }
}

/// What speaks against the result: what the run said, and what its numbers say beside blank sky.
pub(super) fn warnings_of(said: &[String], outcome: &FitOutcome) -> Vec<String> {
    let mut warnings = said.to_vec();
    let metrics = outcome.metrics();
    let number = |name: &str| metrics.get(name).copied().filter(|v| v.is_finite());
    let told = said.iter().any(|w| w.contains("noise") && w.contains("below"));
    if let (Method::Pixels, false, Some(chi2), Some(sky)) =
        (outcome.method, told, number("reduced_chi2"), number("reduced_chi2_blank_sky"))
        && chi2 < sky
    {
        warnings.insert(0, fitting_noise(chi2, sky));
    }
    warnings
}

fn fitting_noise(chi2: f64, sky: f64) -> String {
    format!(
        "reduced χ² {chi2:.3} is below that of blank sky, {sky:.3}: the pixels may be fitting noise; ask for a smaller convergence_step or a stronger regularisation"
    )
}

/// Height that the warnings take at a width, in points.
pub(super) fn warnings_height(ui: &Ui, finished: &Finished, width: f32) -> f32 {
    let font = egui::TextStyle::Small.resolve(ui.style());
    let height = |w: &String| {
        let galley = ui.painter().layout(format!("⚠ {w}"), font.clone(), egui::Color32::PLACEHOLDER, width);
        galley.size().y + ui.spacing().item_spacing.y
    };
    finished.warnings.iter().map(height).sum()
}

/// What speaks against the numbers, above them.
pub(super) fn warnings_ui(ui: &mut Ui, finished: &Finished) {
    let color = ui.visuals().warn_fg_color;
    for warning in &finished.warnings {
        ui.add(egui::Label::new(RichText::new(format!("⚠ {warning}")).small().color(color)).wrap());
    }
}

/// Lines as low as their text.
fn dense(ui: &mut Ui) {
    ui.spacing_mut().interact_size.y = 13.0;
    ui.spacing_mut().item_spacing.y = 1.0;
}

/// The parameters of the mass, beside the truth where it is known. With a mass sheet they are greyed: they are those without it.
pub(super) fn parameters_ui(ui: &mut Ui, finished: &Finished, with_sheet: bool) {
    let theme = theme_of(ui.visuals());
    let metrics = finished.outcome.metrics();
    let truth = finished.truth.as_ref().map(|t| &t.metrics);
    let small = |text: String| RichText::new(text).small();
    let grey = |text: RichText| if with_sheet { text.weak() } else { text };
    Grid::new("lens parameters").num_columns(3).striped(true).min_row_height(14.0).spacing([10.0, 1.0]).show(
        ui,
        |ui| {
            dense(ui);
            ui.label("");
            let head = if with_sheet {
                format!("{}, without sheet", finished.method_name())
            } else {
                finished.method_name().to_owned()
            };
            ui.label(small(head).strong().color(Role::Model.color(theme)));
            if truth.is_some() {
                ui.label(small("Truth".into()).strong().color(Role::Truth.color(theme)));
            }
            ui.end_row();
            for row in &rows(&metrics) {
                let Some(value) = metrics.get(&row.metric) else { continue };
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 5.0;
                    ui.label(small(row.name.clone()));
                    ui.label(small(row.unit.to_owned()).weak());
                })
                .response
                .on_hover_text(&row.help);
                let error = metrics.get(&format!("{}_error", row.metric));
                ui.label(grey(small(with_error(*value, error.copied(), row))));
                if let Some(truth) = truth {
                    let text = row.truth(truth).map_or_else(|| "–".into(), |v| with_error(v, None, row));
                    ui.label(grey(small(text)));
                }
                ui.end_row();
            }
        },
    );
    let words = match finished.outcome.method {
        Method::Pixels => {
            "The radius is that of the mass in pixels; the others are those of the parametric lens that was corrected."
        }
        Method::Rim => "The radius is that of the mass in pixels; the others are those of the parametric fit before.",
        Method::Parametric | Method::Inversion => {
            "± from the curvature of χ² (Gaussian); leaves out what the model cannot represent."
        }
    };
    ui.add(egui::Label::new(small(words.into()).weak()).wrap());
}

/// chi2 beside doing nothing and blank sky, then what the pixelated methods say of themselves.
pub(super) fn fit_ui(ui: &mut Ui, finished: &Finished) {
    let theme = theme_of(ui.visuals());
    let metrics = finished.outcome.metrics();
    let number = |name: &str| metrics.get(name).copied().filter(|v| v.is_finite());
    let small = |text: &str| RichText::new(text).small();
    Grid::new("lens chi2").num_columns(2).striped(true).min_row_height(14.0).spacing([8.0, 1.0]).show(ui, |ui| {
        dense(ui);
        ui.label(small("Reduced χ² in the mask").strong());
        ui.end_row();
        for (name, metric, role) in [
            (finished.method_name(), "reduced_chi2", Role::Model),
            ("Parametric fit before", "reduced_chi2_parametric", Role::Data),
            ("Null: no source", "reduced_chi2_null", Role::Null),
            ("Blank sky", "reduced_chi2_blank_sky", Role::Reference),
        ] {
            if metric == "reduced_chi2_parametric" && !metrics.contains_key(metric) {
                continue;
            }
            ui.label(small(name).color(role.color(theme)));
            ui.label(small(&number(metric).map_or_else(|| "–".into(), |v| format!("{v:.3}"))));
            ui.end_row();
        }
        for (name, value, help) in pixelated_numbers(finished, &number) {
            ui.label(small(name)).on_hover_text(help);
            ui.label(small(&value));
            ui.end_row();
        }
    });
    let text = format!(
        "{:.1} s on {} thread(s), {:.0} model evaluations",
        finished.record.wall_seconds,
        finished.record.threads,
        number("likelihood_calls").unwrap_or(0.0)
    );
    ui.add(egui::Label::new(small(&text).weak()).wrap());
}

/// Name, value and meaning of what only methods with a source in pixels have.
fn pixelated_numbers(
    finished: &Finished,
    number: &impl Fn(&str) -> Option<f64>,
) -> Vec<(&'static str, String, &'static str)> {
    let mut lines = Vec::new();
    for (name, metric, help) in [
        (
            "ln evidence",
            "evidence_ln",
            "Of the data, the source integrated over: compare runs on the same data and mask",
        ),
        (
            "ln evidence, mass given",
            "evidence_ln_source_given_mass",
            "Of the data, the source integrated over with the mass held at its best map; not the evidence of the whole model",
        ),
    ] {
        lines.extend(number(metric).map(|v| (name, format!("{v:.1}"), help)));
    }
    lines.extend(number("regularisation_strength").map(|v| {
        let help = "Strength of the source's smoothness prior; by the evidence unless it was given";
        ("Regularisation strength", crate::plots::axes::format_value(v, 4), help)
    }));
    lines.extend(number("source_pixels_determined").map(|v| {
        let help = "How many the data determine, rather than the smoothness prior";
        ("Source pixels determined", format!("{v:.0} of {}", finished.outcome.source.len()), help)
    }));
    lines
}

/// `1.2138 ± 0.0003`: value and error to the same decimals; large numbers as `3.02e11`.
fn with_error(value: f64, error: Option<f64>, row: &Row) -> String {
    let error = error.filter(|e| e.is_finite());
    let digits = row.digits;
    if value.abs() >= 1e5 {
        return format!("{value:.digits$e}");
    }
    let digits = error.map_or(digits, |e| digits.max(error_digits(e)));
    match error {
        Some(error) => format!("{value:.digits$} ± {error:.digits$}"),
        None => format!("{value:.digits$}"),
    }
}

/// Decimals that show an error to one figure at least, at most six.
fn error_digits(error: f64) -> usize {
    if error <= 0.0 {
        return 0;
    }
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // clamped first
    let digits = (-error.log10().floor()).clamp(0.0, 6.0) as usize;
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_figures() {
        let all = rows(&Metrics::default());
        let row = |metric: &str| all.iter().find(|r| r.metric == metric).unwrap();
        assert_eq!(with_error(3e11, None, row("einstein_mass_msun")), "3.00e11");
        assert_eq!(with_error(1.41071, Some(0.00094), row("einstein_radius_arcsec")), "1.4107 ± 0.0009");
        assert_eq!(with_error(2.4574, Some(0.0619), row("slope")), "2.457 ± 0.062");
    }

    #[test]
    fn every_satellite_has_its_rows() {
        let metrics: Metrics =
            [("satellite_1_x_arcsec", 0.1), ("satellite_2_x_arcsec", 0.2), ("satellite_2_convergence_scale", 0.3)]
                .map(|(k, v)| (k.to_owned(), v))
                .into();
        let names: Vec<String> = rows(&metrics).into_iter().map(|r| r.name).collect();
        let of = |k: usize| names.iter().filter(|n| n.starts_with(&format!("Satellite {k}"))).collect::<Vec<_>>();
        assert_eq!(of(1), ["Satellite 1 x"]);
        assert_eq!(of(2), ["Satellite 2 convergence scale", "Satellite 2 x"]);
        assert!(of(3).is_empty());
    }
}
