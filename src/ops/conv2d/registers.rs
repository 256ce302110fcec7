//! Dispatches of the convolutions in register tiles, without workgroup memory: all sizes, on every device.

use super::geometry::{Geometry, MOST_PARTIALS};
use crate::{
    kernel::{Dispatch, FLAT_WIDTH, Kernels, Shader, Slot, fold},
    ops::{biased, reduce::sum_slices, tile::INVOCATIONS},
    shader,
    tape::Io,
};

/// Channels of the output that one invocation computes; with four pixels each.
const CHANNELS: usize = 8;
const PIXELS: usize = 4;

/// Compiled for these windows.
fn constants(dispatch: Dispatch, g: &Geometry) -> Dispatch {
    let window = g.window().into_iter();
    window.fold(dispatch, |d, (name, value)| d.constant(name, value as u32))
}

/// A kernel over channel tiles × pixel tiles, with an optional bias as third input.
fn tiled(shader: Shader, g: &Geometry, io: &Io<'_>, channels: usize, pixel_tiles: usize) -> Kernels {
    let tile = CHANNELS.min(channels.next_power_of_two());
    let groups = pixel_tiles.div_ceil(FLAT_WIDTH) * channels.div_ceil(tile);
    let dispatch = Dispatch::new(shader, io.bindings(Slot::Output), fold(groups)).params(g.sizes());
    biased(constants(dispatch, g).define("CHANNELS", tile), io.inputs.len()).into()
}

pub fn forward(g: &Geometry, io: &Io<'_>) -> Kernels {
    let pixel_tiles = (g.batch * g.small_plane()).div_ceil(PIXELS);
    tiled(shader!("conv2d/forward"), g, io, g.small_channels, pixel_tiles)
}

pub fn transpose(g: &Geometry, io: &Io<'_>) -> Kernels {
    // a tile is PIXELS pixels of one row that are a stride apart: they see the same taps
    let tiles_per_row = g.stride[1] * g.big[1].div_ceil(g.stride[1]).div_ceil(PIXELS);
    let pixel_tiles = g.batch * g.big[0] * tiles_per_row;
    tiled(shader!("conv2d/transpose"), g, io, g.big_channels, pixel_tiles)
}

pub fn weight_gradient(g: &Geometry, io: &Io<'_>) -> Kernels {
    let columns = g.big_channels * g.taps();
    let len = g.small_channels * columns;
    let tiles = g.small_channels.div_ceil(4) * columns.div_ceil(4);
    // the sum runs over rows of the small images; slices are whole rows
    let rows = g.batch * g.small[0];
    let slices = INVOCATIONS
        .div_ceil(tiles)
        .min(rows)
        .min((MOST_PARTIALS / len).max(1));
    let slice_rows = rows.div_ceil(slices);
    let slices = rows.div_ceil(slice_rows);
    let partial = Dispatch::new(
        shader!("conv2d/weight_gradient"),
        io.bindings(Slot::Scratch(0)),
        fold(tiles.div_ceil(FLAT_WIDTH) * slices),
    )
    .params(g.sizes())
    .params([slices, slice_rows]);
    Kernels {
        dispatches: vec![constants(partial, g), sum_slices(len, slices, Slot::Scratch(0))],
        scratch: vec![slices * len],
    }
}
