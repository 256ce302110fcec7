//! Dispatches of batch norm.

use super::UpdateRunningStatistic;
use crate::{
    kernel::{Binding, Dispatch, Kernels, Slot, at_once, flat_grid, fold},
    ops::reduce::{Reduction, slices},
    shader,
    tape::Io,
};

/// Channels and elements per channel row of the first input.
fn sizes(io: &Io<'_>) -> [usize; 3] {
    let of = io.inputs[0].channels();
    [of.batch, of.channels, of.inner]
}

pub fn statistics(io: &Io<'_>) -> Kernels {
    let [batch, channels, inner] = sizes(io);
    let slices = slices(batch * inner);
    let each = at_once(&[inner]);
    let slice_len = (batch * inner / each).div_ceil(slices);
    let partial = Dispatch::new(
        shader!("batch_norm/statistics"),
        io.bindings(Slot::Scratch(0)),
        fold(channels * slices),
    )
    .elements(each)
    .params([batch, channels, inner / each, slices, slice_len]);
    let merge = Dispatch::new(
        shader!("batch_norm/merge"),
        [Binding::Read(Slot::Scratch(0)), Binding::Write(Slot::Output)],
        flat_grid(channels),
    )
    .params([channels, slices, batch * inner, slice_len * each]);
    Kernels {
        dispatches: vec![partial, merge],
        scratch: vec![2 * channels * slices],
    }
}

/// With a slope, a leaky ReLU of it.
pub fn normalise(io: &Io<'_>, epsilon: f32, slope: Option<f32>) -> Kernels {
    let [_, channels, inner] = sizes(io);
    let each = at_once(&[inner]);
    let dispatch = io
        .flat_by(shader!("batch_norm/normalise"), each)
        .params([channels, inner / each])
        .param_f32(epsilon);
    match slope {
        Some(slope) => dispatch.define("ACTIVATED", "").param_f32(slope),
        None => dispatch,
    }
    .into()
}

pub fn sums(io: &Io<'_>, epsilon: f32) -> Kernels {
    let sum = Reduction::of("NORM", &[0, 1, 2]);
    let mut kernels = Reduction { pairs: true, ..sum }.kernels(io, Some(io.inputs[0].channels()));
    if let Some(partial) = kernels.dispatches.first_mut() {
        partial.constants.push(("EPSILON", f64::from(epsilon)));
    }
    kernels
}

pub fn input_gradient(io: &Io<'_>, epsilon: f32, batch: bool) -> Kernels {
    let [items, channels, inner] = sizes(io);
    let each = at_once(&[inner]);
    let mut dispatch = io
        .flat_by(shader!("batch_norm/input_gradient"), each)
        .params([channels, inner / each])
        .param_f32(epsilon)
        .param_f32(1.0 / (items * inner) as f32);
    if batch {
        dispatch = dispatch.define("BATCH", "");
    } else {
        // a kernel may not be bound what it does not see
        dispatch.bindings.retain(|b| *b != Binding::Read(Slot::Input(4)));
    }
    dispatch
        .define("OUT", if batch { 5 } else { 4 })
        .define("PARAMS", if batch { 6 } else { 5 })
        .into()
}

pub fn update(io: &Io<'_>, op: &UpdateRunningStatistic) -> Kernels {
    let channels = io.inputs[0].len();
    let bindings = [Binding::Write(Slot::Input(0)), Binding::Read(Slot::Input(1))];
    Dispatch::new(shader!("batch_norm/update"), bindings, flat_grid(channels))
        .params([channels, op.row])
        .param_f32(op.momentum)
        .param_f32(op.factor)
        .into()
}
