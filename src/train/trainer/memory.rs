//! How many examples go onto the device at a time.

use super::programs::{Footprint, Lay, Programs};
use crate::{
    gpu::Device,
    kernel::Traits,
    tape::{HISTORY_STEPS, Plan, Planner, Tape, Var},
    train::{Network, TrainError, data::MicroBatches, recipe::Task},
};

/// Share of the free memory that a plan may take, where the device computes in the host's.
const SHARE: f64 = 0.7;

/// The sizes that micro-batches can have, from the batch down. Contrast is between all of a batch: it has no others.
pub(crate) fn divisions(network: &Network) -> Vec<MicroBatches> {
    let training = &network.recipe.training;
    let batch = training.batch;
    let sizes = match training.micro_batch {
        0 if network.recipe.task == Task::Contrast => vec![batch],
        0 => (1..=batch)
            .rev()
            .filter(|size| batch.is_multiple_of(*size))
            .collect(),
        pinned => vec![pinned],
    };
    let micro = |examples| MicroBatches {
        examples,
        count: batch / examples,
    };
    // the ring of losses holds those of one update
    let micro = sizes.into_iter().map(micro);
    micro.filter(|micro| micro.count <= HISTORY_STEPS).collect()
}

impl Footprint {
    /// What training this network takes with `examples` of a batch at a time, on a GPU of these traits, or on the
    /// processor; before anything is allocated. Limits of an adapter are not looked at.
    ///
    /// # Errors
    /// What recording gives.
    pub fn of(network: &Network, examples: usize, traits: Option<Traits>) -> Result<Self, TrainError> {
        let count = network.recipe.training.batch / examples.max(1);
        let parameters = &network.parameters;
        let lay: Lay<'_> = match traits {
            None => &mut |tape: &Tape, outputs: &[Var]| Plan::for_cpu(tape, parameters, outputs),
            Some(traits) => {
                &mut move |tape: &Tape, outputs: &[Var]| Plan::for_gpu(tape, parameters, outputs, traits)
            }
        };
        Ok(Programs::plan(network, MicroBatches { examples, count }, lay)?.footprint())
    }
}

/// Examples that [`start`](super::start) would put onto the device at a time, as far as can be told without allocating.
///
/// # Errors
/// Why not even one example fits; what recording gives.
pub fn examples_at_a_time(network: &Network, device: &Device) -> Result<usize, TrainError> {
    let mut planner = Planner::new(device);
    planner.choose(planner.choices().clone());
    let mut divisions = divisions(network).into_iter();
    Ok(fitting(network, &mut planner, &mut divisions)?.micro.examples)
}

/// The plans for the first of the divisions with which they fit the device, as far as can be told without allocating.
/// Those after it are left in `divisions`.
///
/// # Errors
/// Why not even the smallest fits; what recording gives.
pub(crate) fn fitting(
    network: &Network,
    planner: &mut Planner,
    divisions: &mut dyn Iterator<Item = MicroBatches>,
) -> Result<Programs<Plan>, TrainError> {
    let budget = budget(planner.device());
    let mut last = None;
    for micro in divisions {
        match fits(network, planner, micro, budget) {
            Err(error @ TrainError::Memory { .. }) => last = Some(error),
            Err(TrainError::Engine(error @ crate::Error::TensorTooLarge { .. })) => last = Some(error.into()),
            planned => return planned,
        }
    }
    Err(last.unwrap_or_else(|| TrainError::setting("training.batch", "is 0")))
}

fn fits(
    network: &Network,
    planner: &mut Planner,
    micro: MicroBatches,
    budget: Option<u64>,
) -> Result<Programs<Plan>, TrainError> {
    let planned = Programs::plan(network, micro, &mut |tape, outputs| {
        planner.plan(tape, &network.parameters, outputs)
    })?;
    if let Device::Gpu(gpu) = planner.device() {
        let limits = gpu.limits();
        for plan in planned.plans() {
            plan.check_limits(gpu.name(), limits.buffer, limits.binding)?;
        }
    }
    let bytes = planned.footprint().total();
    match budget {
        Some(budget) if bytes > budget => Err(TrainError::Memory {
            examples: micro.examples,
            bytes,
            budget,
        }),
        _ => Ok(planned),
    }
}

/// Bytes that a plan may take; none where only the driver knows, which then says so when it is asked for them.
fn budget(device: &Device) -> Option<u64> {
    let host = match device {
        Device::Cpu => true,
        Device::Gpu(gpu) => gpu.traits().software,
    };
    host.then(available)
        .flatten()
        .map(|bytes| (bytes as f64 * SHARE) as u64)
}

/// Memory of the host that programs can still take; none where the system does not tell.
fn available() -> Option<u64> {
    let ram = sysinfo::MemoryRefreshKind::nothing().with_ram();
    let host = sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_memory(ram));
    Some(host.available_memory()).filter(|bytes| *bytes > 0)
}
