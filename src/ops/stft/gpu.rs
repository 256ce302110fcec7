//! Dispatches of both transforms.

use super::{InverseStft, Stft, StftOutput};
use crate::{
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, flat_grid, fold},
    shader,
    signal::LEAST_WEIGHT,
    tape::Io,
};

/// WebGPU's default limits: invocations a workgroup, and numbers in its memory.
const MOST_LANES: usize = 256;
const MEMORY: usize = 4096;

/// One workgroup a frame, with `shared/fft` for windows of `size` samples.
fn transform(shader: Shader, bindings: Vec<Binding>, size: usize, frames: usize) -> Dispatch {
    let points = size / 2;
    let mut dispatch = Dispatch::new(shader, bindings, fold(frames))
        .define("POINTS", points)
        .define("BUTTERFLIES", (points / 4).div_ceil(MOST_LANES));
    if points.trailing_zeros() % 2 == 1 {
        dispatch = dispatch.define("RADIX_2", "");
    }
    if 2 * points > MEMORY {
        dispatch = dispatch.define("IN_TURN", "");
    }
    dispatch
}

pub fn forward(op: &Stft, io: &Io<'_>) -> Kernels {
    let [batch, frames] = [io.output[0], io.output[3]];
    let bindings = io.bindings(Slot::Output);
    let dispatch = transform(shader!("stft/forward"), bindings, op.size, batch * frames)
        .define("MIRRORED", "")
        .params([batch, io.inputs[0][2], frames, op.hop]);
    match op.output {
        StftOutput::Magnitude => dispatch.into(),
        StftOutput::Complex => dispatch.define("COMPLEX", "").into(),
    }
}

pub fn inverse(op: &InverseStft, io: &Io<'_>) -> Kernels {
    let [batch, frames] = [io.output[0], io.inputs[0][3]];
    let bindings = io.bindings(Slot::Scratch(0));
    let inverse =
        transform(shader!("stft/inverse"), bindings, op.size, batch * frames).params([batch, frames]);
    let bindings = [
        Binding::Read(Slot::Scratch(0)),
        Binding::Read(Slot::Input(1)),
        Binding::Write(Slot::Output),
    ];
    let len = io.output.len();
    let overlap = Dispatch::new(shader!("stft/overlap"), bindings, flat_grid(len))
        .define("LEAST_WEIGHT", LEAST_WEIGHT)
        .params([len, op.samples, frames, op.hop, op.size]);
    Kernels {
        dispatches: vec![inverse, overlap],
        scratch: vec![batch * frames * op.size],
    }
}
