//! Epochs, the plateau of the learning rate, early stopping, and which checkpoint is the best.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::train::recipe::{Best, Decay, Training};

/// What a cosine leaves of the learning rate.
const LEAST: f64 = 0.02;

/// How far a run's schedule has come: part of its checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The recipe's step size, as plateaus have halved it.
    pub learning_rate: f32,
    /// What was found before the first step.
    pub start: Option<Scores>,
    /// Step and score of the best checkpoint, by [`Training::best`].
    pub best: Option<(u32, f32)>,
    /// Least validation loss so far.
    pub least: Option<f32>,
    /// Epochs since then.
    pub stale: u32,
    /// Epochs since then, or since the learning rate was halved.
    pub level: u32,
    /// Whether training is over.
    pub finished: bool,
}

/// What a validation found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss.
    pub loss: f32,
    /// Share of segments whose neighbours are of their piece, if it was asked for; of segments of pseudo pieces for
    /// [`Best::KnnPseudo`].
    pub knn: Option<f32>,
}

impl Scores {
    /// The score by which the best is chosen.
    fn of(self, best: Best) -> f32 {
        match best {
            Best::Knn | Best::KnnPseudo => self.knn.unwrap_or(0.0),
            Best::Loss | Best::Last => self.loss,
        }
    }
}

impl Schedule {
    /// The score before the first step and the best one, by what the recipe chooses.
    pub fn gain(&self, training: &Training) -> Option<(f32, f32)> {
        Some((self.start?.of(training.best), self.best?.1))
    }

    /// The step size of the update after `step` others, of `steps` in all: what plateaus left of the recipe's, as its
    /// warm-up and its decay have it there.
    pub(crate) fn rate(&self, training: &Training, step: u32, steps: u32) -> f32 {
        let risen = f64::from(step + 1) / f64::from(training.warmup.max(1));
        let left = match training.schedule {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let gone = f64::from(step) / f64::from(steps.saturating_sub(1).max(1));
                LEAST + (1.0 - LEAST) * 0.5 * (1.0 + (PI * gone.min(1.0)).cos())
            }
        };
        (f64::from(self.learning_rate) * risen.min(1.0) * left) as f32
    }

    /// Before the first step.
    pub fn new(training: &Training) -> Self {
        Schedule {
            learning_rate: training.learning_rate,
            start: None,
            best: None,
            least: None,
            stale: 0,
            level: 0,
            finished: false,
        }
    }

    /// Takes in the validation after the epoch that ended at `step`; whether it is the best so far.
    pub fn validated(&mut self, training: &Training, step: u32, scores: Scores) -> bool {
        self.start.get_or_insert(scores);
        if self.least.is_none_or(|least| scores.loss < least) {
            (self.least, self.stale, self.level) = (Some(scores.loss), 0, 0);
        } else {
            self.stale = self.stale.saturating_add(1);
            self.level = self.level.saturating_add(1);
        }
        // as PyTorch's ReduceLROnPlateau without a threshold: the epoch after `plateau` bad ones is one too many
        if training.plateau > 0 && self.level > training.plateau {
            self.learning_rate /= 2.0;
            self.level = 0;
        }
        let score = scores.of(training.best);
        let best = self.best.is_none_or(|(_, before)| match training.best {
            Best::Loss => score < before,
            Best::Knn | Best::KnnPseudo => score > before,
            Best::Last => true,
        });
        if best {
            self.best = Some((step, score));
        }
        self.finished = self.impatient(training);
        best
    }

    /// Whether the validation loss has not fallen for long enough.
    pub fn impatient(&self, training: &Training) -> bool {
        training.patience > 0 && self.stale >= training.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::recipe::{Overrides, resolve};

    fn training(best: &str) -> Training {
        let best = format!("training.best={best}");
        let set = [best.as_str(), "training.patience=5", "training.plateau=2"];
        resolve("direct", &Overrides::set(&set)).unwrap().training
    }

    fn scores(loss: f32, knn: f32) -> Scores {
        Scores { loss, knn: Some(knn) }
    }

    #[test]
    fn the_rate_falls_on_a_plateau_and_patience_ends() {
        let training = training("loss");
        let mut schedule = Schedule::new(&training);
        assert!(schedule.validated(&training, 10, scores(1.0, 0.0)));
        let rates: Vec<f32> = (0..5)
            .map(|i| {
                assert!(!schedule.finished);
                assert!(
                    !schedule.validated(&training, 20 + i, scores(1.0, 0.0)),
                    "no better"
                );
                schedule.learning_rate / training.learning_rate
            })
            .collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.5]);
        assert!(schedule.finished);
        assert_eq!(schedule.best, Some((10, 1.0)));
    }

    #[test]
    fn the_rate_rises_and_falls_along_a_cosine() {
        let set = [
            "training.schedule=cosine",
            "training.warmup=10",
            "training.learning_rate=0.5",
        ];
        let training = resolve("contrast", &Overrides::set(&set)).unwrap().training;
        let schedule = Schedule::new(&training);
        let rate = |step| schedule.rate(&training, step, 101);
        let near = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-7, "{got} {want}");
        near(rate(0), 0.05 * (0.02 + 0.98));
        near(rate(4), 0.25 * (0.02 + 0.49 * (1.0 + (0.04 * PI).cos())));
        near(rate(50), 0.5 * (0.02 + 0.49));
        near(rate(100), 0.01);
        assert!((10..100).all(|step| rate(step + 1) < rate(step)));
        // without either nothing is computed that could round
        let plain = resolve("direct", &Overrides::default()).unwrap().training;
        let schedule = Schedule::new(&plain);
        assert!((0..9).all(|step| schedule.rate(&plain, step, 9) == plain.learning_rate));
    }

    #[test]
    fn a_new_best_begins_anew() {
        let training = training("loss");
        let mut schedule = Schedule::new(&training);
        for step in 0..20 {
            assert_eq!(
                schedule.validated(&training, step, scores((20 - step / 2) as f32, 0.0)),
                step % 2 == 0
            );
        }
        assert!(!schedule.finished && schedule.learning_rate == training.learning_rate);
    }

    #[test]
    fn the_best_is_by_the_recipes_score() {
        for (best, expected) in [
            ("loss", [true, true, false]),
            ("knn", [true, false, true]),
            ("knn-pseudo", [true, false, true]),
            ("last", [true; 3]),
        ] {
            let training = training(best);
            let mut schedule = Schedule::new(&training);
            let found = [scores(3.0, 0.5), scores(2.0, 0.4), scores(2.5, 0.6)]
                .map(|s| schedule.validated(&training, 1, s));
            assert_eq!(found, expected, "{best}");
        }
    }
}
