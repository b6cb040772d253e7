//! Colour maps under their matplotlib names.

use egui::Color32;

use super::colors;

/// Names without `_r` by kind, in menu order.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Uniform", &["viridis", "plasma", "inferno", "magma", "cividis"]),
    (
        "Sequential",
        &[
            "gray",
            "Greys",
            "Purples",
            "Blues",
            "Greens",
            "Oranges",
            "Reds",
            "YlOrBr",
            "YlOrRd",
            "OrRd",
            "PuRd",
            "RdPu",
            "BuPu",
            "GnBu",
            "PuBu",
            "YlGnBu",
            "PuBuGn",
            "BuGn",
            "YlGn",
            "binary",
            "gist_yarg",
            "gist_gray",
            "bone",
            "pink",
            "spring",
            "summer",
            "autumn",
            "winter",
            "cool",
            "Wistia",
            "hot",
            "afmhot",
            "gist_heat",
            "copper",
        ],
    ),
    (
        "Diverging",
        &[
            "PiYG", "PRGn", "BrBG", "PuOr", "RdGy", "RdBu", "RdYlBu", "RdYlGn", "Spectral", "coolwarm", "bwr",
            "seismic", "berlin", "managua", "vanimo",
        ],
    ),
    ("Cyclic", &["twilight", "twilight_shifted", "hsv"]),
    (
        "Other",
        &[
            "cubehelix",
            "turbo",
            "jet",
            "rainbow",
            "ocean",
            "terrain",
            "gist_earth",
            "gist_stern",
            "gnuplot",
            "gnuplot2",
            "CMRmap",
            "brg",
            "gist_rainbow",
            "nipy_spectral",
            "gist_ncar",
            "flag",
            "prism",
        ],
    ),
];

/// Every name without `_r`, in menu order.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, names)| names.iter().copied())
}

/// No colour map has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no colour map is called \"{name}\"; did you mean \"{nearest}\"?")]
pub struct UnknownColorMap {
    /// What was asked for.
    pub name: String,
    /// The most similar name there is.
    pub nearest: String,
}

/// A colour map: 256 opaque colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColorMap {
    name: String,
    table: Vec<Color32>,
}

impl ColorMap {
    /// The map of a matplotlib name; `_r` behind it reverses it. Capitals matter, as in matplotlib.
    pub fn by_name(name: &str) -> Result<Self, UnknownColorMap> {
        let (base, reversed) = match name.strip_suffix("_r") {
            Some(base) => (base, true),
            None => (name, false),
        };
        let Some(mut table) = table(base) else {
            let mut nearest = nearest_name(base);
            if reversed {
                nearest.push_str("_r");
            }
            return Err(UnknownColorMap { name: name.to_owned(), nearest });
        };
        if reversed {
            table.reverse();
        }
        Ok(Self { name: name.to_owned(), table: table.into_iter().map(colors::opaque).collect() })
    }

    /// The map of the name, or gray where there is none: for settings from a file, which the caller has already reported.
    #[must_use]
    pub fn by_name_or_gray(name: &str) -> Self {
        Self::by_name(name).unwrap_or_else(|_| Self {
            name: "gray".to_owned(),
            table: (0..=255u8).map(|v| colors::opaque([v; 3])).collect(),
        })
    }

    /// The name it was asked for by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 256 colours, from low to high.
    #[must_use]
    pub fn table(&self) -> &[Color32] {
        &self.table
    }

    /// The colour at a place in `[0, 1]`, clamped; the last entry covers 1.
    #[must_use]
    pub fn at(&self, place: f64) -> Color32 {
        let last = self.table.len() - 1;
        let index = (place * self.table.len() as f64) as usize; // NaN and negative give 0
        self.table[index.min(last)]
    }

    /// The same map from high to low.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut table = self.table.clone();
        table.reverse();
        let name = match self.name.strip_suffix("_r") {
            Some(base) => base.to_owned(),
            None => format!("{}_r", self.name),
        };
        Self { name, table }
    }
}

fn nearest_name(name: &str) -> String {
    let wanted = name.to_lowercase();
    names()
        .map(|n| (strsim::jaro_winkler(&n.to_lowercase(), &wanted), n))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(|| "gray".to_owned(), |(_, n)| n.to_owned())
}

fn table(name: &str) -> Option<Vec<[u8; 3]>> {
    // ColorBrewer schemes (Brewer, Harrower & Pennsylvania State University), joined by straight lines as in matplotlib.
    let brewer = |anchors: &[u32]| Some(joined(anchors));
    match name {
        "viridis" => Some(sampled(colorous::VIRIDIS)),
        "inferno" => Some(sampled(colorous::INFERNO)),
        "magma" => Some(sampled(colorous::MAGMA)),
        "plasma" => Some(sampled(colorous::PLASMA)),
        "cividis" => Some(joined(&super::color_map_data::CIVIDIS)),
        "turbo" => Some(joined(&super::color_map_data::TURBO)),
        "coolwarm" => Some(joined(&super::color_map_data::COOLWARM)),
        "cubehelix" => Some(cubehelix()),
        "gray" => Some((0..=255).map(|v| [v; 3]).collect()),
        // The piecewise lines of MATLAB's maps of these names, with matplotlib's knots.
        "hot" => Some(piecewise([
            &[(0.0, 0.0416), (0.365_079, 1.0), (1.0, 1.0)],
            &[(0.365_079, 0.0), (0.746_032, 1.0)],
            &[(0.746_032, 0.0), (1.0, 1.0)],
        ])),
        "bone" => Some(piecewise([
            &[(0.0, 0.0), (0.746_032, 0.652_778), (1.0, 1.0)],
            &[(0.0, 0.0), (0.365_079, 0.319_444), (0.746_032, 0.777_778), (1.0, 1.0)],
            &[(0.0, 0.0), (0.365_079, 0.444_444), (1.0, 1.0)],
        ])),
        "bwr" => brewer(&[0x0000ff, 0xffffff, 0xff0000]),
        "seismic" => Some(piecewise([
            &[(0.25, 0.0), (0.5, 1.0), (0.75, 1.0), (1.0, 0.5)],
            &[(0.25, 0.0), (0.5, 1.0), (0.75, 0.0)],
            &[(0.0, 0.3), (0.25, 1.0), (0.5, 1.0), (0.75, 0.0)],
        ])),
        "Greys" => brewer(&[0xffffff, 0xf0f0f0, 0xd9d9d9, 0xbdbdbd, 0x969696, 0x737373, 0x525252, 0x252525, 0x000000]),
        "Blues" => brewer(&[0xf7fbff, 0xdeebf7, 0xc6dbef, 0x9ecae1, 0x6baed6, 0x4292c6, 0x2171b5, 0x08519c, 0x08306b]),
        "Greens" => brewer(&[0xf7fcf5, 0xe5f5e0, 0xc7e9c0, 0xa1d99b, 0x74c476, 0x41ab5d, 0x238b45, 0x006d2c, 0x00441b]),
        "Oranges" => {
            brewer(&[0xfff5eb, 0xfee6ce, 0xfdd0a2, 0xfdae6b, 0xfd8d3c, 0xf16913, 0xd94801, 0xa63603, 0x7f2704])
        }
        "Reds" => brewer(&[0xfff5f0, 0xfee0d2, 0xfcbba1, 0xfc9272, 0xfb6a4a, 0xef3b2c, 0xcb181d, 0xa50f15, 0x67000d]),
        "YlGnBu" => brewer(&[0xffffd9, 0xedf8b1, 0xc7e9b4, 0x7fcdbb, 0x41b6c4, 0x1d91c0, 0x225ea8, 0x253494, 0x081d58]),
        "RdBu" => brewer(&[
            0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3, 0x2166ac,
            0x053061,
        ]),
        "PuOr" => brewer(&[
            0x7f3b08, 0xb35806, 0xe08214, 0xfdb863, 0xfee0b6, 0xf7f7f7, 0xd8daeb, 0xb2abd2, 0x8073ac, 0x542788,
            0x2d004b,
        ]),
        "BrBG" => brewer(&[
            0x543005, 0x8c510a, 0xbf812d, 0xdfc27d, 0xf6e8c3, 0xf5f5f5, 0xc7eae5, 0x80cdc1, 0x35978f, 0x01665e,
            0x003c30,
        ]),
        "PiYG" => brewer(&[
            0x8e0152, 0xc51b7d, 0xde77ae, 0xf1b6da, 0xfde0ef, 0xf7f7f7, 0xe6f5d0, 0xb8e186, 0x7fbc41, 0x4d9221,
            0x276419,
        ]),
        "PRGn" => brewer(&[
            0x40004b, 0x762a83, 0x9970ab, 0xc2a5cf, 0xe7d4e8, 0xf7f7f7, 0xd9f0d3, 0xa6dba0, 0x5aae61, 0x1b7837,
            0x00441b,
        ]),
        "RdYlBu" => brewer(&[
            0xa50026, 0xd73027, 0xf46d43, 0xfdae61, 0xfee090, 0xffffbf, 0xe0f3f8, 0xabd9e9, 0x74add1, 0x4575b4,
            0x313695,
        ]),
        "RdYlGn" => brewer(&[
            0xa50026, 0xd73027, 0xf46d43, 0xfdae61, 0xfee08b, 0xffffbf, 0xd9ef8b, 0xa6d96a, 0x66bd63, 0x1a9850,
            0x006837,
        ]),
        "Spectral" => brewer(&[
            0x9e0142, 0xd53e4f, 0xf46d43, 0xfdae61, 0xfee08b, 0xffffbf, 0xe6f598, 0xabdda4, 0x66c2a5, 0x3288bd,
            0x5e4fa2,
        ]),
        // Other spellings that matplotlib takes too.
        "grey" => table("gray"),
        "gist_grey" => table("gist_gray"),
        "gist_yerg" => table("gist_yarg"),
        "Grays" => table("Greys"),
        other => super::color_map_anchors::anchors(other).map(joined),
    }
}

fn sampled(gradient: colorous::Gradient) -> Vec<[u8; 3]> {
    (0..256).map(|i| gradient.eval_rational(i, 256).into_array()).collect()
}

/// 256 colours on straight lines between evenly spaced anchors `0xRRGGBB`.
fn joined(anchors: &[u32]) -> Vec<[u8; 3]> {
    let channel = |anchor: u32, c: usize| f64::from((anchor >> (16 - 8 * c)) & 0xff);
    let intervals = anchors.len() - 1;
    (0..256)
        .map(|i| {
            let place = i as f64 / 255.0 * intervals as f64;
            let left = (place as usize).min(intervals - 1);
            let t = place - left as f64;
            std::array::from_fn(|c| {
                let (a, b) = (channel(anchors[left], c), channel(anchors[left + 1], c));
                (a + (b - a) * t).round() as u8
            })
        })
        .collect()
}

/// 256 colours from knots (place, value) for red, green and blue; constant beyond the outer knots.
fn piecewise(knots: [&[(f64, f64)]; 3]) -> Vec<[u8; 3]> {
    let value = |knots: &[(f64, f64)], x: f64| -> f64 {
        let upper = knots.partition_point(|k| k.0 <= x);
        match (upper.checked_sub(1).and_then(|i| knots.get(i)), knots.get(upper)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0),
            (Some(a), None) => a.1,
            (None, Some(b)) => b.1,
            (None, None) => 0.0,
        }
    };
    (0..256)
        .map(|i| {
            let x = f64::from(i) / 255.0;
            knots.map(|k| (255.0 * value(k, x)).round() as u8)
        })
        .collect()
}

/// Green 2011 (BASI 39, 289), equation 2: start 0.5, -1.5 rotations, hue 1, gamma 1.
fn cubehelix() -> Vec<[u8; 3]> {
    (0..256)
        .map(|i| {
            let fraction = f64::from(i) / 255.0;
            let angle = std::f64::consts::TAU * (0.5 / 3.0 - 1.5 * fraction);
            let amplitude = fraction * (1.0 - fraction) / 2.0;
            let (sin, cos) = angle.sin_cos();
            [
                fraction + amplitude * (-0.148_61 * cos + 1.782_77 * sin),
                fraction + amplitude * (-0.292_27 * cos - 0.906_49 * sin),
                fraction + amplitude * 1.972_94 * cos,
            ]
            .map(|v| (255.0 * v.clamp(0.0, 1.0)).round() as u8)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries 0, 64, 128, 192 and 255 of matplotlib 3.11.2, `mpl.colormaps[name](i, bytes=True)`, which cuts to whole bytes.
    const GOLDEN: [(&str, [[u8; 3]; 5]); 32] = [
        ("viridis", [[68, 1, 84], [58, 82, 139], [32, 144, 140], [94, 201, 97], [253, 231, 36]]),
        ("inferno", [[0, 0, 3], [87, 15, 109], [187, 55, 84], [249, 142, 8], [252, 254, 164]]),
        ("magma", [[0, 0, 3], [80, 18, 123], [182, 54, 121], [251, 136, 97], [251, 252, 191]]),
        ("plasma", [[12, 7, 134], [126, 3, 167], [203, 71, 119], [248, 149, 64], [239, 248, 33]]),
        ("cividis", [[0, 34, 77], [67, 78, 107], [124, 123, 120], [187, 173, 108], [253, 231, 55]]),
        ("turbo", [[48, 18, 59], [40, 187, 235], [164, 252, 59], [250, 125, 32], [122, 4, 2]]),
        ("cubehelix", [[0, 0, 0], [21, 83, 75], [161, 121, 74], [198, 180, 237], [255, 255, 255]]),
        ("gray", [[0, 0, 0], [64, 64, 64], [128, 128, 128], [192, 192, 192], [255, 255, 255]]),
        ("hot", [[10, 0, 0], [178, 0, 0], [255, 91, 0], [255, 255, 6], [255, 255, 255]]),
        ("bone", [[0, 0, 0], [56, 55, 77], [112, 123, 143], [168, 199, 199], [255, 255, 255]]),
        ("RdBu", [[103, 0, 31], [229, 131, 104], [246, 246, 246], [104, 170, 207], [5, 48, 97]]),
        ("coolwarm", [[58, 76, 192], [141, 175, 253], [221, 220, 219], [243, 152, 121], [179, 3, 38]]),
        ("bwr", [[0, 0, 255], [128, 128, 255], [255, 254, 254], [255, 126, 126], [255, 0, 0]]),
        ("seismic", [[0, 0, 76], [1, 1, 255], [255, 253, 253], [253, 0, 0], [127, 0, 0]]),
        ("PuOr", [[127, 59, 8], [238, 157, 60], [246, 246, 246], [151, 141, 189], [45, 0, 75]]),
        ("Spectral", [[158, 1, 66], [248, 142, 82], [254, 254, 190], [134, 206, 164], [94, 79, 162]]),
        ("RdYlBu", [[165, 0, 38], [248, 142, 82], [254, 254, 192], [141, 193, 220], [49, 54, 149]]),
        ("PiYG", [[142, 1, 82], [231, 151, 196], [246, 246, 246], [153, 205, 97], [39, 100, 25]]),
        ("BrBG", [[84, 48, 5], [207, 162, 85], [244, 244, 244], [88, 176, 166], [0, 60, 48]]),
        ("Blues", [[247, 251, 255], [197, 218, 238], [106, 173, 213], [32, 112, 180], [8, 48, 107]]),
        ("Greys", [[255, 255, 255], [216, 216, 216], [149, 149, 149], [80, 80, 80], [0, 0, 0]]),
        ("YlOrRd", [[255, 255, 204], [254, 216, 117], [252, 140, 59], [226, 25, 28], [128, 0, 38]]),
        ("pink", [[30, 0, 0], [161, 104, 104], [208, 171, 147], [233, 233, 182], [255, 255, 255]]),
        ("copper", [[0, 0, 0], [79, 49, 31], [158, 99, 63], [237, 149, 95], [255, 199, 126]]),
        ("berlin", [[158, 175, 254], [39, 103, 133], [25, 11, 8], [125, 51, 30], [254, 173, 173]]),
        ("twilight", [[225, 216, 226], [97, 116, 186], [47, 19, 54], [179, 88, 82], [225, 216, 225]]),
        ("hsv", [[255, 0, 0], [131, 255, 0], [0, 255, 245], [113, 0, 255], [255, 0, 23]]),
        ("jet", [[0, 0, 127], [0, 128, 255], [124, 255, 121], [255, 148, 0], [127, 0, 0]]),
        ("terrain", [[51, 51, 153], [1, 204, 102], [254, 253, 152], [129, 93, 86], [255, 255, 255]]),
        ("nipy_spectral", [[0, 0, 0], [0, 119, 221], [0, 188, 0], [255, 201, 0], [204, 204, 204]]),
        ("gist_ncar", [[0, 0, 128], [0, 250, 176], [218, 255, 31], [255, 0, 70], [254, 247, 254]]),
        ("flag", [[255, 0, 0], [217, 0, 0], [164, 0, 0], [108, 0, 0], [0, 0, 0]]),
    ];

    #[test]
    fn maps_match_matplotlib() {
        for (name, golden) in GOLDEN {
            let map = ColorMap::by_name(name).unwrap();
            assert_eq!(map.table().len(), 256);
            for (index, rgb) in [0, 64, 128, 192, 255].into_iter().zip(golden) {
                let ours = map.table()[index];
                for c in 0..3 {
                    let difference = (i32::from(ours[c]) - i32::from(rgb[c])).abs();
                    assert!(difference <= 2, "{name}[{index}]: {ours:?} against {rgb:?}");
                }
            }
        }
    }

    #[test]
    fn every_listed_name_exists_and_reverses() {
        for name in names() {
            let map = ColorMap::by_name(name).unwrap();
            let back = ColorMap::by_name(&format!("{name}_r")).unwrap();
            assert_eq!(map.table()[0], back.table()[255], "{name}");
            assert_eq!(map.reversed(), back);
            assert_eq!(back.reversed(), map);
            assert_eq!(map.at(0.0), map.table()[0]);
            assert_eq!(map.at(1.0), map.table()[255]);
            assert_eq!(map.at(f64::NAN), map.table()[0]);
        }
    }

    #[test]
    fn an_unknown_name_gets_a_hint() {
        let error = ColorMap::by_name("virdis").unwrap_err();
        assert_eq!(error.nearest, "viridis");
        assert!(error.to_string().contains("virdis"));
        assert_eq!(ColorMap::by_name("rdbu_r").unwrap_err().nearest, "RdBu_r");
        assert_eq!(ColorMap::by_name_or_gray("?").name(), "gray");
    }
}
