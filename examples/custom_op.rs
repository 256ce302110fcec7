//! An operation of one's own, outside the crate: softplus, `log(1 + eˣ)`, with its shape rule, gradient
//! rule, CPU implementation, kernel (`custom_op.wgsl`) and cases; then the checks that every operation of
//! the crate passes, too.
//!
//! ```text
//! cargo run --release --example custom_op            # checks the kernel on the first adapter there is
//! cargo run --release --example custom_op llvmpipe   # any name of `stemwise devices`
//! ```

use stemwise::{
    Error, Result,
    gpu::{Device, Gpu, adapters},
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, StepValues, flat_grid},
    ops::{Multiply, Sigmoid, Sum},
    shape::Shape,
    tape::{
        Case, Class, Cpu, CpuProgram, CpuStore, Gradient, Io, Op, Parameters, Plan, Real, Session, Tape,
        Values,
    },
};

/// `log(1 + eˣ)`, a smooth ReLU. `[…] → […]`
#[derive(Debug, Clone)]
struct Softplus;

/// Shaders are embedded; they may import what is in `shaders/shared`.
const SOFTPLUS: Shader = Shader {
    name: "custom_op",
    source: include_str!("custom_op.wgsl"),
};

impl Op for Softplus {
    const NAME: &'static str = "softplus";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        match given {
            [x] => Ok(*x),
            _ => Err(Error::Shape {
                op: Self::NAME,
                message: format!("takes 1 input, not {}", given.len()),
            }),
        }
    }

    /// `d softplus / dx = sigmoid(x)`: made of operations that are there already.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let slope = at.push(Sigmoid, &[at.input(0)])?;
        let gradient = at.push(Multiply, &[at.upstream(), slope])?;
        at.set(0, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        for (out, &x) in io.output.iter_mut().zip(io.inputs[0]) {
            *out = x.max(T::zero()) + (-x.abs()).exp().ln_1p();
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let bindings = [Binding::Read(Slot::Input(0)), Binding::Write(Slot::Output)];
        let len = io.output.len();
        Dispatch::new(SOFTPLUS, bindings, flat_grid(len))
            .params([len])
            .into()
    }

    /// Odd sizes, and values so large that a naive formula overflows.
    fn cases() -> Vec<Case> {
        let case = |shape: Shape, values| Case::new(Class::Elementwise, Softplus, [shape]).fill(0, values);
        vec![
            case([3, 5, 7, 11].into(), Values::Uniform(-4.0, 4.0)),
            case([1].into(), Values::Uniform(-1.0, 1.0)),
            case([13, 77].into(), Values::Uniform(-200.0, 200.0)),
        ]
    }
}

/// Value of `Σ op(x)` and its gradient by `x`, in f64.
fn reference(case: &Case, x: &[f64]) -> Result<(f64, Vec<f64>)> {
    let (mut tape, parameters) = (Tape::new(), Parameters::default());
    let input = tape.input("x", case.inputs[0].0);
    let output = case.record(&mut tape, &[input])?;
    let loss = tape.push(Sum, &[output])?;
    let gradient = tape.gradients(loss, &[input])?[0].ok_or_else(|| Error::Tape("no gradient".into()))?;
    let mut store = CpuStore::<f64>::new(&parameters);
    let plan = Plan::for_cpu(&tape, &parameters, &[loss, gradient])?;
    let mut program = CpuProgram::new(plan, &mut store);
    program.run(&mut store, &[x], &StepValues::default())?;
    Ok((
        program.read(&store, loss)?[0],
        program.read(&store, gradient)?.to_vec(),
    ))
}

/// The largest difference between the gradient rule and central differences.
fn gradient_error(case: &Case) -> Result<f64> {
    let mut x: Vec<f64> = case.values(0).into_iter().map(f64::from).collect();
    let (_, gradient) = reference(case, &x)?;
    let (h, mut worst) = (1e-4, 0.0f64);
    for i in (0..x.len()).step_by(x.len().div_ceil(16)) {
        let at = x[i];
        let mut loss = |value| -> Result<f64> {
            x[i] = value;
            Ok(reference(case, &x)?.0)
        };
        let difference = (loss(at + h)? - loss(at - h)?) / (2.0 * h);
        x[i] = at;
        worst = worst.max((difference - gradient[i]).abs());
    }
    Ok(worst)
}

/// What a device computes for a case.
fn on(device: &Device, case: &Case) -> Result<Vec<f32>> {
    let (mut tape, parameters) = (Tape::new(), Parameters::default());
    let input = tape.input("x", case.inputs[0].0);
    let output = case.record(&mut tape, &[input])?;
    let mut session = Session::new(device, &parameters)?;
    let mut program = session.compile(&tape, &[output])?;
    session.run(&mut program, &[&case.values(0)], &StepValues::default())?;
    session.read(&mut program, output)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = match std::env::args().nth(1) {
        Some(name) => Device::open(Some(&name))?,
        None => match adapters().iter().find(|adapter| adapter.unusable().is_none()) {
            Some(adapter) => Device::Gpu(Gpu::open(adapter)?),
            None => Device::Cpu,
        },
    };
    for case in Softplus::cases() {
        let gradient = gradient_error(&case)?;
        let (got, want) = (on(&device, &case)?, on(&Device::Cpu, &case)?);
        let square =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
        let error =
            square(&mut got.iter().zip(&want).map(|(g, w)| g - w)) / square(&mut want.iter().copied());
        println!(
            "{}: gradient off by {gradient:.1e}, {device} by an NMSE of {error:.1e}",
            case.label()
        );
        if gradient > 1e-6 || error > case.class.nmse() {
            return Err("softplus is wrong".into());
        }
    }
    Ok(())
}
