//! Both transforms on the CPU, one item of the batch after another in each task.

use rayon::prelude::*;
use rustfft::num_complex::Complex;

use super::{InverseStft, Stft, StftOutput};
use crate::{
    signal::{LEAST_WEIGHT, hann},
    tape::{Real, with_scratch},
};

/// Frames transformed before their columns are written out: whole cache lines instead of single numbers.
const TILE: usize = 16;

/// Calls `body` with the window.
fn with_window<T: Real>(size: usize, body: impl FnOnce(&[T])) {
    with_scratch(size, |window| {
        for (n, w) in window.iter_mut().enumerate() {
            *w = T::of(hann(n, size));
        }
        body(window);
    });
}

/// `x [B, samples] → out [B, channels, bins, frames]`
pub fn forward<T: Real>(op: &Stft, samples: usize, frames: usize, x: &[T], out: &mut [T]) {
    let rows = op.output.channels() * (op.size / 2 + 1);
    with_window(op.size, |window| {
        out.par_chunks_mut(rows * frames)
            .zip(x.par_chunks(samples))
            .for_each(|(out, x)| item(op, window, frames, x, out));
    });
}

fn item<T: Real>(op: &Stft, window: &[T], frames: usize, x: &[T], out: &mut [T]) {
    let bins = op.size / 2 + 1;
    let reflected = |position: usize| {
        let from_start = position.abs_diff(op.size / 2);
        let last = x.len() - 1;
        x[last - last.abs_diff(from_start)]
    };
    with_scratch(op.size + out.len() / frames * TILE, |scratch| {
        let (frame, tile) = scratch.split_at_mut(op.size);
        for start in (0..frames).step_by(TILE) {
            let count = TILE.min(frames - start);
            for i in 0..count {
                let from = (start + i) * op.hop;
                let inside = from
                    .checked_sub(op.size / 2)
                    .and_then(|from| x.get(from..from + op.size));
                match inside {
                    Some(x) => {
                        let samples = frame.iter_mut().zip(window).zip(x);
                        samples.for_each(|((sample, &w), &x)| *sample = w * x);
                    }
                    None => {
                        let samples = frame.iter_mut().zip(window).enumerate();
                        samples.for_each(|(n, (sample, &w))| *sample = w * reflected(from + n));
                    }
                }
                T::spectrum(frame, |k, bin| match op.output {
                    // spectra of sound are far from where squares overflow: no need of the slower hypot
                    StftOutput::Magnitude => tile[k * TILE + i] = bin.norm_sqr().sqrt(),
                    StftOutput::Complex => {
                        tile[k * TILE + i] = bin.re;
                        tile[(bins + k) * TILE + i] = bin.im;
                    }
                });
            }
            for (row, part) in out.chunks_exact_mut(frames).zip(tile.chunks_exact(TILE)) {
                row[start..start + count].copy_from_slice(&part[..count]);
            }
        }
    });
}

/// `spectrum [B, 2, bins, frames] → out [B, samples]`
pub fn inverse<T: Real>(op: &InverseStft, frames: usize, spectrum: &[T], out: &mut [T]) {
    let plane = (op.size / 2 + 1) * frames;
    with_window(op.size, |window| {
        out.par_chunks_mut(op.samples)
            .zip(spectrum.par_chunks(2 * plane))
            .for_each(|(out, spectrum)| overlap_add(op, window, spectrum.split_at(plane), out));
    });
}

fn overlap_add<T: Real>(op: &InverseStft, window: &[T], (re, im): (&[T], &[T]), out: &mut [T]) {
    let frames = 1 + op.samples / op.hop;
    let padded = (frames - 1) * op.hop + op.size;
    with_scratch(op.size + 2 * padded, |scratch| {
        let (frame, sums) = scratch.split_at_mut(op.size);
        sums.fill(T::zero());
        let (sum, weight) = sums.split_at_mut(padded);
        for t in 0..frames {
            T::signal(frame, |k| Complex::new(re[k * frames + t], im[k * frames + t]));
            let places = sum[t * op.hop..].iter_mut().zip(&mut weight[t * op.hop..]);
            for ((sum, weight), (&x, &w)) in places.zip(frame.iter().zip(window)) {
                *sum += w * x;
                *weight += w * w;
            }
        }
        let within = sum[op.size / 2..].iter().zip(&weight[op.size / 2..]);
        for (out, (&sum, &weight)) in out.iter_mut().zip(within) {
            *out = sum / weight.max(T::of(LEAST_WEIGHT));
        }
    });
}
