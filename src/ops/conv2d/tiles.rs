//! Dispatches of the convolutions for GPUs: matrix products, of which neither matrix is made in memory, in
//! [tiles](crate::ops::tile).

use super::geometry::{Geometry, MOST_PARTIALS};
use crate::{
    kernel::{Dispatch, Kernels, Slot, fold},
    ops::{biased, reduce::in_slices, tile::Tile},
    shader,
    tape::Io,
};

fn define(tile: Tile, dispatch: Dispatch, g: &Geometry) -> Dispatch {
    let window = g.window().into_iter();
    window.fold(tile.define(dispatch), |d, (name, value)| d.define(name, value))
}

pub fn forward(g: &Geometry, io: &Io<'_>, tile: Tile) -> Kernels {
    let groups = tile.count(g.small_channels, g.batch * g.small_plane());
    let dispatch = Dispatch::new(
        shader!("conv2d/tiles/forward"),
        io.bindings(Slot::Output),
        fold(groups),
    );
    biased(define(tile, dispatch, g), io.inputs.len())
        .params(g.sizes())
        .into()
}

/// Along one axis: the positions that are `phase` past a multiple of the stride see the taps from `first` on, a
/// stride apart.
struct Phase {
    phase: usize,
    len: usize,
    first: usize,
    taps: usize,
}

fn phases(g: &Geometry, axis: usize) -> impl Iterator<Item = Phase> {
    let (stride, padding, kernel, len) = (g.stride[axis], g.padding[axis], g.kernel[axis], g.big[axis]);
    // past the image there is nothing
    (0..stride.min(len)).map(move |phase| {
        let first = (phase + padding) % stride;
        Phase {
            phase,
            len: (len - phase).div_ceil(stride),
            first,
            taps: kernel.saturating_sub(first).div_ceil(stride),
        }
    })
}

/// One dispatch for each phase of rows and columns; `None` if one of them sees no tap, under a kernel smaller than
/// the stride.
pub fn transpose(g: &Geometry, io: &Io<'_>, tile: Tile) -> Option<Kernels> {
    let mut dispatches = Vec::new();
    for v in phases(g, 0) {
        for h in phases(g, 1) {
            if v.taps * h.taps == 0 {
                return None;
            }
            let groups = tile.count(g.big_channels, g.batch * v.len * h.len);
            let dispatch = Dispatch::new(
                shader!("conv2d/tiles/transpose"),
                io.bindings(Slot::Output),
                fold(groups),
            )
            .define("PHASE_H", v.phase)
            .define("PHASE_W", h.phase)
            .define("FIRST_H", v.first)
            .define("FIRST_W", h.first)
            .define("TAPS_H", v.taps)
            .define("TAPS_W", h.taps);
            dispatches.push(biased(define(tile, dispatch, g), io.inputs.len()).params(g.sizes()));
        }
    }
    Some(Kernels {
        dispatches,
        scratch: Vec::new(),
    })
}

/// The sum is over all pixels, and the result is small: slices of the sum, enough to fill a GPU, are added after.
pub fn weight_gradient(g: &Geometry, io: &Io<'_>, tile: Tile) -> Kernels {
    let columns = g.big_channels * g.taps();
    let len = g.small_channels * columns;
    let tiles = tile.count(g.small_channels, columns);
    let pixels = g.batch * g.small_plane();
    let (slices, slice_pixels) = tile.slices(tiles, pixels, MOST_PARTIALS / len);
    in_slices(Kernels::default(), len, slices, |partials| {
        let shader = shader!("conv2d/tiles/weight_gradient");
        let dispatch = Dispatch::new(shader, io.bindings(partials), fold(tiles * slices));
        define(tile, dispatch, g)
            .params(g.sizes())
            .params([slices, slice_pixels])
    })
}
