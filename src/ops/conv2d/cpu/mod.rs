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
