//! What the pixels of an image HDU are on disk, and how they become numbers (FITS standard 4.0, sections 4.4.2 and 5).

/// Pixel type on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bitpix {
    /// 8: unsigned byte.
    U8,
    /// 16: signed 16-bit integer.
    I16,
    /// 32: signed 32-bit integer.
    I32,
    /// 64: signed 64-bit integer.
    I64,
    /// -32: 32-bit float.
    F32,
    /// -64: 64-bit float.
    F64,
}

impl Bitpix {
    /// The type of a BITPIX value, `None` for values that FITS does not know.
    pub fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            8 => Self::U8,
            16 => Self::I16,
            32 => Self::I32,
            64 => Self::I64,
            -32 => Self::F32,
            -64 => Self::F64,
            _ => return None,
        })
    }

    /// The value of BITPIX.
    pub fn code(self) -> i64 {
        match self {
            Self::U8 => 8,
            Self::I16 => 16,
            Self::I32 => 32,
            Self::I64 => 64,
            Self::F32 => -32,
            Self::F64 => -64,
        }
    }

    /// Bytes of one pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// True for -32 and -64.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// Shape and coding of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageLayout {
    /// Type on disk.
    pub bitpix: Bitpix,
    /// NAXIS1, NAXIS2, ... (NAXIS1 runs fastest).
    pub axes: Vec<u64>,
    /// BSCALE: physical value = `zero` + `scale` * stored. With `zero` 2^15, 2^31, 2^63 (or -128 for bytes) and `scale`
    /// 1 this is the convention for unsigned (or signed byte) integers.
    pub scale: f64,
    /// BZERO.
    pub zero: f64,
    /// BLANK: the stored integer that means "no value". Always `None` for floats, where NaN says so.
    pub blank: Option<i64>,
}

impl ImageLayout {
    /// Shape of the array, slowest axis first: `[.., z, y, x]`.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().rev().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect()
    }

    /// Number of pixels. The walk of the file has made sure that it and its size in bytes fit 64 bits.
    pub fn pixels(&self) -> u64 {
        if self.axes.is_empty() || self.axes.contains(&0) { 0 } else { self.axes.iter().product() }
    }

    /// True when stored values are the physical ones.
    pub(super) fn is_plain(&self) -> bool {
        // Exact on purpose: only the very values 1 and 0 leave every pixel as it is.
        #[allow(clippy::float_cmp)]
        let plain = self.scale == 1.0 && self.zero == 0.0;
        plain
    }

    /// Turns big-endian bytes into physical values; `raw` holds `bitpix.bytes()` for each element of `out`.
    pub fn decode<T: Sample>(&self, raw: &[u8], out: &mut [T]) {
        let (scale, zero, plain) = (self.scale, self.zero, self.is_plain());
        let blank = self.blank;
        let physical = move |stored: f64| T::from_f64(if plain { stored } else { zero + scale * stored });
        // Up to 32 bits in 32-bit arithmetic, which the compiler turns into several pixels at a time.
        let small_blank = blank.and_then(|blank| i32::try_from(blank).ok());
        let integer = move |stored: i32| {
            if small_blank == Some(stored) { T::MISSING } else { physical(f64::from(stored)) }
        };
        // Unsigned 64-bit integers are offset as integers: as floats, small ones would vanish beside 2^63.
        #[allow(clippy::float_cmp)]
        let unsigned = scale == 1.0 && zero == 9_223_372_036_854_775_808.0;
        let large = move |stored: i64| match blank {
            Some(blank) if blank == stored => T::MISSING,
            _ if unsigned => T::from_f64((stored.cast_unsigned() ^ (1 << 63)) as f64),
            _ => physical(stored as f64),
        };
        match self.bitpix {
            Bitpix::U8 => fill(raw, out, |b: [u8; 1]| integer(i32::from(b[0]))),
            Bitpix::I16 => fill(raw, out, |b| integer(i32::from(i16::from_be_bytes(b)))),
            Bitpix::I32 => fill(raw, out, |b| integer(i32::from_be_bytes(b))),
            Bitpix::I64 => fill(raw, out, |b| large(i64::from_be_bytes(b))),
            Bitpix::F32 if plain => fill(raw, out, |b| T::from_f32(f32::from_be_bytes(b))),
            Bitpix::F32 => fill(raw, out, |b| T::from_f64(zero + scale * f64::from(f32::from_be_bytes(b)))),
            Bitpix::F64 if plain => fill(raw, out, |b| T::from_f64(f64::from_be_bytes(b))),
            Bitpix::F64 => fill(raw, out, |b| T::from_f64(zero + scale * f64::from_be_bytes(b))),
        }
    }
}

#[inline]
fn fill<T, const N: usize>(raw: &[u8], out: &mut [T], value: impl Fn([u8; N]) -> T) {
    for (pixel, &bytes) in out.iter_mut().zip(raw.as_chunks::<N>().0) {
        *pixel = value(bytes);
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// What pixels are read into: `f32` or `f64`. Its functions are marked for inlining: without that, a call for every pixel
/// was made across compilation units (measured: three times slower).
pub trait Sample: sealed::Sealed + Copy + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    /// NaN.
    const MISSING: Self;
    /// 0.
    const ZERO: Self;
    /// Plus infinity.
    const INFINITE: Self;
    /// Minus infinity.
    const MINUS_INFINITE: Self;
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn from_f32(value: f32) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// True for NaN.
    fn is_missing(self) -> bool;
    /// False for NaN and the infinities.
    fn is_finite(self) -> bool;
}

impl Sample for f32 {
    const MISSING: Self = Self::NAN;
    const ZERO: Self = 0.0;
    const INFINITE: Self = Self::INFINITY;
    const MINUS_INFINITE: Self = Self::NEG_INFINITY;
    #[inline]
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    #[inline]
    fn from_f32(value: f32) -> Self {
        value
    }
    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn is_missing(self) -> bool {
        self.is_nan()
    }
    #[inline]
    fn is_finite(self) -> bool {
        self.abs() < Self::INFINITY
    }
}

impl Sample for f64 {
    const MISSING: Self = Self::NAN;
    const ZERO: Self = 0.0;
    const INFINITE: Self = Self::INFINITY;
    const MINUS_INFINITE: Self = Self::NEG_INFINITY;
    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline]
    fn from_f32(value: f32) -> Self {
        Self::from(value)
    }
    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline]
    fn is_missing(self) -> bool {
        self.is_nan()
    }
    #[inline]
    fn is_finite(self) -> bool {
        self.abs() < Self::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bitpix: Bitpix, scale: f64, zero: f64, blank: Option<i64>) -> ImageLayout {
        ImageLayout { bitpix, axes: vec![2], scale, zero, blank }
    }

    fn decode(layout: &ImageLayout, raw: &[u8]) -> Vec<f64> {
        let mut out = vec![0.0; raw.len() / layout.bitpix.bytes()];
        layout.decode(raw, &mut out);
        out
    }

    #[test]
    fn unsigned_conventions() {
        // FITS 4.0 table 11: stored 0x8000 with BZERO 32768 is 0, 0x7fff is 65535.
        let raw = [0x80, 0x00, 0x7f, 0xff];
        assert_eq!(decode(&layout(Bitpix::I16, 1.0, 32768.0, None), &raw), [0.0, 65535.0]);
        assert_eq!(decode(&layout(Bitpix::U8, 1.0, -128.0, None), &[0, 255]), [-128.0, 127.0]);
        let raw = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        assert_eq!(decode(&layout(Bitpix::I32, 1.0, 2_147_483_648.0, None), &raw), [0.0, 4_294_967_295.0]);
        let raw = i64::MIN.to_be_bytes();
        let unsigned = layout(Bitpix::I64, 1.0, 9_223_372_036_854_775_808.0, None);
        assert_eq!(decode(&unsigned, &raw), [0.0]);
        // 2^63 + stored in floats would give 0 here.
        assert_eq!(decode(&unsigned, &(i64::MIN + 5).to_be_bytes()), [5.0]);
    }

    #[test]
    fn blank_is_compared_before_scaling_and_only_where_it_is_set() {
        let raw = [0xff, 0xff, 0x00, 0x04];
        let values = decode(&layout(Bitpix::I16, 0.5, 10.0, Some(-1)), &raw);
        assert!(values[0].is_nan());
        assert_eq!(values[1], 12.0);
        assert_eq!(decode(&layout(Bitpix::I16, 1.0, 0.0, None), &raw), [-1.0, 4.0]);
    }

    #[test]
    fn floats_keep_their_bits() {
        let raw = [1.5f32.to_be_bytes(), f32::NAN.to_be_bytes()].concat();
        let mut out = [0f32; 2];
        layout(Bitpix::F32, 1.0, 0.0, None).decode(&raw, &mut out);
        assert_eq!(out[0].to_bits(), 1.5f32.to_bits());
        assert!(out[1].is_nan());
    }
}
