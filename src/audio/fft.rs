//! The Fourier transform of real signals by a complex one of half the length.

use std::sync::Arc;

use rustfft::{
    Fft, FftPlanner,
    num_complex::{Complex32, Complex64},
};

/// A pair of transforms between `size` (even) real samples and `size / 2 + 1` complex bins.
#[derive(Clone)]
pub(super) struct RealFft {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// `exp(-2πi k / size)` for `k` in `0..=size / 2`.
    twiddles: Vec<Complex32>,
}

impl RealFft {
    pub fn new(size: usize) -> Self {
        let mut planner = FftPlanner::new();
        let half = size / 2;
        let twiddle = |k| {
            let w = Complex64::cis(-std::f64::consts::TAU * k as f64 / size as f64);
            Complex32::new(w.re as f32, w.im as f32)
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
    pub fn scratch(&self) -> Scratch {
        let half = self.bins() - 1;
        let len = self
            .forward
            .get_inplace_scratch_len()
            .max(self.inverse.get_inplace_scratch_len());
        Scratch {
            packed: vec![Complex32::ZERO; half],
            inner: vec![Complex32::ZERO; len],
        }
    }

    /// `bins[k] = Σ input[n] exp(-2πi kn / size)`.
    pub fn forward(&self, input: &[f32], bins: &mut [Complex32], scratch: &mut Scratch) {
        let half = self.bins() - 1;
        for (z, pair) in scratch.packed.iter_mut().zip(input.chunks_exact(2)) {
            *z = Complex32::new(pair[0], pair[1]);
        }
        self.forward
            .process_with_scratch(&mut scratch.packed, &mut scratch.inner);
        // Even samples were the real part and odd ones the imaginary part: their transforms are the Hermitian
        // and anti-Hermitian halves of the packed one.
        for (k, (bin, w)) in bins.iter_mut().zip(&self.twiddles).enumerate() {
            let (z, mirror) = (scratch.packed[k % half], scratch.packed[(half - k) % half].conj());
            let (even, odd) = ((z + mirror) * 0.5, (z - mirror) * 0.5);
            *bin = even + *w * Complex32::new(odd.im, -odd.re);
        }
    }

    /// The inverse of [`RealFft::forward`], scaled by `1 / size`.
    pub fn inverse(&self, bins: &[Complex32], output: &mut [f32], scratch: &mut Scratch) {
        let half = self.bins() - 1;
        let scale = 0.5 / half as f32;
        // The imaginary parts of the first and last bins cannot come from a real signal and are ignored.
        let bin = |k: usize| {
            if k.is_multiple_of(half) {
                Complex32::new(bins[k].re, 0.0)
            } else {
                bins[k]
            }
        };
        for (k, z) in scratch.packed.iter_mut().enumerate() {
            let (x, mirror) = (bin(k), bin(half - k).conj());
            let odd = (x - mirror) * self.twiddles[k].conj();
            *z = (x + mirror + Complex32::new(-odd.im, odd.re)) * scale;
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
pub(super) struct Scratch {
    packed: Vec<Complex32>,
    inner: Vec<Complex32>,
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
            let mut bins = vec![Complex32::ZERO; fft.bins()];
            fft.forward(&x, &mut bins, &mut scratch);
            for (k, bin) in bins.iter().enumerate() {
                let term = |(n, &x): (usize, &f32)| {
                    Complex64::cis(-std::f64::consts::TAU * (k * n) as f64 / size as f64) * f64::from(x)
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
