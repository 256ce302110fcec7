//! Tiles of a matrix product that a workgroup computes through workgroup memory: `shared/tiles`, or, where the device has
//! units for matrix products, `shared/matrices`.
//!
//! The shapes of the tiles are those that pay in other engines. That of few rows is for the outer layers of convolutions,
//! which have few channels and many pixels. None was timed on a GPU yet: `stemwise bench` does, and what is chosen by
//! default is to follow it. All are within WebGPU's default limits: 256 invocations, 16 KiB of workgroup memory.
//!
//! With those of matrices the device's units multiply; what else is to be computed is the same. Those of 16-bit matrices
//! round what they read, weights included, so only a tape that [narrows](crate::tape::Tape::narrow) has them. They are
//! never the default, as no such unit was seen yet.

use crate::kernel::{Dispatch, Traits};

/// Rows and columns of the product that a workgroup computes, terms of the sum that are in workgroup memory at a time,
/// and invocations, of four rows and four or eight columns each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    rows: usize,
    columns: usize,
    pub depth: usize,
    pub invocations: usize,
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

/// Enough invocations to fill a device with sums that are cut into slices.
pub const INVOCATIONS: usize = 1 << 14;

impl Tile {
    /// The best for so many rows, if any of them is.
    pub fn of(rows: usize) -> Option<Tile> {
        match rows {
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
        // so many sums fit beside the tiles, also where a device only promises that subgroups are small
        let (columns, subgroups) = match size {
            16 => (64, 4),
            _ => (32, 32),
        };
        Some(Tile {
            rows: 64,
            columns,
            depth,
            invocations: (subgroup * subgroups).min(128),
            matrices: Some(MatrixTile {
                size,
                element,
                subgroups: subgroups.min(128 / subgroup).max(1),
            }),
        })
    }

    /// Tiles of a product.
    pub fn count(self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// Slices of a sum of `depth` terms for a product of so many tiles, and their terms: enough to fill a device, none of
    /// few terms only, and no more than `most`.
    pub fn slices(self, tiles: usize, depth: usize, most: usize) -> (usize, usize) {
        let slices = (INVOCATIONS * 8 / self.invocations)
            .div_ceil(tiles)
            .min(depth.div_ceil(4 * self.depth))
            .min(most.max(1));
        let terms = depth.div_ceil(slices);
        (depth.div_ceil(terms), terms)
    }

    /// What the shared files ask for.
    pub fn define(self, dispatch: Dispatch) -> Dispatch {
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
    }
}
