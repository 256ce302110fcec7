//! A run's network on its device.

use std::time::{Duration, Instant};

use super::{
    Event, Footprint, Network, Observer, Run, TrainError,
    example::Item,
    loader::Loader,
    memory::{Split, fitting, splits, tapes},
    objective::items_per_example,
};
use crate::{
    corpus::Pieces,
    gpu::Device,
    kernel::StepValues,
    optim::Adam,
    tape::{Input, Program, Session, Slot, Var},
};

pub(super) struct Engine {
    pub network: Network,
    pub session: Session,
    pub adam: Adam,
    /// Forward, loss and backward of a micro-batch; with the update, if a batch is one.
    pub training: Program,
    /// The update, if a batch is several micro-batches.
    update: Option<Program>,
    pub split: Split,
    /// Names of the recorded losses, the sum first.
    pub losses: Vec<&'static str>,
    pub evaluation: Program,
    pub evaluation_loss: Var,
    /// Describes segments of the nearest-neighbour score, if there is one.
    embedding: Option<Embedding>,
    /// Numbers that are trained.
    pub parameters: usize,
    /// Inputs of the network in an update.
    pub segments: usize,
    /// Time that all this took.
    pub preparing: Duration,
}

/// A program that describes so many items of so many samples.
struct Embedding {
    program: Program,
    output: Var,
    items: usize,
    samples: usize,
}

impl Engine {
    /// Puts a network on the device, in as few micro-batches as fit, with the kernels that the run began with.
    pub fn new(
        network: Network,
        run: &Run,
        device: &Device,
        observer: Observer<'_>,
    ) -> Result<Self, TrainError> {
        let began = Instant::now();
        let adam = Adam::default();
        let splits = splits(&network);
        let mut index = fitting(&network, device, &splits)?;
        let mut session = Session::new(device, &network.parameters)?;
        if let Device::Gpu(gpu) = device {
            run.variants(gpu)
                .into_iter()
                .for_each(|kept| session.choose(kept));
        }
        let (split, programs, embedding) = loop {
            let split = splits[index];
            let programs = compile(&network, &adam, &mut session, split);
            let made = programs
                .and_then(|programs| Ok((programs, Embedding::new(&network, &mut session, split.examples)?)));
            match made {
                Ok((programs, embedding)) => break (split, programs, embedding),
                // only the driver knew
                Err(TrainError::Engine(crate::Error::OutOfMemory { .. })) if index + 1 < splits.len() => {
                    index += 1
                }
                Err(error) => return Err(error),
            }
        };
        if split.count > 1 {
            let (batch, examples) = (network.recipe.training.batch, split.examples);
            observer(Event::MicroBatches { batch, examples });
        }
        let (training, update, losses, evaluation, evaluation_loss) = programs;
        if let Device::Gpu(_) = device {
            run.keep_variants(session.choices())?;
        }
        Ok(Engine {
            preparing: began.elapsed(),
            parameters: network.parameter_count(),
            segments: items_per_example(&network.recipe) * network.recipe.training.batch,
            network,
            session,
            adam,
            training,
            update,
            split,
            losses,
            evaluation,
            evaluation_loss,
            embedding,
        })
    }

    /// Bytes that training takes.
    pub fn bytes(&self) -> Result<u64, TrainError> {
        let traits = match self.session.device() {
            Device::Cpu => None,
            device => Some(device.traits()),
        };
        Ok(Footprint::of(&self.network, self.split.examples, traits)?.total())
    }

    /// The values of micro-batch `tick` of the run.
    pub fn values(&self, seed: u64, tick: u32) -> StepValues {
        let count = self.split.count as u32;
        let mut values = StepValues::new(seed, tick / count, 0.0, self.adam.betas());
        // history and dropout go by micro-batches, the corrections of Adam by updates
        values.step = tick;
        values.continues = u32::from(!tick.is_multiple_of(count));
        values
    }

    /// Makes an update from the loader's next batches.
    pub fn update(&mut self, seed: u64, step: u32, rate: f32, loader: &mut Loader) -> Result<(), TrainError> {
        let count = self.split.count as u32;
        for tick in step * count..(step + 1) * count {
            let slot = loader.next(&self.session)?;
            let mut values = self.values(seed, tick);
            values.learning_rate = rate;
            self.session
                .run_slot(&mut self.training, slot, &values, loader.give_back())?;
        }
        self.finish_update(seed, step, rate)
    }

    /// Updates the parameters by the accumulated gradients, if that is not done yet.
    pub fn finish_update(&mut self, seed: u64, step: u32, rate: f32) -> Result<(), TrainError> {
        if let Some(update) = &mut self.update {
            let values = StepValues::new(seed, step, rate, self.adam.betas());
            self.session.run::<Input>(update, &[], &values)?;
        }
        Ok(())
    }

    /// Descriptions of items of the length of the nearest-neighbour score, one after another.
    pub fn embed(&mut self, items: &[Item], pieces: &Pieces) -> Result<Vec<f32>, TrainError> {
        let Some(embedding) = &mut self.embedding else {
            return Err(TrainError::setting(
                "training.knn_segments",
                "there is no such score",
            ));
        };
        let (sources, dimensions) = (self.network.sources(), self.network.recipe.dimensions());
        let alone = self.network.recipe.instrument.filter(|_| sources == 1);
        let mut samples = vec![0; embedding.samples];
        let mut values = Vec::with_capacity(items.len() * dimensions);
        for batch in items.chunks(embedding.items) {
            let mut slot = self.session.slot(&embedding.program)?;
            for (i, item) in batch.iter().enumerate() {
                let heard = item
                    .stems
                    .iter()
                    .enumerate()
                    .filter(|(j, _)| alone.is_none_or(|alone| alone as usize == *j));
                for (source, (_, stem)) in heard.enumerate() {
                    match stem {
                        Some(stem) => pieces.read(stem.excerpt, &mut samples)?,
                        None => samples.fill(0),
                    }
                    slot.write_pcm16(0, (i * sources + source) * embedding.samples, &samples)?;
                }
            }
            let program = &mut embedding.program;
            self.session
                .run_slot(program, slot, &StepValues::default(), |_: Slot| {})?;
            let rows = self.session.read(program, embedding.output)?;
            values.extend_from_slice(&rows[..batch.len() * dimensions]);
        }
        Ok(values)
    }

    /// What was recorded in a ring for the last `pending` of `step` updates, averaged over micro-batches.
    pub fn losses_of(&mut self, slot: usize, step: u32, pending: u32) -> Result<Vec<f32>, TrainError> {
        let count = self.split.count;
        let values = self
            .session
            .history(slot, step * count as u32 - 1, pending as usize * count)?;
        let mean = |values: &[f32]| match values {
            [value] => *value,
            values => values.iter().sum::<f32>() / values.len() as f32,
        };
        Ok(values.chunks(count).map(mean).collect())
    }
}

impl Embedding {
    /// None of a network without such a score.
    fn new(network: &Network, session: &mut Session, items: usize) -> Result<Option<Self>, TrainError> {
        if !network.recipe.scores_neighbours() {
            return Ok(None);
        }
        let samples = network.recipe.samples(network.recipe.training.knn_seconds);
        let (tape, output) = network.embedding_step(items, samples)?;
        let program = session.compile(&tape, &[output])?;
        Ok(Some(Embedding {
            program,
            output,
            items,
            samples,
        }))
    }
}

type Programs = (Program, Option<Program>, Vec<&'static str>, Program, Var);

fn compile(
    network: &Network,
    adam: &Adam,
    session: &mut Session,
    split: Split,
) -> Result<Programs, TrainError> {
    let (step, update) = tapes(network, adam, split)?;
    let losses = step.names();
    let training = session.compile(&step.tape, &[])?;
    let update = update.map(|tape| session.compile(&tape, &[])).transpose()?;
    let evaluation = network.evaluation_step(split.examples)?;
    let program = session.compile(&evaluation.tape, &[evaluation.loss])?;
    Ok((training, update, losses, program, evaluation.loss))
}
