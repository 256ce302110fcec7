//! The Fourier transform of real signals by a complex one of half the length.

use std::{cell::RefCell, f64::consts::TAU, sync::Arc, thread::LocalKey};

use rustfft::{
    FftNum, FftPlanner,
    num_complex::{Complex, Complex64},
};

/// The periodic Hann window: `½ − ½ cos(2πn / size)`.
pub(crate) fn hann(n: usize, size: usize) -> f64 {
    0.5 - 0.5 * (TAU * n as f64 / size as f64).cos()
}

/// The least sum of squared Hann windows that an inverse STFT divides by: that of a quarter of one window's height.
/// Only samples behind the last frame's centre come below it, at hops of more than a third of a window; there the
/// estimate fades, where else rounding errors and what a mask has spread would grow without bound. A sample between
/// two centres has ½ at least.
pub(crate) const LEAST_WEIGHT: f64 = 1.0 / 16.0;

/// A number that f32 and f64 hold, rounded.
fn number<T: FftNum>(value: f64) -> T {
    // f32 and f64 take every f64
    T::from_f64(value).unwrap_or_else(T::zero)
}

/// A pair of transforms between `size` (even) real samples and `size / 2 + 1` complex bins.
#[derive(Clone)]
pub(crate) struct RealFft<T: FftNum> {
    forward: Arc<dyn rustfft::Fft<T>>,
    inverse: Arc<dyn rustfft::Fft<T>>,
    /// `exp(-2πi k / size)` for `k` in `0..=size / 2`.
    twiddles: Vec<Complex<T>>,
}

impl<T: FftNum> RealFft<T> {
    pub fn new(size: usize) -> Self {
        let mut planner = FftPlanner::new();
        let half = size / 2;
        let twiddle = |k| {
            let w = Complex64::cis(-TAU * k as f64 / size as f64);
            Complex::new(number(w.re), number(w.im))
        };
        Self {
            forward: planner.plan_fft_forward(half),
            inverse: planner.plan_fft_inverse(half),
            twiddles: (0..=half).map(twiddle).collect(),
        }
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.twiddles.len()
    }

    /// Working memory for either direction; any content.
    pub fn scratch(&self) -> Scratch<T> {
        let half = self.bins() - 1;
        let len = self
            .forward
            .get_inplace_scratch_len()
            .max(self.inverse.get_inplace_scratch_len());
        let zero = Complex::new(T::zero(), T::zero());
        Scratch {
            packed: vec![zero; half],
            inner: vec![zero; len],
        }
    }

    /// `bins[k] = Σ input[n] exp(-2πi kn / size)`.
    pub fn forward(&self, input: &[T], bins: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        for (z, pair) in scratch.packed.iter_mut().zip(input.chunks_exact(2)) {
            *z = Complex::new(pair[0], pair[1]);
        }
        self.forward
            .process_with_scratch(&mut scratch.packed, &mut scratch.inner);
        // Even samples were the real part and odd ones the imaginary part: their transforms are the Hermitian
        // and anti-Hermitian halves of the packed one.
        let [first, packed @ ..] = &scratch.packed[..] else {
            return;
        };
        let [lowest, bins @ .., highest] = bins else {
            return;
        };
        *lowest = Complex::new(first.re + first.im, T::zero());
        *highest = Complex::new(first.re - first.im, T::zero());
        let a_half = number::<T>(0.5);
        let pairs = packed.iter().zip(packed.iter().rev());
        for ((bin, w), (z, mirror)) in bins.iter_mut().zip(&self.twiddles[1..]).zip(pairs) {
            let mirror = mirror.conj();
            let (even, odd) = ((z + mirror) * a_half, (z - mirror) * a_half);
            *bin = even + *w * Complex::new(odd.im, -odd.re);
        }
    }

    /// The inverse of [`RealFft::forward`], scaled by `1 / size`.
    pub fn inverse(&self, bins: &[Complex<T>], output: &mut [T], scratch: &mut Scratch<T>) {
        let half = self.bins() - 1;
        let scale = number::<T>(0.5) / number(half as f64);
        // The imaginary parts of the first and last bins cannot come from a real signal and are ignored.
        let bin = |k: usize| {
            if k == 0 || k == half {
                Complex::new(bins[k].re, T::zero())
            } else {
                bins[k]
            }
        };
        for (k, z) in scratch.packed.iter_mut().enumerate() {
            let (x, mirror) = (bin(k), bin(half - k).conj());
            let odd = (x - mirror) * self.twiddles[k].conj();
            *z = (x + mirror + Complex::new(-odd.im, odd.re)) * scale;
        }
        self.inverse
            .process_with_scratch(&mut scratch.packed, &mut scratch.inner);
        for (pair, z) in output.chunks_exact_mut(2).zip(&scratch.packed) {
            pair.copy_from_slice(&[z.re, z.im]);
        }
    }
}

/// Working memory of a [`RealFft`].
#[derive(Clone)]
pub(crate) struct Scratch<T> {
    packed: Vec<Complex<T>>,
    inner: Vec<Complex<T>>,
}

/// A transform with all its memory.
pub(crate) struct Fft<T: FftNum> {
    fft: RealFft<T>,
    bins: Vec<Complex<T>>,
    scratch: Scratch<T>,
}

impl<T: FftNum> Fft<T> {
    fn new(size: usize) -> Self {
        let fft = RealFft::new(size);
        Fft {
            bins: vec![Complex::new(T::zero(), T::zero()); fft.bins()],
            scratch: fft.scratch(),
            fft,
        }
    }

    /// Calls `body` with the transform of that size which this thread keeps in `kept`.
    pub fn of<R>(
        kept: &'static LocalKey<RefCell<Vec<Self>>>,
        size: usize,
        body: impl FnOnce(&mut Self) -> R,
    ) -> R {
        kept.with_borrow_mut(|kept| {
            let at = kept.iter().position(|fft| 2 * (fft.bins.len() - 1) == size);
            let at = at.unwrap_or_else(|| {
                kept.push(Self::new(size));
                kept.len() - 1
            });
            body(&mut kept[at])
        })
    }

    /// The bins of `samples`.
    pub fn forward(&mut self, samples: &[T]) -> &[Complex<T>] {
        self.fft.forward(samples, &mut self.bins, &mut self.scratch);
        &self.bins
    }

    /// The samples of which `bin(k)` are the bins.
    pub fn inverse(&mut self, bin: impl FnMut(usize) -> Complex<T>, samples: &mut [T]) {
        for (place, value) in self.bins.iter_mut().zip((0..).map(bin)) {
            *place = value;
        }
        self.fft.inverse(&self.bins, samples, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_sum_it_stands_for_and_inverts() {
        for size in [4, 6, 32, 90] {
            let x: Vec<f32> = (0..size)
                .map(|n| ((n * n * 7 + 3 * n) % 17) as f32 / 17.0 - 0.4)
                .collect();
            let fft = RealFft::new(size);
            let mut scratch = fft.scratch();
            let mut bins = vec![Complex::default(); fft.bins()];
            fft.forward(&x, &mut bins, &mut scratch);
            for (k, bin) in bins.iter().enumerate() {
                let term = |(n, &x): (usize, &f32)| {
                    Complex64::cis(-TAU * (k * n) as f64 / size as f64) * f64::from(x)
                };
                let sum: Complex64 = x.iter().enumerate().map(term).sum();
                assert!(
                    (sum.re as f32 - bin.re).abs() < 1e-5 && (sum.im as f32 - bin.im).abs() < 1e-5,
                    "{size} {k}"
                );
            }
            let mut back = vec![0.0; size];
            fft.inverse(&bins, &mut back, &mut scratch);
            for (a, b) in x.iter().zip(&back) {
                assert!((a - b).abs() < 1e-6, "{size}: {a} {b}");
            }
        }
    }
}
