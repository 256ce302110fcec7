//! What a run has on its device: recorded, laid out as plans, and then loaded as programs.

use crate::{
    optim::Adam,
    tape::{Flat, Plan, Program, Session, Tape, Var},
    train::{
        LossStep, Network, TrainError,
        data::{MicroBatches, loader::slots_that_fit},
        embedding::Embedding,
        network::Inputs,
    },
};

/// Bytes for batches that wait for the device.
pub(crate) const BATCH_MEMORY: u64 = 1 << 30;

/// All that a run computes.
pub(crate) struct Programs<P = Program> {
    pub micro: MicroBatches,
    /// Forward, loss and backward of a micro-batch; with the update, if a batch is one.
    pub training: LossProgram<P>,
    /// The update, if a batch is several micro-batches.
    pub update: Option<P>,
    /// Examples that are validated on at a time.
    pub validated: usize,
    pub evaluation: LossProgram<P>,
    /// Describes segments of the nearest-neighbour score, if there is one.
    pub embedding: Option<Embedding<P>>,
}

/// A loss step.
pub(crate) struct LossProgram<P = Program> {
    pub program: P,
    pub inputs: Inputs,
    pub loss: Var,
    /// Names of the recorded losses, the sum first.
    pub losses: Vec<&'static str>,
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
    /// All of it.
    pub fn total(&self) -> u64 {
        self.lasting + self.training + self.evaluation + self.batches
    }
}

/// Lays out a tape for a device.
pub(crate) type Lay<'a> = &'a mut dyn FnMut(&Tape, &[Var]) -> crate::Result<Plan>;

impl Programs<Plan> {
    /// Records and lays out all programs.
    pub fn plan(network: &Network, micro: MicroBatches, lay: Lay<'_>) -> Result<Self, TrainError> {
        let (step, update) = network.update_steps(&Adam::default(), micro.examples, micro.count)?;
        let training = LossProgram::plan(step, &[], lay)?;
        let update = update.map(|tape| lay(&tape, &[])).transpose()?;
        let validated = network.recipe.validation_examples(micro.examples);
        let step = network.evaluation_step(validated)?;
        let outputs = [step.loss];
        let evaluation = LossProgram::plan(step, &outputs, lay)?;
        let embedding = match network.recipe.scores_neighbours() {
            true => {
                let samples = network.recipe.samples(network.recipe.training.knn_seconds);
                Some(Embedding::new(network, micro.examples, samples, lay)?)
            }
            false => None,
        };
        Ok(Programs {
            micro,
            training,
            update,
            validated,
            evaluation,
            embedding,
        })
    }

    /// Puts all of them into a session.
    pub fn load(self, session: &mut Session) -> crate::Result<Programs> {
        Ok(Programs {
            micro: self.micro,
            validated: self.validated,
            training: self.training.load(session)?,
            evaluation: self.evaluation.load(session)?,
            embedding: self
                .embedding
                .map(|embedding| embedding.load(session))
                .transpose()?,
            update: self.update.map(|plan| session.load(plan)).transpose()?,
        })
    }

    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.training_plans().chain(self.evaluation_plans())
    }

    fn training_plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.training.program).chain(&self.update)
    }

    fn evaluation_plans(&self) -> impl Iterator<Item = &Plan> {
        let embedding = self.embedding.iter().map(|embedding| &embedding.program);
        std::iter::once(&self.evaluation.program).chain(embedding)
    }

    pub fn footprint(&self) -> Footprint {
        let lasting = Flat::ALL.map(|flat| self.plans().map(|plan| plan.flat_bytes(flat)).max().unwrap_or(0));
        let own =
            |plan: &Plan| plan.bytes() - Flat::ALL.map(|flat| plan.flat_bytes(flat)).iter().sum::<u64>();
        let slot = self.training.program.slot_bytes();
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

impl LossProgram<Plan> {
    fn plan(step: LossStep, outputs: &[Var], lay: Lay<'_>) -> Result<Self, TrainError> {
        Ok(LossProgram {
            program: lay(&step.tape, outputs)?,
            losses: step.names(),
            inputs: step.inputs,
            loss: step.loss,
        })
    }

    fn load(self, session: &mut Session) -> crate::Result<LossProgram> {
        Ok(LossProgram {
            program: session.load(self.program)?,
            inputs: self.inputs,
            loss: self.loss,
            losses: self.losses,
        })
    }
}
