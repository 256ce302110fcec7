//! How training went: losses and neighbour scores over the steps, from `metrics.jsonl`.

use std::{collections::BTreeMap, io::ErrorKind};

use serde::{Deserialize, Serialize};

use super::{
    chart::{Bucket, buckets, log_ticks, short, ticks},
    gather::FoundRun,
};
use crate::files;

/// Points of a curve.
const POINTS: usize = 200;
/// Size of a figure, and the margins of its plot.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;
/// Losses that fall by more than this are drawn on a logarithmic axis.
const SPAN: f64 = 30.0;

/// A line of the log: what is not there is of the other kind of line.
#[derive(Deserialize)]
struct Line {
    step: u32,
    loss: Option<f64>,
    validation_loss: Option<f64>,
    #[serde(default)]
    knn: BTreeMap<String, f64>,
    seconds: f64,
}

/// What a log says.
#[derive(Default)]
pub(super) struct Log {
    loss: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
    neighbours: Vec<(f64, f64)>,
    /// Steps that it has a loss of.
    pub steps: usize,
    /// Time spent in training.
    pub seconds: f64,
    /// Why it could not be read.
    pub unreadable: Option<String>,
}

impl Log {
    /// Reads the log of a run, which is empty if it never began. A line that was cut short ends it.
    pub fn read(found: &FoundRun) -> Self {
        let mut log = Log::default();
        let text = match files::read_to_string(&found.run.metrics()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                log.unreadable = Some(error.to_string());
                String::new()
            }
        };
        for line in text
            .lines()
            .map_while(|line| serde_json::from_str::<Line>(line).ok())
        {
            let step = f64::from(line.step);
            let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
            log.seconds = log.seconds.max(line.seconds);
            log.steps += usize::from(line.loss.is_some());
            log.loss.extend(finite(line.loss).map(|loss| (step, loss)));
            log.validation
                .extend(finite(line.validation_loss).map(|loss| (step, loss)));
            log.neighbours
                .extend(finite(line.knn.get("mean").copied()).map(|share| (step, 100.0 * share)));
        }
        log
    }
}

/// The figures of one recipe's runs.
#[derive(Serialize)]
pub(super) struct Curves {
    pub recipe: String,
    pub runs: Vec<RunCurves>,
}

#[derive(Serialize)]
pub(super) struct RunCurves {
    pub name: String,
    pub folder: String,
    pub simulated: bool,
    pub loss: Option<Plot>,
    pub neighbours: Option<Plot>,
}

/// A figure in its own coordinates.
#[derive(Serialize)]
pub(super) struct Plot {
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub logarithmic: bool,
    pub x: Vec<Tick>,
    pub y: Vec<Tick>,
    /// Outline from the least to the largest of each bucket.
    pub band: String,
    /// Points of the mean, of training.
    pub line: String,
    /// Points of validation.
    pub dotted: String,
    pub dots: Vec<Dot>,
    /// Says what is seen.
    pub label: String,
}

#[derive(Serialize)]
pub(super) struct Tick {
    pub at: String,
    pub text: String,
}

#[derive(Serialize)]
pub(super) struct Dot {
    pub x: String,
    pub y: String,
    pub title: String,
}

/// The curves of all runs that have any, by recipe.
pub(super) fn curves(runs: &[(&FoundRun, Log)]) -> Vec<Curves> {
    let mut all: Vec<Curves> = Vec::new();
    for (found, log) in runs {
        let curves = RunCurves {
            name: found
                .recipe()
                .instrument
                .map_or("all instruments".into(), |instrument| instrument.to_string()),
            folder: found.run.folder().display().to_string(),
            simulated: found.simulated(),
            loss: loss(log),
            neighbours: neighbours(log),
        };
        if curves.loss.is_none() && curves.neighbours.is_none() {
            continue;
        }
        let recipe = &found.recipe().name;
        match all.iter_mut().find(|curves| curves.recipe == *recipe) {
            Some(of_recipe) => of_recipe.runs.push(curves),
            None => all.push(Curves {
                recipe: recipe.clone(),
                runs: vec![curves],
            }),
        }
    }
    all
}

fn loss(log: &Log) -> Option<Plot> {
    let train = buckets(&log.loss, POINTS);
    let validation = buckets(&log.validation, POINTS);
    if train.is_empty() && validation.is_empty() {
        return None;
    }
    let means = || train.iter().chain(&validation).map(|bucket| bucket.y);
    let (low, high) = limits(means());
    // of the mean, not of single steps: triplets that are right already have no loss at all
    let fall = |curve: &[Bucket]| {
        let part = curve.len().div_ceil(10);
        let mean = |buckets: &[Bucket]| buckets.iter().map(|bucket| bucket.y).sum::<f64>();
        mean(&curve[..part]) / mean(&curve[curve.len() - part..])
    };
    let logarithmic = low > 0.0 && (fall(&train) > SPAN || fall(&validation) > SPAN);
    let ends = |bucket: Option<&Bucket>| bucket.map_or("–".into(), |bucket| short(bucket.y));
    let mut label = format!(
        "Training loss from {} to {}",
        ends(train.first()),
        ends(train.last())
    );
    if !validation.is_empty() {
        label += &format!(
            ", validation loss from {} to {}",
            ends(validation.first()),
            ends(validation.last())
        );
    }
    let axes = Axes::new(
        last_step(&[&train, &validation]),
        padded(low, high, logarithmic),
        logarithmic,
        HEIGHT,
    );
    Some(axes.plot(&train, &validation, label, short))
}

fn neighbours(log: &Log) -> Option<Plot> {
    let shares = buckets(&log.neighbours, POINTS);
    let (first, last) = (shares.first()?, shares.last()?);
    let label = format!("Neighbour score from {:.1} % to {:.1} %", first.y, last.y);
    let axes = Axes::new(last_step(&[&shares]), (0.0, 100.0), false, 0.7 * HEIGHT);
    Some(axes.plot(&[], &shares, label, |y| format!("{y:.1} %")))
}

fn limits(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A little room above and below.
fn padded(low: f64, high: f64, logarithmic: bool) -> (f64, f64) {
    if logarithmic {
        return (low / 1.1, high * 1.1);
    }
    let room = match high > low {
        true => 0.06 * (high - low),
        false => 0.1 * high.abs().max(0.1),
    };
    (low - room, high + room)
}

fn last_step(all: &[&[Bucket]]) -> f64 {
    let last = all.iter().filter_map(|buckets| buckets.last());
    last.fold(1.0, |most: f64, bucket| most.max(bucket.x))
}

struct Axes {
    steps: f64,
    low: f64,
    high: f64,
    logarithmic: bool,
    height: f64,
}

impl Axes {
    fn new(steps: f64, (low, high): (f64, f64), logarithmic: bool, height: f64) -> Self {
        Axes {
            steps,
            low,
            high,
            logarithmic,
            height,
        }
    }

    fn x(&self, step: f64) -> String {
        format!("{:.1}", LEFT + step / self.steps * (WIDTH - LEFT - RIGHT))
    }

    /// Beyond the axis is at its end.
    fn y(&self, value: f64) -> String {
        let share = match self.logarithmic {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        let share = share.clamp(0.0, 1.0);
        format!(
            "{:.1}",
            self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
        )
    }

    fn plot(&self, line: &[Bucket], dotted: &[Bucket], label: String, say: impl Fn(f64) -> String) -> Plot {
        let points = |points: &mut dyn Iterator<Item = (f64, f64)>| {
            let all = points.map(|(x, y)| format!("{},{}", self.x(x), self.y(y)));
            all.collect::<Vec<_>>().join(" ")
        };
        let upper = line.iter().map(|bucket| (bucket.x, bucket.high));
        let lower = line.iter().rev().map(|bucket| (bucket.x, bucket.low));
        // a point for every step has no spread to show
        let spread = line.iter().any(|bucket| bucket.low < bucket.high);
        let y = match self.logarithmic {
            true => log_ticks(self.low, self.high),
            false => ticks(self.low, self.high, 5),
        };
        Plot {
            width: WIDTH,
            height: self.height,
            left: LEFT,
            right: WIDTH - RIGHT,
            top: TOP,
            bottom: self.height - BOTTOM,
            logarithmic: self.logarithmic,
            x: ticks(0.0, self.steps, 4)
                .into_iter()
                .map(|step| Tick {
                    at: self.x(step),
                    text: short(step),
                })
                .collect(),
            y: y.into_iter()
                .map(|value| Tick {
                    at: self.y(value),
                    text: short(value),
                })
                .collect(),
            band: match spread {
                true => points(&mut upper.chain(lower)),
                false => String::new(),
            },
            line: points(&mut line.iter().map(|bucket| (bucket.x, bucket.y))),
            dotted: points(&mut dotted.iter().map(|bucket| (bucket.x, bucket.y))),
            dots: dotted
                .iter()
                .map(|bucket| Dot {
                    x: self.x(bucket.x),
                    y: self.y(bucket.y),
                    title: format!("step {}: {}", bucket.x.round(), say(bucket.y)),
                })
                .collect(),
            label,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fill_their_axes() {
        let mut log = Log {
            loss: (1..=1000).map(|i| (f64::from(i), 1.0 / f64::from(i))).collect(),
            validation: vec![(0.0, 1.0), (1000.0, 0.01)],
            ..Log::default()
        };
        let plot = loss(&log).unwrap();
        assert!(plot.logarithmic);
        assert_eq!(plot.line.split(' ').count(), POINTS);
        assert_eq!(plot.dots.len(), 2);
        assert_eq!(plot.dots[1].x, format!("{:.1}", WIDTH - RIGHT));
        assert_eq!(plot.dots[1].title, "step 1000: 0.01");
        assert!(plot.x.iter().any(|tick| tick.text == "500"), "steps");
        // within the plot, also what is beyond the means
        for pair in plot.line.split(' ').chain(plot.band.split(' ')) {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!(
                (plot.left..=plot.right).contains(&x) && (plot.top..=plot.bottom).contains(&y),
                "{pair}"
            );
        }
        // single steps without a loss are no fall
        let mut noisy = Log {
            loss: (1..=100).map(|i| (f64::from(i), 0.5)).collect(),
            ..Log::default()
        };
        noisy.loss[70].1 = 1e-6;
        assert!(!loss(&noisy).unwrap().logarithmic);
        // a loss that never changes
        log.loss.iter_mut().for_each(|(_, loss)| *loss = 0.5);
        log.validation.clear();
        let plot = loss(&log).unwrap();
        assert!(!plot.logarithmic && plot.band.is_empty());
        assert!(loss(&Log::default()).is_none() && neighbours(&log).is_none());
    }
}
