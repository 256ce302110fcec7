//! Images as lines, on which a convolution of any stride is one of stride 1.
//!
//! Row `stride·y + a`, column `stride·x + b` of the padded big image is element `[y, x]` of the plane of phase `[a, b]`.
//! All planes, and the small image, have rows of `pitch` elements, one behind another. So element `i` of the small image
//! sees tap `(r, s)` at `i` plus an offset that is the same for all `i`. The last elements of a row are for nothing.

use std::ops::Range;

use super::{blocks, vectors};
use crate::ops::conv2d::Geometry;

/// What a task works on: all rows of some samples, or some rows of one.
#[derive(Debug, Clone)]
pub struct Strip {
    pub samples: Range<usize>,
    pub rows: Range<usize>,
}

impl Strip {
    /// Cuts `rows` rows of every sample into strips of at most about `floats`, where a row has `of_row`.
    pub fn all(g: &Geometry, rows: usize, of_row: usize, floats: usize) -> Vec<Strip> {
        let most = (floats / of_row).max(4);
        let pieces = rows.div_ceil(most);
        let together = match pieces {
            1 => (most / (rows + 4)).clamp(1, g.batch.div_ceil(super::TASKS)),
            _ => 1,
        };
        let of_samples = |samples: Range<usize>| {
            blocks(rows, rows.div_ceil(pieces)).map(move |rows| Strip {
                samples: samples.clone(),
                rows,
            })
        };
        blocks(g.batch, together).flat_map(of_samples).collect()
    }
}

/// The lines of a strip.
#[derive(Debug, Clone)]
pub struct Phases<'a> {
    g: &'a Geometry,
    strip: &'a Strip,
    /// Elements of a row.
    pub pitch: usize,
    /// Rows of the big image that the last taps see, beyond those of the first.
    beyond: usize,
}

impl<'a> Phases<'a> {
    pub fn of(g: &'a Geometry, strip: &'a Strip) -> Self {
        Phases {
            g,
            strip,
            pitch: pitch(g),
            beyond: (g.kernel[0] - 1) / g.stride[0],
        }
    }

    /// Elements from one sample to the next.
    pub fn sample(&self) -> usize {
        (self.strip.rows.len() + self.beyond) * self.pitch
    }

    /// Elements of a plane.
    fn plane(&self) -> usize {
        self.strip.samples.len() * self.sample()
    }

    /// Elements of the result: up to the last row of the last sample.
    pub fn len(&self) -> usize {
        self.plane() - self.beyond * self.pitch
    }

    /// Elements of a channel of the result, or of the small image.
    pub fn channel(&self) -> usize {
        self.lead() + self.plane() + vectors::SLACK
    }

    /// Elements of the big image's line.
    pub fn big_len(&self) -> usize {
        self.g.big_channels * self.phases() * self.plane() + vectors::SLACK
    }

    fn phases(&self) -> usize {
        self.g.stride[0] * self.g.stride[1]
    }

    /// Elements that are for nothing in a row of the small image; as many are before its first row, too.
    fn lead(&self) -> usize {
        self.pitch - self.g.small[1]
    }

    /// Offsets of the taps in the big image's line, in the order of the weights.
    pub fn taps(&self) -> Vec<usize> {
        let ([kernel_h, kernel_w], [stride_h, stride_w]) = (self.g.kernel, self.g.stride);
        let tap = |c: usize, r: usize, s: usize| {
            let plane = (c * stride_h + r % stride_h) * stride_w + s % stride_w;
            plane * self.plane() + r / stride_h * self.pitch + s / stride_w
        };
        let of_row = |c, r| (0..kernel_w).map(move |s| tap(c, r, s));
        let of_channel = |c| (0..kernel_h).flat_map(move |r| of_row(c, r));
        (0..self.g.big_channels).flat_map(of_channel).collect()
    }

    /// For the transpose: offsets of the small pixels, in their lines, that a phase of the big image sees through
    /// `rows × columns` taps, in the order `[channel, row, column]`.
    pub fn taps_of_phase(&self, [rows, columns]: [usize; 2]) -> Vec<usize> {
        let pixel = |k: usize, t: usize, u: usize| {
            k * self.channel() + self.lead() + (self.beyond - t) * self.pitch - u
        };
        let of_row = |k, t| (0..columns).map(move |u| pixel(k, t, u));
        let of_channel = |k| (0..rows).flat_map(move |t| of_row(k, t));
        (0..self.g.small_channels).flat_map(of_channel).collect()
    }

    /// Writes the big image's line.
    pub fn cut_big(&self, big: &[f32], line: &mut [f32]) {
        vectors::dispatch(
            #[inline(always)]
            || {
                let g = self.g;
                let (planes, slack) = line.split_at_mut(line.len() - vectors::SLACK);
                slack.fill(0.0);
                let mut planes = planes.chunks_exact_mut(self.plane());
                for (c, a) in (0..g.big_channels).flat_map(|c| (0..g.stride[0]).map(move |a| (c, a))) {
                    for (b, plane) in planes.by_ref().take(g.stride[1]).enumerate() {
                        for (n, plane) in plane.chunks_exact_mut(self.sample()).enumerate() {
                            let plane_of_big = (self.strip.samples.start + n) * g.big_channels + c;
                            let image = &big[plane_of_big * g.big_plane()..][..g.big_plane()];
                            self.cut_plane(image, [a, b], plane);
                        }
                    }
                }
            },
        );
    }

    /// Writes the plane of a phase of one channel of one sample.
    #[inline(always)]
    fn cut_plane(&self, image: &[f32], [a, b]: [usize; 2], plane: &mut [f32]) {
        let ([h, w], [stride_h, stride_w], [top, left]) = (self.g.big, self.g.stride, self.g.padding);
        // element x is column stride · x + b − left
        let first = left.saturating_sub(b).div_ceil(stride_w).min(self.pitch);
        let end = (w + left)
            .saturating_sub(b)
            .div_ceil(stride_w)
            .clamp(first, self.pitch);
        let reach = (end - first).saturating_sub(1) * stride_w + usize::from(end > first);
        for (y, out) in plane.chunks_exact_mut(self.pitch).enumerate() {
            let row = (stride_h * (self.strip.rows.start + y) + a).checked_sub(top);
            let Some(row) = row.filter(|&row| row < h && first < end) else {
                out.fill(0.0);
                continue;
            };
            let seen = &image[row * w + stride_w * first + b - left..][..reach];
            out[..first].fill(0.0);
            out[end..].fill(0.0);
            let inside = out[first..end].iter_mut();
            match stride_w {
                // spelled out for the U-Net's stride, so that it is compiled to shuffles
                2 => inside.zip(seen.chunks(2)).for_each(|(x, pair)| *x = pair[0]),
                _ => inside
                    .zip(seen.iter().step_by(stride_w))
                    .for_each(|(x, &v)| *x = v),
            }
        }
    }

    /// Writes the small image's lines, one a channel: of every sample the rows of the strip, then zeros. Behind a row
    /// there are zeros, too.
    pub fn cut_small(&self, small: &[f32], lines: &mut [f32]) {
        self.cut_rows(
            small,
            self.strip.rows.start as isize,
            self.strip.rows.len(),
            0,
            lines,
        );
    }

    /// The same for the transpose: the rows that those of the strip see, which begin before it.
    pub fn cut_small_before(&self, small: &[f32], lines: &mut [f32]) {
        let first = self.strip.rows.start as isize - self.beyond as isize;
        let rows = self.strip.rows.len() + self.beyond;
        self.cut_rows(small, first, rows, self.lead(), lines);
    }

    fn cut_rows(&self, small: &[f32], first: isize, rows: usize, lead: usize, lines: &mut [f32]) {
        let [p, q] = self.g.small;
        let inside = (-first).max(0) as usize..(p as isize - first).clamp(0, rows as isize) as usize;
        for (k, line) in lines.chunks_exact_mut(self.channel()).enumerate() {
            line.fill(0.0);
            let samples = line[lead..].chunks_mut(self.sample());
            for (n, line) in self.strip.samples.clone().zip(samples) {
                let image = &small[(n * self.g.small_channels + k) * p * q..][..p * q];
                for i in inside.clone() {
                    let row = &image[(first + i as isize) as usize * q..][..q];
                    line[i * self.pitch..][..q].copy_from_slice(row);
                }
            }
        }
    }

    /// Rows of the `n`-th sample of a result.
    pub fn rows<'r>(&self, line: &'r [f32], n: usize) -> impl Iterator<Item = &'r [f32]> {
        line[n * self.sample()..]
            .chunks(self.pitch)
            .take(self.strip.rows.len())
    }
}

/// Elements of a row: enough for the taps of the last pixel, and for all columns of the big image.
pub fn pitch(g: &Geometry) -> usize {
    let [_, stride] = g.stride;
    let seen = g.small[1] + (g.kernel[1] - 1) / stride;
    seen.max((g.big[1] + g.padding[1]).div_ceil(stride))
}
