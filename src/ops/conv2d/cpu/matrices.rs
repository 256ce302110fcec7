//! Convolution as im2col and matrix products, over panels of columns that stay in the cache.
//!
//! A column is one pixel of the small image; its rows are the taps `(c, r, s)` of the big image that it
//! sees.

use std::ops::Range;

use rayon::prelude::*;

use super::{Shared, TASKS, blocks};
use crate::{
    ops::{
        conv2d::Geometry,
        linear::{Layout, gemm},
    },
    tape::{Real, with_scratch},
};

/// Elements of a panel of columns: fits a core's second-level cache, with room for the result.
const PANEL: usize = 96 * 1024;
const MOST_COLUMNS: usize = 2048;

/// Columns that are worked on together: pixels of one sample, or all pixels of several.
#[derive(Debug, Clone)]
struct Group {
    samples: Range<usize>,
    pixels: Range<usize>,
}

impl Group {
    fn columns(&self) -> usize {
        self.samples.len() * self.pixels.len()
    }

    /// Cuts all columns into groups of about `columns`.
    fn all(g: &Geometry, columns: usize) -> Vec<Group> {
        let plane = g.small_plane();
        if plane >= columns {
            let pieces = plane.div_ceil(columns);
            let step = plane.div_ceil(pieces);
            let starts = (0..plane).step_by(step);
            let pixels: Vec<_> = starts.map(|start| start..plane.min(start + step)).collect();
            let of_sample = |n| {
                pixels.iter().map(move |p| Group {
                    samples: n..n + 1,
                    pixels: p.clone(),
                })
            };
            return (0..g.batch).flat_map(of_sample).collect();
        }
        let step = columns / plane;
        let starts = (0..g.batch).step_by(step);
        starts
            .map(|n| Group {
                samples: n..g.batch.min(n + step),
                pixels: 0..plane,
            })
            .collect()
    }

    /// For a panel with `rows` rows.
    fn for_rows(g: &Geometry, rows: usize) -> Vec<Group> {
        Self::all(g, (PANEL / rows).clamp(64, MOST_COLUMNS))
    }

    /// The small image's columns of this group as a matrix `[channels, columns]`: in place if they are of
    /// one sample, else gathered into `scratch`.
    fn matrix<'a, T: Real>(&self, g: &Geometry, small: &'a [T], scratch: &'a mut [T]) -> (&'a [T], Layout) {
        let (channels, plane) = (g.small_channels, g.small_plane());
        let item = channels * plane;
        if self.samples.len() == 1 {
            let start = self.samples.start * item + self.pixels.start;
            let mut layout = Layout::row_major(channels, self.pixels.len());
            layout.row_step = plane;
            return (&small[start..(self.samples.start + 1) * item], layout);
        }
        let columns = self.columns();
        for k in 0..channels {
            for (i, n) in self.samples.clone().enumerate() {
                scratch[k * columns + i * plane..][..plane]
                    .copy_from_slice(&small[n * item + k * plane..][..plane]);
            }
        }
        (
            &scratch[..channels * columns],
            Layout::row_major(channels, columns),
        )
    }
}

/// Calls `row(panel_offset, image_offset, len)` for every run of a group's columns, one tap and one small
/// row at a time: `len` columns at `panel_offset` see the image at `image_offset`, `+ stride`, …; runs
/// with no image under them have `None`.
fn for_runs(
    g: &Geometry,
    group: &Group,
    channels: &Range<usize>,
    mut run: impl FnMut(usize, Option<usize>, usize),
) {
    let (columns, width) = (group.columns(), g.small[1]);
    let [h, w] = g.big;
    let mut panel_row = 0;
    for c in channels.clone() {
        for r in 0..g.kernel[0] {
            for s in 0..g.kernel[1] {
                let inside = g.inside(s);
                let mut column = panel_row * columns;
                for n in group.samples.clone() {
                    let plane = (n * g.big_channels + c) * h * w;
                    let mut pixel = group.pixels.start;
                    while pixel < group.pixels.end {
                        let (p, q) = (pixel / width, pixel % width);
                        let len = (width - q).min(group.pixels.end - pixel);
                        let y = (p * g.stride[0] + r).checked_sub(g.padding[0]).filter(|&y| y < h);
                        // the part of this small row whose tap lies inside the big row
                        let first = inside.start.clamp(q, q + len);
                        let end = inside.end.clamp(first, q + len);
                        match y {
                            Some(y) if first < end => {
                                let at = plane + y * w + first * g.stride[1] + s - g.padding[1];
                                run(column, None, first - q);
                                run(column + first - q, Some(at), end - first);
                                run(column + end - q, None, q + len - end);
                            }
                            _ => run(column, None, len),
                        }
                        column += len;
                        pixel += len;
                    }
                }
                panel_row += 1;
            }
        }
    }
}

/// Writes the taps of a group's columns: `panel [channels · R · S, columns]`.
fn im2col<T: Real>(g: &Geometry, group: &Group, channels: &Range<usize>, big: &[T], panel: &mut [T]) {
    let stride = g.stride[1];
    for_runs(g, group, channels, |at, image, len| {
        let out = &mut panel[at..at + len];
        match image {
            None => out.fill(T::zero()),
            Some(start) if stride == 2 => {
                // spelled out for the U-Net's stride, so that it is compiled to shuffles
                let pairs = big[start..start + 2 * len - 1].chunks(2);
                out.iter_mut().zip(pairs).for_each(|(out, pair)| *out = pair[0]);
            }
            Some(start) => {
                let values = big[start..].iter().step_by(stride);
                out.iter_mut().zip(values).for_each(|(out, &v)| *out = v);
            }
        }
    });
}

/// Adds a panel onto the image that its columns see; `image` calls with the offset of a run and its reach.
fn col2im<'a, T: Real>(
    g: &Geometry,
    group: &Group,
    channels: &Range<usize>,
    panel: &[T],
    mut image: impl FnMut(usize, usize) -> &'a mut [T],
) {
    let stride = g.stride[1];
    for_runs(g, group, channels, |at, start, len| {
        if let Some(start) = start {
            let out = image(start, (len - 1) * stride + 1);
            let columns = &panel[at..at + len];
            out.iter_mut()
                .step_by(stride)
                .zip(columns)
                .for_each(|(out, &v)| *out += v);
        }
    });
}

/// `small = w · im2col(big) + bias`; an empty bias is none.
pub fn forward<T: Real>(g: &Geometry, big: &[T], w: &[T], bias: &[T], small: &mut [T]) {
    let rows = g.big_channels * g.taps();
    let groups = Group::for_rows(g, rows);
    let wanted = TASKS.div_ceil(groups.len());
    let block = g.small_channels.div_ceil(wanted).max(16).min(g.small_channels);
    let tasks: Vec<(Group, Range<usize>)> = groups
        .into_iter()
        .flat_map(|group| blocks(g.small_channels, block).map(move |k| (group.clone(), k)))
        .collect();
    let plane = g.small_plane();
    let out = Shared::new(small);
    tasks.par_iter().for_each(|(group, ks)| {
        let columns = group.columns();
        with_scratch(rows * columns, |panel| {
            im2col(g, group, &(0..g.big_channels), big, panel);
            with_scratch(ks.len() * columns, |product| {
                let weights = &w[ks.start * rows..ks.end * rows];
                gemm(
                    (product, Layout::row_major(ks.len(), columns)),
                    (weights, Layout::row_major(ks.len(), rows)),
                    (panel, Layout::row_major(rows, columns)),
                    false,
                    false,
                );
                for (k, row) in ks.clone().zip(product.chunks_exact(columns)) {
                    let bias = bias.get(k).copied().unwrap_or(T::zero());
                    let pieces = row.chunks_exact(group.pixels.len());
                    for (n, piece) in group.samples.clone().zip(pieces) {
                        let start = (n * g.small_channels + k) * plane + group.pixels.start;
                        // SAFETY: a task alone has these samples, pixels and channels.
                        let out = unsafe { out.part(start, piece.len()) };
                        out.iter_mut().zip(piece).for_each(|(out, &v)| *out = v + bias);
                    }
                }
            });
        });
    });
}

/// `big = col2im(wᵀ · small) + bias`; an empty bias is none.
pub fn transpose<T: Real>(g: &Geometry, small: &[T], w: &[T], bias: &[T], big: &mut [T]) {
    let taps = g.taps();
    let plane = g.big_plane();
    // blocks of channels, and samples that are worked on together: one where its pixels are many
    let block = (512 / taps).clamp(1, g.big_channels);
    let together = (256 / g.small_plane()).clamp(1, g.batch);
    let tasks: Vec<(Range<usize>, Range<usize>)> = blocks(g.batch, together)
        .flat_map(|samples| blocks(g.big_channels, block).map(move |cs| (samples.clone(), cs)))
        .collect();
    let weight_columns = g.big_channels * taps;
    let out = Shared::new(big);
    tasks.par_iter().for_each(|(samples, cs)| {
        // SAFETY, here and below: a task alone has these samples and channels.
        for n in samples.clone() {
            for c in cs.clone() {
                let bias = bias.get(c).copied().unwrap_or(T::zero());
                unsafe { out.part((n * g.big_channels + c) * plane, plane) }.fill(bias);
            }
        }
        let rows = cs.len() * taps;
        let sub = Geometry {
            batch: samples.len(),
            ..*g
        };
        for mut group in Group::for_rows(&sub, rows) {
            group.samples = group.samples.start + samples.start..group.samples.end + samples.start;
            let columns = group.columns();
            with_scratch(rows * columns, |panel| {
                with_scratch(g.small_channels * columns, |gathered| {
                    let weights = Layout {
                        rows,
                        columns: g.small_channels,
                        row_step: 1,
                        column_step: weight_columns,
                    };
                    gemm(
                        (panel, Layout::row_major(rows, columns)),
                        (&w[cs.start * taps..], weights),
                        group.matrix(g, small, gathered),
                        false,
                        false,
                    );
                });
                col2im(g, &group, cs, panel, |start, len| unsafe { out.part(start, len) });
            });
        }
    });
}

/// `dw = Σ small · im2col(big)ᵀ` over all columns.
pub fn weight_gradient<T: Real>(g: &Geometry, big: &[T], small: &[T], dw: &mut [T]) {
    let taps = g.taps();
    let columns_of_w = g.big_channels * taps;
    let block = (400 / taps).clamp(1, g.big_channels);
    let channel_blocks: Vec<_> = blocks(g.big_channels, block).collect();
    let groups = Group::for_rows(g, block * taps);
    let splits = TASKS.div_ceil(channel_blocks.len()).min(groups.len());
    let per_split = groups.len().div_ceil(splits);
    let splits = groups.len().div_ceil(per_split);

    let accumulate = |out: &Shared<T>, offset: usize, cs: &Range<usize>, groups: &[Group]| {
        let rows = cs.len() * taps;
        with_scratch(g.small_channels * rows, |sum| {
            for (i, group) in groups.iter().enumerate() {
                let columns = group.columns();
                with_scratch(rows * columns, |panel| {
                    im2col(g, group, cs, big, panel);
                    with_scratch(g.small_channels * columns, |gathered| {
                        gemm(
                            (sum, Layout::row_major(g.small_channels, rows)),
                            group.matrix(g, small, gathered),
                            (panel, Layout::row_major(rows, columns).transposed()),
                            i > 0,
                            false,
                        );
                    });
                });
            }
            for (k, row) in sum.chunks_exact(rows).enumerate() {
                // SAFETY: a task alone has these channels of this split.
                let out = unsafe { out.part(offset + k * columns_of_w + cs.start * taps, rows) };
                out.copy_from_slice(row);
            }
        });
    };
    let len = g.small_channels * columns_of_w;
    let tasks: Vec<_> = (0..splits)
        .flat_map(|split| channel_blocks.iter().map(move |cs| (split, cs)))
        .collect();
    let of_split = |split: usize| &groups[split * per_split..groups.len().min((split + 1) * per_split)];
    if splits == 1 {
        let out = Shared::new(dw);
        return tasks
            .par_iter()
            .for_each(|(split, cs)| accumulate(&out, 0, cs, of_split(*split)));
    }
    with_scratch(splits * len, |partial| {
        let out = Shared::new(partial);
        tasks
            .par_iter()
            .for_each(|(split, cs)| accumulate(&out, split * len, cs, of_split(*split)));
        dw.copy_from_slice(&partial[..len]);
        for split in 1..splits {
            dw.iter_mut()
                .zip(&partial[split * len..])
                .for_each(|(sum, &v)| *sum += v);
        }
    });
}
