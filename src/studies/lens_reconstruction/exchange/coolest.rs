//! A lens model as a COOLEST template: the standard of the strong-lensing community for models of any code (Galan et al. 2023, JOSS 8, 5567).

use serde_json::{Value, json};

use super::{Described, Profile, as_approximate, folded, profiles, satellite};
use crate::studies::lens_models::{ISOTHERMAL_SLOPE, Sersic, Shear};
use crate::studies::lens_reconstruction::classical::{Posterior, Quantity};

/// The template, to be saved as JSON beside the image that it names.
pub fn coolest_template(model: &Described<'_>) -> Value {
    let [redshift_lens, redshift_source] = model.redshifts;
    let sampled = |place| Sampled { posterior: model.posterior, satellite: satellite(&model.scene.lens, place) };
    let all = profiles(&model.scene.lens).into_iter().enumerate().map(|(place, profile)| (profile, sampled(place)));
    let (masses, fields): (Vec<_>, Vec<_>) = all.partition(|(p, _)| !matches!(p, Profile::Shear(_)));
    let mut left_out = model.left_out.to_vec();
    let mut list = |profiles: &[(Profile, Sampled<'_>)]| -> Vec<Value> {
        profiles
            .iter()
            .filter_map(|(p, sampled)| {
                let made = mass(p, sampled);
                if made.is_none() {
                    left_out.push(name_of(p));
                }
                made
            })
            .collect()
    };
    let (masses, fields) = (list(&masses), list(&fields));
    let light = |galaxies: &[Sersic], kind: &str| -> Vec<Value> {
        let quantity = |k: usize, name: &str| model.posterior.and_then(|p| p.quantity(&format!("{kind}[{k}].{name}")));
        galaxies
            .iter()
            .enumerate()
            .map(|(k, s)| {
                sersic(
                    s,
                    model.pixel_scale_arcsec,
                    [quantity(k, "index"), quantity(k, "x_arcsec"), quantity(k, "y_arcsec")],
                )
            })
            .collect()
    };
    let [width, height] = model.size_px.map(|n| n as f64 * model.pixel_scale_arcsec);
    json!({
        "standard": "COOLEST",
        "mode": if model.simulated { "MOCK" } else { "MAP" },
        "coordinates_origin": { "ra": "00h00m00s", "dec": "+00d00m00s" },
        "cosmology": {
            "H0": model.cosmology.hubble_constant,
            "Om0": model.cosmology.omega_matter,
            "astropy_name": "FlatLambdaCDM",
        },
        "instrument": {
            "name": "", "band": "", "pixel_size": model.pixel_scale_arcsec, "readout_noise": null,
            "psf": { "type": null, "description": null },
        },
        "observation": {
            "pixels": {
                "fits_file": { "path": model.image_file },
                "field_of_view_x": [-0.5 * width, 0.5 * width],
                "field_of_view_y": [-0.5 * height, 0.5 * height],
                "num_pix_x": model.size_px[0],
                "num_pix_y": model.size_px[1],
            },
            "exposure_time": null, "mag_zero_point": null, "mag_sky_brightness": null,
            "noise": { "type": null },
        },
        "lensing_entities": [
            { "type": "MassField", "name": "environment", "redshift": redshift_lens, "mass_model": fields },
            {
                "type": "Galaxy", "name": "lens", "redshift": redshift_lens,
                "mass_model": masses, "light_model": light(&model.scene.lens_light, "lens_light"),
            },
            {
                "type": "Galaxy", "name": "source", "redshift": redshift_source,
                "mass_model": [], "light_model": light(&model.scene.sources, "source"),
            },
        ],
        "likelihoods": null,
        "meta": {
            "origin": "Sextans",
            "coordinates": "the origin is the centre of the image; its right ascension and declination are not known",
            "units": "brightness in the unit of the image per arcsec^2, not in electrons per second",
            "sky": model.scene.sky,
            "left_out": left_out,
        },
    })
}

fn name_of(profile: &Profile) -> &'static str {
    match profile {
        Profile::PowerLaw(_) => "power law",
        Profile::Shear(_) => "shear",
        Profile::PseudoJaffe(_) => "pseudo-Jaffe",
        Profile::Nfw(_) => "NFW with elliptical density (the standard's is elliptical in its potential)",
        Profile::PointMass(_) => "point mass",
        Profile::Multipole(_) => "multipole",
    }
}

/// The posterior as one profile of the lens sees it: the draws of the galaxy and the shear stand under other names than those of a further mass.
#[derive(Clone, Copy)]
struct Sampled<'a> {
    posterior: Option<&'a Posterior>,
    /// Which satellite it is, from 1; `None`: galaxy, shear or multipole.
    satellite: Option<usize>,
}

impl<'a> Sampled<'a> {
    /// The quantity of this profile that bears one name with the galaxy, and the other (or none) with a further mass.
    fn of(&self, galaxy: &str, further: Option<&str>) -> Option<&'a Quantity> {
        match self.satellite {
            None => self.posterior?.quantity(galaxy),
            Some(k) => self.posterior?.quantity(&format!("satellite_{k}_{}", further?)),
        }
    }

    /// The quantity that only a further mass has.
    fn of_further(&self, name: &str) -> Option<&'a Quantity> {
        self.satellite.and_then(|_| self.of("", Some(name)))
    }
}

/// A mass profile; `None` where the standard has none that is the same.
fn mass(profile: &Profile, sampled: &Sampled<'_>) -> Option<Value> {
    let of = |galaxy, further| sampled.of(galaxy, further);
    Some(match profile {
        Profile::PowerLaw(p) => {
            let radius = of("ellipse_einstein_radius_arcsec", Some("einstein_radius_arcsec"));
            let mut parameters = vec![
                ("theta_E", parameter(p.einstein_radius_arcsec, radius, &|v| v)),
                // The shape of a further mass is drawn as an ellipticity vector: it has no interval here.
                ("q", parameter(p.axis_ratio, of("axis_ratio", None), &|v| v)),
                ("phi", angle(p.position_angle_deg, of("position_angle_deg", None))),
                ("center_x", parameter(p.x_arcsec, of("lens_x_arcsec", Some("x_arcsec")), &|v| v)),
                ("center_y", parameter(p.y_arcsec, of("lens_y_arcsec", Some("y_arcsec")), &|v| v)),
            ];
            if p.slope == ISOTHERMAL_SLOPE {
                entry("SIE", parameters)
            } else {
                parameters.insert(0, ("gamma", parameter(p.slope, of("slope", Some("slope")), &|v| v)));
                entry("PEMD", parameters)
            }
        }
        Profile::Shear(shear @ Shear { .. }) => entry(
            "ExternalShear",
            vec![
                ("gamma_ext", parameter(shear.strength(), of("shear", None), &|v| v)),
                ("phi_ext", angle(shear.angle_deg(), of("shear_angle_deg", None))),
            ],
        ),
        Profile::PseudoJaffe(p) => entry(
            "Chameleon",
            vec![
                ("b", parameter(p.einstein_radius_arcsec, sampled.of_further("einstein_radius_arcsec"), &|v| v)),
                ("s_c", parameter(p.core_arcsec, sampled.of_further("core_arcsec"), &|v| v)),
                ("s_t", parameter(p.truncation_arcsec, sampled.of_further("truncation_arcsec"), &|v| v)),
                ("q", parameter(p.axis_ratio, None, &|v| v)),
                ("phi", angle(p.position_angle_deg, None)),
                ("center_x", parameter(p.x_arcsec, sampled.of_further("x_arcsec"), &|v| v)),
                ("center_y", parameter(p.y_arcsec, sampled.of_further("y_arcsec"), &|v| v)),
            ],
        ),
        Profile::Nfw(_) | Profile::PointMass(_) | Profile::Multipole(_) => return None,
    })
}

fn sersic(s: &Sersic, pixel_scale_arcsec: f64, [index, x, y]: [Option<&Quantity>; 3]) -> Value {
    let (radius, brightness) = as_approximate(s, pixel_scale_arcsec);
    // Brightness and radius of the draws belong to the exact coefficient of each draw's index: they have no interval here.
    entry(
        "Sersic",
        vec![
            ("I_eff", parameter(brightness, None, &|v| v)),
            ("theta_eff", parameter(radius, None, &|v| v)),
            ("n", parameter(s.index, index, &|v| v)),
            ("q", parameter(s.axis_ratio, None, &|v| v)),
            ("phi", angle(s.position_angle_deg, None)),
            ("center_x", parameter(s.x_arcsec, x, &|v| v)),
            ("center_y", parameter(s.y_arcsec, y, &|v| v)),
        ],
    )
}

fn entry(kind: &str, parameters: Vec<(&str, Value)>) -> Value {
    let parameters: serde_json::Map<String, Value> = parameters.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    json!({ "type": kind, "parameters": parameters })
}

/// A parameter with its estimate and, where it was sampled, its posterior.
fn parameter(value: f64, posterior: Option<&Quantity>, change: &dyn Fn(f64) -> f64) -> Value {
    let statistics = posterior.map(|q| {
        let [low, median, high] = q.quantiles.map(change);
        let draws: Vec<f64> = q.values.iter().flatten().copied().collect();
        json!({
            "mean": change(draws.iter().sum::<f64>() / draws.len().max(1) as f64),
            "median": median,
            "percentile_16th": low,
            "percentile_84th": high,
        })
    });
    let none = json!({ "mean": null, "median": null, "percentile_16th": null, "percentile_84th": null });
    json!({
        "fixed": false,
        "point_estimate": { "value": value },
        "posterior_stats": statistics.unwrap_or(none),
        "prior": { "type": null },
    })
}

/// A position angle, ours from +x, theirs from +y; its interval is shifted as a whole, so that it stays in one piece.
fn angle(degrees: f64, posterior: Option<&Quantity>) -> Value {
    let theirs = folded(degrees - 90.0);
    parameter(theirs, posterior, &|v| theirs + (v - degrees + 90.0).rem_euclid(180.0) - 90.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ColumnData, Table, TableColumn};
    use crate::studies::lens_models::{LensModel, Mass, Multipole, Sis};
    use crate::studies::lens_reconstruction::Scene;
    use crate::studies::lens_reconstruction::cosmology::Cosmology;

    /// The draws of the galaxy describe the galaxy alone; a satellite has its own, or none.
    #[test]
    fn a_satellite_has_its_own_intervals() {
        let draws = |name: &str, values: [f64; 3]| TableColumn::new(name, "", ColumnData::from(values.to_vec()));
        let table = Table::new(vec![
            draws("chain", [0.0; 3]),
            draws("log_posterior", [0.0; 3]),
            draws("ellipse_einstein_radius_arcsec", [1.1, 1.2, 1.3]),
            draws("axis_ratio", [0.6, 0.7, 0.8]),
            draws("lens_x_arcsec", [0.01, 0.02, 0.03]),
            draws("satellite_1_einstein_radius_arcsec", [0.08, 0.1, 0.12]),
            draws("satellite_1_x_arcsec", [1.4, 1.5, 1.6]),
        ]);
        let posterior = Posterior::from_table(&table, 0, 0).unwrap();
        let further = vec![
            Mass::Multipole(Multipole { order: 4, a_arcsec: 0.0, b_arcsec: 0.01, x_arcsec: 0.0, y_arcsec: 0.0 }),
            Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 1.5, y_arcsec: 0.8 }),
        ];
        let scene = Scene { lens: LensModel { further, ..LensModel::default() }, ..Scene::default() };
        let template = coolest_template(&Described {
            scene: &scene,
            posterior: Some(&posterior),
            size_px: [50, 50],
            pixel_scale_arcsec: 0.05,
            redshifts: [None; 2],
            cosmology: Cosmology::default(),
            image_file: "data.fits",
            simulated: false,
            left_out: &["source in pixels"],
        });
        let masses = &template["lensing_entities"][1]["mass_model"];
        let median = |k: usize, name: &str| &masses[k]["parameters"][name]["posterior_stats"]["median"];
        assert_eq!(masses.as_array().unwrap().len(), 2, "a multipole is left out");
        assert_eq!([median(0, "theta_E"), median(0, "q"), median(0, "center_x")], [1.2, 0.7, 0.02]);
        assert_eq!([median(1, "theta_E"), median(1, "center_x")], [0.1, 1.5]);
        for name in ["q", "phi", "center_y"] {
            assert!(median(1, name).is_null(), "{name}: {}", median(1, name));
        }
        assert_eq!(template["meta"]["left_out"], json!(["source in pixels", "multipole"]));
    }
}
