//! Loops over large slices, split into tasks of a fixed size: the same result on any number of threads.

use rayon::prelude::*;

use crate::tape::Real;

/// Elements per task: enough to pay for the task, little enough for the caches.
const CHUNK: usize = 1 << 14;

/// Calls `body(start, chunk)` for consecutive chunks of `out`.
pub fn for_chunks<T: Send>(out: &mut [T], body: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= CHUNK {
        return body(0, out);
    }
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| body(i * CHUNK, chunk));
}

/// `out = f(a)`, element by element.
pub fn map<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T + Sync) {
    for_chunks(out, |start, chunk| {
        for (out, &a) in chunk.iter_mut().zip(&a[start..]) {
            *out = f(a);
        }
    });
}

/// `out = f(a, b)`, element by element.
pub fn map2<T: Real>(out: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) {
    for_chunks(out, |start, chunk| {
        for ((out, &a), &b) in chunk.iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *out = f(a, b);
        }
    });
}

/// `Σ f(i..j)` over chunks of `0..len`, added in order.
pub fn sum<T: Real>(len: usize, f: impl Fn(std::ops::Range<usize>) -> T + Sync) -> T {
    let chunk = |i: usize| f(i * CHUNK..len.min((i + 1) * CHUNK));
    let chunks = len.div_ceil(CHUNK);
    if chunks <= 1 {
        return chunk(0);
    }
    let partial: Vec<T> = (0..chunks).into_par_iter().map(chunk).collect();
    partial.into_iter().sum()
}

/// The sum of a slice by eight interleaved accumulators, which is fast and more exact than one.
pub fn sum_slice<T: Real>(values: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::zero(); 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    let rest: T = rest.iter().map(|&v| f(v)).sum();
    lanes.into_iter().sum::<T>() + rest
}
