//! Measuring which variant of an operation is the fastest.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Effort, Io, Parameters, Plan, Role, Session, Tape, Var, op::ErasedOp};
use crate::{
    error::Result,
    gpu::{Device, Gpu, Tuning, Variants},
    kernel::{Dispatch, StepValues, Traits, uniform},
    shape::Shape,
};

/// The most that measuring an operation at its first use takes once its kernels are compiled: enough for a handful of
/// variants of a few milliseconds. Of a slower one, which is a large one, fewer are compared.
const OPERATION_BUDGET: Duration = Duration::from_millis(300);

/// The most that measuring at first use takes on a device as long as it is open, compiling included: about what a short
/// run takes anyway. A network has some thirty operations to measure; what is left is measured by the next process.
const TOTAL_BUDGET: Duration = Duration::from_secs(30);

/// An operation of a plan that there are several ways to compute.
#[derive(Debug, Clone)]
pub struct Tunable {
    /// Operation and sizes: what [`Variants`] go by.
    pub key: String,
    /// Of a tape that narrows, where that makes a difference: its operands are measured in 32 bits.
    pub(super) narrows: bool,
    pub(super) op: Arc<dyn ErasedOp>,
    pub(super) shapes: Vec<Shape>,
    pub(super) output: Shape,
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy)]
pub struct Thoroughness {
    /// For each variant.
    pub effort: Effort,
    /// A variant that takes so many times as long as the best so far is measured no further.
    pub hopeless: f64,
    /// The most time for all variants of an operation, once the first is compiled.
    pub budget: Option<Duration>,
}

impl Thoroughness {
    /// A few milliseconds for each variant that is not far behind.
    pub fn quick() -> Self {
        Thoroughness {
            effort: Effort {
                samples: 3,
                sample: Duration::from_millis(5),
            },
            hopeless: 1.5,
            budget: None,
        }
    }

    /// The same, and no more than a fraction of a second for each operation.
    pub fn first_use() -> Self {
        Thoroughness {
            budget: Some(OPERATION_BUDGET),
            ..Self::quick()
        }
    }

    /// As `stemwise bench` does, each to the end.
    pub fn exhaustive() -> Self {
        Thoroughness {
            effort: Effort::default(),
            hopeless: f64::INFINITY,
            budget: None,
        }
    }
}

/// What was measured of one operation.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// As in [`Tunable`].
    pub key: String,
    /// Every variant and its time, the engine's default first.
    pub times: Vec<(&'static str, Duration)>,
    /// Whether there was time for all of them.
    pub complete: bool,
}

impl Tuned {
    /// The variant with the least time.
    pub fn fastest(&self) -> Option<&(&'static str, Duration)> {
        self.times.iter().min_by_key(|(_, time)| *time)
    }
}

/// What goes into [`Variants`] for an operation and its sizes.
pub(super) fn key(op: &dyn ErasedOp, shapes: &[Shape], traits: Traits) -> String {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    let rounded = match traits.half_matrices {
        Some(_) => " in f16",
        None => "",
    };
    format!("{op:?} on {}{rounded}", shapes.join(", "))
}

impl Tunable {
    /// Its shapes on a device, where this variant is pinned.
    fn io(&self, traits: Traits, pinned: Option<&'static str>) -> Io<'_> {
        Io {
            inputs: &self.shapes,
            output: self.output,
            traits: Traits {
                pinned,
                ..traits.for_tape(self.narrows)
            },
        }
    }

    pub(super) fn variants(&self, traits: Traits) -> Vec<&'static str> {
        self.op.variants(&self.io(traits, traits.pinned))
    }

    /// What a variant dispatches.
    fn dispatches(&self, traits: Traits, variant: &'static str) -> Vec<Dispatch> {
        self.op.gpu(&self.io(traits, Some(variant))).dispatches
    }

    /// The operation alone, on tensors of noise that are on the device.
    fn record(&self) -> Result<(Parameters, Tape, Var)> {
        let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
        tape.narrow(self.narrows);
        let mut operands = Vec::new();
        for (i, &shape) in self.shapes.iter().enumerate() {
            let noise = (0..shape.len()).map(|j| 2.0 * uniform([1, 2], 0, i as u32, j as u32) - 1.0);
            let id = parameters.add(&format!("operand {i}"), shape, Role::Frozen, noise.collect())?;
            operands.push(tape.parameter(&parameters, id)?);
        }
        let output = tape.push_erased(self.op.clone(), &operands)?;
        Ok((parameters, tape, output))
    }

    /// Times its variants on a device. Those that are left when `deadline` or the budget has passed are left out, but
    /// for the default.
    ///
    /// # Errors
    /// What allocating, compiling and running give.
    pub fn measure(&self, device: &Device, how: Thoroughness, deadline: Option<Instant>) -> Result<Tuned> {
        let (parameters, tape, output) = self.record()?;
        let mut session = Session::new(device, &parameters)?;
        let mut times: Vec<(&'static str, Duration)> = Vec::new();
        let variants = self.variants(device.traits());
        if let Device::Gpu(gpu) = device {
            // side by side, but not those of all operations: compiling counts
            let of = |&variant| self.dispatches(device.traits(), variant);
            let dispatches: Vec<_> = variants.iter().flat_map(of).collect();
            gpu.compile_by(dispatches.iter().map(|dispatch| (dispatch, self.op.checks())));
        }
        let mut own = None;
        for &variant in &variants {
            let late = |deadline: Option<Instant>| deadline.is_some_and(|deadline| Instant::now() > deadline);
            if (late(deadline) || late(own)) && !times.is_empty() {
                break;
            }
            session.planner_mut().pin(Some(variant));
            let mut program = session.compile(&tape, &[output])?;
            own = own.or_else(|| Instant::now().checked_add(how.budget?));
            let step = StepValues::default();
            let mut time = |times| session.time(&mut program, &step, times);
            let best = times.iter().map(|(_, time)| *time).min();
            // the first run may compile
            time(1)?;
            let once = time(1)?;
            let hopeless = best.is_some_and(|best| once.as_secs_f64() > how.hopeless * best.as_secs_f64());
            let took = if hopeless { once } else { how.effort.median(time)? };
            times.push((variant, took));
        }
        Ok(Tuned {
            key: self.key.clone(),
            complete: times.len() == variants.len(),
            times,
        })
    }
}

/// Measures the operations of a plan that nothing was chosen for, chooses, and stores what was chosen. Returns how many
/// they were.
///
/// What cannot be measured (its operands may not fit beside a program that is there already) is left to the engine, and
/// so is what cannot be stored left to the next process: neither is a reason for a run to end.
pub(super) fn at_first_use(gpu: &Arc<Gpu>, plan: &Plan, choices: &mut Variants) -> usize {
    let mut missing = plan.tunable();
    missing.retain(|tunable| choices.get(&tunable.key).is_none());
    let limits = gpu.limits();
    if missing.is_empty()
        || plan
            .check_limits(gpu.name(), limits.buffer, limits.binding)
            .is_err()
    {
        return 0;
    }
    let began = Instant::now();
    let (how, deadline) = match gpu.options().tuning {
        Tuning::Off | Tuning::Stored => return 0,
        Tuning::On => {
            let left = TOTAL_BUDGET.saturating_sub(gpu.measuring());
            (Thoroughness::first_use(), began.checked_add(left))
        }
        Tuning::Exhaustive => (Thoroughness::exhaustive(), None),
    };
    let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    if late() {
        return 0;
    }
    let device = Device::Gpu(gpu.clone());
    let mut found = Vec::new();
    for tunable in &missing {
        if late() {
            break;
        }
        let Ok(tuned) = tunable.measure(&device, how, deadline) else {
            continue;
        };
        // what its own budget cut short is settled by what was seen, so that it is measured once only
        if let Some((variant, _)) = tuned.fastest().filter(|_| tuned.complete || !late()) {
            choices.set(tuned.key.clone(), variant);
            found.push((tuned.key.clone(), *variant));
        }
    }
    gpu.measured_for(began.elapsed());
    let count = found.len();
    if let (Some(store), true) = (&gpu.options().variants, count > 0) {
        // with what another process may have stored by now
        let mut stored = store.load(gpu);
        for (key, variant) in found {
            stored.set(key, variant);
        }
        let _ = store.save(gpu, &stored);
    }
    count
}
