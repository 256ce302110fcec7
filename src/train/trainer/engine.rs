//! A run's network on its device.

use std::time::{Duration, Instant};

use super::{
    memory::{divisions, fitting},
    programs::{LossProgram, Programs},
};
use crate::{
    corpus::Pieces,
    gpu::Device,
    kernel::StepValues,
    optim::Adam,
    tape::{Input, Planner, Session, Slot},
    train::{
        Event, Network, Observer, Run, TrainError,
        data::{Item, loader::Loader},
        network::items_per_example,
    },
};

pub(crate) struct Engine {
    pub network: Network,
    pub session: Session,
    pub adam: Adam,
    pub programs: Programs,
    /// Bytes that training takes.
    pub bytes: u64,
    /// Numbers that are trained.
    pub parameters: usize,
    /// Inputs of the network in an update.
    pub segments: usize,
    /// Time that putting it on the device took.
    pub preparing: Duration,
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
        let mut planner = Planner::new(device);
        if let Device::Gpu(gpu) = device {
            run.variants(gpu)
                .into_iter()
                .for_each(|kept| planner.choose(kept));
        }
        let mut divisions = divisions(&network).into_iter().peekable();
        let mut planned = fitting(&network, &mut planner, &mut divisions)?;
        let mut session = Session::with(planner, &network.parameters)?;
        let (programs, bytes) = loop {
            let bytes = planned.footprint().total();
            match planned.load(&mut session) {
                // only the driver knew
                Err(crate::Error::OutOfMemory { .. }) if divisions.peek().is_some() => {
                    planned = fitting(&network, session.planner_mut(), &mut divisions)?;
                }
                programs => break (programs?, bytes),
            }
        };
        if programs.micro.count > 1 {
            let (batch, examples) = (network.recipe.training.batch, programs.micro.examples);
            observer(Event::MicroBatches { batch, examples });
        }
        if let Device::Gpu(gpu) = device {
            run.keep_variants(gpu, session.planner().choices())?;
        }
        Ok(Engine {
            preparing: began.elapsed(),
            parameters: network.parameter_count(),
            segments: items_per_example(&network.recipe) * network.recipe.training.batch,
            network,
            session,
            adam: Adam::default(),
            programs,
            bytes,
        })
    }

    /// The values of a micro-batch, counted over the whole run.
    pub fn values(&self, seed: u64, micro_step: u32, rate: f32) -> StepValues {
        let (update, place) = self.programs.micro.update_of(micro_step);
        let mut values = StepValues::new(seed, update, rate, self.adam.betas());
        // history and dropout go by micro-batches, the corrections of Adam by updates
        values.step = micro_step;
        values.continues = u32::from(place > 0);
        values
    }

    /// Makes an update from the loader's next batches.
    pub fn update(&mut self, seed: u64, step: u32, rate: f32, loader: &mut Loader) -> Result<(), TrainError> {
        for micro_step in self.programs.micro.micro_steps(step) {
            let slot = loader.next(&self.session)?;
            let values = self.values(seed, micro_step, rate);
            let program = &mut self.programs.training.program;
            self.session
                .run_slot(program, slot, &values, loader.give_back())?;
        }
        self.finish_update(seed, step, rate)
    }

    /// Updates the parameters by the accumulated gradients, if that is not done yet.
    pub fn finish_update(&mut self, seed: u64, step: u32, rate: f32) -> Result<(), TrainError> {
        if let Some(update) = &mut self.programs.update {
            let values = StepValues::new(seed, step, rate, self.adam.betas());
            self.session.run::<Input>(update, &[], &values)?;
        }
        Ok(())
    }

    /// The validation loss of a batch that `write` writes.
    pub fn evaluate(
        &mut self,
        write: impl FnOnce(&mut Slot) -> Result<(), TrainError>,
    ) -> Result<f32, TrainError> {
        let LossProgram { program, loss, .. } = &mut self.programs.evaluation;
        let mut slot = self.session.slot(program)?;
        write(&mut slot)?;
        self.session
            .run_slot(program, slot, &StepValues::default(), |_: Slot| {})?;
        let loss = self.session.read(program, *loss)?;
        Ok(loss.first().copied().unwrap_or(f32::NAN))
    }

    /// Descriptions of items of the length of the nearest-neighbour score, one after another.
    pub fn embed(&mut self, items: &[Item], pieces: &Pieces) -> Result<Vec<f32>, TrainError> {
        let Some(embedding) = &mut self.programs.embedding else {
            return Err(TrainError::setting(
                "training.knn_segments",
                "there is no such score",
            ));
        };
        let alone = self
            .network
            .recipe
            .instrument
            .filter(|_| self.network.sources() == 1);
        let mut samples = vec![0; embedding.samples()];
        let described = embedding.run(&mut self.session, items.len(), |item, write| {
            let stems = items[item].stems.iter().enumerate();
            let heard = stems.filter(|(i, _)| alone.is_none_or(|alone| alone as usize == *i));
            for (source, (_, stem)) in heard.enumerate() {
                if let Some(stem) = stem {
                    pieces.read(stem.excerpt, &mut samples)?;
                    write(source, &samples)?;
                }
            }
            Ok::<_, TrainError>(())
        });
        Ok(described?.vectors)
    }

    /// What was recorded in a ring for the last `pending` of `step` updates, averaged over micro-batches.
    pub fn losses_of(&mut self, slot: usize, step: u32, pending: u32) -> Result<Vec<f32>, TrainError> {
        let count = self.programs.micro.count;
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
