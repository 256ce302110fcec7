//! How many examples go onto the device at a time.

use crate::{
    gpu::Device,
    kernel::Traits,
    optim::Adam,
    tape::{Flat, HISTORY_STEPS, Plan, Planner, Tape, Var},
    train::{
        LossStep, Network, TrainError,
        data::{MicroBatches, loader::slots_that_fit},
        network::Inputs,
    },
};

/// Bytes for batches that wait for the device.
pub(crate) const BATCH_MEMORY: u64 = 1 << 30;

/// Share of the free memory that a plan may take, where the device computes in the host's.
const SHARE: f64 = 0.7;

/// The sizes that micro-batches can have, from the batch down.
pub(crate) fn divisions(network: &Network) -> Vec<MicroBatches> {
    let training = &network.recipe.training;
    let batch = training.batch;
    let sizes = match training.micro_batch {
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

/// The tapes of an update by so divided a batch: what runs for every micro-batch, and what then runs once.
pub(crate) fn tapes(
    network: &Network,
    adam: &Adam,
    micro: MicroBatches,
) -> Result<(LossStep, Option<Tape>), TrainError> {
    match micro.count {
        1 => Ok((network.training_step(adam, micro.examples)?, None)),
        count => {
            let (step, update) = network.micro_steps(adam, micro.examples, count)?;
            Ok((step, Some(update)))
        }
    }
}

/// Bytes on the device, by what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Parameters, gradients, moments, statistics: shared by all programs.
    pub lasting: u64,
    /// Activations of a training step.
    pub training: u64,
    /// Activations of validation and of the nearest-neighbour score.
    pub evaluation: u64,
    /// Batches that wait for the device.
    pub batches: u64,
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
        Ok(Planned::new(network, MicroBatches { examples, count }, lay)?.footprint())
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.lasting + self.training + self.evaluation + self.batches
    }
}

/// A loss step that is laid out.
pub(crate) struct PlannedLoss {
    pub plan: Plan,
    pub inputs: Inputs,
    pub loss: Var,
    /// Names of the recorded losses, the sum first.
    pub losses: Vec<&'static str>,
}

/// An embedding step that is laid out.
pub(crate) struct PlannedEmbedding {
    pub plan: Plan,
    pub heard: Var,
    pub embedding: Var,
    pub items: usize,
    pub samples: usize,
}

/// The plans of all programs of a run.
pub(crate) struct Planned {
    pub micro: MicroBatches,
    /// Forward, loss and backward of a micro-batch; with the update, if a batch is one.
    pub training: PlannedLoss,
    /// The update, if a batch is several micro-batches.
    pub update: Option<Plan>,
    pub evaluation: PlannedLoss,
    /// For segments of the nearest-neighbour score, if there is one.
    pub embedding: Option<PlannedEmbedding>,
}

/// Lays out a tape for a device.
type Lay<'a> = &'a mut dyn FnMut(&Tape, &[Var]) -> crate::Result<Plan>;

impl Planned {
    fn new(network: &Network, micro: MicroBatches, lay: Lay<'_>) -> Result<Self, TrainError> {
        let loss = |step: LossStep, outputs: &[Var], lay: Lay<'_>| {
            Ok::<_, TrainError>(PlannedLoss {
                plan: lay(&step.tape, outputs)?,
                losses: step.names(),
                inputs: step.inputs,
                loss: step.loss,
            })
        };
        let (step, update) = tapes(network, &Adam::default(), micro)?;
        let training = loss(step, &[], lay)?;
        let update = update.map(|tape| lay(&tape, &[])).transpose()?;
        let step = network.evaluation_step(micro.examples)?;
        let outputs = [step.loss];
        let evaluation = loss(step, &outputs, lay)?;
        let embedding = match network.recipe.scores_neighbours() {
            true => {
                let (items, samples) = (
                    micro.examples,
                    network.recipe.samples(network.recipe.training.knn_seconds),
                );
                let step = network.embedding_step(items, samples)?;
                Some(PlannedEmbedding {
                    plan: lay(&step.tape, &[step.embedding])?,
                    heard: step.heard,
                    embedding: step.embedding,
                    items,
                    samples,
                })
            }
            false => None,
        };
        Ok(Planned {
            micro,
            training,
            update,
            evaluation,
            embedding,
        })
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.training_plans().chain(self.evaluation_plans())
    }

    fn training_plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.training.plan).chain(&self.update)
    }

    fn evaluation_plans(&self) -> impl Iterator<Item = &Plan> {
        let embedding = self.embedding.iter().map(|embedding| &embedding.plan);
        std::iter::once(&self.evaluation.plan).chain(embedding)
    }

    pub fn footprint(&self) -> Footprint {
        let lasting = Flat::ALL.map(|flat| self.plans().map(|plan| plan.flat_bytes(flat)).max().unwrap_or(0));
        let own =
            |plan: &Plan| plan.bytes() - Flat::ALL.map(|flat| plan.flat_bytes(flat)).iter().sum::<u64>();
        let slot = self.training.plan.slot_bytes();
        // validation takes its batches one by one
        let single = self.evaluation_plans().map(Plan::slot_bytes).max().unwrap_or(0);
        Footprint {
            lasting: lasting.iter().sum(),
            training: self.training_plans().map(own).sum(),
            evaluation: self.evaluation_plans().map(own).sum(),
            batches: slots_that_fit(slot, BATCH_MEMORY) * slot + single,
        }
    }
}

/// Examples that [`start`](super::start) would put onto the device at a time, as far as can be told without allocating.
///
/// # Errors
/// What not even one example fits; what recording gives.
pub fn examples_at_a_time(network: &Network, device: &Device) -> Result<usize, TrainError> {
    let mut planner = Planner::new(device);
    planner.choose(planner.choices().clone());
    let mut divisions = divisions(network).into_iter();
    Ok(fitting(network, &mut planner, &mut divisions)?.micro.examples)
}

/// The plans for the first of the divisions with which they fit the device, as far as can be told without allocating.
/// What comes behind it is left in `divisions`.
///
/// # Errors
/// What the smallest does not fit; what recording gives.
pub(crate) fn fitting(
    network: &Network,
    planner: &mut Planner,
    divisions: &mut dyn Iterator<Item = MicroBatches>,
) -> Result<Planned, TrainError> {
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
) -> Result<Planned, TrainError> {
    let planned = Planned::new(network, micro, &mut |tape, outputs| {
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
