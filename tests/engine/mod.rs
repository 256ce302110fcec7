//! What the tests of the engine share: the adapter, one interface to all devices, measures of error.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod fixture;
pub mod graphs;
pub mod guarded;
pub mod harness;
pub mod naive;
#[cfg(feature = "train")]
pub mod separator;

use std::{
    env, fmt,
    sync::{Arc, OnceLock},
};

use stemwise::{
    Result,
    gpu::{self, Adapter, Choice, Device, Gpu},
    kernel::StepValues,
    tape::{CpuProgram, CpuStore, Flat, Format, Input, Parameters, Plan, Program, Session, Tape, Var},
};

/// Names the adapter to test on, by index or part of its name; without it the first of any kind.
pub const TEST_DEVICE: &str = "STEMWISE_TEST_DEVICE";

/// The test adapter. Fails the test where there is none: a kernel that was never run was never tested.
pub fn adapter() -> Adapter {
    let mut adapters = gpu::adapters();
    let asked = env::var(TEST_DEVICE).ok();
    let index = match &asked {
        None if adapters.is_empty() => panic!(
            "these tests run every kernel and need a Vulkan adapter; a software one will do: \
             apt-get install libvulkan1 mesa-vulkan-drivers"
        ),
        None => 0,
        Some(asked) => match gpu::choose(&adapters, Some(asked)) {
            Ok(Choice::Adapter(index)) => index,
            other => panic!("{TEST_DEVICE}={asked} names no adapter: {other:?}"),
        },
    };
    adapters.swap_remove(index)
}

/// Opens it anew.
pub fn open_gpu() -> Arc<Gpu> {
    Gpu::open(&adapter()).unwrap_or_else(|error| panic!("{error}"))
}

/// The test adapter, opened once per test binary.
pub fn gpu() -> Arc<Gpu> {
    static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
    GPU.get_or_init(open_gpu).clone()
}

/// Where a tape runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The reference: the CPU in f64.
    Reference,
    Cpu,
    Gpu,
}

impl Target {
    pub const ALL: [Target; 3] = [Target::Reference, Target::Cpu, Target::Gpu];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Target::Reference => "cpu f64",
            Target::Cpu => "cpu f32",
            Target::Gpu => "gpu",
        })
    }
}

/// One interface to the reference and to sessions. Everything comes out as f64.
#[expect(clippy::large_enum_variant, reason = "a test has one or two")]
pub enum Engine {
    Reference {
        store: CpuStore<f64>,
        parameters: Parameters,
    },
    Session(Session),
}

pub enum Compiled {
    Reference(CpuProgram<f64>),
    Session(Program),
}

impl Engine {
    pub fn new(target: Target, parameters: &Parameters) -> Result<Self> {
        let device = match target {
            Target::Reference => {
                let store = CpuStore::new(parameters);
                return Ok(Engine::Reference {
                    store,
                    parameters: parameters.clone(),
                });
            }
            Target::Cpu => Device::Cpu,
            Target::Gpu => Device::Gpu(gpu()),
        };
        Ok(Engine::Session(Session::new(&device, parameters)?))
    }

    /// Has sessions take this variant of every operation that has it.
    pub fn pin(&mut self, variant: Option<&'static str>) {
        if let Engine::Session(session) = self {
            session.planner_mut().pin(variant);
        }
    }

    pub fn compile(&mut self, tape: &Tape, outputs: &[Var]) -> Result<Compiled> {
        Ok(match self {
            Engine::Reference { store, parameters } => {
                Compiled::Reference(CpuProgram::new(Plan::for_cpu(tape, parameters, outputs)?, store))
            }
            Engine::Session(session) => Compiled::Session(session.compile(tape, outputs)?),
        })
    }

    pub fn run(&mut self, program: &mut Compiled, inputs: &[Vec<f32>], step: &StepValues) -> Result<()> {
        let pcm: Vec<Vec<i16>> = inputs.iter().map(|values| whole(values)).collect();
        match (self, program) {
            (Engine::Reference { store, .. }, Compiled::Reference(program)) => {
                let inputs: Vec<Vec<f64>> = inputs.iter().map(|values| widen(values)).collect();
                let inputs = typed(program.plan(), &inputs, &pcm);
                program.run(store, &inputs, step)
            }
            (Engine::Session(session), Compiled::Session(program)) => {
                let inputs = typed(program.plan(), inputs, &pcm);
                session.run(program, &inputs, step)
            }
            _ => unreachable!("compiled by this engine"),
        }
    }

    pub fn read(&mut self, program: &mut Compiled, var: Var) -> Result<Vec<f64>> {
        match (self, program) {
            (Engine::Reference { store, .. }, Compiled::Reference(program)) => {
                Ok(program.read(store, var)?.to_vec())
            }
            (Engine::Session(session), Compiled::Session(program)) => Ok(widen(&session.read(program, var)?)),
            _ => unreachable!("compiled by this engine"),
        }
    }

    pub fn flat(&mut self, flat: Flat) -> Result<Vec<f64>> {
        match self {
            Engine::Reference { store, .. } => Ok(store.flat(flat).to_vec()),
            Engine::Session(session) => Ok(widen(&session.flat(flat)?)),
        }
    }

    /// Replaces every parameter and running statistic by what `values` gives for its name.
    pub fn load(&mut self, parameters: &Parameters, values: impl Fn(&str) -> Vec<f32>) -> Result<()> {
        for flat in [Flat::Parameters, Flat::Frozen, Flat::Statistics] {
            let mut all = vec![0.0; parameters.flat_len(flat)];
            for parameter in parameters.iter().filter(|p| p.flat() == flat) {
                all[parameter.offset..][..parameter.shape.len()].copy_from_slice(&values(&parameter.name));
            }
            self.set_flat(flat, &all)?;
        }
        Ok(())
    }

    /// One named tensor, or what another flat buffer holds in its place: its gradient, its moments.
    pub fn tensor(&mut self, flat: Flat, parameters: &Parameters, name: &str) -> Result<Vec<f64>> {
        let parameter = parameters
            .find(name)
            .unwrap_or_else(|| panic!("no parameter '{name}'"));
        Ok(self.flat(flat)?[parameter.offset..][..parameter.shape.len()].to_vec())
    }

    pub fn set_flat(&mut self, flat: Flat, values: &[f32]) -> Result<()> {
        match self {
            Engine::Reference { store, .. } => {
                *store.flat_mut(flat) = widen(values);
                Ok(())
            }
            Engine::Session(session) => session.set_flat(flat, values),
        }
    }
}

/// Each input in the format that the plan takes it in.
fn typed<'a, T>(plan: &Plan, real: &'a [Vec<T>], pcm: &'a [Vec<i16>]) -> Vec<Input<'a, T>> {
    let both = real.iter().zip(pcm).zip(plan.formats());
    both.map(|((real, pcm), format)| match format {
        Format::F32 => Input::Real(real),
        Format::Pcm16 => Input::Pcm16(pcm),
    })
    .collect()
}

/// Whole numbers as 16-bit samples.
pub fn whole(values: &[f32]) -> Vec<i16> {
    values.iter().map(|&v| v as i16).collect()
}

/// Compiles, runs once and reads `outputs`.
pub fn evaluate(
    target: Target,
    parameters: &Parameters,
    tape: &Tape,
    outputs: &[Var],
    inputs: &[Vec<f32>],
    step: &StepValues,
) -> Result<Vec<Vec<f64>>> {
    let mut engine = Engine::new(target, parameters)?;
    let mut program = engine.compile(tape, outputs)?;
    engine.run(&mut program, inputs, step)?;
    outputs
        .iter()
        .map(|&var| engine.read(&mut program, var))
        .collect()
}

pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Uniform in (−1, 1), a function of `seed`.
pub fn noise(seed: u32, len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| 2.0 * stemwise::kernel::uniform([seed, 17], 0, 0, i as u32) - 1.0)
        .collect()
}

/// The squared error over the squared values. Where all values are 0, the mean squared error: nothing
/// sets a scale there, and what the tests feed is of order 1.
pub fn nmse(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w) * (g - w)).sum();
    let scale: f64 = want.iter().map(|w| w * w).sum();
    let nmse = if scale > 0.0 {
        error / scale
    } else {
        error / want.len() as f64
    };
    // a NaN must not pass any comparison
    if nmse.is_nan() { f64::INFINITY } else { nmse }
}

/// `‖got − want‖ / ‖want‖`.
pub fn relative(got: &[f64], want: &[f64]) -> f64 {
    nmse(got, want).sqrt()
}

/// The largest `|got − want|`.
pub fn absolute(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let errors = got.iter().zip(want).map(|(g, w)| (g - w).abs());
    errors.fold(0.0, |a: f64, b| if b.is_nan() { f64::INFINITY } else { a.max(b) })
}

pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a, v| a.max(v.abs()))
}
