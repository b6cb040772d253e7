//! A COOLEST template read as one of our lens models.

use std::path::Path;

use serde_json::Value;

use super::{Profile, from_approximate, lens_of};
use crate::studies::lens_models::{ISOTHERMAL_SLOPE, PowerLaw, PseudoJaffe, Sersic, Shear};
use crate::studies::lens_reconstruction::cosmology::Cosmology;
use crate::studies::lens_reconstruction::scene::Scene;
use crate::tasks::TaskError;

/// A model that another program wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Mass, source, lens light; **brightness per arcsec^2** (see [`Imported::on_pixels`]).
    pub scene: Scene,
    /// Redshifts of lens and source, where they are given.
    pub redshifts: [Option<f64>; 2],
    /// The universe, where it is given.
    pub cosmology: Option<Cosmology>,
    /// Pixel of the instrument (arcsec), where it is given.
    pub pixel_scale_arcsec: Option<f64>,
}

impl Imported {
    /// The scene with brightness per pixel of this size.
    pub fn on_pixels(&self, pixel_scale_arcsec: f64) -> Scene {
        let mut scene = self.scene.clone();
        for light in scene.sources.iter_mut().chain(&mut scene.lens_light) {
            light.amplitude *= pixel_scale_arcsec * pixel_scale_arcsec;
        }
        scene
    }
}

/// A template is text of kilobytes; nothing of this size is one.
const SIZE_LIMIT: u64 = 16 << 20;

/// Reads a template.
///
/// # Errors
/// The file cannot be read, is no template, or holds a profile or a value that cannot be taken over: named in one line.
pub fn read_coolest(path: &Path) -> Result<Imported, TaskError> {
    let wrong = |problem: String| TaskError::file(path, problem);
    let size = std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read ({e})")))?.len();
    if size > SIZE_LIMIT {
        return Err(wrong(format!("{size} bytes: too large for a COOLEST template")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read ({e})")))?;
    let template: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON ({e})")))?;
    import(&template).map_err(wrong)
}

/// The model of a template.
///
/// # Errors
/// In words, as [`read_coolest`].
pub(super) fn import(template: &Value) -> Result<Imported, String> {
    let entities = template
        .get("lensing_entities")
        .and_then(Value::as_array)
        .ok_or("is no COOLEST template: it has no list lensing_entities")?;
    let different = |(a, b): &(f64, f64)| (a - b).abs() > 1e-6;
    let mut masses = Vec::new();
    let mut lights = Vec::new();
    let mut lens_redshift = None;
    for (k, entity) in entities.iter().enumerate() {
        let name = entity.get("name").and_then(Value::as_str).unwrap_or("without a name");
        let place = format!("lensing_entities[{k}] ({name})");
        let redshift = entity.get("redshift").and_then(Value::as_f64);
        let found = profiles_in(entity, "mass_model", &place, mass)?;
        if !found.is_empty() {
            if let Some((a, b)) = lens_redshift.zip(redshift).filter(different) {
                return Err(format!("{place}: mass at redshifts {a} and {b}; only one lens plane can be taken over"));
            }
            lens_redshift = lens_redshift.or(redshift);
        }
        let light = profiles_in(entity, "light_model", &place, sersic)?;
        lights.push((place, redshift, !found.is_empty(), light));
        masses.extend(found);
    }
    let mut scene = Scene { lens: lens_of(&masses)?, ..Scene::default() };
    let mut source_redshift = None;
    for (place, redshift, has_mass, light) in lights {
        // Light without mass lies behind, unless its redshift says otherwise.
        let behind = !has_mass && lens_redshift.zip(redshift).is_none_or(|(lens, light)| light > lens);
        if behind {
            if !light.is_empty() {
                if let Some((a, b)) = source_redshift.zip(redshift).filter(different) {
                    return Err(format!(
                        "{place}: lensed light at redshifts {a} and {b}; only one source plane can be taken over"
                    ));
                }
                source_redshift = source_redshift.or(redshift);
            }
            scene.sources.extend(light);
        } else {
            scene.lens_light.extend(light);
        }
    }
    let number = |a: &str, b: &str| template.get(a)?.get(b)?.as_f64();
    let cosmology = number("cosmology", "H0").zip(number("cosmology", "Om0"));
    Ok(Imported {
        scene,
        redshifts: [lens_redshift, source_redshift],
        cosmology: cosmology.map(|(hubble_constant, omega_matter)| Cosmology { hubble_constant, omega_matter }),
        pixel_scale_arcsec: number("instrument", "pixel_size").filter(|s| s.is_finite() && *s > 0.0),
    })
}

fn profiles_in<T>(
    entity: &Value,
    list: &str,
    place: &str,
    read: impl Fn(&Parameters<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Some(profiles) = entity.get(list).and_then(Value::as_array) else { return Ok(Vec::new()) };
    let read_one = |(i, profile): (usize, &Value)| {
        let kind = profile.get("type").and_then(Value::as_str).unwrap_or("without a type");
        let parameters = Parameters { kind, values: profile.get("parameters") };
        read(&parameters).map_err(|problem| format!("{place}.{list}[{i}] ({kind}): {problem}"))
    };
    profiles.iter().enumerate().map(read_one).collect()
}

/// The parameters of one profile.
struct Parameters<'a> {
    kind: &'a str,
    values: Option<&'a Value>,
}

impl Parameters<'_> {
    /// The point estimate, or else the median of the posterior.
    fn get(&self, name: &str) -> Result<f64, String> {
        let parameter = self.values.and_then(|v| v.get(name));
        let number = |a: &str, b: &str| parameter?.get(a)?.get(b)?.as_f64();
        number("point_estimate", "value")
            .or_else(|| number("posterior_stats", "median"))
            .filter(|v| v.is_finite())
            .ok_or_else(|| format!("{name} has no value"))
    }

    fn positive(&self, name: &str) -> Result<f64, String> {
        let value = self.get(name)?;
        if value > 0.0 { Ok(value) } else { Err(format!("{name} = {value}: expected a positive number")) }
    }

    /// Axis ratio, and our position angle (from +x) of theirs (from +y).
    fn shape(&self) -> Result<(f64, f64), String> {
        let q = self.get("q")?;
        if !(q > 0.0 && q <= 1.0) {
            return Err(format!("q = {q}: expected minor over major axis, in (0, 1]"));
        }
        Ok((q, (self.get("phi")? + 90.0).rem_euclid(180.0)))
    }
}

fn mass(p: &Parameters<'_>) -> Result<Profile, String> {
    let power_law = |slope: f64| -> Result<Profile, String> {
        let (axis_ratio, position_angle_deg) = p.shape()?;
        Ok(Profile::PowerLaw(PowerLaw {
            einstein_radius_arcsec: p.positive("theta_E")?,
            slope,
            axis_ratio,
            position_angle_deg,
            x_arcsec: p.get("center_x")?,
            y_arcsec: p.get("center_y")?,
        }))
    };
    let slope = || -> Result<f64, String> {
        let slope = p.get("gamma")?;
        if slope > 1.0 && slope < 3.0 { Ok(slope) } else { Err(format!("gamma = {slope}: expected 1 to 3")) }
    };
    let no_core = || match p.get("r_core")? {
        0.0 => Ok(()),
        core => Err(format!("r_core = {core}: profiles with a core cannot be taken over")),
    };
    match p.kind {
        "SIE" => power_law(ISOTHERMAL_SLOPE),
        "PEMD" => power_law(slope()?),
        "NIE" => no_core().and_then(|()| power_law(ISOTHERMAL_SLOPE)),
        "SPEMD" => no_core().and_then(|()| power_law(slope()?)),
        "ExternalShear" => {
            let strength = p.get("gamma_ext")?;
            let (sin, cos) = (2.0 * (p.get("phi_ext")? + 90.0).to_radians()).sin_cos();
            Ok(Profile::Shear(Shear { gamma1: strength * cos, gamma2: strength * sin }))
        }
        "Chameleon" => {
            let (axis_ratio, position_angle_deg) = p.shape()?;
            let (core_arcsec, truncation_arcsec) = (p.get("s_c")?, p.positive("s_t")?);
            if !(0.0..truncation_arcsec).contains(&core_arcsec) {
                return Err(format!("s_c = {core_arcsec}: expected 0 to s_t = {truncation_arcsec}"));
            }
            Ok(Profile::PseudoJaffe(PseudoJaffe {
                einstein_radius_arcsec: p.positive("b")?,
                core_arcsec,
                truncation_arcsec,
                axis_ratio,
                position_angle_deg,
                x_arcsec: p.get("center_x")?,
                y_arcsec: p.get("center_y")?,
            }))
        }
        "NFW" => {
            Err("its ellipticity is in the potential, ours in the density; this profile cannot be taken over"
                .to_owned())
        }
        _ => Err("this mass profile cannot be taken over; SIE, PEMD, ExternalShear and Chameleon can".to_owned()),
    }
}

fn sersic(p: &Parameters<'_>) -> Result<Sersic, String> {
    if p.kind != "Sersic" {
        return Err("this light profile cannot be taken over; Sersic can".to_owned());
    }
    let index = p.positive("n")?;
    if !(0.3..=10.0).contains(&index) {
        return Err(format!("n = {index}: expected 0.3 to 10"));
    }
    let (axis_ratio, position_angle_deg) = p.shape()?;
    let (effective_radius_arcsec, amplitude) = from_approximate(p.positive("theta_eff")?, p.get("I_eff")?, index);
    Ok(Sersic {
        amplitude,
        effective_radius_arcsec,
        index,
        axis_ratio,
        position_angle_deg,
        x_arcsec: p.get("center_x")?,
        y_arcsec: p.get("center_y")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::studies::lens_models::LensModel;
    use crate::studies::lens_reconstruction::exchange::{Described, coolest_template};

    fn scene() -> Scene {
        let light = |angle: f64, index: f64| Sersic { position_angle_deg: angle, index, ..Sersic::default() };
        Scene {
            lens: LensModel { shear: Shear { gamma1: 0.03, gamma2: -0.05 }, ..LensModel::default() },
            sources: vec![light(20.0, 1.0), light(170.0, 0.7)],
            lens_light: vec![light(95.0, 4.0)],
            sky: 0.0,
        }
    }

    fn template(scene: &Scene) -> Value {
        coolest_template(&Described {
            scene,
            posterior: None,
            size_px: [100, 80],
            pixel_scale_arcsec: 0.05,
            redshifts: [Some(0.2), Some(0.6)],
            cosmology: Cosmology::default(),
            image_file: "image.fits",
            simulated: false,
            left_out: &[],
        })
    }

    #[test]
    fn what_is_exported_imports_as_the_same_model() {
        let scene = scene();
        let found = import(&template(&scene)).unwrap();
        assert_eq!(found.redshifts, [Some(0.2), Some(0.6)]);
        assert_eq!(found.cosmology, Some(Cosmology::default()));
        assert_eq!(found.pixel_scale_arcsec, Some(0.05));
        let (a, b) = (scene.parameters(), found.on_pixels(0.05).parameters());
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?}\n{b:?}");
    }

    /// The standard's angle 0 is along +y: the major axis of such a lens is vertical.
    #[test]
    fn angles_are_counted_from_the_vertical() {
        let mut lens = scene();
        lens.lens.shear = Shear { gamma1: 0.1, gamma2: 0.0 };
        let template = template(&lens);
        let shear = &template["lensing_entities"][0]["mass_model"][0];
        assert_eq!(shear["type"], "ExternalShear");
        // Ours stretches along +x, which is 90 degrees from +y.
        assert!((shear["parameters"]["phi_ext"]["point_estimate"]["value"].as_f64().unwrap() - 90.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_taken_over_is_named() {
        let refused = |edit: &dyn Fn(&mut Value)| {
            let mut changed = template(&scene());
            edit(&mut changed["lensing_entities"][1]["mass_model"][0]);
            import(&changed).unwrap_err()
        };
        let line = refused(&|m| m["type"] = "NFW".into());
        assert!(line.starts_with("lensing_entities[1] (lens).mass_model[0] (NFW): its ellipticity"), "{line}");
        let line = refused(&|m| m["type"] = "PixelatedRegularGridPotential".into());
        assert!(line.contains("cannot be taken over; SIE"), "{line}");
        let line = refused(&|m| m["parameters"]["q"]["point_estimate"]["value"] = json!(1.4));
        assert!(line.contains("(SIE): q = 1.4"), "{line}");
        let line = refused(&|m| m["parameters"]["theta_E"]["point_estimate"]["value"] = Value::Null);
        assert!(line.contains("theta_E has no value"), "{line}");
        assert!(import(&json!({})).unwrap_err().contains("is no COOLEST template"));
        let mut planes = template(&scene());
        planes["lensing_entities"][0]["redshift"] = json!(0.4);
        assert!(import(&planes).unwrap_err().contains("only one lens plane"));
        let mut planes = template(&scene());
        let entities = planes["lensing_entities"].as_array_mut().unwrap();
        let mut second = entities[2].clone();
        (second["name"], second["redshift"]) = (json!("farther"), json!(2.3));
        entities.push(second);
        let line = import(&planes).unwrap_err();
        assert_eq!(
            line,
            "lensing_entities[3] (farther): lensed light at redshifts 0.6 and 2.3; only one source plane can be taken over"
        );
        // At the same redshift it is another galaxy of the same plane.
        planes["lensing_entities"][3]["redshift"] = json!(0.6);
        assert_eq!(import(&planes).unwrap().scene.sources.len(), 4);
    }

    /// A point estimate that is missing is replaced by the median.
    #[test]
    fn the_median_stands_in_for_an_estimate() {
        let mut changed = template(&scene());
        let radius = &mut changed["lensing_entities"][1]["mass_model"][0]["parameters"]["theta_E"];
        radius["point_estimate"]["value"] = Value::Null;
        radius["posterior_stats"]["median"] = json!(1.25);
        assert_eq!(import(&changed).unwrap().scene.lens.parameters()[0], 1.25);
    }
}
