//! What an image view gives away: its plane as FITS with world coordinates, and a script that shows the same.

use std::path::Path;

use crate::data::{Plane, Store, Wcs, wcs_keywords, write_planes};
use crate::panels::product::{Product, file_stem, python_number, python_string};
use crate::plots::color_table::Display;
use crate::plots::limits::Limits;
use crate::plots::stretch::Stretch;
use crate::tasks::TaskError;

/// Which plane of which file, and its part on the screen.
#[derive(Clone, Debug)]
pub(super) struct PlaneOfFile<'a> {
    pub path: &'a Path,
    pub hdu: usize,
    /// From 0.
    pub plane: usize,
    /// Number of planes.
    pub planes: usize,
    /// Axes of the array, slowest first.
    pub shape: &'a [usize],
    /// `[width, height]`.
    pub size: [usize; 2],
    /// `[x low, y low, x high, y high]` that are seen, in 0-based pixels.
    pub seen: [f64; 4],
    pub unit: &'a str,
}

/// The plane, and the part of it that is seen, as FITS.
pub(super) fn products(of: &PlaneOfFile<'_>, title: &str, store: &std::sync::Arc<Store>) -> Vec<Product> {
    let stem = file_stem(title);
    let which = if of.planes > 1 { format!("Plane {}", of.plane + 1) } else { "The image".to_owned() };
    let [width, height] = of.size;
    let part = cut([0.0, 0.0, width as f64, height as f64], of.size);
    let seen = cut(of.seen, of.size);
    let make = |part: [usize; 4]| {
        let (store, path, hdu, plane) = (store.clone(), of.path.to_owned(), of.hdu, of.plane);
        let (shape, unit) = (of.shape.to_vec(), of.unit.to_owned());
        move |out: &Path| write_part(out, &store, &path, [hdu, plane], &shape, part, &unit)
    };
    let number = if of.planes > 1 { format!("-plane{}", of.plane + 1) } else { String::new() };
    let mut all = vec![Product::new(format!("{which} as FITS"), format!("{stem}{number}.fits"), make(part))];
    if seen != part {
        all.push(Product::new("The part on the screen as FITS", format!("{stem}{number}-part.fits"), make(seen)));
    }
    all
}

/// The regions as a file.
pub(super) fn regions(bytes: Vec<u8>, title: &str) -> Product {
    Product::new(super::regions::PRODUCT, format!("{}.reg", file_stem(title)), move |out: &Path| {
        Ok(crate::data::write_atomically(out, |file| file.write_all(&bytes))?)
    })
}

/// Whole pixels `[x, y, width, height]` that touch a rectangle, within the image.
fn cut(seen: [f64; 4], size: [usize; 2]) -> [usize; 4] {
    let along = |low: f64, high: f64, length: usize| {
        let first = (low + 0.5).floor().clamp(0.0, length.saturating_sub(1) as f64) as usize;
        let last = (high + 0.5).floor().clamp(first as f64, length.saturating_sub(1) as f64) as usize;
        (first, last - first + 1)
    };
    let ((x, width), (y, height)) = (along(seen[0], seen[2], size[0]), along(seen[1], seen[3], size[1]));
    [x, y, width, height]
}

/// Place of a plane on the axes beyond the second, the fastest first; `shape` has the slowest first.
fn beyond(shape: &[usize], plane: usize) -> Vec<usize> {
    let mut rest = plane;
    let place = |&length: &usize| {
        let here = rest % length.max(1);
        rest /= length.max(1);
        here
    };
    shape.iter().rev().skip(2).map(place).collect()
}

fn write_part(
    out: &Path,
    store: &Store,
    path: &Path,
    [hdu, plane]: [usize; 2],
    shape: &[usize],
    [x, y, width, height]: [usize; 4],
    unit: &str,
) -> Result<(), TaskError> {
    let id = store.open(path)?;
    let pixels = store.plane(id, hdu, plane)?;
    let part = pixels.slice(ndarray::s![y..y + height, x..x + width]);
    let file = store.file(id)?;
    let header = &file.hdu(hdu)?.header;
    // The axes beyond the plane stay, with length 1: they hold its wavelength, and half of the sky in a cut through a cube.
    let indices = beyond(shape, plane);
    let mut start = vec![x as i64, y as i64];
    start.extend(indices.iter().map(|&index| index as i64));
    let more = Wcs::from_header(header).ok().flatten().map_or(0, |wcs| wcs.axes().len());
    start.resize(start.len().max(more), 0);
    let mut keywords = wcs_keywords(header, &start);
    for name in ["OBJECT", "TELESCOP", "INSTRUME", "FILTER", "DATE-OBS", "EXPTIME"] {
        if let Some(card) = header.card(name)
            && let Some(value) = card.value.clone()
        {
            keywords.push(crate::data::Keyword { name: name.into(), value, comment: card.comment.clone() });
        }
    }
    let mut history = vec![format!("Sextans: {} HDU {hdu}", path.display())];
    if shape.len() > 2 {
        history.push(format!("Sextans: plane {} of the cube", plane + 1));
    }
    history.push(format!("Sextans: pixels x {}..{}, y {}..{} of the image", x + 1, x + width, y + 1, y + height));
    let mut part = part.into_dyn();
    for _ in indices {
        part = part.insert_axis(ndarray::Axis(0));
    }
    let plane = Plane { name: "", pixels: part, unit, keywords };
    Ok(write_planes(out, &[plane], &history)?)
}

/// A script that shows the plane with the same limits, stretch and colour map, with world coordinates where there are any.
pub(super) fn python(of: &PlaneOfFile<'_>, display: &Display, limits: Limits, has_sky: bool) -> String {
    let path = python_string(&of.path.display().to_string());
    let mut text = String::from("import matplotlib.pyplot as plt\nfrom astropy.io import fits\n");
    if has_sky {
        text.push_str("from astropy.wcs import WCS\n");
    }
    let stretch = match display.stretch {
        Stretch::Linear => "LinearStretch()",
        Stretch::Log => "LogStretch()",
        Stretch::Sqrt => "SqrtStretch()",
        Stretch::Asinh => "AsinhStretch()",
        Stretch::Squared => "SquaredStretch()",
    };
    text.push_str(&format!("from astropy.visualization import ImageNormalize, {}\n\n", stretch.trim_end_matches("()")));
    text.push_str(&format!("hdu = fits.open({path})[{}]\n", of.hdu));
    let extra = of.shape.len().saturating_sub(2);
    if of.planes > 1 || extra > 0 {
        text.push_str(&format!(
            "image = hdu.data.reshape(-1, *hdu.data.shape[-2:])[{}]  # plane {} of {}\n",
            of.plane,
            of.plane + 1,
            of.planes
        ));
    } else {
        text.push_str("image = hdu.data\n");
    }
    text.push_str(&format!(
        "norm = ImageNormalize(vmin={}, vmax={}, stretch={stretch}, clip=True)\n",
        python_number(limits.low),
        python_number(limits.high)
    ));
    let map = match (display.invert, display.color_map.strip_suffix("_r")) {
        (false, _) => display.color_map.clone(),
        (true, Some(plain)) => plain.to_owned(),
        (true, None) => format!("{}_r", display.color_map),
    };
    if has_sky {
        text.push_str("ax = plt.subplot(projection=WCS(hdu.header).celestial)\n");
    } else {
        text.push_str("ax = plt.subplot()\n");
    }
    text.push_str(&format!(
        "shown = ax.imshow(image, origin=\"lower\", cmap={}, norm=norm, interpolation=\"nearest\")\n",
        python_string(&map)
    ));
    let [x0, y0, x1, y1] = of.seen;
    let whole = x0 <= 0.0 && y0 <= 0.0 && x1 >= of.size[0] as f64 - 1.0 && y1 >= of.size[1] as f64 - 1.0;
    if !whole {
        text.push_str(&format!("ax.set_xlim({x0:.3}, {x1:.3})\nax.set_ylim({y0:.3}, {y1:.3})\n"));
    }
    let label = if of.unit.is_empty() { "Value".to_owned() } else { of.unit.to_owned() };
    text.push_str(&format!("plt.colorbar(shown, label={})\nplt.show()\n", python_string(&label)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FitsFile, Keyword, Value};

    /// Longitude and velocity along the picture, latitude beyond it: without that axis the sky would be lost.
    #[test]
    fn a_cut_through_a_cube_keeps_the_sky_and_its_place_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let (cube, out) = (folder.path().join("cube.fits"), folder.path().join("plane.fits"));
        let pixels = ndarray::Array4::from_shape_fn((1, 5, 6, 8), |(_, z, y, x)| (100 * z + 10 * y + x) as f32);
        let text = |name: &str, value: &str| Keyword {
            name: name.into(),
            value: Value::Text(value.into()),
            comment: String::new(),
        };
        let mut keywords =
            vec![text("CTYPE1", "GLON-CAR"), text("CTYPE2", "VRAD"), text("CTYPE3", "GLAT-CAR"), text("CUNIT2", "m/s")];
        keywords.push(text("CTYPE4", "STOKES"));
        for (name, value) in [
            ("CRVAL1", 30.0),
            ("CRVAL2", 5000.0),
            ("CRVAL3", 0.0),
            ("CRVAL4", 1.0),
            ("CRPIX1", 4.0),
            ("CRPIX2", 2.0),
            ("CRPIX3", 3.0),
            ("CRPIX4", 1.0),
            ("CDELT1", -0.1),
            ("CDELT2", 250.0),
            ("CDELT3", 0.1),
            ("CDELT4", 1.0),
        ] {
            keywords.push(Keyword { name: name.into(), value: Value::Float(value), comment: String::new() });
        }
        let plane = Plane { name: "", pixels: pixels.view().into_dyn(), unit: "K", keywords };
        write_planes(&cube, &[plane], &[]).unwrap();
        let store = Store::new(1 << 20);
        write_part(&out, &store, &cube, [0, 3], &[1, 5, 6, 8], [2, 1, 4, 3], "K").unwrap();
        let [old, new] = [&cube, &out].map(|path| FitsFile::open(path).unwrap());
        assert_eq!(new.hdu(0).unwrap().shape(), [1, 1, 3, 4]);
        assert_eq!(new.read_array::<f32>(0).unwrap()[[0, 0, 0, 0]], 312.0);
        let [old, new] = [old, new].map(|file| Wcs::from_header(&file.hdu(0).unwrap().header).unwrap().unwrap());
        assert!(new.celestial().is_some());
        let a = old.world_from_pixel(&[3.0, 2.0, 3.0, 0.0]).unwrap();
        let b = new.world_from_pixel(&[1.0, 1.0, 0.0, 0.0]).unwrap();
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
    }

    #[test]
    fn the_cut_is_whole_pixels_within_the_image() {
        assert_eq!(cut([-5.0, -5.0, 100.0, 100.0], [10, 20]), [0, 0, 10, 20]);
        assert_eq!(cut([2.4, 2.6, 5.4, 5.6], [10, 20]), [2, 3, 4, 4]);
        assert_eq!(cut([50.0, 50.0, 60.0, 60.0], [10, 20]), [9, 19, 1, 1]);
    }
}
