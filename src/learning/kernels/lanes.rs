//! Vectors of `f32` as the processor has them: AVX-512, AVX2 with FMA, or plain arrays that the compiler turns into whatever there is.
//!
//! A kernel is written once over [`Lanes`] and compiled once for each level ([`with_lanes`]); the level is found when the program runs.

use std::sync::atomic::{AtomicU8, Ordering};

/// A vector of `f32` with fused multiply and add.
///
/// # Safety
/// The functions may only run where the processor has the instructions of the implementing type; a caller reaches them through
/// [`with_lanes`], which compiles its body with those instructions and runs it only after they have been found.
pub(super) trait Lanes: Copy {
    /// Count of `f32` in a vector.
    const WIDTH: usize;
    /// All elements `value`.
    unsafe fn splat(value: f32) -> Self;
    /// `WIDTH` elements from `source`, any alignment.
    unsafe fn load(source: *const f32) -> Self;
    /// `WIDTH` elements to `target`, any alignment.
    unsafe fn store(self, target: *mut f32);
    /// `self * factor + addend`, rounded once where the processor can.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn subtract(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn multiply(self, other: Self) -> Self;
    /// `self / other`.
    unsafe fn divide(self, other: Self) -> Self;
    /// The smaller of the two, element by element; `other` where `self` is not a number.
    unsafe fn minimum(self, other: Self) -> Self;
    /// The larger of the two, element by element; `other` where `self` is not a number.
    unsafe fn maximum(self, other: Self) -> Self;
    /// `2^self` for elements that are whole numbers of -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// Sum of the elements, in an order that never changes.
    unsafe fn sum(self) -> f32;
}

/// Eight elements as an array: any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|k| f(self.0[k], other.0[k])))
    }
}

impl Lanes for Portable {
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller owns eight elements from `source` on.
        unsafe { Self(source.cast::<[f32; 8]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller owns eight elements from `target` on.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
        // Two roundings: `f32::mul_add` without the instruction is a slow call.
        Self(std::array::from_fn(|k| self.0[k] * factor.0[k] + addend.0[k]))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn divide(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(self.0.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    macro_rules! lanes {
        ($vector:ty, $width:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $min:ident, $max:ident,
         |$n:ident| $power:expr, |$v:ident| $sum:expr) => {
            // SAFETY of every block below: the trait's contract (the instructions are there, the caller owns the elements).
            impl Lanes for $vector {
                const WIDTH: usize = $width;
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: as above.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(source: *const f32) -> Self {
                    // SAFETY: as above.
                    unsafe { $load(source) }
                }
                #[inline(always)]
                unsafe fn store(self, target: *mut f32) {
                    // SAFETY: as above.
                    unsafe { $store(target, self) }
                }
                #[inline(always)]
                unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fma(self, factor, addend) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn subtract(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $sub(self, other) }
                }
                #[inline(always)]
                unsafe fn multiply(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $mul(self, other) }
                }
                #[inline(always)]
                unsafe fn divide(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $div(self, other) }
                }
                #[inline(always)]
                unsafe fn minimum(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $min(self, other) }
                }
                #[inline(always)]
                unsafe fn maximum(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $max(self, other) }
                }
                #[inline(always)]
                unsafe fn power_of_two(self) -> Self {
                    let $n = self;
                    // SAFETY: as above.
                    unsafe { $power }
                }
                #[inline(always)]
                unsafe fn sum(self) -> f32 {
                    let $v = self;
                    // SAFETY: as above.
                    unsafe { $sum }
                }
            }
        };
    }

    /// Eight to one: the order of [`super::Portable::sum`].
    #[inline(always)]
    unsafe fn sum8(v: __m256) -> f32 {
        // SAFETY: the caller has AVX.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    lanes!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_min_ps,
        _mm256_max_ps,
        |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
            _mm256_cvtps_epi32(n),
            _mm256_set1_epi32(127)
        ))),
        |v| sum8(v)
    );
    lanes!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_min_ps,
        _mm512_max_ps,
        |n| _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
            _mm512_cvtps_epi32(n),
            _mm512_set1_epi32(127)
        ))),
        |v| {
            let low = _mm512_castps512_ps256(v);
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)));
            sum8(_mm256_add_ps(low, high))
        }
    );
}

/// Which instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the program was compiled for.
    Portable,
    /// AVX2 with FMA (x86-64-v3).
    Avx2,
    /// AVX-512F (x86-64-v4).
    Avx512,
}

impl Level {
    /// The best level of this processor.
    pub fn found() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
            if avx2 && std::arch::is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Every level that this processor can run.
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|&l| l <= Self::found()).collect()
    }

    /// The level in use: the best one.
    pub(super) fn current() -> Self {
        // 0: not looked for yet.
        static FOUND: AtomicU8 = AtomicU8::new(0);
        match FOUND.load(Ordering::Relaxed) {
            1 => Self::Portable,
            2 => Self::Avx2,
            3 => Self::Avx512,
            _ => {
                let level = Self::found();
                FOUND.store(level as u8 + 1, Ordering::Relaxed);
                level
            }
        }
    }
}

/// A computation over vectors of any kind.
pub(super) trait Kernel {
    /// What it gives back.
    type Output;
    /// Runs with vectors of `V`; must be `#[inline(always)]`, and so must all it calls, to be compiled with `V`'s instructions; closures cannot
    /// be, and belong nowhere near a vector.
    ///
    /// # Safety
    /// As [`Lanes`].
    unsafe fn run<V: Lanes>(self) -> Self::Output;
}

/// Sums that were held in registers, in memory. Loops over the sums themselves that the compiler does not unroll would keep them in memory all
/// along, and store each of them at every step.
#[inline(always)]
pub(super) fn settled<T: Copy>(sums: &T) -> T {
    std::hint::black_box(*sums)
}

/// Runs a kernel at a level.
///
/// # Panics
/// Where the processor lacks the level.
pub(super) fn with_lanes<K: Kernel>(level: Level, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: compiled with, and called only where there is, AVX-512F.
            unsafe { kernel.run::<std::arch::x86_64::__m512>() }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: compiled with, and called only where there are, AVX2 and FMA.
            unsafe { kernel.run::<std::arch::x86_64::__m256>() }
        }
        assert!(level <= Level::current(), "this processor has no {level:?}");
        match level {
            // SAFETY: the line above.
            Level::Avx512 => return unsafe { avx512(kernel) },
            // SAFETY: the line above.
            Level::Avx2 => return unsafe { avx2(kernel) },
            Level::Portable => {}
        }
    }
    // SAFETY: the portable vector needs nothing of the processor.
    unsafe { kernel.run::<Portable>() }
}
