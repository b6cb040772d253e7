//! A lens model as a Python script of lenstronomy keywords (Birrer & Amara 2018, Physics of the Dark Universe 22, 189; Birrer et al. 2021, JOSS 6, 3283).

use std::fmt::Write;

use super::{Described, Profile, as_approximate, profiles};
use crate::studies::lens_models::{ISOTHERMAL_SLOPE, Sersic, Shear, ellipticity};

/// Keywords of one profile.
type Keywords = Vec<(&'static str, f64)>;

/// A Python module: `lens_model_list`, `kwargs_lens`, `source_light_model_list`, `kwargs_source`, `lens_light_model_list`, `kwargs_lens_light`,
/// and `model_image()`, the image without PSF that lenstronomy makes of them. It runs as it is.
pub fn lenstronomy_script(model: &Described<'_>) -> String {
    let mut names = Vec::new();
    let mut keywords: Vec<Keywords> = Vec::new();
    for (name, values) in profiles(&model.scene.lens).iter().flat_map(mass) {
        names.push(name);
        keywords.push(values);
    }
    let light = |galaxies: &[Sersic]| galaxies.iter().map(|s| sersic(s, model.pixel_scale_arcsec)).collect::<Vec<_>>();
    let (source, lens_light) = (light(&model.scene.sources), light(&model.scene.lens_light));
    let [width, height] = model.size_px;
    let scale = model.pixel_scale_arcsec;
    let [x0, y0] = model.size_px.map(|n| -0.5 * (n as f64 - 1.0) * scale);
    let redshift = |z: Option<f64>| z.map_or("None".to_owned(), |z| z.to_string());
    let left_out: String = model.left_out.iter().map(|what| format!("\nNot in here: {what}.")).collect();
    let mut text = format!(
        "\"\"\"A lens model of Sextans in lenstronomy keywords: x to the right and y upwards from the image centre, in arcsec;\nbrightness in the unit of the image per arcsec^2.{left_out}\"\"\"\n\nimport numpy as np\n\n",
    );
    let mut line = |args: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _unused: std::fmt::Result = text.write_fmt(args);
        text.push('\n');
    };
    line(format_args!("z_lens, z_source = {}, {}", redshift(model.redshifts[0]), redshift(model.redshifts[1])));
    line(format_args!(
        "hubble_constant, omega_matter = {}, {}  # FlatLambdaCDM",
        model.cosmology.hubble_constant, model.cosmology.omega_matter
    ));
    line(format_args!("lens_model_list = {names:?}"));
    line(format_args!("kwargs_lens = {}", list(&keywords)));
    line(format_args!("source_light_model_list = {:?}", vec!["SERSIC_ELLIPSE"; source.len()]));
    line(format_args!("kwargs_source = {}", list(&source)));
    line(format_args!("lens_light_model_list = {:?}", vec!["SERSIC_ELLIPSE"; lens_light.len()]));
    line(format_args!("kwargs_lens_light = {}", list(&lens_light)));
    line(format_args!("sky = {}  # per pixel", python(model.scene.sky)));
    line(format_args!(
        "kwargs_pixel = dict(nx={width}, ny={height}, ra_at_xy_0={}, dec_at_xy_0={}, transform_pix2angle=np.array([[{scale}, 0.0], [0.0, {scale}]]))",
        python(x0),
        python(y0),
    ));
    text.push_str(MODEL_IMAGE);
    text
}

/// What makes an image of the keywords.
const MODEL_IMAGE: &str = r#"

def model_image(supersampling=2):
    """Source and lens light on the pixels of the image, not blurred, sky included; an array [y, x]."""
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    model = ImageModel(
        PixelGrid(**kwargs_pixel),
        PSF(psf_type="NONE"),
        lens_model_class=LensModel(lens_model_list),
        source_model_class=LightModel(source_light_model_list),
        lens_light_model_class=LightModel(lens_light_model_list),
        kwargs_numerics=dict(supersampling_factor=supersampling),
    )
    return model.image(kwargs_lens, kwargs_source, kwargs_lens_light) + sky


if __name__ == "__main__":
    print(model_image().sum())
"#;

/// Profiles of lenstronomy that together are this one.
fn mass(profile: &Profile) -> Vec<(&'static str, Keywords)> {
    let shape = |q: f64, angle: f64, x: f64, y: f64| {
        let [e1, e2] = ellipticity(q, angle);
        vec![("e1", e1), ("e2", e2), ("center_x", x), ("center_y", y)]
    };
    let with = |mut first: Keywords, rest: Keywords| {
        first.extend(rest);
        first
    };
    match profile {
        Profile::PowerLaw(p) => {
            let frame = shape(p.axis_ratio, p.position_angle_deg, p.x_arcsec, p.y_arcsec);
            let radius = ("theta_E", p.einstein_radius_arcsec);
            if p.slope == ISOTHERMAL_SLOPE {
                vec![("SIE", with(vec![radius], frame))]
            } else {
                vec![("EPL", with(vec![radius, ("gamma", p.slope)], frame))]
            }
        }
        Profile::Shear(Shear { gamma1, gamma2 }) => {
            vec![("SHEAR", vec![("gamma1", *gamma1), ("gamma2", *gamma2), ("ra_0", 0.0), ("dec_0", 0.0)])]
        }
        Profile::PseudoJaffe(p) => {
            [(p.einstein_radius_arcsec, p.core_arcsec), (-p.einstein_radius_arcsec, p.truncation_arcsec)]
                .map(|(radius, core)| {
                    let frame = shape(p.axis_ratio, p.position_angle_deg, p.x_arcsec, p.y_arcsec);
                    // lenstronomy needs a core above zero; this one is a thousandth of a milliarcsecond.
                    ("NIE", with(vec![("theta_E", radius), ("s_scale", core.max(1e-6))], frame))
                })
                .to_vec()
        }
        Profile::Nfw(p) => {
            // Deflection at the scale radius of the circular halo: `4 kappa_s r_s (1 - ln 2)`.
            let deflection = 4.0 * p.convergence_scale * p.scale_radius_arcsec * (1.0 - std::f64::consts::LN_2);
            let frame = shape(p.axis_ratio, p.position_angle_deg, p.x_arcsec, p.y_arcsec);
            vec![("NFW_ELLIPSE_CSE", with(vec![("Rs", p.scale_radius_arcsec), ("alpha_Rs", deflection)], frame))]
        }
        Profile::PointMass(p) => {
            let place = vec![("center_x", p.x_arcsec), ("center_y", p.y_arcsec)];
            vec![("POINT_MASS", with(vec![("theta_E", p.einstein_radius_arcsec)], place))]
        }
        Profile::Multipole(p) => {
            let (amplitude, angle) = p.amplitude_and_angle();
            let first = vec![("m", f64::from(p.order)), ("a_m", amplitude), ("phi_m", angle.to_radians())];
            vec![("MULTIPOLE", with(first, vec![("center_x", p.x_arcsec), ("center_y", p.y_arcsec)]))]
        }
    }
}

fn sersic(s: &Sersic, pixel_scale_arcsec: f64) -> Keywords {
    let (radius, brightness) = as_approximate(s, pixel_scale_arcsec);
    let [e1, e2] = ellipticity(s.axis_ratio, s.position_angle_deg);
    vec![
        ("amp", brightness),
        ("R_sersic", radius),
        ("n_sersic", s.index),
        ("e1", e1),
        ("e2", e2),
        ("center_x", s.x_arcsec),
        ("center_y", s.y_arcsec),
    ]
}

/// A list of dictionaries.
fn list(profiles: &[Keywords]) -> String {
    let one = |keywords: &Keywords| {
        let pairs: Vec<String> =
            keywords.iter().map(|(name, value)| format!("\"{name}\": {}", python(*value))).collect();
        format!("    {{{}}},\n", pairs.join(", "))
    };
    if profiles.is_empty() {
        return "[]".to_owned();
    }
    format!("[\n{}]", profiles.iter().map(one).collect::<String>())
}

/// A number as Python reads it, to the last bit.
fn python(value: f64) -> String {
    if value.is_nan() {
        "float(\"nan\")".to_owned()
    } else if value.is_infinite() {
        format!("{}float(\"inf\")", if value < 0.0 { "-" } else { "" })
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{Multipole, Nfw, PointMass, PowerLaw, PseudoJaffe};
    use crate::studies::lens_reconstruction::cosmology::Cosmology;
    use crate::studies::lens_reconstruction::simulate::SimulationSpec;

    #[test]
    fn the_script_names_every_profile_and_states_the_grid() {
        let scene = SimulationSpec::default().scene;
        let text = lenstronomy_script(&Described {
            scene: &scene,
            posterior: None,
            size_px: [64, 48],
            pixel_scale_arcsec: 0.08,
            redshifts: [Some(0.2), None],
            cosmology: Cosmology::default(),
            image_file: "image.fits",
            simulated: true,
            left_out: &["a source in pixels"],
        });
        assert!(text.contains("per arcsec^2.\nNot in here: a source in pixels.\"\"\"\n"), "{text}");
        assert!(text.contains("lens_model_list = [\"SIE\", \"SHEAR\"]"), "{text}");
        assert!(text.contains("z_lens, z_source = 0.2, None"), "{text}");
        assert!(text.contains("nx=64, ny=48, ra_at_xy_0=-2.52, dec_at_xy_0=-1.88"), "{text}");
        assert!(text.contains("lens_light_model_list = []") && text.contains("kwargs_lens_light = []"), "{text}");
    }

    /// A pseudo-Jaffe is the difference of two isothermal ellipsoids; a multipole keeps its two amplitudes.
    #[test]
    fn further_masses_are_converted() {
        let (axis_ratio, position_angle_deg, x_arcsec, y_arcsec) = (0.7, 30.0, 0.1, 0.2);
        let jaffe = PseudoJaffe {
            einstein_radius_arcsec: 0.3,
            core_arcsec: 0.0,
            truncation_arcsec: 0.8,
            axis_ratio,
            position_angle_deg,
            x_arcsec,
            y_arcsec,
        };
        let parts = mass(&Profile::PseudoJaffe(jaffe));
        assert_eq!(parts.iter().map(|p| p.0).collect::<Vec<_>>(), ["NIE", "NIE"]);
        assert_eq!([parts[0].1[0].1, parts[1].1[0].1, parts[1].1[1].1], [0.3, -0.3, 0.8]);
        let multipole = Multipole { order: 4, a_arcsec: 0.0, b_arcsec: -0.02, x_arcsec, y_arcsec };
        let [_, (_, amplitude), (_, angle), ..] = mass(&Profile::Multipole(multipole))[0].1[..] else { unreachable!() };
        assert!((amplitude * (4.0 * angle).sin() + 0.02).abs() < 1e-15 && (4.0 * angle).cos().abs() < 1e-9);
        let law =
            PowerLaw { einstein_radius_arcsec: 1.0, slope: 2.2, axis_ratio, position_angle_deg, x_arcsec, y_arcsec };
        assert_eq!(mass(&Profile::PowerLaw(law))[0].0, "EPL");
        let halo = Nfw {
            convergence_scale: 0.2,
            scale_radius_arcsec: 5.0,
            axis_ratio,
            position_angle_deg,
            x_arcsec,
            y_arcsec,
        };
        assert!((mass(&Profile::Nfw(halo))[0].1[1].1 - 4.0 * (1.0 - 2f64.ln())).abs() < 1e-12);
        let point = PointMass { einstein_radius_arcsec: 0.1, x_arcsec, y_arcsec };
        assert_eq!(mass(&Profile::PointMass(point))[0].0, "POINT_MASS");
    }
}
