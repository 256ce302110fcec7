//! Progress on a terminal, or as lines in a log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    interrupt,
    output::{note, printable},
    table::bytes,
};
use crate::train::{Event, JudgedCount, Observer, StartUp};

/// Time between lines where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// A bar that counts things.
pub fn counter(things: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style("{bar:30} {pos}/{len} {msg}, {eta} left"));
    bar.set_message(things.to_string());
    bar
}

/// Does something that counts, with a bar that is gone afterwards.
pub fn counted<T>(things: &str, work: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> T) -> T {
    let bar = counter(things);
    let done = work(&|done, total| count(&bar, done, total));
    bar.finish_and_clear();
    done
}

/// Sets a counter; calls may come out of order.
pub fn count(bar: &ProgressBar, done: usize, total: usize) {
    bar.set_length(total as u64);
    bar.set_position((done as u64).max(bar.position()));
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Trains a run and shows how it goes; `name` stands in front of every line.
pub fn watched<T>(name: &str, train: impl FnOnce(Observer<'_>) -> T) -> T {
    let bar = Training::new(name);
    let done = train(&|event| bar.observe(event));
    interrupt::idle(false);
    bar.bar.finish_and_clear();
    done
}

/// A training run as it is shown.
struct Training {
    name: String,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    loss: Option<f32>,
    validation: Option<f32>,
    knn: Option<f32>,
    rate: f64,
    steps: u32,
    logged: Instant,
}

impl Training {
    fn new(name: &str) -> Self {
        interrupt::idle(true); // until the first step
        let bar = ProgressBar::new(0);
        bar.set_style(style("{prefix} {bar:30} {pos}/{len} {msg}"));
        let name = printable(name).into_owned();
        bar.set_prefix(name.clone());
        let state = State {
            loss: None,
            validation: None,
            knn: None,
            rate: 0.0,
            steps: 0,
            logged: Instant::now(),
        };
        Training {
            name,
            bar,
            state: Mutex::new(state),
        }
    }

    fn observe(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Undecoded { root } => self.line(format!(
                "{} is decoded at every start and drawn from more slowly than a store: 'stemwise corpus prepare' makes one",
                root.display()
            )),
            Event::Decoded { done, total } => {
                if state.steps != total as u32 {
                    self.bar.set_position(0); // another split
                }
                state.steps = total as u32;
                self.bar.set_message("tracks decoded");
                count(&self.bar, done, total);
            }
            Event::Started {
                device,
                parameters,
                bytes: needed,
                step,
                steps,
            } => {
                interrupt::idle(false);
                self.line(format!("{parameters} parameters on {device}, {}", bytes(needed)));
                self.bar
                    .set_style(style("{prefix} {bar:30} {pos}/{len} {msg}, {eta} left"));
                self.bar.set_message("");
                self.bar.set_length(steps.into());
                self.bar.set_position(step.into());
                self.bar.reset_eta();
                state.steps = steps;
            }
            Event::FirstStep { start_up } => self.line(first_step(&start_up)),
            Event::Stepped {
                step,
                loss,
                segments_per_second,
                waiting: _,
            } => {
                (state.loss, state.rate) = (Some(loss), segments_per_second);
                self.bar.set_position(step.into());
                self.bar.set_message(state.text());
                if self.bar.is_hidden() && state.logged.elapsed() >= LOG_EVERY {
                    state.logged = Instant::now();
                    self.line(format!("step {step}/{}, {}", state.steps, state.text()));
                }
            }
            Event::LeftOut { instrument, error } => self.line(format!("{instrument} is left out: {error}")),
            Event::Untaught { instrument } => self.line(format!(
                "no run of 'clean' was given for {instrument}: it is left out of what is heard"
            )),
            Event::Judged { counts } => self.line(format!(
                "{} are trained on, {} are held out",
                judged(counts.trained_on),
                judged(counts.held_out)
            )),
            Event::FewTargets { instrument, targets: 0, .. } => self.line(format!(
                "the validation split has too few pieces for pseudo pieces of {instrument}: checkpoints are chosen by others"
            )),
            Event::FewTargets {
                instrument,
                targets,
                asked,
            } => self.line(format!(
                "pseudo pieces to choose checkpoints by: {targets} pieces give {instrument}, not {asked}; the validation split \
                 has no more"
            )),
            Event::MicroBatches { batch, examples } => self.line(format!(
                "a batch of {batch} does not fit the memory: {examples} at a time, batch statistics are of those"
            )),
            Event::Validated { step, scores, best } => {
                (state.validation, state.knn) = (Some(scores.loss), scores.knn);
                self.bar.set_message(state.text());
                if self.bar.is_hidden() {
                    let knn = scores.knn.map_or(String::new(), |knn| format!(", {}", neighbours(knn)));
                    let best = if best { ", the best so far" } else { "" };
                    self.line(format!(
                        "step {step}/{}, validation loss {:.5}{knn}{best}",
                        state.steps, scores.loss
                    ));
                }
            }
            Event::Saved { .. } => {}
        }
    }

    fn line(&self, text: String) {
        let text = format!("{}: {text}", self.name);
        match self.bar.is_hidden() {
            true => note(text),
            false => self.bar.println(printable(&text)),
        }
    }
}

/// What it took until the device was at work.
fn first_step(start_up: &StartUp) -> String {
    let measured = match start_up.measured {
        0 => String::new(),
        n => format!(", for which {n} operations were measured"),
    };
    format!(
        "first step done after {:.2} s: {:.2} s to open the device, {:.2} s to prepare its programs{measured}, {:.2} s \
         for the step",
        start_up.seconds(),
        start_up.opening,
        start_up.preparing,
        start_up.first_step
    )
}

fn judged(count: JudgedCount) -> String {
    format!("{} judged items ({} answers)", count.items, count.answers)
}

fn neighbours(share: f32) -> String {
    format!("neighbours {:.1} %", 100.0 * share)
}

impl State {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.loss.map(|loss| format!("loss {loss:.5}")));
        parts.extend(self.validation.map(|loss| format!("validation {loss:.5}")));
        parts.extend(self.knn.map(neighbours));
        parts.push(format!("{:.1} segments/s", self.rate));
        parts.join(", ")
    }
}
