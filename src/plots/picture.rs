//! Pictures: RGBA in memory, and PNG files that carry the record of the run that made them.

use std::io::{BufRead, Cursor, Seek};

/// Keyword of the text chunk that holds the record as JSON.
pub const RECORD_KEYWORD: &str = "sextans-record";

/// Why a picture could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Width, height and number of bytes do not belong together, or the picture is empty.
    #[error("a picture of {width} x {height} pixels cannot have {bytes} bytes")]
    Shape {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Length of the pixel buffer.
        bytes: usize,
    },
    /// The PNG could not be written.
    #[error("cannot write the PNG: {0}")]
    Write(#[from] png::EncodingError),
    /// The bytes are no readable PNG.
    #[error("cannot read the PNG: {0}")]
    Read(#[from] png::DecodingError),
    /// The PNG is not of the kind that we write.
    #[error("the PNG holds {0}, not 8-bit RGB or RGBA")]
    Kind(String),
}

/// A picture: rows from top to bottom, four bytes a pixel (red, green, blue, alpha; sRGB, alpha not premultiplied).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

impl Picture {
    /// A picture from its bytes; `rgba.len()` must be `4 * width * height` and not 0.
    pub fn new(width: u32, height: u32, rgba: Vec<u8>) -> Result<Self, PictureError> {
        let wanted = u64::from(width) * u64::from(height) * 4;
        if wanted == 0 || rgba.len() as u64 != wanted {
            return Err(PictureError::Shape { width, height, bytes: rgba.len() });
        }
        Ok(Self { width, height, rgba })
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row by row from the top.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn into_rgba(self) -> Vec<u8> {
        self.rgba
    }

    /// The pixel at column `x`, row `y` from the top; `None` outside.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = 4 * (y as usize * self.width as usize + x as usize);
        self.rgba.get(start..start + 4)?.try_into().ok()
    }

    /// The picture as a PNG file. A picture without transparency is written as RGB.
    /// `record` goes into an iTXt chunk [`RECORD_KEYWORD`]; `texts` are further (keyword, text) chunks,
    /// keywords being 1 to 79 Latin-1 characters.
    pub fn to_png(&self, record: Option<&str>, texts: &[(&str, &str)]) -> Result<Vec<u8>, PictureError> {
        let opaque = self.rgba.chunks_exact(4).all(|p| p[3] == 255);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        encoder.set_color(if opaque { png::ColorType::Rgb } else { png::ColorType::Rgba });
        let record = record.map(|json| (RECORD_KEYWORD, json));
        for (keyword, text) in record.iter().chain(texts) {
            encoder.add_itxt_chunk((*keyword).to_owned(), (*text).to_owned())?;
        }
        let mut writer = encoder.write_header()?;
        if opaque {
            let rgb: Vec<u8> = self.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
            writer.write_image_data(&rgb)?;
        } else {
            writer.write_image_data(&self.rgba)?;
        }
        writer.finish()?;
        Ok(file)
    }

    /// Reads a picture back from an 8-bit RGB or RGBA PNG.
    pub fn from_png(bytes: &[u8]) -> Result<Self, PictureError> {
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
        let (kind, depth) = reader.output_color_type();
        let size = reader.output_buffer_size().ok_or_else(|| PictureError::Kind("too many pixels".to_owned()))?;
        let channels = match (kind, depth) {
            (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
            (png::ColorType::Rgba, png::BitDepth::Eight) => 4,
            _ => return Err(PictureError::Kind(format!("{kind:?} with {depth:?} bits"))),
        };
        let mut data = vec![0; size];
        let info = reader.next_frame(&mut data)?;
        data.truncate(info.buffer_size());
        let rgba =
            if channels == 4 { data } else { data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect() };
        Self::new(info.width, info.height, rgba)
    }
}

/// The text of a keyword in a PNG: the record for [`RECORD_KEYWORD`], `None` when the PNG has no such chunk.
/// The pixels are skipped, not decoded into memory.
pub fn read_text(png_file: impl BufRead + Seek, keyword: &str) -> Result<Option<String>, PictureError> {
    let mut reader = png::Decoder::new(png_file).read_info()?;
    // Chunks may stand behind the pixels, too.
    reader.finish()?;
    reader
        .info()
        .utf8_text
        .iter()
        .find(|chunk| chunk.keyword == keyword)
        .map(|chunk| chunk.get_text().map_err(PictureError::from))
        .transpose()
}

/// The record in a PNG of ours, as JSON.
pub fn read_record(png_file: impl BufRead + Seek) -> Result<Option<String>, PictureError> {
    read_text(png_file, RECORD_KEYWORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(alpha: u8) -> Picture {
        let rgba = (0..6 * 4).flat_map(|i: u8| [i * 10, 255 - i, i, if i == 3 { alpha } else { 255 }]).collect();
        Picture::new(6, 4, rgba).unwrap()
    }

    #[test]
    fn png_keeps_pixels_and_record() {
        let record = "{\"task\":\"lens\",\"σ\":\"″∇χ²\"}";
        for picture in [checks(255), checks(40)] {
            let file = picture.to_png(Some(record), &[("Title", "A lens")]).unwrap();
            assert_eq!(Picture::from_png(&file).unwrap(), picture);
            assert_eq!(read_record(Cursor::new(&file)).unwrap().as_deref(), Some(record));
            assert_eq!(read_text(Cursor::new(&file), "Title").unwrap().as_deref(), Some("A lens"));
        }
    }

    #[test]
    fn no_record_is_no_error_and_rubbish_is() {
        let file = checks(255).to_png(None, &[]).unwrap();
        assert_eq!(read_record(Cursor::new(&file)).unwrap(), None);
        assert!(read_record(Cursor::new(b"not a picture")).is_err());
        assert!(read_record(Cursor::new(&file[..file.len() / 2])).is_err());
        assert!(checks(255).to_png(None, &[("", "no keyword")]).is_err());
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(Picture::new(2, 2, vec![0; 15]).is_err());
        assert!(Picture::new(0, 0, Vec::new()).is_err());
        assert_eq!(checks(9).pixel(3, 0), Some([30, 252, 3, 9]));
        assert_eq!(checks(9).pixel(6, 0), None);
    }
}
