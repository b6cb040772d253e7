//! What an HDU is: its header, where its data lie, and what they are.

use super::{Header, ImageLayout, Problem};

/// One header-data unit.
#[derive(Debug, Clone)]
pub struct Hdu {
    /// Number in the file; 0 is the primary.
    pub index: usize,
    /// EXTNAME, "PRIMARY" for a nameless primary HDU, else empty.
    pub name: String,
    /// EXTVER, 1 when missing.
    pub version: i64,
    /// The cards.
    pub header: Header,
    /// What the data are.
    pub kind: HduKind,
    /// Byte at which the data start.
    pub data_start: u64,
    /// Bytes of data that the header asks for, padding not counted.
    pub data_needed: u64,
    /// Bytes of them that the file holds.
    pub data_present: u64,
    /// What is odd about it, in words; the header's own warnings included.
    pub warnings: Vec<String>,
}

/// What the data of an HDU are.
#[derive(Debug, Clone, PartialEq)]
pub enum HduKind {
    /// A header without data.
    Empty,
    /// An image or cube.
    Image(ImageLayout),
    /// Random groups (radio visibilities, FITS 4.0 section 6).
    RandomGroups {
        /// GCOUNT.
        groups: u64,
        /// PCOUNT: parameters before each array.
        parameters: u64,
        /// Type, and axes of one group's array (NAXIS2 on).
        array: ImageLayout,
    },
    /// A binary table.
    BinaryTable(TableLayout),
    /// An ASCII table.
    AsciiTable(TableLayout),
    /// An image, tile-compressed into a binary table (FITS 4.0 section 10).
    CompressedImage {
        /// ZCMPTYPE: RICE_1, GZIP_1, GZIP_2, PLIO_1, HCOMPRESS_1, NOCOMPRESS.
        codec: String,
        /// The image inside (ZBITPIX, ZNAXISn); `None` if its keywords are wrong.
        image: Option<ImageLayout>,
        /// The table that carries it.
        table: TableLayout,
    },
    /// An extension of a type that we do not know.
    Foreign {
        /// XTENSION.
        extension: String,
    },
    /// A header from which the data cannot be found; the walk ends here.
    Damaged {
        /// Why.
        reason: Problem,
    },
}

/// Size and columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableLayout {
    /// NAXIS1.
    pub row_bytes: u64,
    /// NAXIS2.
    pub rows: u64,
    /// TTYPEn, TFORMn, TUNITn.
    pub columns: Vec<Column>,
}

/// A column as the header names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// TTYPEn, empty when missing.
    pub name: String,
    /// TFORMn, empty when missing.
    pub form: String,
    /// TUNITn, empty when missing.
    pub unit: String,
}

impl Hdu {
    /// Shape of the pixels, slowest axis first; of a table `[rows, columns]`; empty where there are no data.
    pub fn shape(&self) -> Vec<usize> {
        match &self.kind {
            HduKind::Image(image) | HduKind::CompressedImage { image: Some(image), .. } => image.shape(),
            HduKind::BinaryTable(table) | HduKind::AsciiTable(table) => {
                vec![usize::try_from(table.rows).unwrap_or(usize::MAX), table.columns.len()]
            }
            HduKind::RandomGroups { groups, array, .. } => {
                let mut shape = array.shape();
                shape.insert(0, usize::try_from(*groups).unwrap_or(usize::MAX));
                shape
            }
            HduKind::Empty
            | HduKind::CompressedImage { image: None, .. }
            | HduKind::Foreign { .. }
            | HduKind::Damaged { .. } => Vec::new(),
        }
    }

    /// The image layout, if it is an image whose pixels we read, compressed or not.
    pub fn image(&self) -> Option<&ImageLayout> {
        match &self.kind {
            HduKind::Image(image) | HduKind::CompressedImage { image: Some(image), .. } => Some(image),
            HduKind::Empty
            | HduKind::RandomGroups { .. }
            | HduKind::BinaryTable(_)
            | HduKind::AsciiTable(_)
            | HduKind::CompressedImage { image: None, .. }
            | HduKind::Foreign { .. }
            | HduKind::Damaged { .. } => None,
        }
    }

    /// True for an image that is compressed in tiles.
    pub fn is_compressed(&self) -> bool {
        matches!(self.kind, HduKind::CompressedImage { .. })
    }

    /// BUNIT as written, `None` when missing or blank.
    pub fn unit(&self) -> Option<&str> {
        self.header.get_str("BUNIT").map(str::trim).filter(|unit| !unit.is_empty())
    }

    /// What it is in a few words.
    pub fn describe(&self) -> String {
        match &self.kind {
            HduKind::Empty => "header only".into(),
            HduKind::Image(_) => "image".into(),
            HduKind::RandomGroups { .. } => "random groups".into(),
            HduKind::BinaryTable(_) => "binary table".into(),
            HduKind::AsciiTable(_) => "ASCII table".into(),
            HduKind::CompressedImage { codec, .. } => format!("compressed image ({codec})"),
            HduKind::Foreign { extension } => format!("extension of type {extension}"),
            HduKind::Damaged { .. } => "damaged".into(),
        }
    }

    /// What it is in one word, for machines.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            HduKind::Empty => "empty",
            HduKind::Image(_) => "image",
            HduKind::RandomGroups { .. } => "random_groups",
            HduKind::BinaryTable(_) => "binary_table",
            HduKind::AsciiTable(_) => "ascii_table",
            HduKind::CompressedImage { .. } => "compressed_image",
            HduKind::Foreign { .. } => "foreign",
            HduKind::Damaged { .. } => "damaged",
        }
    }

    /// True when the file ends before the data do.
    pub fn is_truncated(&self) -> bool {
        self.data_present < self.data_needed
    }
}
