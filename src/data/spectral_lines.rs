//! Lines that galaxies, nebulae and stars show, with their wavelengths at rest.
//!
//! Sources: `O`, the line list of ORB, the reduction of SITELLE (Martin & Drissen), in air; `S`, the table of the Sloan Digital
//! Sky Survey's spectroscopic pipeline, in vacuum; `N`, NIST Atomic Spectra Database, in vacuum below 2000 Angstrom, else in
//! air; `L`, Lovas, NIST Recommended Rest Frequencies, as frequencies.

use super::spectral_units::LIGHT_SPEED_M_S;

/// What a line is met in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineGroup {
    /// Emission of ionised gas.
    Emission,
    /// Absorption by stars and gas.
    Absorption,
    /// Radio and millimetre lines.
    Radio,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralLine {
    /// Name in the usual writing.
    pub name: &'static str,
    /// What it is met in.
    pub group: LineGroup,
    /// Where its number comes from: see the module.
    pub source: char,
    value: f64,
    medium: Medium,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Medium {
    Air,
    Vacuum,
    /// The value is a frequency in MHz.
    Frequency,
}

impl SpectralLine {
    /// Wavelength at rest in vacuum, in metres.
    pub fn vacuum_m(&self) -> f64 {
        match self.medium {
            Medium::Air => vacuum_from_air(self.value * 1e-10),
            Medium::Vacuum => self.value * 1e-10,
            Medium::Frequency => LIGHT_SPEED_M_S / (self.value * 1e6),
        }
    }
}

/// The wavelength in air of one in vacuum, both in metres: refraction of dry air at 15 degrees (Edlen 1953, J. Opt. Soc. Am.
/// 43, 339), as wcslib and the pipelines of spectrographs take it.
pub fn air_from_vacuum(vacuum_m: f64) -> f64 {
    let wave_number = (1e6 * vacuum_m).powi(-2);
    vacuum_m / (1.0 + 1e-6 * (64.328 + 29_498.1 / (146.0 - wave_number) + 255.4 / (41.0 - wave_number)))
}

/// The wavelength in vacuum of one in air, both in metres: [`air_from_vacuum`] turned round, to the last digits.
pub fn vacuum_from_air(air_m: f64) -> f64 {
    // The refraction changes so slowly that each step gains four digits.
    (0..5).fold(air_m, |vacuum, _| vacuum * air_m / air_from_vacuum(vacuum))
}

/// Every line, by wavelength within each group.
pub const LINES: &[SpectralLine] = &[
    emission("Lyα", 1215.670, Medium::Vacuum, 'N'),
    emission("N V 1239", 1238.821, Medium::Vacuum, 'N'),
    emission("C IV 1548", 1548.187, Medium::Vacuum, 'N'),
    emission("He II 1640", 1640.42, Medium::Vacuum, 'N'),
    emission("C III] 1909", 1908.734, Medium::Vacuum, 'N'),
    emission("Mg II 2796", 2796.352, Medium::Vacuum, 'N'),
    emission("Mg II 2804", 2803.531, Medium::Vacuum, 'N'),
    emission("[O II] 3726", 3726.032, Medium::Air, 'O'),
    emission("[O II] 3729", 3728.815, Medium::Air, 'O'),
    emission("[Ne III] 3869", 3868.76, Medium::Air, 'N'),
    emission("Hδ", 4101.734, Medium::Air, 'N'),
    emission("Hγ", 4340.471, Medium::Air, 'O'),
    emission("[O III] 4363", 4363.209, Medium::Air, 'O'),
    emission("He II 4686", 4685.71, Medium::Air, 'N'),
    emission("Hβ", 4861.333, Medium::Air, 'O'),
    emission("[O III] 4959", 4958.911, Medium::Air, 'O'),
    emission("[O III] 5007", 5006.843, Medium::Air, 'O'),
    emission("He I 5876", 5875.67, Medium::Air, 'O'),
    emission("[O I] 6300", 6300.304, Medium::Air, 'O'),
    emission("[O I] 6364", 6363.776, Medium::Air, 'N'),
    emission("[N II] 6548", 6548.05, Medium::Air, 'O'),
    emission("Hα", 6562.819, Medium::Air, 'O'),
    emission("[N II] 6583", 6583.45, Medium::Air, 'O'),
    emission("He I 6678", 6678.1517, Medium::Air, 'O'),
    emission("[S II] 6716", 6716.440, Medium::Air, 'O'),
    emission("[S II] 6731", 6730.816, Medium::Air, 'O'),
    emission("[S III] 9069", 9068.6, Medium::Air, 'N'),
    emission("[S III] 9531", 9530.6, Medium::Air, 'N'),
    emission("Paβ", 12818.072, Medium::Air, 'N'),
    emission("Paα", 18751.0, Medium::Air, 'N'),
    absorption("Ca II K", 3934.777, Medium::Vacuum, 'S'),
    absorption("Ca II H", 3969.588, Medium::Vacuum, 'S'),
    absorption("G band", 4305.61, Medium::Vacuum, 'S'),
    absorption("Mg b", 5176.63, Medium::Vacuum, 'S'),
    absorption("Na D2", 5889.951, Medium::Air, 'N'),
    absorption("Na D1", 5895.924, Medium::Air, 'N'),
    absorption("Ca II 8498", 8498.02, Medium::Air, 'N'),
    absorption("Ca II 8542", 8542.09, Medium::Air, 'N'),
    absorption("Ca II 8662", 8662.14, Medium::Air, 'N'),
    radio("H I 21 cm", 1_420.405_751_77),
    radio("NH₃ (1,1)", 23_694.495),
    radio("HCN 1-0", 88_631.602),
    radio("HCO⁺ 1-0", 89_188.526),
    radio("¹³CO 1-0", 110_201.354),
    radio("CO 1-0", 115_271.202),
    radio("CO 2-1", 230_538.0),
    radio("CO 3-2", 345_795.99),
    radio("[C I] 1-0", 492_160.651),
    radio("[C II] 158 µm", 1_900_536.9),
];

const fn emission(name: &'static str, value: f64, medium: Medium, source: char) -> SpectralLine {
    SpectralLine { name, group: LineGroup::Emission, source, value, medium }
}

const fn absorption(name: &'static str, value: f64, medium: Medium, source: char) -> SpectralLine {
    SpectralLine { name, group: LineGroup::Absorption, source, value, medium }
}

const fn radio(name: &'static str, mhz: f64) -> SpectralLine {
    SpectralLine { name, group: LineGroup::Radio, source: 'L', value: mhz, medium: Medium::Frequency }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn angstrom(name: &str) -> f64 {
        LINES.iter().find(|l| l.name == name).unwrap().vacuum_m() * 1e10
    }

    /// Vacuum wavelengths of the SDSS table: independent of the ones in air above.
    #[test]
    fn lines_are_where_another_table_has_them() {
        let sdss = [
            ("Hα", 6564.61),
            ("Hβ", 4862.68),
            ("[O III] 5007", 5008.24),
            ("[N II] 6583", 6585.27),
            ("[S II] 6716", 6718.29),
            ("[O II] 3726", 3727.09),
            ("Hγ", 4341.68),
            ("[O I] 6300", 6302.046),
        ];
        for (name, expected) in sdss {
            assert!((angstrom(name) - expected).abs() < 0.06, "{name} {}", angstrom(name));
        }
        // Carbon monoxide at 2.6008 mm.
        assert!((angstrom("CO 1-0") - 2.600_757_6e7).abs() < 2.0);
    }

    #[test]
    fn air_and_vacuum_are_each_others_way_back() {
        for step in 0..100 {
            let vacuum = (2000.0 + 180.0 * f64::from(step)) * 1e-10;
            assert!((vacuum_from_air(air_from_vacuum(vacuum)) / vacuum - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn every_group_ascends_and_no_name_stands_twice() {
        for group in [LineGroup::Emission, LineGroup::Absorption] {
            let all: Vec<f64> = LINES.iter().filter(|l| l.group == group).map(SpectralLine::vacuum_m).collect();
            assert!(all.windows(2).all(|w| w[0] < w[1]), "{all:?}");
        }
        for (i, line) in LINES.iter().enumerate() {
            assert!(LINES[..i].iter().all(|l| l.name != line.name), "{}", line.name);
        }
    }
}
