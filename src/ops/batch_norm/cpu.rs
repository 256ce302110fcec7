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

/// The chunks of one channel: each is read more than once while it is in the cache.
fn chunks<T>(shape: Channels, x: &[T], channel: usize) -> impl Iterator<Item = &[T]> {
    rows(shape, x, channel).flat_map(|row| row.chunks(CHUNK))
}

/// Of some values: their number, their mean and the sum of squared distances from it.
#[derive(Clone, Copy, Default)]
struct Moments<T> {
    count: T,
    mean: T,
    squares: T,
}

impl<T: Real> Moments<T> {
    fn of(values: &[T]) -> Self {
        let count = T::of(values.len() as f64);
        // as a distance from the first value: a constant has that mean, and no variance, exactly
        let first = values[0];
        let mean = first + parallel::sum_slice(values, |v| v - first) / count;
        let squares = parallel::sum_slice(values, |v| (v - mean) * (v - mean));
        Moments { count, mean, squares }
    }

    /// Those of all values of both (Chan, Golub and LeVeque).
    fn with(self, other: Self) -> Self {
        let count = self.count + other.count;
        let (distance, share) = (other.mean - self.mean, other.count / count);
        Moments {
            count,
            mean: self.mean + distance * share,
            squares: self.squares + other.squares + distance * distance * self.count * share,
        }
    }
}

pub fn statistics<T: Real>(shape: Channels, x: &[T], out: &mut [T]) {
    let mut moments = vec![Moments::default(); shape.channels];
    parallel_channels(&mut moments, shape.batch * shape.inner, |c| {
        let all = chunks(shape, x, c).map(Moments::of).reduce(Moments::with);
        all.unwrap_or_default()
    });
    let (means, variances) = out.split_at_mut(shape.channels);
    for ((moments, mean), variance) in moments.iter().zip(means).zip(variances) {
        (*mean, *variance) = (moments.mean, moments.squares / moments.count);
    }
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
    let mut both = vec![[T::zero(); 2]; shape.channels];
    parallel_channels(&mut both, shape.batch * shape.inner, |c| {
        let mean = means[c];
        let pairs = chunks(shape, x, c).zip(chunks(shape, dy, c));
        pairs.fold([T::zero(); 2], |[first, second], (x, dy)| {
            [
                first + parallel::sum_slice(dy, |v| v),
                second + parallel::sum_pairs(x, dy, |x, dy| dy * (x - mean)),
            ]
        })
    });
    let (first, second) = out.split_at_mut(shape.channels);
    for (c, [sum, product]) in both.into_iter().enumerate() {
        first[c] = sum;
        second[c] = product / (variances[c] + epsilon).sqrt();
    }
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
