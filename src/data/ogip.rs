//! X-ray spectra and responses: PHA, ARF and RMF (OGIP/92-007 and CAL/GEN/92-002, 92-002a).

use super::{DataError, FitsColumn, FitsFile, Problem, Result, Values};

/// A spectrum of counts in channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Pha {
    /// Channel numbers as in the file.
    pub channels: Vec<i64>,
    /// Counts in each channel; of a file of rates (HDUCLAS3 = RATE) counts per second.
    pub counts: Vec<f64>,
    /// True when `counts` are rates.
    pub is_rate: bool,
    /// STAT_ERR, one standard deviation; `None` where Poisson errors are meant.
    pub error: Option<Vec<f64>>,
    /// QUALITY: 0 is good.
    pub quality: Vec<i64>,
    /// GROUPING: 1 begins a group, -1 continues it, 0 stands alone.
    pub grouping: Vec<i64>,
    /// EXPOSURE in seconds.
    pub exposure_s: Option<f64>,
    /// BACKSCAL, one value a channel or one for all.
    pub background_scale: Vec<f64>,
    /// AREASCAL, one value a channel or one for all.
    pub area_scale: Vec<f64>,
    /// BACKFILE; `None` for "none".
    pub background_file: Option<String>,
    /// RESPFILE.
    pub response_file: Option<String>,
    /// ANCRFILE.
    pub ancillary_file: Option<String>,
}

/// Effective area.
#[derive(Debug, Clone, PartialEq)]
pub struct Arf {
    /// Lower edges of the energy bins in keV.
    pub energy_low_kev: Vec<f64>,
    /// Upper edges.
    pub energy_high_kev: Vec<f64>,
    /// SPECRESP in cm^2.
    pub area_cm2: Vec<f64>,
}

/// Redistribution of energies over channels, kept as the groups of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Rmf {
    /// Lower edges of the energy bins in keV, `[energy]`.
    pub energy_low_kev: Vec<f64>,
    /// Upper edges.
    pub energy_high_kev: Vec<f64>,
    /// Lower nominal energy of each channel in keV, `[channel]`.
    pub channel_low_kev: Vec<f64>,
    /// Upper nominal energy.
    pub channel_high_kev: Vec<f64>,
    /// Number of the first channel.
    pub first_channel: i64,
    /// Groups in the order of the energies.
    groups: Vec<Group>,
    /// Their values, one group after the other.
    values: Vec<f64>,
}

/// A stretch of neighbouring channels that an energy reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    energy: usize,
    /// First channel, 0-based.
    channel: usize,
    /// Where its values begin, and how many there are.
    start: usize,
    length: usize,
}

/// The HDU of one of these kinds: by HDUCLAS1 and 2, else by EXTNAME.
fn find(file: &FitsFile, class: &str, second: &[&str], names: &[&str]) -> Result<usize> {
    let word = |hdu: &super::Hdu, keyword: &str| {
        hdu.header.get_str(keyword).map(|text| text.trim().to_ascii_uppercase()).unwrap_or_default()
    };
    let is_table = |hdu: &&super::Hdu| hdu.kind_name() == "binary_table" || hdu.kind_name() == "ascii_table";
    let by_class = file.hdus().iter().filter(is_table).find(|hdu| {
        word(hdu, "HDUCLAS1") == class && (second.is_empty() || second.contains(&word(hdu, "HDUCLAS2").as_str()))
    });
    let by_name = || {
        let named = |hdu: &&super::Hdu| names.iter().any(|name| hdu.name.eq_ignore_ascii_case(name));
        file.hdus().iter().filter(is_table).find(named)
    };
    by_class.or_else(by_name).map(|hdu| hdu.index).ok_or_else(|| {
        let have = file.hdus().iter().map(|hdu| format!("{} {}", hdu.index, hdu.name)).collect::<Vec<_>>().join("; ");
        DataError::new(file.path(), Problem::NoHdu { wanted: names.join(" or "), have })
    })
}

fn odd(file: &FitsFile, hdu: usize, what: impl Into<String>) -> DataError {
    let cure = "it does not follow OGIP/92-007 or 92-002; fetch the file again".to_owned();
    DataError::new(file.path(), Problem::Shape { hdu, what: what.into(), cure })
}

fn floats(file: &FitsFile, hdu: usize, name: &str) -> Result<Vec<f64>> {
    let column = file.read_column(hdu, name)?;
    column.floats().ok_or_else(|| odd(file, hdu, format!("column {name} holds no numbers")))
}

/// A column, else the keyword of the same name for every row, else a default.
fn column_or_keyword(file: &FitsFile, hdu: usize, name: &str, rows: usize, default: f64) -> Result<Vec<f64>> {
    if file.find_column(hdu, name).is_ok() {
        return floats(file, hdu, name);
    }
    Ok(vec![file.hdu(hdu)?.header.get_f64(name).unwrap_or(default); rows])
}

impl Pha {
    /// Reads the spectrum of a PHA file (type I).
    ///
    /// # Errors
    /// No spectrum, several (type II), columns that are missing, or unreadable.
    pub fn read(file: &FitsFile) -> Result<Self> {
        let hdu = find(file, "SPECTRUM", &[], &["SPECTRUM"])?;
        let header = &file.hdu(hdu)?.header;
        let channel = file.read_column(hdu, "CHANNEL")?;
        if !channel.shape.is_empty() || channel.ends.is_some() {
            return Err(odd(file, hdu, "it holds several spectra (type II), which are not read"));
        }
        let is_rate = file.find_column(hdu, "COUNTS").is_err();
        let counts = floats(file, hdu, if is_rate { "RATE" } else { "COUNTS" })?;
        let rows = counts.len();
        let channels = channel.floats().map(|c| c.iter().map(|&n| n as i64).collect()).unwrap_or_default();
        let poisson = header.get_bool("POISSERR") == Some(true);
        let has_error = !poisson && file.find_column(hdu, "STAT_ERR").is_ok();
        let flags = |name: &str| -> Result<Vec<i64>> {
            Ok(column_or_keyword(file, hdu, name, rows, 0.0)?.iter().map(|&n| n as i64).collect())
        };
        let name = |keyword: &str| {
            let text = header.get_str(keyword).map(str::trim).unwrap_or_default();
            Some(text.to_owned()).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("none"))
        };
        Ok(Self {
            channels,
            is_rate,
            error: has_error.then(|| floats(file, hdu, "STAT_ERR")).transpose()?,
            quality: flags("QUALITY")?,
            grouping: flags("GROUPING")?,
            exposure_s: header.get_f64("EXPOSURE"),
            background_scale: column_or_keyword(file, hdu, "BACKSCAL", 1, 1.0)?,
            area_scale: column_or_keyword(file, hdu, "AREASCAL", 1, 1.0)?,
            background_file: name("BACKFILE"),
            response_file: name("RESPFILE"),
            ancillary_file: name("ANCRFILE"),
            counts,
        })
    }
}

impl Arf {
    /// Reads an effective area.
    ///
    /// # Errors
    /// No effective area, or unreadable.
    pub fn read(file: &FitsFile) -> Result<Self> {
        let hdu = find(file, "RESPONSE", &["SPECRESP"], &["SPECRESP"])?;
        Ok(Self {
            energy_low_kev: floats(file, hdu, "ENERG_LO")?,
            energy_high_kev: floats(file, hdu, "ENERG_HI")?,
            area_cm2: floats(file, hdu, "SPECRESP")?,
        })
    }
}

impl Rmf {
    /// Reads a redistribution matrix.
    ///
    /// # Errors
    /// No matrix or channel energies, groups that do not fit the channels, or unreadable.
    pub fn read(file: &FitsFile) -> Result<Self> {
        let bounds = find(file, "RESPONSE", &["EBOUNDS"], &["EBOUNDS"])?;
        let channel_low_kev = floats(file, bounds, "E_MIN")?;
        let channel_high_kev = floats(file, bounds, "E_MAX")?;
        let hdu = find(file, "RESPONSE", &["RSP_MATRIX"], &["MATRIX", "SPECRESP MATRIX"])?;
        let header = &file.hdu(hdu)?.header;
        let wanted = ["N_GRP", "F_CHAN", "N_CHAN", "MATRIX"];
        let indices = wanted.iter().map(|name| file.find_column(hdu, name)).collect::<Result<Vec<_>>>()?;
        // TLMINn of F_CHAN says how channels are counted; without it from 1 (CAL/GEN/92-002).
        let first_channel = indices
            .get(1)
            .and_then(|index| header.get_i64(&format!("TLMIN{}", index + 1)))
            .or_else(|| file.read_column_rows(bounds, "CHANNEL", 0..1).ok()?.integers()?.first().copied())
            .unwrap_or(1);
        let table = file.read_columns(hdu, &indices, 0..usize::MAX)?;
        let [group_count, first, length, matrix] = table.columns.as_slice() else {
            return Err(odd(file, hdu, "its columns cannot be read"));
        };
        let mut rmf = Self {
            energy_low_kev: floats(file, hdu, "ENERG_LO")?,
            energy_high_kev: floats(file, hdu, "ENERG_HI")?,
            channel_low_kev,
            channel_high_kev,
            first_channel,
            groups: Vec::new(),
            values: Vec::new(),
        };
        for energy in 0..table.rows {
            rmf.add_row(energy, [group_count, first, length], matrix)
                .ok_or_else(|| odd(file, hdu, format!("the groups of row {} do not fit the channels", energy + 1)))?;
        }
        Ok(rmf)
    }

    /// Takes the groups of one energy; `None` if they do not fit.
    fn add_row(&mut self, energy: usize, counts: [&FitsColumn; 3], matrix: &FitsColumn) -> Option<()> {
        let integers = |column: &FitsColumn| -> Option<Vec<i64>> {
            let cell = column.cell(energy);
            Some(column.integers()?.get(cell)?.to_vec())
        };
        let [groups, first, length] = counts.map(integers);
        let (groups, first, length) = (groups?, first?, length?);
        let Values::Float(all) = &matrix.values else { return None };
        let mut values = all.get(matrix.cell(energy))?;
        for group in 0..usize::try_from(*groups.first()?).ok()? {
            let channel = usize::try_from(first.get(group)?.checked_sub(self.first_channel)?).ok()?;
            let length = usize::try_from(*length.get(group)?).ok()?;
            if channel.checked_add(length)? > self.channel_low_kev.len() {
                return None;
            }
            let (own, rest) = values.split_at_checked(length)?;
            self.groups.push(Group { energy, channel, start: self.values.len(), length });
            self.values.extend_from_slice(own);
            values = rest;
        }
        Some(())
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channel_low_kev.len()
    }

    /// Number of energy bins.
    pub fn energies(&self) -> usize {
        self.energy_low_kev.len()
    }

    /// What a spectrum of `[energy]` becomes in the channels: `out[channel] = sum over energy of R[energy, channel] *
    /// model[energy]`. Energies that the model lacks count as 0.
    pub fn fold(&self, model: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.channels()];
        for group in &self.groups {
            let flux = model.get(group.energy).copied().unwrap_or(0.0);
            let Some(values) = self.values.get(group.start..group.start + group.length) else { continue };
            let Some(channels) = out.get_mut(group.channel..group.channel + group.length) else { continue };
            channels.iter_mut().zip(values).for_each(|(channel, value)| *channel += flux * value);
        }
        out
    }

    /// The other way: `out[energy] = sum over channel of R[energy, channel] * weight[channel]`.
    pub fn fold_back(&self, weights: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.energies()];
        for group in &self.groups {
            let Some(values) = self.values.get(group.start..group.start + group.length) else { continue };
            let Some(weights) = weights.get(group.channel..group.channel + group.length) else { continue };
            let sum: f64 = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
            if let Some(energy) = out.get_mut(group.energy) {
                *energy += sum;
            }
        }
        out
    }

    /// Numbers that are stored.
    pub fn stored(&self) -> usize {
        self.values.len()
    }
}
