//! The inner loops of direct convolution, in the widest vectors that the processor has.
//!
//! Both work on a *line*: numbers in a row, of which a tap sees those that begin at its offset.

use std::array;

use pulp::{Arch, Simd, WithSimd};

/// Elements behind the end of a line, and of a result, that may be read and written.
pub const SLACK: usize = 12 * 16;

/// Whether the processor has vectors for which these loops are worth their while.
pub fn available() -> bool {
    Arch::new().dispatch(Width) >= 4
}

struct Width;

impl WithSimd for Width {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Compiles `body`, which must be inlined, for the vectors of the processor.
pub fn dispatch(body: impl FnOnce()) {
    Arch::new().dispatch(body);
}

/// `out[k·pitch + i] = Σ_j weights[j·channels + k] · line[offsets[j] + i]` for `i` in `0..len`.
pub struct Correlate<'a> {
    /// Of the result, at most [`Self::BLOCK`].
    pub channels: usize,
    pub line: &'a [f32],
    pub offsets: &'a [usize],
    pub weights: &'a [f32],
    pub out: &'a mut [f32],
    pub pitch: usize,
    pub len: usize,
}

impl Correlate<'_> {
    /// Channels that are worked on together.
    pub const BLOCK: usize = 6;

    pub fn run(self) {
        Arch::new().dispatch(self);
    }

    /// With `V` vectors of each of `K` channels in registers: twelve or so, and their operands.
    #[inline(always)]
    fn block<S: Simd, const K: usize, const V: usize>(self, simd: S) {
        let (lanes, step) = (S::F32_LANES, V * S::F32_LANES);
        let reach = self.len.next_multiple_of(step);
        let furthest = self.offsets.iter().copied().max().unwrap_or(0);
        assert!(furthest + reach <= self.line.len() && (K - 1) * self.pitch + reach <= self.out.len());
        assert_eq!(self.offsets.len() * K, self.weights.len());
        for i in (0..self.len).step_by(step) {
            let mut sums = [[simd.splat_f32s(0.0); V]; K];
            for (offset, weights) in self.offsets.iter().zip(self.weights.as_chunks::<K>().0) {
                // SAFETY: `offset + i + step` is at most `furthest + reach`, inside the line.
                let pixels = |v: usize| unsafe { load::<S>(self.line, offset + i + v * lanes) };
                let weight = |k: usize| simd.splat_f32s(weights[k]);
                add_products(simd, &mut sums, weight, pixels);
            }
            for (k, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: inside `out`, by the assertion.
                    unsafe { store::<S>(self.out, k * self.pitch + i + v * lanes, sum) };
                }
            }
        }
    }
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.channels {
            1 => self.block::<S, 1, 12>(simd),
            2 => self.block::<S, 2, 6>(simd),
            3 => self.block::<S, 3, 4>(simd),
            4 => self.block::<S, 4, 2>(simd),
            5 => self.block::<S, 5, 2>(simd),
            _ => self.block::<S, { Correlate::BLOCK }, 2>(simd),
        }
    }
}

/// `out[k·out_pitch + j] += Σ_i small[k·pitch + i] · line[offsets[j] + i]` over `i` in `0..len`, rounded up to whole
/// vectors: there `small` must have zeros.
pub struct Dots<'a> {
    /// Of the small image, at most [`Self::BLOCK`].
    pub channels: usize,
    pub small: &'a [f32],
    pub pitch: usize,
    pub line: &'a [f32],
    pub offsets: &'a [usize],
    pub len: usize,
    pub out: &'a mut [f32],
    pub out_pitch: usize,
}

impl Dots<'_> {
    /// Channels that are worked on together.
    pub const BLOCK: usize = 4;

    pub fn run(self) {
        Arch::new().dispatch(self);
    }

    /// With `J` sums of each of `K` channels in registers, for the offsets from `first` on.
    #[inline(always)]
    fn block<S: Simd, const K: usize, const J: usize>(&mut self, simd: S, first: usize) {
        let lanes = S::F32_LANES;
        let reach = self.len.next_multiple_of(lanes);
        let mut offsets = [0; J];
        offsets.copy_from_slice(&self.offsets[first..first + J]);
        assert!(offsets.iter().all(|offset| offset + reach <= self.line.len()));
        assert!((K - 1) * self.pitch + reach <= self.small.len());
        let mut sums = [[simd.splat_f32s(0.0); J]; K];
        for i in (0..self.len).step_by(lanes) {
            // SAFETY: both are inside their slices, by the assertions.
            let small = |k: usize| unsafe { load::<S>(self.small, k * self.pitch + i) };
            let big = |j: usize| unsafe { load::<S>(self.line, offsets[j] + i) };
            add_products(simd, &mut sums, small, big);
        }
        for (k, sums) in sums.iter().enumerate() {
            let out = &mut self.out[k * self.out_pitch + first..][..J];
            for (out, &sum) in out.iter_mut().zip(sums) {
                *out += simd.reduce_sum_f32s(sum);
            }
        }
    }

    #[inline(always)]
    fn blocks<S: Simd, const K: usize, const J: usize>(mut self, simd: S) {
        let whole = self.offsets.len() / J * J;
        for first in (0..whole).step_by(J) {
            self.block::<S, K, J>(simd, first);
        }
        for first in whole..self.offsets.len() {
            self.block::<S, K, 1>(simd, first);
        }
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.channels {
            1 => self.blocks::<S, 1, 12>(simd),
            2 => self.blocks::<S, 2, 6>(simd),
            3 => self.blocks::<S, 3, 4>(simd),
            _ => self.blocks::<S, { Dots::BLOCK }, 3>(simd),
        }
    }
}

/// `sums[k][v] += a(k) · b(v)`. Registers hold the sums, the fewer of the operands, and one or two of the others.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "two arrays, in either order")]
fn add_products<S: Simd, const K: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; K],
    a: impl Fn(usize) -> S::f32s,
    b: impl Fn(usize) -> S::f32s,
) {
    if K < V {
        let a: [S::f32s; K] = array::from_fn(a);
        for v in 0..V {
            let b = b(v);
            for k in 0..K {
                sums[k][v] = simd.mul_add_e_f32s(a[k], b, sums[k][v]);
            }
        }
    } else {
        let b: [S::f32s; V] = array::from_fn(b);
        for k in 0..K {
            let a = a(k);
            for v in 0..V {
                sums[k][v] = simd.mul_add_e_f32s(a, b[v], sums[k][v]);
            }
        }
    }
}

/// # Safety
/// `from[start..]` has a whole vector.
#[inline(always)]
unsafe fn load<S: Simd>(from: &[f32], start: usize) -> S::f32s {
    debug_assert!(start + S::F32_LANES <= from.len());
    // SAFETY: inside the slice, by the caller's word; any bits are floats.
    unsafe { from.as_ptr().add(start).cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `to[start..]` has a whole vector.
#[inline(always)]
unsafe fn store<S: Simd>(to: &mut [f32], start: usize, value: S::f32s) {
    debug_assert!(start + S::F32_LANES <= to.len());
    // SAFETY: inside the slice, by the caller's word.
    unsafe {
        to.as_mut_ptr()
            .add(start)
            .cast::<S::f32s>()
            .write_unaligned(value)
    }
}
