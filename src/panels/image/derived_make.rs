//! Making an image from a cube, strip by strip: never the whole cube at once.

use std::ops::Range;

use ndarray::{Array2, Array3, Ix3};

use super::super::derived::{CollapseRecipe, CutRecipe};
use super::super::world::World;
use super::derived::Made;
use crate::data::spectral_units::SpectralUnit;
use crate::data::{DataId, ErrorKind, Header, Keyword, Store, Value, Wcs, wcs_keywords};
use crate::numerics::cut::Cut;
use crate::numerics::moments::{ChannelAxis, Collapse, collapse};
use crate::tasks::{Progress, TaskError};

/// Values that are read at a time.
const VALUES_AT_ONCE: usize = 1 << 21;

/// Reads a box of the cube as `[channel, y, x]`.
fn read(
    store: &Store,
    id: DataId,
    hdu: usize,
    world: &World,
    plane: usize,
    [channels, rows, columns]: [Range<usize>; 3],
) -> Result<Array3<f32>, TaskError> {
    let shape = (channels.len(), rows.len(), columns.len());
    let part = store.read_box(id, hdu, &world.ranges(plane, channels, rows, columns))?;
    let failed = |e: ndarray::ShapeError| TaskError::Failed(e.to_string());
    part.into_shape_with_order(shape).map_err(failed)?.into_dimensionality::<Ix3>().map_err(failed)
}

/// A range of channels in one number a pixel.
pub(super) fn collapse_cube(
    store: &Store,
    world: &World,
    recipe: &CollapseRecipe,
    progress: &Progress<Made>,
) -> Result<Made, TaskError> {
    let id = recipe.of.open(store)?;
    let [width, height] = world.size();
    let bands = recipe.bands(world.channels());
    let whole = bands.whole();
    if bands.line.is_empty() {
        return Err(TaskError::Failed(format!(
            "{}: it has {} channels, and the range begins at {}; mark another one in the spectrum",
            recipe.of.name(),
            world.channels(),
            recipe.line[0] + 1
        )));
    }
    let (axis, unit) = axis_of(world, recipe);
    let axis = ChannelAxis { x: axis.x[whole.clone()].to_vec(), width: axis.width[whole.clone()].to_vec() };
    let bands = bands.from(whole.start);
    let keywords = store.with_header(id, recipe.of.hdu, |header| wcs_keywords(header, &[0, 0]))?;
    let empty = Array2::from_elem((height, width), f32::NAN);
    let mut made =
        Made { values: empty.clone(), errors: None, unit: value_unit(&world.unit, &unit, recipe.what), keywords };
    let mut errors = empty;
    let mut known = false;
    let rows = (VALUES_AT_ONCE / (whole.len() * width).max(1)).clamp(1, height.max(1));
    for first in (0..height).step_by(rows) {
        progress.check()?;
        let strip = first..(first + rows).min(height);
        let part = |hdu| read(store, id, hdu, world, recipe.plane, [whole.clone(), strip.clone(), 0..width]);
        let values = part(recipe.of.hdu)?;
        let sigma = world.error.map(|(hdu, kind)| Ok::<_, TaskError>(to_sigma(part(hdu)?, kind))).transpose()?;
        for (row, y) in strip.clone().enumerate() {
            for x in 0..width {
                let spectrum = |cube: &Array3<f32>| cube.slice(ndarray::s![.., row, x]).to_vec();
                let errors_here = sigma.as_ref().map(spectrum);
                let found =
                    collapse(&spectrum(&values), errors_here.as_deref(), &axis, &bands, recipe.what, recipe.cut);
                made.values[[y, x]] = found.value as f32;
                errors[[y, x]] = found.error as f32;
                known |= found.error.is_finite();
            }
        }
        progress.fraction(strip.end as f64 / height as f64);
        progress.update(|| made.clone());
    }
    made.errors = known.then_some(errors);
    Ok(made)
}

fn to_sigma(mut errors: Array3<f32>, kind: ErrorKind) -> Array3<f32> {
    errors.mapv_inplace(|e| kind.sigma(f64::from(e)) as f32);
    errors
}

/// Places and widths of all channels in the unit of the recipe, and that unit as FITS writes it; channel numbers where the
/// axis has no coordinates.
fn axis_of(world: &World, recipe: &CollapseRecipe) -> (ChannelAxis, String) {
    let slice = world.channel_axis().and_then(|axis| world.slices.get(axis));
    let scaled = slice.and_then(|slice| {
        let (values, scale) = (slice.values.as_ref()?, slice.scale.as_ref()?);
        let rest = recipe.rest_m.or(scale.rest_m);
        let options = scale.options(rest.is_some());
        let unit = if options.contains(&recipe.unit) { recipe.unit } else { SpectralUnit::Header };
        let x = |(i, v): (usize, &f64)| scale.convert(*v, i as f64, unit, rest);
        let axis = ChannelAxis::new(values.iter().enumerate().map(x).collect());
        Some((axis, scale.fits_unit_in(unit).to_owned()))
    });
    scaled.unwrap_or_else(|| (ChannelAxis::new((1..=world.channels()).map(|i| i as f64).collect()), String::new()))
}

/// Unit of the result: that of the values, of the axis, or of both multiplied.
fn value_unit(values: &str, axis: &str, what: Collapse) -> String {
    match what {
        Collapse::Sum | Collapse::Mean | Collapse::Median | Collapse::Max => values.to_owned(),
        Collapse::Centroid | Collapse::Width => axis.to_owned(),
        Collapse::Integral => {
            // A density per unit of the axis loses that unit.
            let per = [format!("/{axis}"), format!(" {axis}-1"), format!(" {axis}**(-1)"), format!(" {axis}^-1")];
            let bare = per.iter().find_map(|per| values.strip_suffix(per.as_str())).filter(|_| !axis.is_empty());
            match (bare, values.is_empty(), axis.is_empty()) {
                (Some(bare), ..) => bare.to_owned(),
                (None, true, _) => axis.to_owned(),
                (None, false, true) => values.to_owned(),
                (None, false, false) => format!("{values} {axis}"),
            }
        }
    }
}

/// Position along a line against the spectral axis: `[channel, step]`.
pub(super) fn cut_cube(
    store: &Store,
    world: &World,
    recipe: &CutRecipe,
    progress: &Progress<Made>,
) -> Result<Made, TaskError> {
    let id = recipe.of.open(store)?;
    let cut = Cut::new(recipe.ends, recipe.width).ok_or_else(|| {
        TaskError::Failed("the line of the cut has no length; draw it from one place to another".into())
    })?;
    let size = world.size();
    let [x0, y0, x1, y1] = cut.bounds();
    // A pixel more to each side, between which values are found.
    let along = |low: f64, high: f64, length: usize| {
        let first = (low.floor() - 1.0).clamp(0.0, length as f64) as usize;
        first..((high.ceil() + 2.0).clamp(0.0, length as f64) as usize).max(first)
    };
    let (columns, rows) = (along(x0, x1, size[0]), along(y0, y1, size[1]));
    if columns.is_empty() || rows.is_empty() {
        return Err(TaskError::Failed("the line of the cut lies beside the cube; draw it on the image".into()));
    }
    let channels = world.channels();
    let arcsec = world.wcs.as_ref().and_then(|wcs| Some(wcs.sky(&middle(recipe.ends))?.pixel_scale_arcsec));
    let keywords = store.with_header(id, recipe.of.hdu, |header| cut_keywords(header, world, cut.step, arcsec))?;
    let mut made = Made {
        values: Array2::from_elem((channels, cut.rows.len()), f32::NAN),
        errors: None,
        unit: world.unit.clone(),
        keywords,
    };
    let mut errors = world.error.map(|_| made.values.clone());
    let step = (VALUES_AT_ONCE / (rows.len() * columns.len())).clamp(1, channels.max(1));
    for first in (0..channels).step_by(step) {
        progress.check()?;
        let part = first..(first + step).min(channels);
        let boxes = [part.clone(), rows.clone(), columns.clone()];
        let origin = [columns.start, rows.start];
        let values = read(store, id, recipe.of.hdu, world, recipe.plane, boxes.clone())?;
        for (channel, image) in part.clone().zip(values.outer_iter()) {
            let sampled = cut.sample(&image, origin);
            made.values.row_mut(channel).assign(&ndarray::Array1::from(sampled));
        }
        if let (Some((hdu, kind)), Some(errors)) = (world.error, &mut errors) {
            let sigma = to_sigma(read(store, id, hdu, world, recipe.plane, boxes)?, kind);
            for ((channel, image), sigma) in part.clone().zip(values.outer_iter()).zip(sigma.outer_iter()) {
                let sampled = cut.sample_error(&image, &sigma, origin);
                errors.row_mut(channel).assign(&ndarray::Array1::from(sampled));
            }
        }
        progress.fraction(part.end as f64 / channels as f64);
        progress.update(|| made.clone());
    }
    made.errors = errors;
    Ok(made)
}

fn middle([a, b]: [[f64; 2]; 2]) -> [f64; 2] {
    [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])]
}

/// Offset along the line, and the spectral axis of the cube.
fn cut_keywords(header: &Header, world: &World, step: f64, arcsec: Option<f64>) -> Vec<Keyword> {
    let (size, unit) = arcsec.map_or((step, "pixel"), |arcsec| (step * arcsec, "arcsec"));
    let mut keywords = vec![
        Keyword::new("WCSAXES", 2, ""),
        Keyword::new("CTYPE1", "OFFSET", "along the line of the cut"),
        Keyword::new("CUNIT1", unit, ""),
        Keyword::new("CRPIX1", 1.0, ""),
        Keyword::new("CRVAL1", 0.0, ""),
        Keyword::new("CDELT1", size, ""),
    ];
    let number = world.channel_axis().map_or(3, |axis| axis + 3);
    let copied = |name: &str| header.card(&format!("{name}{number}"))?.value.clone();
    let matrix = copied(&format!("CD{number}_")).or_else(|| copied("CDELT"));
    let known = world.wcs.as_ref().and_then(|wcs: &std::sync::Arc<Wcs>| wcs.axes().get(number - 1).cloned());
    let kind = known.map(|axis| (axis.ctype, axis.unit));
    let values = [
        ("CTYPE2", kind.as_ref().map(|k| Value::Text(k.0.clone()))),
        ("CUNIT2", kind.map(|k| Value::Text(k.1)).or_else(|| copied("CUNIT"))),
        ("CRPIX2", copied("CRPIX")),
        ("CRVAL2", copied("CRVAL")),
        ("CDELT2", matrix),
    ];
    let given = values.into_iter().filter_map(|(name, value)| Some(Keyword::new(name, value?, "")));
    keywords.extend(given);
    for name in ["RESTFRQ", "RESTFREQ", "RESTWAV", "SPECSYS"] {
        if let Some(value) = header.card(name).and_then(|card| card.value.clone()) {
            keywords.push(Keyword::new(name, value, ""));
        }
    }
    keywords
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::world::Place;

    /// A line whose place moves with x and whose strength grows with y, on a slanted continuum, at 5000, 5002, ... Angstrom.
    fn cube(store: &Store) -> (Place, World) {
        let value = |z: usize, y: usize, x: usize| {
            let wave = 2.0 * z as f64;
            let line = (10.0 + y as f64) * (-0.5 * ((wave - 100.0 - x as f64) / 4.0).powi(2)).exp();
            (3.0 + 0.02 * wave + line) as f32
        };
        let pixels = Array3::from_shape_fn((100, 6, 9), |(z, y, x)| value(z, y, x)).into_dyn();
        let keywords = [
            Keyword::new("CTYPE1", "RA---TAN", ""),
            Keyword::new("CTYPE2", "DEC--TAN", ""),
            Keyword::new("CTYPE3", "AWAV", ""),
            Keyword::new("CUNIT3", "Angstrom", ""),
            Keyword::new("CRVAL1", 10.0, ""),
            Keyword::new("CRVAL3", 5000.0, ""),
            Keyword::new("CRPIX3", 1.0, ""),
            Keyword::new("CDELT1", -1e-4, ""),
            Keyword::new("CDELT2", 1e-4, ""),
            Keyword::new("CDELT3", 2.0, ""),
        ];
        let id = store.insert_with("cube", pixels, "erg/s/Angstrom", &keywords).unwrap();
        let place = Place { result: Some(id), ..Place::default() };
        let world = World::read(store, &place).unwrap();
        (place, world)
    }

    #[test]
    fn a_collapsed_line_is_what_it_was_made_of() {
        let store = Store::new(1 << 22);
        let (of, world) = cube(&store);
        let mut recipe = CollapseRecipe {
            of,
            line: [40, 64],
            sides: Some([Some([5, 30]), Some([75, 99])]),
            ..CollapseRecipe::default()
        };
        let progress = Progress::silent();
        let integral = collapse_cube(&store, &world, &recipe, &progress).unwrap();
        assert_eq!(integral.unit, "erg/s");
        let sky = Wcs::from_header(&{
            let id = store.insert_with("map", integral.values.clone().into_dyn(), "", &integral.keywords).unwrap();
            store.with_header(id, 0, Clone::clone).unwrap()
        });
        assert_eq!(sky.unwrap().unwrap().axes().len(), 2);
        recipe.what = Collapse::Centroid;
        let centroid = collapse_cube(&store, &world, &recipe, &progress).unwrap();
        assert_eq!(centroid.unit, "Angstrom");
        for ((y, x), value) in integral.values.indexed_iter() {
            let expected = (10.0 + y as f64) * 4.0 * std::f64::consts::TAU.sqrt();
            assert!((f64::from(*value) / expected - 1.0).abs() < 1e-4, "{y} {x} {value} {expected}");
            let place = f64::from(centroid.values[[y, x]]);
            assert!((place - 5100.0 - x as f64).abs() < 0.01, "{y} {x} {place}");
        }
        recipe.line = [200, 210];
        assert!(collapse_cube(&store, &world, &recipe, &progress).is_err());
    }

    #[test]
    fn a_cut_has_offset_and_wavelength() {
        let store = Store::new(1 << 22);
        let (of, world) = cube(&store);
        let recipe = CutRecipe { of, ends: [[1.0, 2.0], [7.0, 2.0]], width: 3.0, ..CutRecipe::default() };
        let made = cut_cube(&store, &world, &recipe, &Progress::silent()).unwrap();
        assert_eq!(made.values.dim(), (100, 7));
        // In every column the line peaks at the wavelength of its x.
        for (step, column) in made.values.columns().into_iter().enumerate() {
            let peak = (0..100).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap();
            assert!((2.0 * peak as f64 - 101.0 - step as f64).abs() <= 1.0, "{step} {peak}");
        }
        let id = store.insert_with("cut", made.values.into_dyn(), "", &made.keywords).unwrap();
        let wcs = store.with_header(id, 0, |h| Wcs::from_header(h).unwrap().unwrap()).unwrap();
        let world = wcs.world_from_pixel(&[3.0, 50.0]).unwrap();
        assert!((world[0] - 3.0 * 0.36).abs() < 1e-6, "{world:?}");
        assert!((world[1] - 5100.0).abs() < 1e-6, "{world:?}");
        assert_eq!(wcs.axes()[1].name, "AWAV");
    }
}
