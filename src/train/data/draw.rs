//! Which examples a task trains and validates on.

use serde::{Deserialize, Serialize};

use super::example::{Example, Item, triplet_items};
use crate::{
    corpus::{Excerpt, Instrument, Mix, Sampler, Triplet},
    train::{
        TrainError,
        recipe::{Recipe, Task, Triplets},
    },
};

/// Where the pieces of the training split stand among a run's sets.
pub(crate) const TRAIN: usize = 0;
/// Those of the validation split.
pub(crate) const VALIDATION: usize = 1;

/// Gives examples: pure functions of the place in the run, so that it resumes exactly and workers need no order.
pub(crate) trait Draw: Sync {
    /// The example at a place in the batch of an update.
    fn training(&self, update: u32, index: usize) -> Result<Example, TrainError>;

    /// The examples to validate on: the same for every run, whatever its seed; at least one.
    fn validation(&self, count: usize) -> Result<Vec<Example>, TrainError>;

    /// Examples of one epoch, if it is not for the recipe to say.
    fn epoch(&self) -> Option<usize> {
        None
    }

    /// The judgements that the examples come from, if they do.
    fn judgements(&self) -> Option<Lessons<'_>> {
        None
    }
}

/// What a run learns from listeners.
pub(crate) struct Lessons<'a> {
    /// Hash of the table.
    pub hash: &'a str,
    pub simulated: bool,
    pub counts: LessonCounts,
}

/// How many judgements a run learns from, and how many are held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonCounts {
    /// Trained on.
    pub trained_on: JudgedCount,
    /// Held out.
    pub held_out: JudgedCount,
}

/// A number of judgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedCount {
    /// Triplets that were judged.
    pub items: usize,
    /// Answers of listeners to these that name a side.
    pub answers: u64,
}

/// Draws from the samplers of the two splits.
pub(crate) struct Sampled {
    task: Task,
    triplets: Triplets,
    additional: bool,
    /// Whether triplets are made of some stems only.
    partial: bool,
    /// Whether targets are learned from some stems, too.
    subsets: bool,
    train: Sampler,
    validation: Sampler,
    /// By instrument: whether there are targets for it.
    taught: [bool; 5],
    /// Instruments that triplets are drawn for in turn.
    conditions: [Vec<Instrument>; 2],
}

impl Sampled {
    /// Finds out which instruments there is something to draw for, in both splits. Those without are told to
    /// `missing`. What is drawn for targets is heard without the instruments that are not `taught`.
    pub fn new(
        recipe: &Recipe,
        train: Sampler,
        validation: Sampler,
        taught: [bool; 5],
        missing: &dyn Fn(Instrument, &TrainError),
    ) -> Result<Self, TrainError> {
        let mut sampled = Sampled {
            task: recipe.task,
            triplets: recipe.data.triplets,
            additional: recipe.data.additional,
            partial: recipe.loss.norm > 0.0,
            subsets: recipe.data.subsets,
            train,
            validation,
            taught,
            conditions: [Vec::new(), Vec::new()],
        };
        let asked = recipe
            .instrument
            .map_or(Instrument::ALL.to_vec(), |instrument| vec![instrument]);
        for set in [TRAIN, VALIDATION] {
            let mut last = None;
            for &instrument in &asked {
                match sampled.draw(set, instrument, 0, 0) {
                    Ok(_) => sampled.conditions[set].push(instrument),
                    Err(error) => {
                        if asked.len() > 1 {
                            missing(instrument, &error);
                        }
                        last = Some(error);
                    }
                }
            }
            if let Some(error) = last.filter(|_| sampled.conditions[set].is_empty()) {
                return Err(match recipe.instrument {
                    Some(instrument) => TrainError::Unheard {
                        instrument,
                        message: error.to_string(),
                    },
                    None => error,
                });
            }
        }
        Ok(sampled)
    }

    fn sampler(&self, set: usize) -> &Sampler {
        match set {
            TRAIN => &self.train,
            _ => &self.validation,
        }
    }

    fn draw(&self, set: usize, condition: Instrument, step: u64, index: u64) -> Result<Example, TrainError> {
        let sampler = self.sampler(set);
        let single = |mix: Mix| Example::of(condition, vec![Item::of_mix(mix, set)]);
        Ok(match (self.task, self.triplets) {
            (Task::Separation, _) => {
                let Excerpt { piece, start, .. } = sampler.segment(condition, step, index)?;
                single(Mix::of_piece(piece, start))
            }
            (Task::Targets, _) => {
                let mut mix = match self.subsets {
                    true => sampler.stem_subset(step, index)?,
                    false => sampler.whole(step, index)?,
                };
                let sources = mix.sources.iter_mut().zip(self.taught);
                sources
                    .filter(|(_, taught)| !taught)
                    .for_each(|(source, _)| *source = None);
                single(mix)
            }
            // contrast draws whole batches: it does not come here
            (Task::Contrast, _) => {
                return Err(TrainError::setting("task", "contrast has no single examples"));
            }
            (Task::Triplets | Task::Judgements, Triplets::Normal) => {
                let draw = if self.partial {
                    Sampler::partial_triplet
                } else {
                    Sampler::triplet
                };
                self.triplet(set, draw(sampler, condition, step, index)?)
            }
            (Task::Triplets | Task::Judgements, Triplets::Pseudo) => {
                let draw = match self.partial {
                    true => Sampler::partial_pseudo_triplet,
                    false => Sampler::pseudo_triplet,
                };
                self.triplet(set, draw(sampler, condition, step, index)?)
            }
        })
    }

    fn triplet(&self, set: usize, triplet: Triplet) -> Example {
        let Triplet {
            condition,
            additional,
            anchor,
            positive,
            negative,
        } = triplet;
        Example {
            additional: additional.filter(|_| self.additional),
            ..Example::of(condition, triplet_items([anchor, positive, negative], set))
        }
    }
}

impl Draw for Sampled {
    fn training(&self, update: u32, index: usize) -> Result<Example, TrainError> {
        let (step, index) = (u64::from(update), index as u64);
        let conditions = &self.conditions[TRAIN];
        // by the sample's number, or a fixed set would not be fixed
        let turn = self.train.number(step, index) % conditions.len() as u64;
        self.draw(TRAIN, conditions[turn as usize], step, index)
    }

    fn validation(&self, count: usize) -> Result<Vec<Example>, TrainError> {
        let conditions = &self.conditions[VALIDATION];
        if self.task == Task::Separation {
            let segments = self.validation.validation_segments(conditions[0], count)?;
            let mixes = segments.into_iter().map(|s| Mix::of_piece(s.piece, s.start));
            let example = |mix| Example::of(conditions[0], vec![Item::of_mix(mix, VALIDATION)]);
            return Ok(mixes.map(example).collect());
        }
        let draw = |i: usize| self.draw(VALIDATION, conditions[i % conditions.len()], 0, i as u64);
        (0..count).map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corpus::{Catalogue, Piece, SamplerOptions, Sampling, SoundingStarts, Split, TempoClasses},
        train::recipe::{Overrides, resolve},
    };

    const LEN: usize = 1000;

    fn sampler(split: Split) -> Sampler {
        let loud: Vec<f32> = (0..8 * LEN)
            .map(|i| if i % 2 == 0 { 0.5 } else { -0.5 })
            .collect();
        let piece = |id| Piece {
            id,
            work: None,
            frames: loud.len() as u64,
            tempo: Some(100.0),
            sounding: std::array::from_fn(|_| SoundingStarts::find(&loud, LEN)),
        };
        let classes = TempoClasses::new(&[100.0], 1).unwrap();
        let catalogue = Catalogue::new(split, (1..9).map(piece).collect(), LEN, &classes).unwrap();
        let options = SamplerOptions {
            seed: 1,
            batch: 8,
            sampling: Sampling::FixedPerEpoch { size: 40 },
        };
        Sampler::new(catalogue, options).unwrap()
    }

    /// The ablations of [H25] leave additional triplets out, and draw the same basic ones.
    #[test]
    fn additional_triplets_can_be_left_out() {
        let drawn = |recipe: &str| {
            let recipe = resolve(recipe, &Overrides::default()).unwrap();
            let [train, validation] = [Split::Train, Split::Validation].map(sampler);
            let sampled = Sampled::new(&recipe, train, validation, [true; 5], &|_, _| {}).unwrap();
            let examples = (0..8).map(|index| sampled.training(3, index).unwrap());
            let examples: Vec<Example> = examples.collect();
            let basic = examples.iter().map(|e| (e.condition, format!("{:?}", e.items)));
            let additional = examples.iter().filter(|e| e.additional.is_some()).count();
            (basic.collect::<Vec<_>>(), additional)
        };
        let ((with, all), (without, none)) = (drawn("h25-g"), drawn("h25-f"));
        assert_eq!((all, none), (8, 0));
        assert_eq!(with, without);
    }
}
