//! What a device can do at most, measured.

use serde::Serialize;

use crate::{
    error::Result,
    gpu::{Access, Bound, Device, Gpu},
    kernel::{Binding, Dispatch, Slot, StepValues, flat_grid, uniform},
    ops::{Copy, MatMul},
    shader,
    shape::Shape,
    tape::{Effort, Parameters, Role, Session, Tape, Var},
};

/// Rates that no kernel can exceed, except by copying what fits a cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceiling {
    /// f32 multiply-adds, two operations each. On a GPU from registers to registers; on the CPU those of a matrix
    /// product of 1024 × 1024 numbers.
    pub gflops: f64,
    /// Bytes of a large copy, each counted when read and when written.
    pub gigabytes: f64,
}

/// Chains of multiply-adds of one invocation, of four each: enough to hide their latency, few enough for registers.
const CHAINS: usize = 3;
const TRIPS: usize = 256;
const INVOCATIONS: usize = 1 << 16;

/// Elements that are copied: no cache holds as much.
const COPIED: usize = 1 << 24;

/// Rows and columns of the CPU's matrices.
const MATRIX: usize = 1024;

fn multiply_adds(invocations: usize) -> Dispatch {
    let bindings = [Binding::Write(Slot::Output)];
    Dispatch::new(shader!("measure/fma"), bindings, flat_grid(invocations))
        .define("CHAINS", CHAINS)
        .params([invocations, TRIPS])
        // the sums stay small
        .param_f32(0.5)
        .param_f32(0.25)
}

fn copy(vectors: usize) -> Dispatch {
    let bindings = [Binding::Read(Slot::Input(0)), Binding::Write(Slot::Output)];
    Dispatch::new(shader!("measure/copy"), bindings, flat_grid(vectors)).params([vectors])
}

/// The kernels that measure a GPU, with the elements of each of their tensors and their multiply-adds.
pub fn ceiling_kernels() -> [(Dispatch, usize, u64); 2] {
    let sums = (4 * CHAINS * TRIPS * INVOCATIONS) as u64;
    [
        (multiply_adds(INVOCATIONS), INVOCATIONS, sums),
        (copy(COPIED / 4), COPIED, 0),
    ]
}

/// Measures a device.
///
/// # Errors
/// What allocating and running give.
pub fn ceiling(device: &Device, effort: Effort) -> Result<Ceiling> {
    match device {
        Device::Cpu => of_cpu(effort),
        Device::Gpu(gpu) => of_gpu(gpu, effort),
    }
}

fn of_gpu(gpu: &Gpu, effort: Effort) -> Result<Ceiling> {
    let copied = COPIED.min(gpu.limits().binding as usize / 4) / 4 * 4;
    let source = gpu.buffer("source", copied)?;
    let target = gpu.buffer("target", copied)?;
    let seconds = |dispatch: &Dispatch| -> Result<f64> {
        let params = gpu.uniform_buffer("parameters", dispatch.params.len().next_multiple_of(4))?;
        gpu.write(&params, 0, &dispatch.params);
        let mut bound = Vec::new();
        for binding in &dispatch.bindings {
            let (buffer, access) = match binding {
                Binding::Read(_) => (&source, Access::Read),
                Binding::Write(_) | Binding::Step => (&target, Access::Write),
            };
            bound.push(whole(buffer, access));
        }
        bound.push(whole(&params, Access::Uniform));
        // SAFETY: the two kernels below look at their parameters before they index, and these are no longer than the
        // buffers
        let ready = [unsafe { gpu.prepare_unchecked(dispatch, &bound) }?];
        Ok(effort.least(|times| gpu.time(&ready, times))?.as_secs_f64())
    };
    let invocations = INVOCATIONS.min(copied);
    let operations = 2 * 4 * CHAINS * TRIPS * invocations;
    Ok(Ceiling {
        gflops: operations as f64 / seconds(&multiply_adds(invocations))? / 1e9,
        gigabytes: (8 * copied) as f64 / seconds(&copy(copied / 4))? / 1e9,
    })
}

fn whole(buffer: &crate::gpu::Buffer, access: Access) -> Bound<'_> {
    Bound {
        buffer,
        offset: 0,
        len: buffer.len(),
        access,
    }
}

fn of_cpu(effort: Effort) -> Result<Ceiling> {
    let matrix = Shape::from([MATRIX, MATRIX]);
    let product = MatMul {
        transpose_a: false,
        transpose_b: false,
    };
    let product = seconds_on_cpu(effort, &[matrix, matrix], |tape, m| tape.push(product, m))?;
    let copy = seconds_on_cpu(effort, &[Shape::from([COPIED])], |tape, x| tape.push(Copy, x))?;
    Ok(Ceiling {
        gflops: 2.0 * (MATRIX as f64).powi(3) / product / 1e9,
        gigabytes: 8.0 * COPIED as f64 / copy / 1e9,
    })
}

fn seconds_on_cpu(
    effort: Effort,
    shapes: &[Shape],
    record: impl FnOnce(&mut Tape, &[Var]) -> Result<Var>,
) -> Result<f64> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let mut operands = Vec::new();
    for (i, &shape) in shapes.iter().enumerate() {
        let values = (0..shape.len()).map(|j| uniform([1, 2], 0, i as u32, j as u32));
        let id = parameters.add(&format!("operand {i}"), shape, Role::Frozen, values.collect())?;
        operands.push(tape.parameter(&parameters, id)?);
    }
    let output = record(&mut tape, &operands)?;
    let mut session = Session::new(&Device::Cpu, &parameters)?;
    let mut program = session.compile(&tape, &[output])?;
    let step = StepValues::default();
    let took = effort.least(|times| session.time(&mut program, &step, times))?;
    Ok(took.as_secs_f64())
}
