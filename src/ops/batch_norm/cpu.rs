//! Batch norm on the CPU, over tensors seen as `[batch, channels, inner]`.

use rayon::prelude::*;

use crate::{
    ops::{parallel, parallel_channels},
    shape::Channels,
    tape::Real,
};

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// Calls `row(channel, start, out)` for every row of `inner` elements.
fn for_rows<T: Real>(shape: Channels, out: &mut [T], row: impl Fn(usize, usize, &mut [T]) + Sync) {
    let Channels { channels, inner, .. } = shape;
    let rows = (CHUNK / inner).max(1);
    let task = |(task, chunk): (usize, &mut [T])| {
        for (i, out) in chunk.chunks_exact_mut(inner).enumerate() {
            let index = task * rows + i;
            row(index % channels, index * inner, out);
        }
    };
    match out.len() <= CHUNK {
        true => task((0, out)),
        false => out.par_chunks_mut(rows * inner).enumerate().for_each(task),
    }
}

/// The rows of one channel.
fn rows<T>(shape: Channels, x: &[T], channel: usize) -> impl Iterator<Item = &[T]> {
    let Channels {
        batch,
        channels,
        inner,
    } = shape;
    (0..batch).map(move |n| &x[(n * channels + channel) * inner..][..inner])
}

pub fn statistics<T: Real>(shape: Channels, x: &[T], out: &mut [T]) {
    let count = T::of((shape.batch * shape.inner) as f64);
    let (means, variances) = out.split_at_mut(shape.channels);
    let per_channel = shape.batch * shape.inner;
    parallel_channels(means, per_channel, |c| {
        // as a distance from the first value: a constant has that mean, and no variance, exactly
        let first = x[c * shape.inner];
        let distances = rows(shape, x, c).map(|row| parallel::sum_slice(row, |v| v - first));
        first + distances.sum::<T>() / count
    });
    let means = &*means;
    parallel_channels(variances, per_channel, |c| {
        let mean = means[c];
        let square = |v: T| (v - mean) * (v - mean);
        rows(shape, x, c)
            .map(|row| parallel::sum_slice(row, square))
            .sum::<T>()
            / count
    });
}

/// `activate` is what becomes of every normalised value.
pub fn normalise<T: Real>(
    shape: Channels,
    x: &[T],
    statistics: &[T],
    [gamma, beta]: [&[T]; 2],
    epsilon: T,
    out: &mut [T],
    activate: impl Fn(T) -> T + Sync,
) {
    let (means, variances) = statistics.split_at(shape.channels);
    for_rows(shape, out, |c, start, out| {
        let scale = gamma[c] / (variances[c] + epsilon).sqrt();
        let (mean, beta) = (means[c], beta[c]);
        for (out, &x) in out.iter_mut().zip(&x[start..]) {
            *out = activate((x - mean) * scale + beta);
        }
    });
}

pub fn sums<T: Real>(shape: Channels, x: &[T], dy: &[T], statistics: &[T], epsilon: T, out: &mut [T]) {
    let (means, variances) = statistics.split_at(shape.channels);
    let (first, second) = out.split_at_mut(shape.channels);
    let per_channel = shape.batch * shape.inner;
    parallel_channels(first, per_channel, |c| {
        rows(shape, dy, c)
            .map(|row| parallel::sum_slice(row, |v| v))
            .sum()
    });
    parallel_channels(second, per_channel, |c| {
        let mean = means[c];
        let pairs = rows(shape, x, c).zip(rows(shape, dy, c));
        let sum: T = pairs
            .map(|(x, dy)| parallel::sum_pairs(x, dy, |x, dy| dy * (x - mean)))
            .sum();
        sum / (variances[c] + epsilon).sqrt()
    });
}

pub fn input_gradient<T: Real>(
    shape: Channels,
    [x, dy]: [&[T]; 2],
    statistics: &[T],
    gamma: &[T],
    sums: Option<&[T]>,
    epsilon: T,
    out: &mut [T],
) {
    let (means, variances) = statistics.split_at(shape.channels);
    let count = T::of((shape.batch * shape.inner) as f64);
    for_rows(shape, out, |c, start, out| {
        let inverse = T::one() / (variances[c] + epsilon).sqrt();
        let scale = gamma[c] * inverse;
        let (mean_dy, mean_dy_x) = match sums {
            Some(sums) => (sums[c] / count, sums[shape.channels + c] / count * inverse),
            None => (T::zero(), T::zero()),
        };
        let mean = means[c];
        let values = x[start..].iter().zip(&dy[start..]);
        for (out, (&x, &dy)) in out.iter_mut().zip(values) {
            *out = scale * (dy - mean_dy - (x - mean) * mean_dy_x);
        }
    });
}
