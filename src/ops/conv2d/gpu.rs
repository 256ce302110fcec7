//! The variants of the three convolution kernels, and what their dispatches have in common.

use super::{
    Geometry,
    channel_lanes::{self, Pixels},
    registers, tiles,
};
use crate::{
    kernel::{Binding, Dispatch, Kernels, Slot, Traits},
    ops::{
        tile::{self, Floats, Tile},
        variant,
    },
    tape::Io,
};

/// One of the three.
#[derive(Debug, Clone, Copy)]
pub enum Job {
    Forward,
    Transpose,
    WeightGradient,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
enum Way {
    Lanes(Pixels),
    Tiles(Tile),
    Matrices(Floats),
    Registers,
}

/// In the order of preference. The last does all sizes on every device.
///
/// For one element of the output, each adds the same products in an order of its own, always the same: a chosen variant
/// gives the same bits again. Between variants sums are reassociated as follows; whether a driver fuses products with
/// sums comes on top.
const WAYS: [(&str, Way); 8] = [
    // one running sum over (channel, row, column of the kernel); weight gradient: in slices of rows of the small images
    ("subgroup-lanes", Way::Lanes(Pixels::Broadcast)),
    // as subgroup-lanes, sums and slices alike: only the loads differ
    ("channel-lanes", Way::Lanes(Pixels::Loaded)),
    // one running sum over (channel, row, column of the kernel), padding included, as the lanes; weight gradient: in
    // slices of pixels, whose number follows from the tile
    ("tiles-64x32x32", Way::Tiles(tile::SQUARE)),
    // as the tiles above, but for the slices of the weight gradient
    ("tiles-64x128x16", Way::Tiles(tile::WIDE)),
    // as the tiles above, but for the slices of the weight gradient
    ("tiles-32x256x8", Way::Tiles(tile::FLAT)),
    // sums of as many products as a matrix has columns, in whatever order the device adds those, added up as in the
    // tiles; weight gradient: in slices of pixels. The first rounds what it reads to 16 bits
    ("matrices-f16", Way::Matrices(Floats::Half)),
    ("matrices-f32", Way::Matrices(Floats::Single)),
    // reassociates all three: one running sum over (row, column of the kernel, channel); weight gradient: in slices of
    // rows, of another number than those of the lanes
    ("register-tiles", Way::Registers),
];

impl Job {
    /// The dispatches of the variant that is pinned, or that suits the sizes and the device.
    pub fn kernels(self, g: &Geometry, io: &Io<'_>) -> Kernels {
        let suits = |way| self.suits(way, g, io.traits);
        variant::choose(&WAYS, io.traits.pinned, suits, |way| self.by(way, g, io))
    }

    /// Names of the variants that can do it, the one that is taken first.
    pub fn variants(self, g: &Geometry, io: &Io<'_>) -> Vec<&'static str> {
        let suits = |way| self.suits(way, g, io.traits);
        variant::names(&WAYS, io.traits.pinned, suits, |way| self.by(way, g, io))
    }

    /// Whether a way is to be the default on such a device.
    fn suits(self, way: Way, g: &Geometry, traits: Traits) -> bool {
        let rows = match self {
            Job::Transpose => g.big_channels,
            Job::Forward | Job::WeightGradient => g.small_channels,
        };
        match way {
            Way::Lanes(_) => traits.software,
            Way::Tiles(tile) => !traits.software && Tile::of(rows) == Some(tile),
            Way::Matrices(_) => false,
            Way::Registers => true,
        }
    }

    /// Its dispatches, unless it cannot do these sizes or lacks something that the device does not have.
    fn by(self, way: Way, g: &Geometry, io: &Io<'_>) -> Option<Kernels> {
        match (way, self) {
            (Way::Matrices(floats), _) => {
                let tile = Tile::of_matrices(floats, io.traits)?;
                self.by(Way::Tiles(tile), g, io)
            }
            (Way::Lanes(pixels), Job::Forward) => channel_lanes::forward(g, io, pixels),
            (Way::Lanes(pixels), Job::Transpose) => channel_lanes::transpose(g, io, pixels),
            (Way::Lanes(pixels), Job::WeightGradient) => channel_lanes::weight_gradient(g, io, pixels),
            (Way::Tiles(_), _) if io.traits.small_workgroups => None,
            (Way::Tiles(tile), Job::Forward) => Some(tiles::forward(g, io, tile)),
            (Way::Tiles(tile), Job::Transpose) => tiles::transpose(g, io, tile),
            (Way::Tiles(tile), Job::WeightGradient) => Some(tiles::weight_gradient(g, tile)),
            (Way::Registers, Job::Forward) => Some(registers::forward(g, io)),
            (Way::Registers, Job::Transpose) => Some(registers::transpose(g, io)),
            (Way::Registers, Job::WeightGradient) => Some(registers::weight_gradient(g)),
        }
    }
}

/// Of the slices of the weight gradient's sum.
pub(super) const MOST_PARTIALS: usize = 1 << 23;

pub(super) fn read_all(io: &Io<'_>) -> Vec<Binding> {
    (0..io.inputs.len())
        .map(|i| Binding::Read(Slot::Input(i)))
        .chain([Binding::Write(Slot::Output)])
        .collect()
}

/// Numbers output and parameters after the inputs, of which the third is an optional bias.
pub(super) fn biased(dispatch: Dispatch, io: &Io<'_>) -> Dispatch {
    let dispatch = dispatch
        .define("OUT", io.inputs.len())
        .define("PARAMS", io.inputs.len() + 1);
    match io.inputs.len() {
        3 => dispatch.define("BIAS", ""),
        _ => dispatch,
    }
}

pub(super) fn sizes(g: &Geometry) -> [usize; 7] {
    [
        g.batch,
        g.big_channels,
        g.small_channels,
        g.big[0],
        g.big[1],
        g.small[0],
        g.small[1],
    ]
}
