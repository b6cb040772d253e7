//! Elementary functions without branches or tables, accurate to a few units in the last place.
//!
//! The compiler turns loops over them into vector code on every target, and they give the same bits everywhere,
//! which the functions of the platform's mathematics library do not promise.

/// `atanh(s) / s - 1` for `z = s^2 < 0.0295`; the first term left out is below 1e-17.
#[inline(always)]
fn ln_series(z: f64) -> f64 {
    z * ten_terms(
        z,
        [
            1.0 / 3.0,
            1.0 / 5.0,
            1.0 / 7.0,
            1.0 / 9.0,
            1.0 / 11.0,
            1.0 / 13.0,
            1.0 / 15.0,
            1.0 / 17.0,
            1.0 / 19.0,
            1.0 / 21.0,
        ],
    )
}

/// Polynomial of degree nine, in Estrin's order: its parts are independent, so the processor works on several at once.
#[inline(always)]
fn ten_terms(z: f64, c: [f64; 10]) -> f64 {
    let z2 = z * z;
    let z4 = z2 * z2;
    let low = (c[0] + c[1] * z) + (c[2] + c[3] * z) * z2;
    let middle = (c[4] + c[5] * z) + (c[6] + c[7] * z) * z2;
    low + (middle + (c[8] + c[9] * z) * z4) * z4
}

/// Natural logarithm for normal positive `x` (not for 0, subnormal, infinite or NaN arguments).
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let bits = x.to_bits();
    // Shift the range of the mantissa from [1, 2) to [sqrt(1/2), sqrt(2)).
    let shifted = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent_bits = ((shifted as i64) >> 52) as u64;
    let mantissa = f64::from_bits(bits.wrapping_sub(exponent_bits << 52));
    // Integer to float by the bits of 2^52 + 2^51 + n: vectorises where a conversion would not.
    let exponent = f64::from_bits(exponent_bits.wrapping_add(0x4338_0000_0000_0000)) - 6_755_399_441_055_744.0;
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    // ln m = 2 atanh(s), |s| < 0.1716.
    let tail = ln_series(z);
    exponent * LN2_HIGH + (2.0 * s + (2.0 * s * tail + exponent * LN2_LOW))
}

/// `atanh(y / x)` for `|y| < x`, relative error of a few 1e-16 also for small ratios.
#[inline(always)]
pub fn atanh_ratio(y: f64, x: f64) -> f64 {
    const HALF_LN2: f64 = 0.346_573_590_279_972_65;
    let bits = ((x + y) / (x - y)).to_bits();
    let shifted = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent_bits = ((shifted as i64) >> 52) as u64;
    let mantissa = f64::from_bits(bits.wrapping_sub(exponent_bits << 52));
    let exponent = f64::from_bits(exponent_bits.wrapping_add(0x4338_0000_0000_0000)) - 6_755_399_441_055_744.0;
    // Half of ln's series; where no power of two is split off, its argument is the ratio itself, free of rounding.
    let small = exponent == 0.0;
    let top = if small { y } else { mantissa - 1.0 };
    let bottom = if small { x } else { mantissa + 1.0 };
    let s = top / bottom;
    exponent * HALF_LN2 + (s + s * ln_series(s * s))
}

/// Exponential; arguments outside [-708, 709] are clamped there.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const ROUND: f64 = 6_755_399_441_055_744.0; // 2^52 + 2^51: adding and subtracting rounds to an integer
    let x = if x < -708.0 { -708.0 } else { x };
    let x = if x > 709.0 { 709.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor to r^12 on |r| < 0.3466: remainder below 2e-16.
    let p = ten_terms(
        r,
        [
            0.5,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5_040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
        ],
    );
    let r2 = r * r;
    let r4 = r2 * r2;
    let p = p + r4 * r4 * (r2 * (1.0 / 479_001_600.0));
    let p = 1.0 + (r + r2 * p);
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    p * power
}

/// `atan(y / x)` for `x > 0`, absolute error below 3e-16; also where `y / x` would overflow.
#[inline(always)]
pub fn atan_ratio(y: f64, x: f64) -> f64 {
    const TAN_PI_16: f64 = 0.198_912_367_379_658;
    const TAN_3PI_16: f64 = 0.668_178_637_919_298_9;
    let a = y.abs();
    let steep = a > x;
    let low = if steep { x } else { a };
    let high = if steep { a } else { x };
    // Turn by the nearer of pi/16 and 3 pi/16 (half of [0, pi/4] each), or by nothing for small slopes.
    let wide = low > 0.414_213_562_373_095_05 * high;
    let none = low < 0.198 * high;
    let c = if wide { TAN_3PI_16 } else { TAN_PI_16 };
    let turned = if wide { 3.0 * std::f64::consts::PI / 16.0 } else { std::f64::consts::PI / 16.0 };
    let c = if none { 0.0 } else { c };
    let turned = if none { 0.0 } else { turned };
    let t = (low - c * high) / (high + c * low);
    let z = t * t;
    let series = z * ten_terms(
        z,
        [
            -1.0 / 3.0,
            1.0 / 5.0,
            -1.0 / 7.0,
            1.0 / 9.0,
            -1.0 / 11.0,
            1.0 / 13.0,
            -1.0 / 15.0,
            1.0 / 17.0,
            -1.0 / 19.0,
            1.0 / 21.0,
        ],
    );
    let angle = turned + (t + t * series);
    let angle = if steep { std::f64::consts::FRAC_PI_2 - angle } else { angle };
    if y < 0.0 { -angle } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_agrees_with_the_platform() {
        let mut x = 1e-290;
        while x < 1e290 {
            // Both sides of sqrt(2), where the split into mantissa and exponent jumps.
            let root = std::f64::consts::SQRT_2;
            for f in [1.0, 1.1, 1.37, root * (1.0 + 1e-12), root * (1.0 - 1e-12), 1.9] {
                let v: f64 = x * f;
                assert!((ln(v) - v.ln()).abs() <= 4e-16 * v.ln().abs().max(0.5), "{v}: {} {}", ln(v), v.ln());
            }
            x *= 1.7;
        }
        for k in 0..2000 {
            let v = 0.5 + f64::from(k) * 1e-3;
            assert!((ln(v) - v.ln()).abs() <= 4e-16 * v.ln().abs().max(0.1));
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn exponential_agrees_with_the_platform() {
        for k in -70_000..70_000 {
            let x = f64::from(k) * 0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-300 && exp(1e9) > 1e300);
    }

    #[test]
    fn area_hyperbolic_tangent_agrees_with_the_platform() {
        for k in -9990..9990 {
            let t = f64::from(k) * 1e-4;
            for scale in [1e-9, 1.0] {
                // Near 1 the ratio itself is only known to its rounding: the condition number is 1 / (1 - t^2).
                let expected = (t * scale).atanh();
                assert!(
                    (atanh_ratio(t * scale * 3.0, 3.0) - expected).abs()
                        <= 2e-15 * expected.abs().max(1e-12) / (1.0 - t * t),
                    "{t} {scale}: {} {expected}",
                    atanh_ratio(t * scale * 3.0, 3.0)
                );
            }
        }
    }

    #[test]
    fn arc_tangent_agrees_with_the_platform() {
        for k in -4000..=4000 {
            let angle = f64::from(k) / 4000.0 * (std::f64::consts::FRAC_PI_2 - 1e-6);
            let (y, x) = angle.sin_cos();
            for scale in [1e-8, 1.0, 3e7] {
                assert!((atan_ratio(y * scale, x * scale) - y.atan2(x)).abs() < 4e-16, "{angle}");
            }
        }
        assert_eq!(atan_ratio(0.0, 1e-150), 0.0);
        let small = 1e-9;
        assert!((atan_ratio(small, 1.0) / small - 1.0).abs() < 1e-15);
    }
}
