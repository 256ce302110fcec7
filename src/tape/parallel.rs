//! Loops over large slices, split into tasks of a fixed size: the same result on any number of threads.

use rayon::prelude::*;

use super::Real;

/// Elements per task: enough to pay for the task, little enough for the caches.
const CHUNK: usize = 1 << 14;

/// Calls `body(start, chunk)` for consecutive chunks of `out`.
pub fn for_chunks<T: Send>(out: &mut [T], body: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= CHUNK {
        return body(0, out);
    }
    out.par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(i, chunk)| body(i * CHUNK, chunk));
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

/// `Σ f(v)` by eight interleaved accumulators, which is fast and more exact than one.
pub fn sum_slice<T: Real>(values: &[T], f: impl Fn(T) -> T) -> T {
    sum_pairs(values, values, |v, _| f(v))
}

/// `Σ f(a, b)` over two slices of one length, likewise.
pub fn sum_pairs<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: T = rest.map(|(&a, &b)| f(a, b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(a, b);
        }
    }
    lanes.into_iter().sum::<T>() + rest
}
