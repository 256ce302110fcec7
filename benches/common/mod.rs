//! What the benches share: the devices, the size, operands that stay on the device, and the clock.

use std::time::{Duration, Instant};

use stemwise::{
    Result,
    gpu::Device,
    kernel::{StepValues, uniform},
    shape::Shape,
    tape::{ParameterId, Parameters, Program, Role, Session, Tape, Var},
};

/// Batch, bins and frames, as `2x256x64`, in place of the default.
pub const SIZE_VARIABLE: &str = "STEMWISE_BENCH_SIZE";

/// The cpu, and the device that `STEMWISE_DEVICE` names or, without it, the first real GPU. Each with a
/// short name.
pub fn devices() -> Vec<(String, Device)> {
    let mut devices = vec![("cpu".to_string(), Device::Cpu)];
    match stemwise::variants::open_device(None) {
        Ok(Device::Cpu) => {}
        Ok(gpu) => devices.push((gpu.to_string(), gpu)),
        Err(error) => eprintln!("only the cpu is timed: {error}"),
    }
    devices
}

/// The sizes to run at: that of the environment, or these.
pub fn sizes(default: &[[usize; 3]]) -> Vec<[usize; 3]> {
    let Ok(text) = std::env::var(SIZE_VARIABLE) else {
        return default.to_vec();
    };
    let numbers: Vec<usize> = text.split('x').filter_map(|n| n.parse().ok()).collect();
    match numbers.try_into() {
        Ok(size) => vec![size],
        Err(_) => panic!("{SIZE_VARIABLE} is '{text}', not batch, bins and frames such as 2x256x64"),
    }
}

/// `len` numbers in (−1, 1).
pub fn noise(stream: u32, len: usize) -> Vec<f32> {
    (0..len as u32)
        .map(|i| 2.0 * uniform([1, 2], 0, stream, i) - 1.0)
        .collect()
}

#[allow(
    dead_code,
    reason = "each bench compiles this file anew; one of them has a clock of its own"
)]
/// Replays `iterations` times and waits for the last, by reading `output`.
pub fn time(
    session: &mut Session,
    program: &mut Program,
    inputs: &[&[f32]],
    output: Var,
    iterations: u64,
) -> Result<Duration> {
    let start = Instant::now();
    for step in 0..iterations {
        session.run(
            program,
            inputs,
            &StepValues::new(0, step as u32, 1e-4, [0.9, 0.999]),
        )?;
    }
    session.read(program, output)?;
    Ok(start.elapsed())
}

/// A tape whose operands are frozen parameters: they are on the device, and no replay uploads them.
#[derive(Default)]
#[allow(
    dead_code,
    reason = "each bench compiles this file anew; one of them has inputs instead"
)]
pub struct Operands {
    pub parameters: Parameters,
    pub tape: Tape,
}

#[allow(dead_code, reason = "as above")]
impl Operands {
    /// A tensor of noise.
    pub fn tensor(&mut self, shape: impl Into<Shape>) -> Result<Var> {
        let (shape, index) = (shape.into(), self.parameters.iter().count());
        let values = noise(index as u32, shape.len());
        let id: ParameterId =
            self.parameters
                .add(&format!("operand {index}"), shape, Role::Frozen, values)?;
        self.tape.parameter(&self.parameters, id)
    }
}
