//! Direct convolution: every tap of a strip's line times its weight, added up in registers. No matrix of columns is made,
//! so that few channels are not bound by memory.

use rayon::prelude::*;

use super::{
    Shared, blocks,
    phases::{Phases, Strip, pitch},
    vectors::{self, Correlate, Dots},
};
use crate::{ops::conv2d::Geometry, tape::with_scratch};

/// Floats of a strip's lines: they stay in a core's second-level cache, and for the weight gradient what one block of
/// channels reads of them in the first.
const STRIP: usize = 32 * 1024;
const NARROW_STRIP: usize = 6 * 1024;

/// Partial sums of the weight gradient.
const PARTS: usize = 16;

/// Most channels of the big image. Beyond them, matrix products are faster.
const MOST_CHANNELS: usize = 64;

/// Whether it is faster than matrix products. Rows of lines have elements that are for nothing, which weighs on narrow
/// images; making columns weighs on few channels.
pub fn suits(g: &Geometry) -> bool {
    let (pitch, q, k) = (pitch(g), g.small[1], g.small_channels);
    g.big_channels <= MOST_CHANNELS && (pitch - q) * k <= 128 * q && vectors::available()
}

pub fn forward(g: &Geometry, big: &[f32], w: &[f32], bias: &[f32], small: &mut [f32]) {
    let depth = g.big_channels * g.taps();
    let [p, q] = g.small;
    let of_row = pitch(g) * (g.big_channels * g.stride[0] * g.stride[1] + Correlate::BLOCK);
    let strips = Strip::all(g, p, of_row, STRIP);
    with_scratch(w.len(), |packed| {
        pack(packed, g.small_channels, depth, |k, j| w[k * depth + j]);
        let (packed, out) = (&*packed, Shared::new(small));
        strips.par_iter().for_each(|strip| {
            let lines = Phases::of(g, strip);
            let (offsets, pitch) = (lines.taps(), lines.channel());
            with_scratch(lines.big_len() + Correlate::BLOCK * pitch, |scratch| {
                let (line, sums) = scratch.split_at_mut(lines.big_len());
                lines.cut_big(big, line);
                for ks in blocks(g.small_channels, Correlate::BLOCK) {
                    let correlate = Correlate {
                        channels: ks.len(),
                        line,
                        offsets: &offsets,
                        weights: &packed[ks.start * depth..ks.end * depth],
                        out: sums,
                        pitch,
                        len: lines.len(),
                    };
                    correlate.run();
                    for (k, sums) in ks.zip(sums.chunks_exact(pitch)) {
                        let bias = bias.get(k).copied().unwrap_or(0.0);
                        for (i, n) in strip.samples.clone().enumerate() {
                            let start = ((n * g.small_channels + k) * p + strip.rows.start) * q;
                            // SAFETY: a task alone has these samples and rows.
                            let out = unsafe { out.part(start, strip.rows.len() * q) };
                            for (out, row) in out.chunks_exact_mut(q).zip(lines.rows(sums, i)) {
                                out.iter_mut().zip(row).for_each(|(out, &x)| *out = x + bias);
                            }
                        }
                    }
                }
            });
        });
    });
}

/// Weights in blocks of channels of the result, and in a block by what they are multiplied with: `weight(channel, j)`.
fn pack(packed: &mut [f32], channels: usize, depth: usize, weight: impl Fn(usize, usize) -> f32) {
    for ks in blocks(channels, Correlate::BLOCK) {
        let block = &mut packed[ks.start * depth..ks.end * depth];
        for (j, block) in block.chunks_exact_mut(ks.len()).enumerate() {
            block
                .iter_mut()
                .zip(ks.clone())
                .for_each(|(out, k)| *out = weight(k, j));
        }
    }
}

/// What the transpose does for one phase of rows and columns of the big image.
struct Phase {
    /// Taps that it sees, rows and columns.
    taps: [usize; 2],
    /// Packed weights, by `[small channel, row, column]`.
    weights: Vec<f32>,
}

impl Phase {
    fn of(g: &Geometry, w: &[f32], [a, b]: [usize; 2]) -> Self {
        let ([kernel_h, kernel_w], [stride_h, stride_w]) = (g.kernel, g.stride);
        let taps = [
            kernel_h.saturating_sub(a).div_ceil(stride_h),
            kernel_w.saturating_sub(b).div_ceil(stride_w),
        ];
        let depth = g.small_channels * taps[0] * taps[1];
        let mut weights = vec![0.0; depth * g.big_channels];
        pack(&mut weights, g.big_channels, depth, |c, j| {
            let (k, t, u) = (j / taps[1] / taps[0], j / taps[1] % taps[0], j % taps[1]);
            let (r, s) = (a + stride_h * t, b + stride_w * u);
            w[(k * g.big_channels + c) * g.taps() + r * kernel_w + s]
        });
        Phase { taps, weights }
    }
}

pub fn transpose(g: &Geometry, small: &[f32], w: &[f32], bias: &[f32], big: &mut [f32]) {
    let ([stride_h, stride_w], [h, wide]) = (g.stride, g.big);
    let phases = (0..stride_h).flat_map(|a| (0..stride_w).map(move |b| [a, b]));
    let phases: Vec<Phase> = phases.map(|phase| Phase::of(g, w, phase)).collect();
    let of_row = pitch(g) * (g.small_channels + Correlate::BLOCK * stride_w);
    let strips = Strip::all(g, (h + g.padding[0]).div_ceil(stride_h), of_row, STRIP);
    let out = Shared::new(big);
    strips.par_iter().for_each(|strip| {
        let lines = Phases::of(g, strip);
        let offsets: Vec<_> = phases
            .iter()
            .map(|phase| lines.taps_of_phase(phase.taps))
            .collect();
        let pitch = lines.channel();
        let small_len = g.small_channels * pitch;
        with_scratch(small_len + stride_w * Correlate::BLOCK * pitch, |scratch| {
            let (line, sums) = scratch.split_at_mut(small_len);
            lines.cut_small_before(small, line);
            for (cs, a) in blocks(g.big_channels, Correlate::BLOCK)
                .flat_map(|cs| (0..stride_h).map(move |a| (cs.clone(), a)))
            {
                for (b, sums) in sums.chunks_exact_mut(Correlate::BLOCK * pitch).enumerate() {
                    let phase = a * stride_w + b;
                    let (offsets, weights) = (&offsets[phase], &phases[phase].weights);
                    let correlate = Correlate {
                        channels: cs.len(),
                        line,
                        offsets,
                        weights: &weights[cs.start * offsets.len()..cs.end * offsets.len()],
                        out: sums,
                        pitch,
                        len: lines.len(),
                    };
                    correlate.run();
                }
                for (i, c) in cs.enumerate() {
                    let bias = bias.get(c).copied().unwrap_or(0.0);
                    for (m, n) in strip.samples.clone().enumerate() {
                        let of_phase =
                            |b: usize| &sums[(b * Correlate::BLOCK + i) * pitch + m * lines.sample()..];
                        for (y, p) in strip.rows.clone().enumerate() {
                            let row = (stride_h * p + a).checked_sub(g.padding[0]);
                            let Some(row) = row.filter(|&row| row < h) else {
                                continue;
                            };
                            // SAFETY: a task alone has these samples and rows.
                            let out = unsafe { out.part(((n * g.big_channels + c) * h + row) * wide, wide) };
                            let phase = |b: usize| &of_phase(b)[y * lines.pitch..][..lines.pitch];
                            interleave(out, phase, stride_w, g.padding[1], bias);
                        }
                    }
                }
            }
        });
    });
}

/// A row of the big image from its phases: column `x` is element `(x + left) / stride` of phase `(x + left) % stride`.
fn interleave<'a>(
    out: &mut [f32],
    phase: impl Fn(usize) -> &'a [f32],
    stride: usize,
    left: usize,
    bias: f32,
) {
    let from = |x: usize| &phase((x + left) % stride)[(x + left) / stride..];
    if let (2, [_, _, ..]) = (stride, &*out) {
        // spelled out for the U-Net's stride, so that it is compiled to shuffles
        let (even, odd, half) = (from(0), from(1), out.len() / 2);
        let values = even.iter().zip(odd);
        for (out, (&even, &odd)) in out.chunks_exact_mut(2).zip(values) {
            out.copy_from_slice(&[even + bias, odd + bias]);
        }
        if let [last] = out.chunks_exact_mut(2).into_remainder() {
            *last = even[half] + bias;
        }
        return;
    }
    for x in 0..stride.min(out.len()) {
        let columns = out[x..].iter_mut().step_by(stride);
        columns.zip(from(x)).for_each(|(out, &value)| *out = value + bias);
    }
}

pub fn weight_gradient(g: &Geometry, big: &[f32], small: &[f32], dw: &mut [f32]) {
    let (taps, depth) = (g.taps(), g.big_channels * g.taps());
    let of_row = pitch(g) * (g.stride[0] * g.stride[1] + Dots::BLOCK);
    let strips = Strip::all(g, g.small[0], of_row, NARROW_STRIP);
    let parts: Vec<&[Strip]> = strips.chunks(strips.len().div_ceil(PARTS)).collect();
    let add_up = |strip: &Strip, dw: &mut [f32]| {
        let lines = Phases::of(g, strip);
        let (offsets, pitch) = (lines.taps(), lines.channel());
        with_scratch(lines.big_len() + g.small_channels * pitch, |scratch| {
            let (line, small_lines) = scratch.split_at_mut(lines.big_len());
            lines.cut_big(big, line);
            lines.cut_small(small, small_lines);
            for (c, offsets) in offsets.chunks_exact(taps).enumerate() {
                for ks in blocks(g.small_channels, Dots::BLOCK) {
                    let dots = Dots {
                        channels: ks.len(),
                        small: &small_lines[ks.start * pitch..],
                        pitch,
                        line,
                        offsets,
                        len: lines.len(),
                        out: &mut dw[ks.start * depth + c * taps..],
                        out_pitch: depth,
                    };
                    dots.run();
                }
            }
        });
    };
    let len = dw.len();
    with_scratch(parts.len() * len, |partial| {
        let tasks = partial.par_chunks_exact_mut(len).zip(&parts);
        tasks.for_each(|(dw, strips)| {
            dw.fill(0.0);
            strips.iter().for_each(|strip| add_up(strip, dw));
        });
        let (first, rest) = partial.split_at(len);
        dw.copy_from_slice(first);
        for part in rest.chunks_exact(len) {
            dw.iter_mut().zip(part).for_each(|(sum, &v)| *sum += v);
        }
    });
}
