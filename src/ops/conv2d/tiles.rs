//! Dispatches of the convolutions for GPUs: matrix products, of which neither matrix is made in memory, in tiles that
//! a workgroup computes through workgroup memory.
//!
//! The shapes of the tiles are those that pay in other engines. That of few rows is for the outer layers, which have
//! few channels and many pixels. None was timed on a GPU yet: `stemwise bench` does, and what is chosen by default
//! is to follow it. All are within WebGPU's default limits: 256 invocations, 16 KiB of workgroup memory.
//!
//! Those of matrices let units for matrix products multiply, where the device has them: what else is to be computed is
//! the same. Of 16-bit matrices they round what they read, weights included, so only a tape that
//! [narrows](crate::tape::Tape::narrow) has them. They are never the default, as no such unit was seen yet.

use super::{
    Geometry,
    gpu::{INVOCATIONS, MOST_PARTIALS, biased, read_all, sizes, sum_slices},
};
use crate::{
    kernel::{Binding, Dispatch, Kernels, Slot, Traits, fold},
    shader,
    tape::Io,
};

/// Rows and columns of the product that a workgroup computes, terms of the sum that are in workgroup memory at a time,
/// and invocations, of four rows and four or eight columns each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    rows: usize,
    columns: usize,
    depth: usize,
    invocations: usize,
    matrices: Option<MatrixTile>,
}

/// Of the matrices that a tile is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MatrixTile {
    /// Rows and columns.
    size: usize,
    element: &'static str,
    /// The most subgroups of a workgroup.
    subgroups: usize,
}

/// What matrices hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floats {
    Half,
    Single,
}

/// Matrices that a subgroup sums at a time.
const ACROSS: usize = 4;

pub const SQUARE: Tile = Tile {
    rows: 64,
    columns: 32,
    depth: 32,
    invocations: 128,
    matrices: None,
};
pub const WIDE: Tile = Tile {
    rows: 64,
    columns: 128,
    depth: 16,
    invocations: 256,
    matrices: None,
};
pub const FLAT: Tile = Tile {
    rows: 32,
    columns: 256,
    depth: 8,
    invocations: 256,
    matrices: None,
};

/// With fewer rows most of a tile is idle.
const LEAST_ROWS: usize = 8;

impl Tile {
    /// The best for so many channels, if any of them is.
    pub fn of(channels: usize) -> Option<Tile> {
        match channels {
            0..LEAST_ROWS => None,
            LEAST_ROWS..=32 => Some(FLAT),
            33..=64 => Some(WIDE),
            _ => Some(SQUARE),
        }
    }

    /// That of the device's units for matrix products, if it has any.
    pub fn of_matrices(floats: Floats, traits: Traits) -> Option<Tile> {
        let (units, element, depth) = match floats {
            Floats::Half => (traits.half_matrices?, "f16", 32),
            Floats::Single => (traits.matrices?, "f32", 16),
        };
        let (size, subgroup) = (units.size as usize, units.subgroup as usize);
        // 4 KiB for sums
        let subgroups = 1024 / (size * size);
        Some(Tile {
            rows: 64,
            columns: 64,
            depth,
            invocations: (subgroup * subgroups).min(128),
            matrices: Some(MatrixTile {
                size,
                element,
                subgroups,
            }),
        })
    }

    fn count(self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    fn define(self, dispatch: Dispatch, g: &Geometry) -> Dispatch {
        let dispatch = match self.matrices {
            None => dispatch.define("VECTORS", self.rows * self.columns / self.invocations / 16),
            Some(matrices) => dispatch
                .define("MATRIX", matrices.size)
                .define("ELEMENT", matrices.element)
                .define("SUBGROUPS", matrices.subgroups)
                .define("ACROSS", ACROSS),
        };
        dispatch
            .define("ROWS", self.rows)
            .define("COLUMNS", self.columns)
            .define("DEPTH", self.depth)
            .define("THREADS", self.invocations)
            .define("KERNEL_H", g.kernel[0])
            .define("KERNEL_W", g.kernel[1])
            .define("STRIDE_H", g.stride[0])
            .define("STRIDE_W", g.stride[1])
            .define("PADDING_H", g.padding[0])
            .define("PADDING_W", g.padding[1])
    }
}

pub fn forward(g: &Geometry, io: &Io<'_>, tile: Tile) -> Kernels {
    let groups = tile.count(g.small_channels, g.batch * g.small_plane());
    let dispatch = Dispatch::new(shader!("conv2d/tiles/forward"), read_all(io), fold(groups));
    biased(tile.define(dispatch, g), io).params(sizes(g)).into()
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
            let dispatch = Dispatch::new(shader!("conv2d/tiles/transpose"), read_all(io), fold(groups))
                .define("PHASE_H", v.phase)
                .define("PHASE_W", h.phase)
                .define("FIRST_H", v.first)
                .define("FIRST_W", h.first)
                .define("TAPS_H", v.taps)
                .define("TAPS_W", h.taps);
            dispatches.push(biased(tile.define(dispatch, g), io).params(sizes(g)));
        }
    }
    Some(Kernels {
        dispatches,
        scratch: Vec::new(),
    })
}

/// The sum is over all pixels, and the result is small: slices of the sum, enough to fill a GPU, are added after.
pub fn weight_gradient(g: &Geometry, tile: Tile) -> Kernels {
    let columns = g.big_channels * g.taps();
    let len = g.small_channels * columns;
    let tiles = tile.count(g.small_channels, columns);
    let pixels = g.batch * g.small_plane();
    // so many invocations, and none of them for a few terms only
    let slices = (INVOCATIONS * 8 / tile.invocations)
        .div_ceil(tiles)
        .min(pixels.div_ceil(4 * tile.depth))
        .min((MOST_PARTIALS / len).max(1));
    let slice_pixels = pixels.div_ceil(slices);
    let slices = pixels.div_ceil(slice_pixels);
    let partials = if slices == 1 {
        Slot::Output
    } else {
        Slot::Scratch(0)
    };
    let bindings = [
        Binding::Read(Slot::Input(0)),
        Binding::Read(Slot::Input(1)),
        Binding::Write(partials),
    ];
    let dispatch = Dispatch::new(
        shader!("conv2d/tiles/weight_gradient"),
        bindings,
        fold(tiles * slices),
    );
    let dispatch = tile
        .define(dispatch, g)
        .params(sizes(g))
        .params([slices, slice_pixels]);
    if slices == 1 {
        return dispatch.into();
    }
    Kernels {
        dispatches: vec![dispatch, sum_slices(len, slices, partials)],
        scratch: vec![slices * len],
    }
}
