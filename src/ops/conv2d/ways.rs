//! The three jobs of a convolution, and the ways in which each can be done.

use super::{
    Geometry, Window,
    channel_lanes::{self, Pixels},
    cpu, registers, tiles,
};
use crate::{
    kernel::{Kernels, Traits},
    ops::{
        tile::{self, Floats, Tile},
        variant,
    },
    tape::{Cpu, Io, Real},
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

/// A job on tensors of certain shapes.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    job: Job,
    pub geometry: Geometry,
}

impl Convolution {
    /// Of an operation that the tape has taken.
    pub fn of(job: Job, window: Window, io: &Io<'_>) -> Self {
        let (a, b, c) = (io.inputs[0], io.inputs[1], io.output);
        let geometry = match job {
            Job::Forward => Geometry::of(window, a, c, b),
            Job::Transpose => Geometry::of(window, c, a, b),
            Job::WeightGradient => Geometry::of(window, a, b, c),
        };
        Convolution { job, geometry }
    }

    pub fn cpu<T: Real>(self, io: Cpu<'_, T>) {
        let ([a, b, bias, ..], g) = (io.inputs, &self.geometry);
        match self.job {
            Job::Forward => cpu::forward(g, a, b, bias, io.output),
            Job::Transpose => cpu::transpose(g, a, b, bias, io.output),
            Job::WeightGradient => cpu::weight_gradient(g, a, b, io.output),
        }
    }

    /// The dispatches of the variant that is pinned, or that suits the sizes and the device.
    pub fn kernels(self, io: &Io<'_>) -> Kernels {
        let suits = |way| self.suits(way, io.traits);
        variant::choose(&WAYS, io.traits.pinned, suits, |way| self.by(way, io))
    }

    /// Names of the variants that can do it, the one that is taken first.
    pub fn variants(self, io: &Io<'_>) -> Vec<&'static str> {
        let suits = |way| self.suits(way, io.traits);
        variant::names(&WAYS, io.traits.pinned, suits, |way| self.by(way, io))
    }

    /// Whether a way is to be the default on such a device.
    fn suits(self, way: Way, traits: Traits) -> bool {
        let rows = match self.job {
            Job::Transpose => self.geometry.big_channels,
            Job::Forward | Job::WeightGradient => self.geometry.small_channels,
        };
        match way {
            Way::Lanes(_) => traits.software,
            Way::Tiles(tile) => !traits.software && Tile::of(rows) == Some(tile),
            Way::Matrices(_) => false,
            Way::Registers => true,
        }
    }

    /// Its dispatches, unless it cannot do these sizes or lacks something that the device does not have.
    fn by(self, way: Way, io: &Io<'_>) -> Option<Kernels> {
        let g = &self.geometry;
        match (way, self.job) {
            (Way::Matrices(floats), _) => self.by(Way::Tiles(Tile::of_matrices(floats, io.traits)?), io),
            (Way::Lanes(pixels), Job::Forward) => channel_lanes::forward(g, io, pixels),
            (Way::Lanes(pixels), Job::Transpose) => channel_lanes::transpose(g, io, pixels),
            (Way::Lanes(pixels), Job::WeightGradient) => channel_lanes::weight_gradient(g, io, pixels),
            (Way::Tiles(_), _) if io.traits.small_workgroups => None,
            (Way::Tiles(tile), Job::Forward) => Some(tiles::forward(g, io, tile)),
            (Way::Tiles(tile), Job::Transpose) => tiles::transpose(g, io, tile),
            (Way::Tiles(tile), Job::WeightGradient) => Some(tiles::weight_gradient(g, io, tile)),
            (Way::Registers, Job::Forward) => Some(registers::forward(g, io)),
            (Way::Registers, Job::Transpose) => Some(registers::transpose(g, io)),
            (Way::Registers, Job::WeightGradient) => Some(registers::weight_gradient(g, io)),
        }
    }
}
