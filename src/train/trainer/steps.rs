//! The loop itself: updates, losses, validation, checkpoints.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{divergence, engine::Engine, programs::BATCH_MEMORY, validate::validate};
use crate::{
    tape::{HISTORY_STEPS, Slot},
    train::{
        Checkpoint, Event, Observer, Outcome, Parent, Run, Schedule, Start, StartUp, TrainError,
        data::{Data, Writer, loader::Loader},
        network::{LOSS_SLOT, SCALE_SLOT},
        recipe::{Precision, Recipe, updates},
        run::{
            Line, Log,
            checkpoint::{Snapshot, State},
        },
    },
};

/// Losses are read from the device after this many steps or this long, whichever comes first: often enough to be
/// watched, seldom enough that the device need not wait.
const READ_STEPS: u32 = 32;
const READ_TIME: Duration = Duration::from_secs(1);
const _: () = assert!(READ_STEPS as usize <= HISTORY_STEPS);

/// Threads that fill batches: copying from a store needs one, decoding from a folder's files needs more.
const WORKERS: usize = 2;

/// A run that is being trained.
pub(super) struct Trainer<'o> {
    run: Run,
    engine: Engine,
    observer: Observer<'o>,
    log: Log,
    parents: Vec<Parent>,
    /// Whether it learns from simulated judgements.
    simulated: bool,
    schedule: Schedule,
    /// Updates made.
    step: u32,
    /// Updates of an epoch, and of the whole run.
    epoch: u32,
    steps: u32,
    /// The step of the newest checkpoint.
    saved: Option<u32>,
    /// Steps whose losses were not read yet, and since when.
    pending: u32,
    since: Instant,
    started: Instant,
    loss: Option<f32>,
    /// Of this start, until the line of its first step is written.
    start_up: Option<StartUp>,
    /// Time spent in training steps by this start, and how much of it the device waited for data.
    training: Duration,
    waited: Duration,
}

impl<'o> Trainer<'o> {
    pub fn new(
        mut run: Run,
        engine: Engine,
        data: &Data,
        observer: Observer<'o>,
        state: State,
    ) -> Result<Self, TrainError> {
        let step = state.step;
        let device = engine.session.device().to_string();
        // chosen for this device's memory; another would give other batch statistics
        run.config.recipe.training.micro_batch = engine.programs.micro.examples;
        let judgements = data.draw.judgements();
        let hash = judgements.as_ref().map(|lessons| lessons.hash);
        let start = Start {
            selection: data.selection.clone(),
            licence: data.licence.clone(),
            stems: data.stems.clone(),
            judged: judgements.as_ref().map(|lessons| lessons.counts),
            ..Start::new(step, &device, data.hash.as_deref(), hash)
        };
        if let Some(counts) = start.judged {
            observer(Event::Judged { counts });
        }
        run.note_start(start, engine.parameters, &state.parents)?;
        let training = &run.config.recipe.training;
        let examples = data.draw.epoch().unwrap_or(training.epoch);
        let epoch = updates(1, examples, training.batch)?;
        let steps = updates(training.epochs, examples, training.batch)?;
        let mut schedule = state.schedule;
        // it may have been asked for more epochs
        schedule.finished = schedule.impatient(training);
        Ok(Trainer {
            log: Log::open(&run.metrics(), step)?,
            run,
            engine,
            observer,
            parents: state.parents,
            simulated: state.simulated || judgements.is_some_and(|lessons| lessons.simulated),
            // a run that was killed before its first checkpoint has none
            saved: schedule.start.is_some().then_some(step),
            schedule,
            step,
            epoch,
            steps,
            pending: 0,
            since: Instant::now(),
            started: Instant::now(),
            loss: None,
            start_up: None,
            training: Duration::ZERO,
            waited: Duration::ZERO,
        })
    }

    pub fn train(mut self, data: &Data, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let (first, steps) = (self.step, self.steps);
        (self.observer)(Event::Started {
            device: &self.engine.session.device().to_string(),
            parameters: self.engine.parameters,
            bytes: self.engine.bytes,
            step: first,
            steps,
        });
        let (network, programs) = (&self.engine.network, &self.engine.programs);
        let (writer, micro) = (
            Writer::new(network, &programs.training.inputs, &data.sets),
            programs.micro,
        );
        let fill = |micro_step, slot: &mut Slot| writer.write(&data.examples(micro, micro_step)?, slot);
        let slots = Loader::slots(&self.engine.session, &programs.training.program, BATCH_MEMORY)?;
        // `updates` sees to it that they can be counted; a checkpoint may say anything
        let micro_steps = micro.micro_steps(first.min(steps)).start..micro.micro_steps(steps).start;
        let result = thread::scope(|scope| {
            let mut loader = Loader::spawn(scope, slots, WORKERS, micro_steps, &fill);
            self.run_steps(data, &mut loader, stop)
        });
        match result {
            Err(TrainError::Diverged { .. }) => result.map_err(|error| self.explain(error, data))?,
            result => result?,
        }
        Ok(Outcome {
            step: self.step,
            steps,
            interrupted: !self.schedule.finished,
            early: self.step < steps && self.schedule.finished,
            loss: self.loss,
            best: self.schedule.best,
            training: self.training,
            waited: self.waited,
        })
    }

    fn run_steps(&mut self, data: &Data, loader: &mut Loader, stop: &AtomicBool) -> Result<(), TrainError> {
        let (first, steps) = (self.step, self.steps);
        (self.started, self.since) = (Instant::now(), Instant::now());
        while self.step < steps && !self.schedule.finished && !stop.load(Ordering::Relaxed) {
            let (seed, rate) = (self.recipe().seed, self.rate(self.step));
            let (began, waited) = (Instant::now(), loader.waited());
            self.engine.update(seed, self.step, rate, loader)?;
            if self.step == first {
                // the first replay is waited for, piece by piece
                let data = loader.waited().saturating_sub(waited);
                self.note_first_step(began.elapsed().saturating_sub(data));
            }
            self.step += 1;
            self.pending += 1;
            let validate = self.step.is_multiple_of(self.epoch) || self.step == steps;
            // before the ring is full
            let full = (self.pending + 1) * self.engine.programs.micro.count as u32 > READ_STEPS;
            if validate || full || self.since.elapsed() >= READ_TIME {
                self.read_losses(loader.waited())?;
            }
            if validate {
                self.validate(data)?;
                self.since = Instant::now();
            }
        }
        self.schedule.finished |= self.step >= steps;
        if self.saved != Some(self.step) {
            self.read_losses(loader.waited())?;
            self.save(false)?;
        }
        Ok(())
    }

    fn note_first_step(&mut self, took: Duration) {
        let start_up = StartUp {
            opening: self.engine.session.device().opening().as_secs_f64(),
            preparing: self.engine.preparing.as_secs_f64(),
            first_step: took.as_secs_f64(),
            measured: self.engine.session.planner().measured(),
        };
        self.start_up = Some(start_up);
        (self.observer)(Event::FirstStep { start_up });
    }

    /// Reads the losses of the pending steps in one go, and logs them.
    fn read_losses(&mut self, waited: Duration) -> Result<(), TrainError> {
        if self.pending == 0 {
            return Ok(());
        }
        let names = self.engine.programs.training.losses.clone();
        let mut losses = Vec::with_capacity(names.len());
        for slot in 0..names.len() {
            losses.push(self.engine.losses_of(LOSS_SLOT + slot, self.step, self.pending)?);
        }
        let scales = match self.recipe().training.precision {
            Precision::F32 => Vec::new(),
            Precision::F16 => self.engine.losses_of(SCALE_SLOT, self.step, self.pending)?,
        };
        let segments = f64::from(self.pending) * self.engine.segments as f64;
        let elapsed = self.since.elapsed();
        let segments_per_second = segments / elapsed.as_secs_f64().max(1e-9);
        let waiting = (waited - self.waited).as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        let seconds = self.seconds();
        let first = self.step + 1 - self.pending;
        let totals = losses[0].clone();
        let mut start_up = self.start_up.take();
        let part = |index: usize| {
            let named = names.iter().zip(&losses).skip(1);
            let parts =
                named.filter_map(|(name, values)| Some((name.to_string(), 0.0 + *values.get(index)?)));
            parts.collect::<BTreeMap<_, _>>()
        };
        let lines: Vec<Line> = (first..)
            .zip(totals.iter().enumerate())
            .take_while(|(_, (_, loss))| loss.is_finite())
            .map(|(step, (index, &loss))| Line::Step {
                step,
                // what is 0 has no sign
                loss: 0.0 + loss,
                parts: part(index),
                loss_scale: scales.get(index).copied(),
                learning_rate: self.rate(step - 1),
                seconds,
                segments_per_second,
                waiting,
                start_up: start_up.take(),
            })
            .collect();
        self.log.append(&lines)?;
        if let Some(&loss) = totals.get(lines.len()) {
            return Err(self.diverged("the loss", loss, first + lines.len() as u32, None));
        }
        let loss = totals.iter().sum::<f32>() / totals.len().max(1) as f32;
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

    /// Validates, decides how to go on, and writes the checkpoints.
    pub fn validate(&mut self, data: &Data) -> Result<(), TrainError> {
        let (scores, knn) = validate(&mut self.engine, data)?;
        if !scores.loss.is_finite() {
            let first = divergence::in_validation(&mut self.engine, data)?;
            return Err(self.diverged("the validation loss", scores.loss, self.step, first));
        }
        let training = self.recipe().training;
        let best = self.schedule.validated(&training, self.step, scores);
        self.schedule.finished |= self.step >= self.steps;
        let line = Line::Validation {
            step: self.step,
            validation_loss: scores.loss,
            knn,
            seconds: self.seconds(),
        };
        self.log.append(&[line])?;
        (self.observer)(Event::Validated {
            step: self.step,
            scores,
            best,
        });
        self.save(best)
    }

    /// Writes `last`, and `best` before it: if the program dies in between, the resumed run comes here again.
    fn save(&mut self, best: bool) -> Result<(), TrainError> {
        let mut state = State::new(self.recipe(), self.step, &self.schedule, &self.parents);
        state.simulated = self.simulated;
        let snapshot = Snapshot::take(&mut self.engine.session, state)?;
        if let Some((name, value)) = snapshot.find_not_finite() {
            return Err(self.diverged(&format!("'{name}'"), value, self.step, None));
        }
        let paths: [Option<PathBuf>; 2] = [best.then(|| self.run.best()), Some(self.run.last())];
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

    fn diverged(&self, what: &str, value: f32, step: u32, first: Option<String>) -> TrainError {
        let kept = match self.saved {
            Some(step) => format!("{} of step {step} is kept", self.run.last().display()),
            None => "No checkpoint was written yet".to_string(),
        };
        TrainError::Diverged {
            what: what.to_string(),
            value,
            step,
            first,
            kept,
        }
    }

    /// Adds to an error which operation gave the first number that is not finite.
    fn explain(&mut self, error: TrainError, data: &Data) -> TrainError {
        let TrainError::Diverged {
            what,
            value,
            step,
            first: None,
            kept,
        } = error
        else {
            return error;
        };
        let first = match Checkpoint::read(&self.run.last()) {
            Ok(last) => divergence::in_training(&mut self.engine, data, &last, step, self.steps)
                .ok()
                .flatten(),
            Err(_) => None,
        };
        TrainError::Diverged {
            what,
            value,
            step,
            first,
            kept,
        }
    }

    /// The step size of the update after `step` others.
    fn rate(&self, step: u32) -> f32 {
        self.schedule.rate(&self.recipe().training, step, self.steps)
    }

    /// Time spent in this run, over all its starts.
    fn seconds(&self) -> f64 {
        self.log.seconds + self.started.elapsed().as_secs_f64()
    }

    fn recipe(&self) -> &Recipe {
        &self.run.config.recipe
    }
}
