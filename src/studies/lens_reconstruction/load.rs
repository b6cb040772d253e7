//! From files to an [`Observation`]: image, noise, PSF, mask and pixel scale, each checked, with the checks in words.

use std::path::Path;

use ndarray::Array2;

use super::Observation;
use super::mask_edit::keep_ring;
use super::request::{FitRequest, MaskMeaning, REDSHIFTS};
use super::simulate::gaussian_psf;
use crate::data::{FitsFile, Header, Location, Sidecar, pixel_scale_arcsec};
use crate::numerics::statistics::median;
use crate::tasks::TaskError;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Usable; the user should know.
    Note,
    /// The numbers cannot be trusted unless this is mended.
    Warning,
}

/// One thing that was looked at before the fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What, in one or two words.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// In words, with the numbers.
    pub text: String,
}

/// An observation with what is known about where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the fit sees.
    pub observation: Observation,
    /// Header of the image.
    pub header: Header,
    /// Unit of the image (BUNIT), or empty.
    pub unit: String,
    /// Redshifts of lens and source, where they were given or stand in `info.json`.
    pub redshifts: [Option<f64>; 2],
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// Reads everything that a fit needs.
///
/// # Errors
/// A missing or unreadable file, shapes that differ, or a pixel scale that is not known; each names the field and the cure.
pub fn load(request: &FitRequest) -> Result<Loaded, TaskError> {
    let image_path = image_of(request)?;
    let mut checks = Vec::new();
    let image = read_plane(image_path)?;
    let (rows, columns) = image.pixels.dim();
    if rows < 8 || columns < 8 {
        return Err(TaskError::file(
            image_path,
            format!("the image is {columns} x {rows} pixels; at least 8 x 8 are needed"),
        ));
    }
    let sidecar = Sidecar::beside(&location(image_path).path).unwrap_or_default();
    let scale = scale_of(request, &image.header, &sidecar, image_path, &mut checks)?;
    let redshifts = redshifts_of(request, &sidecar, &mut checks)?;
    let mut noise = noise_of(request, &image.pixels, &mut checks)?;
    let psf = psf_of(request, scale, &mut checks)?;
    if let Some(path) =
        request.psf.as_deref().filter(|_| psf.len() > 64 * 64 && psf.nrows() >= rows && psf.ncols() >= columns)
    {
        let (ny, nx) = psf.dim();
        return Err(TaskError::file(
            path,
            format!("this PSF is {nx} x {ny} pixels, as large as the image itself; give the cut-out of a star"),
        ));
    }
    let half = [0.5 * columns as f64 * scale, 0.5 * rows as f64 * scale];
    for (name, value, half) in
        [("lens_x_arcsec", request.lens_x_arcsec, half[0]), ("lens_y_arcsec", request.lens_y_arcsec, half[1])]
    {
        if let Some(value) = value.filter(|v| v.abs() > half) {
            return Err(TaskError::field(
                name,
                value,
                format!("outside the image, which reaches {half:.2} arcsec to each side of its centre"),
                "give the centre of the lens in arcsec from the image centre",
            ));
        }
    }
    let mut mask = mask_of(request, (rows, columns), scale)?;

    let mut unusable = 0;
    ndarray::Zip::from(&mut mask).and(&image.pixels).and(&mut noise).for_each(|m, &d, n| {
        let good = d.is_finite() && n.is_finite() && *n > 0.0;
        if *m && !good {
            unusable += 1;
        }
        *m &= good;
        if !(n.is_finite() && *n > 0.0) {
            *n = f64::NAN;
        }
    });
    if unusable > 0 {
        checks.push(Check {
            name: "Bad pixels",
            verdict: Verdict::Note,
            text: format!("{unusable} pixels without a finite value or a positive noise are left out"),
        });
    }
    let used = mask.iter().filter(|m| **m).count();
    if used < 50 {
        return Err(TaskError::field(
            "mask",
            format!("{used} pixels"),
            "fewer than 50 usable pixels remain",
            "widen mask_outer_radius_arcsec, or check mask_marks (does the mask mark what to leave out, or what to keep?)",
        ));
    }
    checks.push(Check {
        name: "Mask",
        verdict: Verdict::Good,
        text: format!("{used} of {} pixels are fitted", rows * columns),
    });
    // Pixels that hold nothing stay NaN: a number in their place would pass for sky.
    let data = image.pixels.mapv(|v| if v.is_finite() { v } else { f64::NAN });
    let observation =
        Observation::new(data, noise, psf, mask, scale).map_err(|e| TaskError::file(image_path, e.to_string()))?;
    Ok(Loaded { observation, unit: image.unit, header: image.header, redshifts, checks })
}

/// The image of a request.
pub(super) fn image_of(request: &FitRequest) -> Result<&Path, TaskError> {
    request
        .image
        .as_deref()
        .ok_or_else(|| TaskError::field("image", "(none)", "an image is needed", "give one with --input image=FILE"))
}

/// What a request leaves to be found beside its image: pixel scale (arcsec) and redshifts of lens and source. Reads headers only.
pub(super) fn found(request: &FitRequest) -> Result<(f64, [Option<f64>; 2]), TaskError> {
    let image_path = image_of(request)?;
    let location = location(image_path);
    let file = FitsFile::open(&location.path)?;
    let header = &file.hdu(file.find(location.hdu.as_ref())?)?.header;
    let sidecar = Sidecar::beside(&location.path).unwrap_or_default();
    let mut checks = Vec::new();
    let scale = scale_of(request, header, &sidecar, image_path, &mut checks)?;
    Ok((scale, redshifts_of(request, &sidecar, &mut checks)?))
}

/// A number that was found, to twelve digits: so short a decimal is read back from a record to the same bits.
fn short(found: f64) -> f64 {
    format!("{found:.11e}").parse().unwrap_or(found)
}

fn redshifts_of(
    request: &FitRequest,
    sidecar: &Sidecar,
    checks: &mut Vec<Check>,
) -> Result<[Option<f64>; 2], TaskError> {
    let given = [request.redshift_lens, request.redshift_source];
    let usable = |z: &f64| (REDSHIFTS[0]..=REDSHIFTS[1]).contains(z);
    let noted = [sidecar.redshift_lens, sidecar.redshift_source].map(|z| z.map(short).filter(usable));
    let both = [given[0].or(noted[0]), given[1].or(noted[1])];
    match both {
        [Some(lens), Some(source)] if source <= lens => {
            if given == both {
                let problem = format!("not beyond redshift_lens = {lens}");
                return Err(TaskError::field("redshift_source", source, problem, "give the source's, or neither"));
            }
            let text =
                format!("lens {lens}, source {source} with info.json: the source is not behind; info.json is not used");
            checks.push(Check { name: "Redshifts", verdict: Verdict::Warning, text });
            Ok(given)
        }
        _ => Ok(both),
    }
}

pub(super) struct Plane {
    pub(super) pixels: Array2<f64>,
    pub(super) header: Header,
    unit: String,
}

pub(super) fn read_plane(path: &Path) -> Result<Plane, TaskError> {
    let location = location(path);
    let file = FitsFile::open(&location.path)?;
    let index = file.find(location.hdu.as_ref())?;
    let hdu = file.hdu(index)?;
    Ok(Plane {
        pixels: file.read_image(index)?,
        header: hdu.header.clone(),
        unit: hdu.unit().unwrap_or_default().to_owned(),
    })
}

/// What a path in a request means: `file.fits`, or `file.fits[SCI]`.
pub(super) fn location(path: &Path) -> Location {
    Location::parse(&path.to_string_lossy())
}

fn scale_of(
    request: &FitRequest,
    header: &Header,
    sidecar: &Sidecar,
    path: &Path,
    checks: &mut Vec<Check>,
) -> Result<f64, TaskError> {
    let (scale, source) = if let Some(scale) = request.pixel_scale_arcsec {
        (scale, "as given".to_owned())
    } else if let Some(arcsec) = pixel_scale_arcsec(header) {
        (short(arcsec), "from the header".to_owned())
    } else if let Some(scale) = sidecar.pixel_scale_arcsec {
        (short(scale), "from info.json beside the image".to_owned())
    } else {
        return Err(TaskError::field(
            "pixel_scale_arcsec",
            "(none)",
            format!("the header of {} has no pixel scale", path.display()),
            "give it, e.g. --set pixel_scale_arcsec=0.05",
        ));
    };
    if !(1e-4..=100.0).contains(&scale) {
        return Err(TaskError::field(
            "pixel_scale_arcsec",
            scale,
            "not a sensible pixel scale",
            "give it in arcsec, e.g. 0.05",
        ));
    }
    checks.push(Check { name: "Pixel scale", verdict: Verdict::Good, text: format!("{scale:.4} arcsec, {source}") });
    Ok(scale)
}

fn noise_of(request: &FitRequest, data: &Array2<f64>, checks: &mut Vec<Check>) -> Result<Array2<f64>, TaskError> {
    let sky = sky_rms(data);
    if let Some(path) = &request.noise {
        let noise = read_plane(path)?.pixels;
        same_shape("noise", path, noise.dim(), data.dim())?;
        let typical = middle(noise.iter().copied().filter(|n| n.is_finite() && *n > 0.0).collect());
        let ratio = sky / typical;
        let verdict = if (0.7..=1.4).contains(&ratio) { Verdict::Good } else { Verdict::Warning };
        let text = if verdict == Verdict::Good {
            format!("median {typical:.4}; the image's own pixel-to-pixel scatter is {sky:.4}")
        } else {
            format!(
                "median {typical:.4}, but the image's own pixel-to-pixel scatter is {sky:.4}: chi2 will not come to 1"
            )
        };
        checks.push(Check { name: "Noise", verdict, text });
        return Ok(noise);
    }
    if let Some(sigma) = request.noise_sigma {
        checks.push(Check {
            name: "Noise",
            verdict: Verdict::Note,
            text: format!("{sigma} in every pixel; a noise map would count the light of the galaxies too"),
        });
        return Ok(Array2::from_elem(data.dim(), sigma));
    }
    Err(TaskError::field(
        "noise",
        "(none)",
        "a noise map or noise_sigma is needed",
        format!("give --input noise=FILE, or --set noise_sigma={sky:.3e} (this image's own pixel-to-pixel scatter)"),
    ))
}

fn psf_of(request: &FitRequest, scale: f64, checks: &mut Vec<Check>) -> Result<Array2<f64>, TaskError> {
    if let Some(path) = &request.psf {
        let mut psf = read_plane(path)?.pixels;
        let sum: f64 = psf.iter().filter(|v| v.is_finite()).sum();
        let (ny, nx) = psf.dim();
        if sum <= 0.0 || psf.iter().any(|v| !v.is_finite()) {
            return Err(TaskError::file(
                path,
                "the PSF must be finite with a positive sum; give the star's cut-out, sky subtracted",
            ));
        }
        if ny % 2 == 0 || nx % 2 == 0 {
            return Err(TaskError::file(
                path,
                format!(
                    "the PSF is {nx} x {ny} pixels; both must be odd, so that it has a centre pixel (cut one row or column off)"
                ),
            ));
        }
        psf /= sum;
        let verdict = if (sum - 1.0).abs() < 0.1 { Verdict::Good } else { Verdict::Note };
        checks.push(Check {
            name: "PSF",
            verdict,
            text: format!("measured, {nx} x {ny} pixels, sum {sum:.3} normalised to 1"),
        });
        return Ok(psf);
    }
    if let Some(fwhm) = request.psf_fwhm_arcsec {
        checks.push(Check {
            name: "PSF",
            verdict: Verdict::Note,
            text: format!("circular Gaussian of {fwhm} arcsec FWHM"),
        });
        return Ok(gaussian_psf(fwhm, scale)?);
    }
    checks.push(Check {
        name: "PSF",
        verdict: Verdict::Warning,
        text: "none given: the model is not blurred; sizes and the axis ratio will be biased".into(),
    });
    Ok(Array2::ones((1, 1)))
}

/// What a mask is drawn on.
pub(super) struct MaskGround {
    /// Header of the image.
    pub(super) header: Header,
    /// Size of its pixels.
    pub(super) pixel_scale_arcsec: f64,
    /// The mask to begin from, true = fitted, of the size of the image.
    pub(super) mask: Array2<bool>,
}

/// What a mask for the image of a request is drawn on: that of a file, or every pixel. Of the image only the header is read.
pub(super) fn mask_ground(request: &FitRequest, base: Option<(&Path, MaskMeaning)>) -> Result<MaskGround, TaskError> {
    let image_path = image_of(request)?;
    let location = location(image_path);
    let file = FitsFile::open(&location.path)?;
    let hdu = file.hdu(file.find(location.hdu.as_ref())?)?;
    let &[rows, columns] = hdu.shape().as_slice() else {
        return Err(TaskError::file(image_path, "expected a two-dimensional image to draw a mask on"));
    };
    let sidecar = Sidecar::beside(&location.path).unwrap_or_default();
    let pixel_scale_arcsec = scale_of(request, &hdu.header, &sidecar, image_path, &mut Vec::new())?;
    let mask = match base {
        Some((path, marks)) => marked(path, marks, (rows, columns))?,
        None => Array2::from_elem((rows, columns), true),
    };
    Ok(MaskGround { header: hdu.header.clone(), pixel_scale_arcsec, mask })
}

/// The mask of a file, true = fitted.
fn marked(path: &Path, meaning: MaskMeaning, shape: (usize, usize)) -> Result<Array2<bool>, TaskError> {
    let marks = read_plane(path)?.pixels;
    same_shape("mask", path, marks.dim(), shape)?;
    Ok(marks.mapv(|v| (v != 0.0 && !v.is_nan()) == (meaning == MaskMeaning::Kept)))
}

/// The mask on the pixels, true = fitted, from the mask file and the two radii around the given centre.
fn mask_of(request: &FitRequest, shape: (usize, usize), scale: f64) -> Result<Array2<bool>, TaskError> {
    let mut mask = Array2::from_elem(shape, true);
    if let Some(path) = &request.mask {
        mask = marked(path, request.mask_marks, shape)?;
    }
    let outer = request.mask_outer_radius_arcsec.unwrap_or(f64::INFINITY);
    if outer <= request.mask_inner_radius_arcsec {
        return Err(TaskError::field(
            "mask_outer_radius_arcsec",
            outer,
            format!("not beyond mask_inner_radius_arcsec = {}", request.mask_inner_radius_arcsec),
            "give a larger one",
        ));
    }
    let centre = [request.mask_x_arcsec, request.mask_y_arcsec];
    keep_ring(&mut mask, centre, [request.mask_inner_radius_arcsec, outer], scale);
    Ok(mask)
}

fn same_shape(role: &str, path: &Path, found: (usize, usize), wanted: (usize, usize)) -> Result<(), TaskError> {
    if found == wanted {
        return Ok(());
    }
    Err(TaskError::file(
        path,
        format!(
            "the {role} is {} x {} pixels and the image {} x {}; give one of the same size",
            found.1, found.0, wanted.1, wanted.0
        ),
    ))
}

/// Scatter from pixel to pixel: the differences of pixels three columns apart, robustly, over sqrt(2).
/// Light that varies slowly drops out of it; nearer neighbours of a drizzled image share their noise.
/// Taken along the image's edges, a sixth of its width: arcs, which vary fast, lie nearer to the middle.
fn sky_rms(data: &Array2<f64>) -> f64 {
    const LAG: usize = 3;
    let (rows, columns) = data.dim();
    let (edge_y, edge_x) = (rows / 6, columns / 6);
    let mut differences = Vec::new();
    for (y, row) in data.rows().into_iter().enumerate() {
        let all = y < edge_y || y + edge_y >= rows;
        for x in 0..columns.saturating_sub(LAG) {
            if all || x + LAG < edge_x || x + edge_x >= columns {
                let difference = (row[x + LAG] - row[x]).abs();
                if difference.is_finite() {
                    differences.push(difference);
                }
            }
        }
    }
    1.4826 * middle(differences) / std::f64::consts::SQRT_2
}

/// The median, NaN of nothing.
fn middle(mut values: Vec<f64>) -> f64 {
    median(&mut values).unwrap_or(f64::NAN)
}
