//! Planning for one device, before anything is allocated there.

use super::{Parameters, Plan, Tape, Var, plan::Target, tune};
use crate::{
    error::{Error, Result},
    gpu::{Device, Variants},
    kernel::Traits,
};

/// Lays out tapes for one device, with the variant of every operation that is chosen there.
pub struct Planner {
    device: Device,
    pinned: Option<&'static str>,
    choices: Variants,
    /// Whether what is not among them is measured.
    measures: bool,
    measured: usize,
}

impl Planner {
    /// With the variants that [were stored](Variants::of) for the device. What is not among them it
    /// [may measure](crate::gpu::Tuning).
    pub fn new(device: &Device) -> Self {
        let (choices, measures) = match device {
            Device::Cpu => (Variants::default(), false),
            Device::Gpu(gpu) => (Variants::of(gpu), gpu.options().tuning.measures()),
        };
        Planner {
            device: device.clone(),
            pinned: None,
            choices,
            measures,
            measured: 0,
        }
    }

    /// What it plans for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Lets plans from now on take this [variant](crate::tape::Op::variants) of every operation that has it, where it
    /// fits. The CPU has no variants.
    pub fn pin(&mut self, variant: Option<&'static str>) {
        self.pinned = variant;
    }

    /// The variants that plans take from now on where none is pinned: these, and none that would be measured.
    pub fn choose(&mut self, choices: Variants) {
        self.choices = choices;
        self.measures = false;
    }

    /// The variants that its plans take, with those that it measured.
    pub fn choices(&self) -> &Variants {
        &self.choices
    }

    /// How many operations it measured.
    pub fn measured(&self) -> usize {
        self.measured
    }

    /// Lays out a tape.
    ///
    /// # Errors
    /// As [`Plan::for_cpu`]; [`Error::NoHalves`] for a tape that [narrows](Tape::narrow) on a GPU that cannot.
    pub fn plan(&mut self, tape: &Tape, parameters: &Parameters, outputs: &[Var]) -> Result<Plan> {
        let gpu = match &self.device {
            Device::Cpu => return Plan::for_cpu(tape, parameters, outputs),
            Device::Gpu(gpu) => gpu,
        };
        if tape.narrows() && !gpu.features().f16 {
            let adapter = gpu.name().to_string();
            return Err(Error::NoHalves { adapter });
        }
        let traits = Traits {
            pinned: self.pinned,
            ..gpu.traits()
        };
        let plan = Plan::new(tape, parameters, outputs, Target::Gpu(traits, &self.choices))?;
        if !self.measures || self.pinned.is_some() {
            return Ok(plan);
        }
        match tune::at_first_use(gpu, &plan, &mut self.choices) {
            0 => Ok(plan),
            measured => {
                self.measured += measured;
                Plan::new(tape, parameters, outputs, Target::Gpu(traits, &self.choices))
            }
        }
    }
}
