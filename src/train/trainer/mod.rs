//! The training loop: what fits the device (`memory`) is put there (`programs`, `engine`), updated, validated
//! (`validate`, `schedule`) and saved. It knows all of training but pipelines. Start reading at [`start`], then at
//! `Trainer::run_steps` in `steps.rs`.

mod divergence;
mod engine;
mod memory;
mod programs;
mod progress;
mod schedule;
mod steps;
mod validate;

pub use memory::examples_at_a_time;
pub use programs::Footprint;
pub use progress::{Event, Observer, Outcome, StartUp};
pub use schedule::{Schedule, Scores};

use std::{path::Path, sync::atomic::AtomicBool};

use crate::{
    gpu::Device,
    train::{
        Checkpoint, Network, Run, RunConfig, TrainError,
        data::Data,
        recipe::{Precision, Recipe, Task},
        run::checkpoint::State,
    },
};
use engine::Engine;
use steps::Trainer;

/// Begins a run in the new folder `folder` and trains to its last step, or until `stop` is set: then to the end of
/// the update that is running. Either way the newest state is in `last.safetensors` when it returns.
///
/// # Errors
/// [`TrainError`]; [`TrainError::Diverged`] leaves the last good checkpoint as it was.
pub fn start(
    folder: &Path,
    config: &RunConfig,
    device: &Device,
    stop: &AtomicBool,
    observer: Observer<'_>,
) -> Result<Outcome, TrainError> {
    if config.recipe.task == Task::Judgements && config.recipe.data.judgements.is_none() {
        let message = "give the CSV file of judgements: --judgements FILE.csv";
        return Err(TrainError::setting("data.judgements", message));
    }
    check_precision(&config.recipe, device)?;
    let run = Run::create(folder, config)?;
    let _lock = run.lock()?;
    match Prepared::new(&run, None, device, observer) {
        Ok(prepared) => prepared.train(run, observer, stop),
        Err(error) => {
            run.discard();
            Err(error)
        }
    }
}

/// Continues the run in `folder` from its last checkpoint, bit for bit as if it had never stopped (on the same
/// kind of device). `epochs` asks for another number of epochs in all.
///
/// # Errors
/// As [`start`].
pub fn resume(
    folder: &Path,
    epochs: Option<u32>,
    device: &Device,
    stop: &AtomicBool,
    observer: Observer<'_>,
) -> Result<Outcome, TrainError> {
    let _lock = Run::open(folder)?.lock()?;
    // as it is now that nobody changes it
    let mut run = Run::open(folder)?;
    check_precision(&run.config.recipe, device)?;
    if let Some(epochs) = epochs {
        run.set_epochs(epochs)?;
    }
    // a run that was killed before its first checkpoint starts again
    let checkpoint = match run.last().exists() {
        true => Some(Checkpoint::read(&run.last())?),
        false => None,
    };
    Prepared::new(&run, checkpoint, device, observer)?.train(run, observer, stop)
}

/// All that a start needs, as the last checkpoint has it; without one, as the run's parents do.
struct Prepared {
    data: Data,
    engine: Engine,
    state: State,
}

impl Prepared {
    fn new(
        run: &Run,
        checkpoint: Option<Checkpoint>,
        device: &Device,
        observer: Observer<'_>,
    ) -> Result<Self, TrainError> {
        let recipe = &run.config.recipe;
        let (network, state) = match &checkpoint {
            Some(checkpoint) => (Network::of(recipe, checkpoint)?, checkpoint.state.clone()),
            None => {
                let mut network = Network::new(recipe)?;
                let parents = network.adopt(&run.config.from)?;
                let state = State::new(recipe, 0, &Schedule::new(&recipe.training), &parents);
                (network, state)
            }
        };
        let data = Data::open(&run.config, &state.parents, observer)?;
        let mut engine = Engine::new(network, run, device, observer)?;
        if let Some(checkpoint) = &checkpoint {
            checkpoint.restore(&mut engine.session)?;
        }
        Ok(Prepared { data, engine, state })
    }

    fn train(self, run: Run, observer: Observer<'_>, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let Prepared { data, engine, state } = self;
        let fresh = state.schedule.start.is_none();
        let mut trainer = Trainer::new(run, engine, &data, observer, state)?;
        if fresh {
            // the gain is known by what training starts from, divergence is explained by a replay from the first
            // checkpoint, and a resumed run needs no parents
            trainer.validate(&data)?;
        }
        trainer.train(&data, stop)
    }
}

/// An error for a recipe in 16 bits on a GPU that has none: before there is a folder.
fn check_precision(recipe: &Recipe, device: &Device) -> Result<(), TrainError> {
    match device {
        Device::Gpu(gpu) if recipe.training.precision == Precision::F16 && !gpu.features().f16 => {
            let adapter = gpu.name().to_string();
            Err(crate::Error::NoHalves { adapter }.into())
        }
        _ => Ok(()),
    }
}
