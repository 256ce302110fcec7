//! The training loop.

use std::{
    mem,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Checkpoint, EvaluationStep, Event, Network, Observer, Run, RunConfig, SeparatorRecipe, Summary,
    TrainError,
    batches::Batches,
    checkpoint::{Snapshot, State},
    loader::Loader,
    log::{Line, Log},
    network::LOSS_SLOT,
};
use crate::{
    corpus::{Excerpt, PieceOptions, Pieces, Sampler, SamplerOptions, Sampling, Source, Split},
    gpu::Device,
    kernel::StepValues,
    optim::Adam,
    tape::{HISTORY_STEPS, Input, Program, Session, Slot, Var},
};

/// Losses are read from the device after so many steps, or after so long, whichever comes first: often enough
/// to be watched, seldom enough that the device need not wait.
const READ_STEPS: u32 = 32;
const READ_TIME: Duration = Duration::from_secs(1);
const _: () = assert!(READ_STEPS as usize <= HISTORY_STEPS);

/// Bytes for decoded audio, where there is no store.
const AUDIO_MEMORY: u64 = 4 << 30;

/// Bytes for batches that wait for the device.
const BATCH_MEMORY: u64 = 1 << 30;

/// Threads that fill batches: copying from a store needs one, decoding from a folder's files needs more.
const WORKERS: usize = 2;

/// Begins a run in the new folder `folder` and trains to its last step, or until `stop` is set: then to the end of
/// the step that is running. Either way the newest state is in `last.safetensors` when it returns.
///
/// # Errors
/// [`TrainError`]; [`TrainError::Diverged`] leaves the last good checkpoint as it was.
pub fn start(
    folder: &Path,
    config: &RunConfig,
    device: &Device,
    stop: &AtomicBool,
    observer: Observer<'_>,
) -> Result<Summary, TrainError> {
    let run = Run::create(folder, config)?;
    let prepare = || {
        Ok((
            Data::open(&run.config, observer)?,
            Engine::new(&run.config.separator, device)?,
        ))
    };
    match prepare() {
        Ok((data, engine)) => {
            Trainer::new(run, engine, data.hash.as_deref(), observer, None)?.train(&data, stop)
        }
        Err(error) => {
            run.discard();
            Err(error)
        }
    }
}

/// Continues the run in `folder` from its last checkpoint, bit for bit as if it had never stopped (on the same
/// kind of device). `steps` asks for another number of steps in all.
///
/// # Errors
/// As [`start`].
pub fn resume(
    folder: &Path,
    steps: Option<u32>,
    device: &Device,
    stop: &AtomicBool,
    observer: Observer<'_>,
) -> Result<Summary, TrainError> {
    let mut run = Run::open(folder)?;
    // A run that was stopped before its first checkpoint starts again.
    let checkpoint = match run.last().exists() {
        true => Some(Checkpoint::read(&run.last())?),
        false => None,
    };
    if let Some(steps) = steps {
        run.set_steps(steps)?;
    }
    let mut engine = Engine::new(&run.config.separator, device)?;
    if let Some(checkpoint) = &checkpoint {
        checkpoint.restore(&mut engine.session)?;
    }
    let data = Data::open(&run.config, observer)?;
    Trainer::new(run, engine, data.hash.as_deref(), observer, checkpoint.as_ref())?.train(&data, stop)
}

/// The segments of a run.
struct Data {
    /// The hash of the store that they come from, if they do.
    hash: Option<String>,
    train: Pieces,
    sampler: Sampler,
    validation: Pieces,
    /// The segments to validate on.
    segments: Vec<Excerpt>,
}

impl Data {
    fn open(config: &RunConfig, observer: Observer<'_>) -> Result<Self, TrainError> {
        let recipe = &config.separator;
        let source = Source::open(&config.corpus)?;
        if let Source::Folder(corpus) = &source {
            observer(Event::Undecoded { root: corpus.root() });
        }
        let classes = source.tempo_classes()?;
        let pieces = |split, memory| {
            let options = PieceOptions {
                segment_len: recipe.segment_samples(),
                rate: recipe.sample_rate,
                memory,
            };
            source.pieces(split, &options, &classes, &|done, total| {
                observer(Event::Decoded { done, total })
            })
        };
        let train = pieces(Split::Train, AUDIO_MEMORY / 4 * 3)?;
        let validation = pieces(Split::Validation, AUDIO_MEMORY / 4)?;
        let options = SamplerOptions {
            seed: recipe.seed,
            batch: recipe.batch as u64,
            sampling: Sampling::Fresh,
        };
        let sampler = |pieces: &Pieces| {
            let sampler = Sampler::new(pieces.catalogue().clone(), options)?;
            // if there is nothing to draw, say so before anything is made
            sampler.segment(recipe.instrument, 0, 0).map(|_| sampler)
        };
        let count = recipe.validation_segments.next_multiple_of(recipe.batch);
        Ok(Data {
            hash: source.hash().map(str::to_string),
            sampler: sampler(&train)?,
            segments: sampler(&validation)?.validation_segments(recipe.instrument, count)?,
            train,
            validation,
        })
    }
}

/// The network on its device.
struct Engine {
    session: Session,
    adam: Adam,
    training: Program,
    evaluation: Program,
    evaluation_loss: Var,
    parameters: usize,
    /// For the training program's batches, until the loader takes them.
    slots: Vec<Slot>,
}

impl Engine {
    fn new(recipe: &SeparatorRecipe, device: &Device) -> Result<Self, TrainError> {
        let network = Network::new(recipe)?;
        let adam = Adam::default();
        let EvaluationStep { tape, loss } = network.evaluation_step()?;
        let mut session = Session::new(device, &network.parameters)?;
        let training = session.compile(&network.training_step(&adam)?, &[])?;
        let evaluation = session.compile(&tape, &[loss])?;
        let slots = Loader::slots(&session, &training, BATCH_MEMORY)?;
        let parameters = network.parameter_count();
        Ok(Engine {
            session,
            adam,
            training,
            evaluation,
            evaluation_loss: loss,
            parameters,
            slots,
        })
    }
}

struct Trainer<'o> {
    run: Run,
    engine: Engine,
    observer: Observer<'o>,
    log: Log,
    /// Updates made.
    step: u32,
    /// The step of the newest checkpoint.
    saved: Option<u32>,
    best: Option<(u32, f32)>,
    /// Steps whose losses were not read yet, and since when.
    pending: u32,
    since: Instant,
    started: Instant,
    loss: Option<f32>,
    /// Time spent in training steps by this start, and how much of it the device waited for data.
    training: Duration,
    waited: Duration,
}

impl<'o> Trainer<'o> {
    fn new(
        run: Run,
        engine: Engine,
        store: Option<&str>,
        observer: Observer<'o>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Self, TrainError> {
        let step = checkpoint.map_or(0, |c| c.state.step);
        let device = engine.session.device().to_string();
        run.note_start(step, &device, engine.parameters, store)?;
        Ok(Trainer {
            log: Log::open(&run.metrics(), step)?,
            run,
            engine,
            observer,
            step,
            saved: checkpoint.map(|c| c.state.step),
            best: checkpoint.and_then(|c| c.state.best),
            pending: 0,
            since: Instant::now(),
            started: Instant::now(),
            loss: None,
            training: Duration::ZERO,
            waited: Duration::ZERO,
        })
    }

    fn train(mut self, data: &Data, stop: &AtomicBool) -> Result<Summary, TrainError> {
        let (first, steps) = (self.step, self.recipe().steps);
        (self.observer)(Event::Started {
            device: &self.engine.session.device().to_string(),
            parameters: self.engine.parameters,
            bytes: self.engine.training.plan().bytes(),
            step: first,
            steps,
        });
        let batches = Batches::new(&data.train, self.recipe().batch);
        let target = self.recipe().instrument;
        let fill = |step, slot: &mut Slot| batches.fill(&data.sampler, target, step, slot);
        let slots = mem::take(&mut self.engine.slots);
        thread::scope(|scope| {
            let mut loader = Loader::spawn(scope, slots, WORKERS, first..steps, &fill);
            self.run_steps(data, &mut loader, stop)
        })?;
        Ok(Summary {
            step: self.step,
            steps,
            interrupted: self.step < steps,
            loss: self.loss,
            best: self.best,
            training: self.training,
            waited: self.waited,
        })
    }

    fn run_steps(&mut self, data: &Data, loader: &mut Loader, stop: &AtomicBool) -> Result<(), TrainError> {
        let SeparatorRecipe {
            seed,
            learning_rate,
            steps,
            validate_every,
            ..
        } = *self.recipe();
        (self.started, self.since) = (Instant::now(), Instant::now());
        while self.step < steps && !stop.load(Ordering::Relaxed) {
            let engine = &mut self.engine;
            let slot = loader.next(&engine.session)?;
            let values = StepValues::new(seed, self.step, learning_rate, engine.adam.betas());
            engine
                .session
                .run_slot(&mut engine.training, slot, &values, loader.give_back())?;
            self.step += 1;
            self.pending += 1;
            let validate = self.step.is_multiple_of(validate_every) || self.step == steps;
            if validate || self.pending == READ_STEPS || self.since.elapsed() >= READ_TIME {
                self.read_losses(loader.waited())?;
            }
            if validate {
                self.validate(data)?;
                self.since = Instant::now();
            }
        }
        if self.saved != Some(self.step) {
            self.read_losses(loader.waited())?;
            self.save(false)?;
        }
        Ok(())
    }

    /// Reads the losses of the pending steps in one go, and logs them.
    fn read_losses(&mut self, waited: Duration) -> Result<(), TrainError> {
        if self.pending == 0 {
            return Ok(());
        }
        let losses = self
            .engine
            .session
            .history(LOSS_SLOT, self.step - 1, self.pending as usize)?;
        let recipe = self.recipe();
        let segments = f64::from(self.pending) * recipe.batch as f64;
        let elapsed = self.since.elapsed();
        let segments_per_second = segments / elapsed.as_secs_f64().max(1e-9);
        let waiting = (waited - self.waited).as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        let (learning_rate, seconds) = (recipe.learning_rate, self.seconds());
        let first = self.step + 1 - losses.len() as u32;
        let lines: Vec<Line> = (first..)
            .zip(&losses)
            .take_while(|(_, loss)| loss.is_finite())
            .map(|(step, &loss)| Line::Step {
                step,
                loss,
                learning_rate,
                seconds,
                segments_per_second,
                waiting,
            })
            .collect();
        self.log.append(&lines)?;
        if let Some(&loss) = losses.get(lines.len()) {
            return Err(self.diverged("the loss", loss, first + lines.len() as u32));
        }
        let loss = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
        (self.observer)(Event::Stepped {
            step: self.step,
            loss,
            segments_per_second,
            waiting,
        });
        self.loss = Some(loss);
        self.training += elapsed;
        self.waited = waited;
        (self.pending, self.since) = (0, Instant::now());
        Ok(())
    }

    /// Evaluates the validation segments and writes the checkpoints.
    fn validate(&mut self, data: &Data) -> Result<(), TrainError> {
        let batch = self.recipe().batch;
        let batches = Batches::new(&data.validation, batch);
        let mut sum = 0.0;
        for segments in data.segments.chunks(batch) {
            let samples = batches.of_segments(segments)?;
            let engine = &mut self.engine;
            let inputs = [Input::Pcm16(&samples)];
            engine
                .session
                .run(&mut engine.evaluation, &inputs, &StepValues::default())?;
            let loss = engine
                .session
                .read(&mut engine.evaluation, engine.evaluation_loss)?;
            sum += loss.first().copied().map_or(f64::NAN, f64::from);
        }
        let loss = (sum / data.segments.len().div_ceil(batch) as f64) as f32;
        if !loss.is_finite() {
            return Err(self.diverged("the validation loss", loss, self.step));
        }
        let best = self.best.is_none_or(|(_, least)| loss < least);
        if best {
            self.best = Some((self.step, loss));
        }
        let line = Line::Validation {
            step: self.step,
            validation_loss: loss,
            seconds: self.seconds(),
        };
        self.log.append(&[line])?;
        (self.observer)(Event::Validated {
            step: self.step,
            loss,
            best,
        });
        self.save(best)
    }

    /// Writes `last`, and `best` before it: if the program dies in between, the resumed run comes here again.
    fn save(&mut self, best: bool) -> Result<(), TrainError> {
        let state = State::new(self.recipe(), self.step, self.best);
        let snapshot = Snapshot::take(&mut self.engine.session, state)?;
        if let Some((name, value)) = snapshot.find_not_finite() {
            return Err(self.diverged(&format!("'{name}'"), value, self.step));
        }
        let paths = [best.then(|| self.run.best()), Some(self.run.last())];
        for path in paths.into_iter().flatten() {
            snapshot.write(&path)?;
            (self.observer)(Event::Saved {
                step: self.step,
                path: &path,
            });
        }
        self.saved = Some(self.step);
        Ok(())
    }

    fn diverged(&self, what: &str, value: f32, step: u32) -> TrainError {
        let kept = match self.saved {
            Some(step) => format!("{} of step {step} is kept", self.run.last().display()),
            None => "No checkpoint was written yet".to_string(),
        };
        TrainError::Diverged {
            what: what.to_string(),
            value,
            step,
            kept,
        }
    }

    /// Time spent in this run, over all its starts.
    fn seconds(&self) -> f64 {
        self.log.seconds + self.started.elapsed().as_secs_f64()
    }

    fn recipe(&self) -> &SeparatorRecipe {
        &self.run.config.separator
    }
}
