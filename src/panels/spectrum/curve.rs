//! One curve of a spectrum view, computed in a query: values over an axis in the unit that is shown, with their error.

use std::path::Path;
use std::sync::Arc;

use crate::data::ogip::{Pha, Rmf};
use crate::data::spectra::{AxisKind, SpectralAxis, find_spectra, read_spectrum};
use crate::data::spectral_units::{SpectralScale, SpectralUnit};
use crate::data::{ErrorKind, FitsFile, Store, typeset_unit};
use crate::numerics::statistics::sturdy_range;
use crate::panels::world::{Place, World};
use crate::tasks::TaskError;
use crate::workers::Weigh;

/// How a curve is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// Unit of the axis.
    pub unit: SpectralUnit,
    /// Rest wavelength in metres.
    pub rest_m: Option<f64>,
    /// With the error of one sigma.
    pub band: bool,
}

/// A curve, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// `[x, y]` in the order of the channels.
    pub points: Vec<[f64; 2]>,
    /// `[x, y - sigma, y + sigma]`; empty when there is no error.
    pub band: Vec<[f64; 3]>,
    /// Name and unit of the x axis.
    pub x: (String, String),
    /// Name and unit of the values.
    pub y: (String, String),
    /// Units of x and of the values as FITS writes them.
    pub fits_units: [String; 2],
    /// The unit that it is shown in.
    pub unit: SpectralUnit,
    /// Units that it could be shown in.
    pub units: Vec<(SpectralUnit, String)>,
    /// y from robust numbers, and from all of them.
    pub sturdy: Option<[f64; 2]>,
    /// y from all values.
    pub full: Option<[f64; 2]>,
    /// Rest wavelength of the file in metres.
    pub header_rest_m: Option<f64>,
    /// Rest wavelengths have a use here: the axis is a wavelength, a frequency, or needs one.
    pub takes_rest: bool,
    /// An error belongs to it.
    pub has_error: bool,
    /// How its axis converts, and the rest wavelength that velocities are counted from, in metres.
    pub scale: Option<(SpectralScale, Option<f64>)>,
}

impl Weigh for Curve {
    fn bytes(&self) -> usize {
        self.points.len() * 16 + self.band.len() * 24 + 512 + size_of::<Self>()
    }
}

/// What a curve is made of.
#[derive(Clone)]
pub(super) struct Raw {
    pub axis: Option<Vec<f64>>,
    pub scale: Option<SpectralScale>,
    pub values: Vec<f64>,
    pub sigma: Option<Vec<f64>>,
    pub unit: String,
    pub name: &'static str,
    pub has_error: bool,
}

impl Curve {
    /// The spectrum at a pixel `[x, y]` of a cube, along its channels; `plane` gives the place on its other axes.
    pub fn of_cube(
        store: &Store,
        place: &Place,
        world: &Arc<World>,
        pixel: [usize; 2],
        plane: usize,
        shown: Shown,
    ) -> Result<Self, TaskError> {
        let id = place.open(store)?;
        let values = along(store, id, place, place.hdu, world, pixel, plane)?;
        let sigma = match world.error.filter(|_| shown.band) {
            Some((hdu, kind)) => {
                let errors = along(store, id, place, hdu, world, pixel, plane)?;
                Some(errors.into_iter().map(|e| kind.sigma(e)).collect())
            }
            None => None,
        };
        let slice = world.channel_axis().and_then(|axis| world.slices.get(axis));
        let raw = Raw {
            axis: slice.and_then(|s| s.values.clone()),
            scale: slice.and_then(|s| s.scale.clone()),
            values,
            sigma,
            unit: world.unit.clone(),
            name: "Value",
            has_error: world.error.is_some(),
        };
        Ok(raw.curve(shown))
    }

    /// A spectrum that a file holds by itself.
    pub fn of_file(store: &Store, place: &Place, number: usize, shown: Shown) -> Result<Self, TaskError> {
        let file = store.file(place.open(store)?)?;
        let found = find_spectra(&file).into_iter().find(|p| p.hdu == place.hdu);
        let raw = match found {
            Some(found) => {
                let spectrum = read_spectrum(&file, &found, number)?;
                let scale = SpectralScale::of_spectrum(&spectrum.axis, None);
                let named = spectrum.axis.kind != AxisKind::Pixel;
                Raw {
                    axis: named.then_some(spectrum.axis.values),
                    scale: named.then_some(scale),
                    has_error: spectrum.error.is_some(),
                    sigma: spectrum.error.filter(|_| shown.band),
                    values: spectrum.flux,
                    unit: spectrum.unit.unwrap_or_default(),
                    name: "Flux",
                }
            }
            None => counts(&file, shown)?,
        };
        Ok(raw.curve(shown))
    }

    /// The channel whose x is nearest.
    pub fn channel_at(&self, x: f64) -> Option<usize> {
        let distance = |i: &usize| self.points.get(*i).map_or(f64::INFINITY, |p| (p[0] - x).abs());
        let finite = (0..self.points.len()).filter(|i| distance(i).is_finite());
        finite.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The range of x.
    pub fn x_range(&self) -> Option<[f64; 2]> {
        range(self.points.iter().map(|p| p[0]))
    }
}

impl Raw {
    pub fn curve(self, shown: Shown) -> Curve {
        let scale = self.scale.as_ref().filter(|_| self.axis.is_some());
        let header_rest_m = scale.and_then(|s| s.rest_m);
        let rest_m = shown.rest_m.or(header_rest_m);
        let options = scale.map_or_else(|| vec![SpectralUnit::Channel], |s| s.options(rest_m.is_some()));
        let unit = if options.contains(&shown.unit) { shown.unit } else { options[0] };
        let x = |channel: usize| match (&self.axis, scale) {
            (Some(axis), Some(scale)) => {
                let value = axis.get(channel).copied().unwrap_or(f64::NAN);
                scale.convert(value, channel as f64, unit, rest_m)
            }
            _ => channel as f64 + 1.0,
        };
        let points: Vec<[f64; 2]> = self.values.iter().enumerate().map(|(i, v)| [x(i), *v]).collect();
        let band = self
            .sigma
            .as_ref()
            .map_or_else(Vec::new, |sigma| points.iter().zip(sigma).map(|(p, s)| [p[0], p[1] - s, p[1] + s]).collect());
        let named = |unit: SpectralUnit| match scale {
            Some(scale) => (unit, name_of(scale, unit)),
            None => (unit, "channel".to_owned()),
        };
        let label = scale.map_or_else(|| "Channel".to_owned(), |s| s.label_in(unit));
        let written = scale.map_or_else(String::new, |s| s.unit_in(unit).to_owned());
        Curve {
            sturdy: sturdy_range(&self.values),
            full: range(self.values.iter().copied()),
            x: (label, written),
            y: (self.name.to_owned(), typeset_unit(&self.unit)),
            fits_units: [scale.map_or_else(String::new, |s| s.fits_unit_in(unit).to_owned()), self.unit.clone()],
            unit,
            units: options.into_iter().map(named).collect(),
            header_rest_m,
            takes_rest: scale.is_some_and(|s| s.options(true).len() > s.options(false).len()),
            has_error: self.has_error,
            scale: scale.map(|s| (s.clone(), rest_m)),
            points,
            band,
        }
    }
}

/// A unit in the menu.
fn name_of(scale: &SpectralScale, unit: SpectralUnit) -> String {
    match unit {
        SpectralUnit::Header if scale.unit.is_empty() => "as in the header".into(),
        SpectralUnit::Header => format!("{} (header)", scale.unit_in(unit)),
        SpectralUnit::Channel => "channel".into(),
        SpectralUnit::OtherAngstrom if scale.label_in(unit).contains("vacuum") => "Å in vacuum".into(),
        SpectralUnit::OtherAngstrom => "Å in air".into(),
        SpectralUnit::OpticalVelocity => "km/s, optical".into(),
        SpectralUnit::RadioVelocity => "km/s, radio".into(),
        _ => scale.unit_in(unit).into(),
    }
}

fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    values.filter(|v| v.is_finite()).for_each(|v| range = [range[0].min(v), range[1].max(v)]);
    (range[0] <= range[1]).then_some(range)
}

/// Values of a cube along its channels at a pixel.
fn along(
    store: &Store,
    id: crate::data::DataId,
    place: &Place,
    hdu: usize,
    world: &World,
    [x, y]: [usize; 2],
    plane: usize,
) -> Result<Vec<f64>, TaskError> {
    let indices = world.indices(plane);
    let channels = world.channel_axis();
    let elsewhere = indices.iter().enumerate().any(|(i, at)| Some(i) != channels && *at > 0);
    if !elsewhere || place.result.is_some() {
        return Ok(store.spectrum(id, hdu, y, x)?.iter().map(|v| f64::from(*v)).collect());
    }
    // Another Stokes parameter: the store remembers spectra of the first only.
    let mut ranges: Vec<std::ops::Range<usize>> = indices
        .iter()
        .enumerate()
        .map(|(i, at)| if Some(i) == channels { 0..world.slices[i].length } else { *at..at + 1 })
        .collect();
    ranges.reverse();
    ranges.extend([y..y + 1, x..x + 1]);
    Ok(store.file(id)?.read_box::<f64>(hdu, &ranges)?.into_iter().collect())
}

/// Counts of an X-ray spectrum (OGIP PHA), over energy where the response lies beside it.
fn counts(file: &FitsFile, shown: Shown) -> Result<Raw, TaskError> {
    let pha = Pha::read(file)?;
    let energies = pha.response_file.as_ref().and_then(|name| energies(&file.path().with_file_name(name), &pha));
    let axis = energies.map(|values| SpectralAxis { values, unit: Some("keV".into()), kind: AxisKind::Energy });
    Ok(Raw {
        scale: axis.as_ref().map(|a| SpectralScale::of_spectrum(a, None)),
        axis: axis.map(|a| a.values),
        values: pha.counts,
        has_error: pha.error.is_some(),
        sigma: pha.error.filter(|_| shown.band).map(|e| e.into_iter().map(|s| ErrorKind::Sigma.sigma(s)).collect()),
        unit: if pha.is_rate { "count/s" } else { "count" }.into(),
        name: "Counts in a channel",
    })
}

/// Middle energy of every channel, in keV; `None` without a response that fits.
fn energies(response: &Path, pha: &Pha) -> Option<Vec<f64>> {
    let rmf = Rmf::read(&FitsFile::open(response).ok()?).ok()?;
    let middle = |channel: &i64| {
        let at = usize::try_from(channel - rmf.first_channel).ok()?;
        Some(0.5 * (rmf.channel_low_kev.get(at)? + rmf.channel_high_kev.get(at)?))
    };
    pha.channels.iter().map(middle).collect()
}
