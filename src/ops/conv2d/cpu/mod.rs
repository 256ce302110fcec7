//! Convolution on the CPU: directly where channels are few, else by matrix products.
//!
//! Tasks depend on the shapes alone, never on the number of threads, and each adds in a fixed order.

mod direct;
mod matrices;
mod phases;
mod vectors;

use std::ops::Range;

use super::Geometry;
use crate::tape::Real;

/// Tasks that an operation should be cut into at least, where it can.
const TASKS: usize = 8;

/// `small = w ∗ big + bias`; an empty bias is none.
pub fn forward<T: Real>(g: &Geometry, big: &[T], w: &[T], bias: &[T], small: &mut [T]) {
    match ([big, w, bias].map(T::as_f32), T::as_f32_mut(small)) {
        ([Some(big), Some(w), Some(bias)], Some(small)) if direct::suits(g) => {
            direct::forward(g, big, w, bias, small);
        }
        _ => matrices::forward(g, big, w, bias, small),
    }
}

/// `big = w ∗ᵀ small + bias`; an empty bias is none.
pub fn transpose<T: Real>(g: &Geometry, small: &[T], w: &[T], bias: &[T], big: &mut [T]) {
    match ([small, w, bias].map(T::as_f32), T::as_f32_mut(big)) {
        ([Some(small), Some(w), Some(bias)], Some(big)) if direct::suits(g) => {
            direct::transpose(g, small, w, bias, big);
        }
        _ => matrices::transpose(g, small, w, bias, big),
    }
}

/// `dw[k, c, r, s] = Σ small[k, p, q] big[c, p·stride + r − padding, …]`
pub fn weight_gradient<T: Real>(g: &Geometry, big: &[T], small: &[T], dw: &mut [T]) {
    match ([big, small].map(T::as_f32), T::as_f32_mut(dw)) {
        ([Some(big), Some(small)], Some(dw)) if direct::suits(g) => {
            direct::weight_gradient(g, big, small, dw)
        }
        _ => matrices::weight_gradient(g, big, small, dw),
    }
}

/// Cuts `0..len` into blocks of `size`.
fn blocks(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..len)
        .step_by(size)
        .map(move |start| start..len.min(start + size))
}

/// A slice that tasks write disjoint parts of.
struct Shared<T>(*mut T, usize);

// SAFETY: only `part` gives access, and its callers keep the parts disjoint.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn new(slice: &mut [T]) -> Self {
        Shared(slice.as_mut_ptr(), slice.len())
    }

    /// # Safety
    /// No two parts that are alive at one time may overlap.
    #[expect(clippy::mut_from_ref, reason = "the point of it; see Safety")]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start + len <= self.1);
        // SAFETY: inside the slice (asserted), and alone by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::uniform;

    /// Images that are cut into strips of several samples, and of some rows of one, both with a rest.
    fn geometries() -> [Geometry; 4] {
        let of =
            |batch, [big_channels, small_channels]: [usize; 2], big: [usize; 2], kernel, stride, padding| {
                let small = |axis: usize| (big[axis] + 2 * padding - kernel) / stride + 1;
                Geometry {
                    batch,
                    big_channels,
                    small_channels,
                    big,
                    small: [small(0), small(1)],
                    kernel: [kernel; 2],
                    stride: [stride; 2],
                    padding: [padding; 2],
                }
            };
        [
            of(19, [3, 7], [9, 6], 5, 2, 2),
            of(2, [4, 5], [611, 41], 5, 2, 2),
            of(18, [2, 3], [7, 12], 3, 1, 1),
            of(1, [9, 2], [403, 30], 4, 3, 1),
        ]
    }

    fn noise(stream: u32, len: usize) -> Vec<f32> {
        (0..len as u32)
            .map(|i| 2.0 * uniform([3, 4], 0, stream, i) - 1.0)
            .collect()
    }

    /// Sums of `terms` products of numbers below 1 err by less than as many roundings.
    fn close(found: &[f32], wanted: &[f64], terms: usize) {
        let most = terms as f64 * f64::from(f32::EPSILON);
        for (i, (&found, &wanted)) in found.iter().zip(wanted).enumerate() {
            let error = (f64::from(found) - wanted).abs();
            assert!(error < most, "{i}: {found}, not {wanted}");
        }
    }

    #[test]
    fn strips_of_many_samples_and_of_few_rows_are_those_of_matrices() {
        for g in geometries() {
            let big = noise(0, g.batch * g.big_channels * g.big_plane());
            let small = noise(1, g.batch * g.small_channels * g.small_plane());
            let w = noise(2, g.small_channels * g.big_channels * g.taps());
            let bias = noise(3, g.small_channels.max(g.big_channels));
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let [big64, small64, w64, bias64] = [&big, &small, &w, &bias].map(|x| wide(x));

            let (mut found, mut wanted) = (vec![f32::NAN; small.len()], vec![0.0; small.len()]);
            direct::forward(&g, &big, &w, &bias, &mut found);
            matrices::forward(&g, &big64, &w64, &bias64, &mut wanted);
            close(&found, &wanted, g.big_channels * g.taps() + 1);

            let (mut found, mut wanted) = (vec![f32::NAN; big.len()], vec![0.0; big.len()]);
            direct::transpose(&g, &small, &w, &bias, &mut found);
            matrices::transpose(&g, &small64, &w64, &bias64, &mut wanted);
            close(&found, &wanted, g.small_channels * g.taps() + 1);

            let (mut found, mut wanted) = (vec![f32::NAN; w.len()], vec![0.0; w.len()]);
            direct::weight_gradient(&g, &big, &small, &mut found);
            matrices::weight_gradient(&g, &big64, &small64, &mut wanted);
            close(&found, &wanted, g.batch * g.small_plane());
        }
    }
}
