//! Dispatches of the convolutions for software drivers, in which a workgroup's lanes are output channels and
//! all of them see the same pixels.
//!
//! Such a driver runs the lanes as one vector, and a load costs it many multiply-adds: it is a branch and a
//! move per lane. So every load serves a large tile of registers: the pixels of a row are loaded as vectors,
//! once for all taps; weights are packed first, so that lanes find theirs side by side. Images are copied with
//! their padding first, so that the inner loops test no bounds. Pixels have one address for all lanes, taken
//! from the workgroup alone, which a driver may see and load them once.

use super::Geometry;
use crate::{
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid, fold},
    ops::{biased, reduce::in_slices},
    shader,
    tape::Io,
};

/// Invocations of a workgroup, and the fewest channels that are worth them.
const LANES: usize = 8;

/// The largest row of taps, or kernel of the weight gradient, that is unrolled.
const MOST_TAPS: usize = 8;
const MOST_KERNEL: usize = 25;

/// The largest stride whose pixels of a tile are kept in registers.
const MOST_STRIDE: usize = 4;

/// Slices of the weight gradient's sum: enough workgroups to fill a device, few enough partial sums.
const WORKGROUPS: usize = 256;
const MOST_PARTIALS: usize = 1 << 22;

/// Pixels of a small image's row that the weight gradient takes at once.
const RUN: usize = 4;

/// Rows and columns of pixels that a workgroup computes.
#[derive(Clone, Copy)]
struct Tile {
    rows: usize,
    columns: usize,
}

impl Tile {
    /// The tile of sixteen pixels that covers an image with the least waste, the widest of equals. Tiles of
    /// a row are `step` pixels a column apart, and each begins at a multiple of four.
    fn of([height, width]: [usize; 2], step: usize) -> Self {
        let tile = |columns| Tile {
            rows: 16 / columns,
            columns,
        };
        let aligned = |t: &Tile| (t.columns * step).is_multiple_of(4) || width <= t.columns;
        let covered = |t: &Tile| height.next_multiple_of(t.rows) * width.next_multiple_of(t.columns);
        let [widest, narrower @ ..] = [16, 8, 4, 2].map(tile);
        narrower.into_iter().filter(aligned).fold(
            widest,
            |best, t| {
                if covered(&t) < covered(&best) { t } else { best }
            },
        )
    }
}

/// How lanes, which see the same pixels, come by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Each loads all of them.
    Loaded,
    /// Each loads every eighth and hands it to the others of its subgroup: an eighth of the loads.
    Broadcast,
}

impl Pixels {
    /// Vectors of four that hold so many pixels of a row.
    fn loads(self, pixels: usize) -> usize {
        match self {
            Pixels::Loaded => pixels.div_ceil(4),
            Pixels::Broadcast => 2 * pixels.div_ceil(LANES),
        }
    }

    fn define(self, dispatch: Dispatch, loads: usize) -> Dispatch {
        let dispatch = dispatch.define("LOADS", loads);
        match self {
            Pixels::Loaded => dispatch,
            Pixels::Broadcast => dispatch.define("SUBGROUPS", "").define("GATHERS", loads / 2),
        }
    }

    /// Whether a device can.
    fn fit(self, io: &Io<'_>) -> bool {
        self == Pixels::Loaded || io.traits.subgroups
    }
}

/// Channels of one lane.
fn lane_width(channels: usize) -> usize {
    if channels > 2 * LANES { 4 } else { 2 }
}

/// An image with zeros around it, in scratch.
#[derive(Clone, Copy)]
struct Padded {
    top: usize,
    left: usize,
    height: usize,
    /// Of a row, four pixels each.
    vectors: usize,
}

impl Padded {
    fn len(&self, planes: usize) -> usize {
        4 * planes * self.height * self.vectors
    }

    /// Makes it, from input `input`, in the first scratch buffer.
    fn dispatch(&self, input: usize, planes: usize, [height, width]: [usize; 2]) -> Dispatch {
        let rows = planes * self.height;
        let bindings = [
            Binding::Read(Slot::Input(input)),
            Binding::Write(Slot::Scratch(0)),
        ];
        Dispatch::new(shader!("conv2d/channel_lanes/pad"), bindings, flat_grid(rows))
            .params([rows, height, width, self.height, self.vectors])
            .params([self.top, self.left])
    }
}

/// A tensor `[outer, channels, rows, columns]` whose channels come last, in tiles, in scratch.
#[derive(Clone, Copy)]
struct Packed {
    outer: usize,
    channels: usize,
    rows: usize,
    columns: usize,
    out_columns: usize,
}

impl Packed {
    /// Channels of a tile.
    fn tile(&self) -> usize {
        LANES * lane_width(self.channels)
    }

    fn tiles(&self) -> usize {
        self.channels.div_ceil(self.tile())
    }

    fn len(&self) -> usize {
        self.tiles() * self.tile() * self.outer * self.rows * self.out_columns
    }

    /// Makes it, from input `input`, in the second scratch buffer.
    fn dispatch(&self, input: usize) -> Dispatch {
        let len = self.len() / self.tile();
        let bindings = [
            Binding::Read(Slot::Input(input)),
            Binding::Write(Slot::Scratch(1)),
        ];
        Dispatch::new(shader!("conv2d/channel_lanes/pack"), bindings, flat_grid(len))
            .define("CHANNELS", self.tile())
            .params([len, self.outer, self.channels, self.rows, self.columns])
            .params([self.out_columns])
    }
}

/// Bindings of a convolution of the padded image with `weights`, its optional bias and its output.
fn bindings(io: &Io<'_>, weights: Slot) -> Vec<Binding> {
    let mut all = io.bindings(Slot::Output);
    all[..2].copy_from_slice(&[Binding::Read(Slot::Scratch(0)), Binding::Read(weights)]);
    all
}

fn small_enough(g: &Geometry) -> bool {
    g.kernel[1] <= MOST_TAPS && g.stride[1] <= MOST_STRIDE
}

/// The convolution, if it has channels enough.
pub fn forward(g: &Geometry, io: &Io<'_>, pixels: Pixels) -> Option<Kernels> {
    if !pixels.fit(io) || !small_enough(g) || g.small_channels < LANES {
        return None;
    }
    let [stride_h, stride_w] = g.stride;
    let tile = Tile::of(g.small, stride_w);
    let [row_tiles, column_tiles] = [g.small[0].div_ceil(tile.rows), g.small[1].div_ceil(tile.columns)];
    let loads = pixels.loads(stride_w * (tile.columns - 1) + g.kernel[1]);
    let padded = Padded {
        top: g.padding[0],
        left: g.padding[1],
        height: stride_h * (row_tiles * tile.rows - 1) + g.kernel[0],
        vectors: stride_w * (column_tiles - 1) * tile.columns / 4 + loads,
    };
    let packed = Packed {
        outer: 1,
        channels: g.small_channels,
        rows: 1,
        columns: g.big_channels * g.taps(),
        out_columns: g.big_channels * g.taps(),
    };
    let planes = g.batch * g.big_channels;
    let groups = row_tiles * column_tiles * g.batch * packed.tiles();
    let dispatch = Dispatch::new(
        shader!("conv2d/channel_lanes/forward"),
        bindings(io, Slot::Scratch(1)),
        fold(groups),
    )
    .define("WIDTH", lane_width(g.small_channels))
    .define("ROWS", tile.rows)
    .define("COLUMNS", tile.columns)
    .define("PIXELS", tile.rows * tile.columns)
    .define("KERNEL_W", g.kernel[1])
    .define("STRIDE_W", stride_w)
    .params([g.batch, g.big_channels, g.small_channels, g.small[0], g.small[1]])
    .params([g.kernel[0], stride_h, padded.height, padded.vectors]);
    Some(Kernels {
        dispatches: vec![
            padded.dispatch(0, planes, g.big),
            packed.dispatch(1),
            biased(pixels.define(dispatch, loads), io.inputs.len()),
        ],
        scratch: vec![padded.len(planes), packed.len()],
    })
}

/// How far before and behind its tile the transpose looks along an axis, in small pixels.
fn reach(g: &Geometry, axis: usize) -> [usize; 2] {
    let (stride, padding) = (g.stride[axis], g.padding[axis]);
    // output stride · q + phase sees small pixel q + (phase + padding − tap) / stride, which has no rest
    let shifts = (0..g.kernel[axis]).map(|tap| {
        let phase = (tap + padding * (stride - 1)) % stride;
        ((phase + padding) as isize - tap as isize) / stride as isize
    });
    shifts.fold([0, 0], |[before, behind], shift| {
        [
            before.max((-shift).max(0) as usize),
            behind.max(shift.max(0) as usize),
        ]
    })
}

/// The transpose. With too few channels for the lanes, these are tiles of pixels instead.
pub fn transpose(g: &Geometry, io: &Io<'_>, pixels: Pixels) -> Option<Kernels> {
    let pixel_lanes = g.big_channels < LANES;
    // tiles of pixels do not see the same pixels
    if !pixels.fit(io) || !small_enough(g) || pixel_lanes && pixels == Pixels::Broadcast {
        return None;
    }
    let [stride_h, stride_w] = g.stride;
    let phase = [g.big[0].div_ceil(stride_h), g.big[1].div_ceil(stride_w)];
    let tile = match pixel_lanes {
        true => Tile { rows: 1, columns: 8 },
        false => Tile::of(phase, 1),
    };
    let row_tiles = phase[0].div_ceil(tile.rows);
    let mut column_tiles = phase[1].div_ceil(tile.columns);
    if pixel_lanes {
        column_tiles = column_tiles.next_multiple_of(LANES);
    }
    let ([top, below], [left, right]) = (reach(g, 0), reach(g, 1));
    let loads = pixels.loads(left + tile.columns + right);
    let padded = Padded {
        top,
        left,
        height: top + row_tiles * tile.rows + below,
        vectors: (column_tiles - 1) * tile.columns / 4 + loads,
    };
    let packed = Packed {
        outer: g.small_channels,
        channels: g.big_channels,
        rows: 1,
        columns: g.taps(),
        out_columns: g.taps(),
    };
    let planes = g.batch * g.small_channels;
    let (weights, width) = match pixel_lanes {
        true => (Slot::Input(1), 1),
        false => (Slot::Scratch(1), lane_width(g.big_channels)),
    };
    let groups = match pixel_lanes {
        true => row_tiles * stride_h * g.batch * column_tiles / LANES * g.big_channels,
        false => row_tiles * stride_h * g.batch * column_tiles * packed.tiles(),
    };
    let mut dispatch = Dispatch::new(
        shader!("conv2d/channel_lanes/transpose"),
        bindings(io, weights),
        fold(groups),
    )
    .define("WIDTH", width)
    .define("ROWS", tile.rows)
    .define("COLUMNS", tile.columns)
    .define("OUTPUTS", tile.columns * stride_w)
    .define("PIXELS", tile.rows * tile.columns * stride_w)
    .define("KERNEL_W", g.kernel[1])
    .define("STRIDE_W", stride_w)
    .define("PADDING_W", g.padding[1])
    .define("LEFT", left)
    .params([g.batch, g.big_channels, g.small_channels, g.big[0], g.big[1]])
    .params([g.kernel[0], stride_h, g.padding[0], top])
    .params([padded.height, padded.vectors]);
    dispatch = match pixel_lanes {
        true => dispatch.define("VECTOR", "f32").define("PIXEL_LANES", ""),
        false => dispatch.define("VECTOR", format!("vec{width}<f32>")),
    };
    let mut kernels = Kernels {
        dispatches: vec![padded.dispatch(0, planes, g.small)],
        scratch: vec![padded.len(planes)],
    };
    if !pixel_lanes {
        kernels.dispatches.push(packed.dispatch(1));
        kernels.scratch.push(packed.len());
    }
    kernels
        .dispatches
        .push(biased(pixels.define(dispatch, loads), io.inputs.len()));
    Some(kernels)
}

/// The weight gradient, if the small image has channels enough.
pub fn weight_gradient(g: &Geometry, io: &Io<'_>, pixels: Pixels) -> Option<Kernels> {
    if !pixels.fit(io) || !small_enough(g) || g.taps() > MOST_KERNEL || g.small_channels < LANES {
        return None;
    }
    let [stride_h, stride_w] = g.stride;
    // a row of two is one short run
    let run = if g.small[1] <= 2 { 2 } else { RUN };
    let columns = g.small[1].next_multiple_of(run);
    let loads = pixels.loads(stride_w * (run - 1) + g.kernel[1]);
    let padded = Padded {
        top: g.padding[0],
        left: g.padding[1],
        height: stride_h * (g.small[0] - 1) + g.kernel[0],
        vectors: stride_w * (columns - run) / 4 + loads,
    };
    let packed = Packed {
        outer: g.batch,
        channels: g.small_channels,
        rows: g.small[0],
        columns: g.small[1],
        out_columns: columns,
    };
    let planes = g.batch * g.big_channels;
    let len = g.small_channels * g.big_channels * g.taps();
    let tiles = packed.tiles() * g.big_channels;
    let rows = g.batch * g.small[0];
    let slices = WORKGROUPS
        .div_ceil(tiles)
        .min(rows)
        .min((MOST_PARTIALS / len).max(1));
    let slice_rows = rows.div_ceil(slices);
    let slices = rows.div_ceil(slice_rows);
    let packing = Kernels {
        dispatches: vec![padded.dispatch(0, planes, g.big), packed.dispatch(1)],
        scratch: vec![padded.len(planes), packed.len()],
    };
    Some(in_slices(packing, len, slices, |partials| {
        let images = [0, 1].map(|i| Binding::Read(Slot::Scratch(i)));
        let bindings = [images[0], images[1], Binding::Write(partials)];
        let shader = shader!("conv2d/channel_lanes/weight_gradient");
        let dispatch = Dispatch::new(shader, bindings, fold(tiles * slices))
            .define("WIDTH", lane_width(g.small_channels))
            .define("TAPS", g.taps())
            .define("KERNEL_H", g.kernel[0])
            .define("KERNEL_W", g.kernel[1])
            .define("STRIDE_W", stride_w)
            .define("COLUMNS", run)
            .params([g.batch, g.big_channels, g.small_channels, g.small[0], columns])
            .params([stride_h, padded.height, padded.vectors, slices, slice_rows]);
        pixels.define(dispatch, loads)
    }))
}
