//! The tables of the comparison, and back.

use serde::de::DeserializeOwned;

use super::case::Case;
use super::contest::{Answer, judged};
use super::track::TrackPoint;
use super::{Contestant, LensSet, level_name};
use crate::data::{ColumnData, Table, TableColumn};
use crate::studies::lens_reconstruction::rim::prior::NoiseRegime;

/// One method on one lens.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodRow {
    /// Where the lens comes from.
    pub set: LensSet,
    /// Noise level.
    pub level: NoiseRegime,
    /// Number of the lens in its set, from 0.
    pub lens: usize,
    /// Who says it.
    pub method: Contestant,
    /// It found nothing, and says what the null says.
    pub failed: bool,
    /// Noise of a pixel, the peak of the source being 1.
    pub noise_sigma: f64,
    /// Full width at half maximum of the PSF (arcsec).
    pub psf_fwhm_arcsec: f64,
    /// `|s - s_true| / |s_true|`.
    pub source_rms_relative: f64,
    /// Root mean square of `log10` of convergence over truth between 0.5 and 1.5 Einstein radii.
    pub convergence_rms_dex: f64,
    /// Correlation of both logarithms there, less their best elliptical power laws.
    pub structure_correlation: f64,
    /// `|radius - true radius| / true radius`.
    pub einstein_radius_error: f64,
    /// `chi2` a pixel in the arcs.
    pub arc_chi2: f64,
    /// Pixels of the arcs: the true image is above three times the noise.
    pub arc_pixels: f64,
    /// `chi2` a pixel of the noise beside the arcs.
    pub blank_sky_chi2: f64,
    /// Seconds of the method alone.
    pub seconds: f64,
    /// Seconds of the fits that it begins from.
    pub seconds_before: f64,
    /// Evaluations of its gradient.
    pub gradients: f64,
    /// Threads that it had.
    pub threads: f64,
    /// What went wrong, what lies outside of the network's training, what the lens is made of.
    pub remark: String,
}

impl MethodRow {
    /// What a method's answer is worth.
    pub(super) fn of(case: &Case, method: Contestant, answer: &Answer, threads: usize) -> Self {
        let metrics = judged(case, &answer.source, &answer.convergence);
        let get = |name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
        let (arc_chi2, arc_pixels) = case.arc_chi2(&answer.model);
        let remarks = [case.remark.as_str(), answer.remark.as_str()];
        Self {
            set: case.set,
            level: case.level,
            lens: case.lens,
            method,
            failed: answer.failed,
            noise_sigma: case.noise_sigma(),
            psf_fwhm_arcsec: case.psf_fwhm_arcsec,
            source_rms_relative: get("source_rms_relative"),
            convergence_rms_dex: get("convergence_rms_dex"),
            structure_correlation: get("structure_correlation"),
            einstein_radius_error: get("einstein_radius_error"),
            arc_chi2,
            arc_pixels: arc_pixels as f64,
            blank_sky_chi2: case.blank_sky_chi2(),
            seconds: answer.seconds,
            seconds_before: answer.seconds_before,
            gradients: answer.gradients as f64,
            threads: threads as f64,
            remark: remarks.into_iter().filter(|r| !r.is_empty()).collect::<Vec<_>>().join("; "),
        }
    }

    fn empty() -> Self {
        Self {
            set: LensSet::Substructure,
            level: NoiseRegime::Low,
            lens: 0,
            method: Contestant::Null,
            failed: false,
            noise_sigma: f64::NAN,
            psf_fwhm_arcsec: f64::NAN,
            source_rms_relative: f64::NAN,
            convergence_rms_dex: f64::NAN,
            structure_correlation: f64::NAN,
            einstein_radius_error: f64::NAN,
            arc_chi2: f64::NAN,
            arc_pixels: f64::NAN,
            blank_sky_chi2: f64::NAN,
            seconds: f64::NAN,
            seconds_before: f64::NAN,
            gradients: f64::NAN,
            threads: f64::NAN,
            remark: String::new(),
        }
    }
}

/// Errors of a method that goes step by step, after so many seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackRow {
    /// Where the lens comes from.
    pub set: LensSet,
    /// Noise level.
    pub level: NoiseRegime,
    /// Number of the lens in its set, from 0.
    pub lens: usize,
    /// Who says it.
    pub method: Contestant,
    /// Its step; 0 for what it begins from.
    pub step: f64,
    /// Seconds since the image was there, the fits before included.
    pub seconds: f64,
    /// As in [`MethodRow`].
    pub convergence_rms_dex: f64,
    /// As in [`MethodRow`].
    pub source_rms_relative: f64,
}

impl TrackRow {
    pub(super) fn of(row: &MethodRow, point: TrackPoint) -> Self {
        Self {
            set: row.set,
            level: row.level,
            lens: row.lens,
            method: row.method,
            step: point.step as f64,
            seconds: point.seconds,
            convergence_rms_dex: point.convergence_rms_dex,
            source_rms_relative: point.source_rms_relative,
        }
    }
}

/// Name, unit, what it is, and where it stands in a row.
type Column<R> = (&'static str, &'static str, &'static str, fn(&mut R) -> &mut f64);

const NUMBERS: [Column<MethodRow>; 13] = [
    ("noise_sigma", "", "noise of a pixel; the peak of the source is 1", |r| &mut r.noise_sigma),
    ("psf_fwhm_arcsec", "arcsec", "", |r| &mut r.psf_fwhm_arcsec),
    ("source_rms_relative", "", "|s - true s| / |true s|", |r| &mut r.source_rms_relative),
    ("convergence_rms_dex", "", "of log10 convergence, 0.5 to 1.5 Einstein radii", |r| &mut r.convergence_rms_dex),
    ("structure_correlation", "", "there, without the best elliptical power laws", |r| &mut r.structure_correlation),
    ("einstein_radius_error", "", "relative", |r| &mut r.einstein_radius_error),
    ("arc_chi2", "", "chi2 a pixel where the true image is above 3 sigma", |r| &mut r.arc_chi2),
    ("arc_pixels", "", "", |r| &mut r.arc_pixels),
    ("blank_sky_chi2", "", "chi2 a pixel of the noise beside the arcs", |r| &mut r.blank_sky_chi2),
    ("seconds", "s", "of the method alone", |r| &mut r.seconds),
    ("seconds_before", "s", "of the fits that it begins from", |r| &mut r.seconds_before),
    ("gradients", "", "Jacobians, sources solved, gradients of the likelihood", |r| &mut r.gradients),
    ("threads", "", "that the method had", |r| &mut r.threads),
];

const TRACK_NUMBERS: [Column<TrackRow>; 4] = [
    ("step", "", "0: what the method begins from", |r| &mut r.step),
    ("seconds", "s", "the fits before included, watching left out", |r| &mut r.seconds),
    ("convergence_rms_dex", "", "as in methods.ecsv", |r| &mut r.convergence_rms_dex),
    ("source_rms_relative", "", "as in methods.ecsv", |r| &mut r.source_rms_relative),
];

fn columns<R: Clone>(rows: &[R], numbers: &[Column<R>]) -> Vec<TableColumn> {
    let mut rows = rows.to_vec();
    numbers
        .iter()
        .map(|(name, unit, about, of)| {
            let values: Vec<f64> = rows.iter_mut().map(|row| *of(row)).collect();
            TableColumn::new(name, unit, ColumnData::from(values)).described(about)
        })
        .collect()
}

/// Set, level, lens and method of every row.
fn keys<R>(rows: &[R], of: impl Fn(&R) -> (LensSet, NoiseRegime, usize, Contestant)) -> Vec<TableColumn> {
    let words = |name: &dyn Fn(&R) -> &'static str| {
        ColumnData::from(rows.iter().map(|r| name(r).to_owned()).collect::<Vec<_>>())
    };
    #[allow(clippy::cast_possible_wrap)] // a count of lenses
    let lens: Vec<i64> = rows.iter().map(|r| of(r).2 as i64).collect();
    vec![
        TableColumn::new("set", "", words(&|r| of(r).0.name())),
        TableColumn::new("noise", "", words(&|r| level_name(of(r).1))),
        TableColumn::new("lens", "", ColumnData::from(lens)).described("number in its set, from 0"),
        TableColumn::new("method", "", words(&|r| of(r).3.name())),
    ]
}

/// The word of a column as the value that is written so.
fn read<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn keys_from(table: &Table) -> Option<Vec<(LensSet, NoiseRegime, usize, Contestant)>> {
    let (sets, levels, methods) = (table.words("set")?, table.words("noise")?, table.words("method")?);
    let lenses = table.numbers("lens")?;
    (0..table.rows())
        .map(|k| Some((read(&sets[k])?, read(&levels[k])?, lenses[k].max(0.0) as usize, read(&methods[k])?)))
        .collect()
}

/// The rows as a table.
pub(in super::super) fn rows_table(rows: &[MethodRow]) -> Table {
    let mut all = keys(rows, |r| (r.set, r.level, r.lens, r.method));
    let failed: Vec<i64> = rows.iter().map(|r| i64::from(r.failed)).collect();
    all.push(
        TableColumn::new("failed", "", ColumnData::from(failed)).described("1: found nothing, counts as the null"),
    );
    all.extend(columns(rows, &NUMBERS));
    let remarks: Vec<String> = rows.iter().map(|r| r.remark.clone()).collect();
    all.push(TableColumn::new("remark", "", ColumnData::from(remarks)));
    Table::new(all)
}

/// The rows of such a table.
pub(in super::super) fn rows_from(table: &Table) -> Option<Vec<MethodRow>> {
    let (failed, remarks) = (table.numbers("failed")?, table.words("remark")?);
    let mut rows: Vec<MethodRow> = keys_from(table)?
        .into_iter()
        .enumerate()
        .map(|(k, (set, level, lens, method))| MethodRow {
            set,
            level,
            lens,
            method,
            failed: failed[k] > 0.5,
            remark: remarks[k].clone(),
            ..MethodRow::empty()
        })
        .collect();
    fill(table, &mut rows, &NUMBERS)?;
    Some(rows)
}

fn fill<R>(table: &Table, rows: &mut [R], numbers: &[Column<R>]) -> Option<()> {
    for (name, _, _, of) in numbers {
        for (row, value) in rows.iter_mut().zip(table.numbers(name)?) {
            *of(row) = value;
        }
    }
    Some(())
}

/// Error against seconds as a table.
pub(in super::super) fn tracks_table(tracks: &[TrackRow]) -> Table {
    let mut all = keys(tracks, |r| (r.set, r.level, r.lens, r.method));
    all.extend(columns(tracks, &TRACK_NUMBERS));
    Table::new(all)
}

/// The rows of such a table.
pub(in super::super) fn tracks_from(table: &Table) -> Option<Vec<TrackRow>> {
    let nan = f64::NAN;
    let mut rows: Vec<TrackRow> = keys_from(table)?
        .into_iter()
        .map(|(set, level, lens, method)| TrackRow {
            set,
            level,
            lens,
            method,
            step: nan,
            seconds: nan,
            convergence_rms_dex: nan,
            source_rms_relative: nan,
        })
        .collect();
    fill(table, &mut rows, &TRACK_NUMBERS)?;
    Some(rows)
}

#[cfg(test)]
pub(super) fn row(method: Contestant, lens: usize, convergence_rms_dex: f64) -> MethodRow {
    MethodRow { method, lens, convergence_rms_dex, ..MethodRow::empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut rows = vec![row(Contestant::Null, 0, 0.3), row(Contestant::RimFinetuned, 7, 0.1)];
        for (k, row) in rows.iter_mut().enumerate() {
            for (place, (_, _, _, of)) in NUMBERS.iter().enumerate() {
                *of(row) = (10 * k + place) as f64 + 0.5;
            }
        }
        (rows[1].set, rows[1].level, rows[1].failed) = (LensSet::Structures, NoiseRegime::High, true);
        rows[1].remark = "one, \"two\"".into();
        let text = rows_table(&rows).to_ecsv().unwrap();
        assert_eq!(rows_from(&Table::from_ecsv(&text).unwrap()).unwrap(), rows);
        let point = TrackPoint { seconds: 1.5, step: 3, convergence_rms_dex: 0.2, source_rms_relative: 0.4 };
        let tracks = vec![TrackRow::of(&rows[1], point), TrackRow::of(&rows[0], point)];
        let text = tracks_table(&tracks).to_ecsv().unwrap();
        assert_eq!(tracks_from(&Table::from_ecsv(&text).unwrap()).unwrap(), tracks);
        assert_eq!((tracks[0].seconds, tracks[0].step), (1.5, 3.0));
    }
}
