//! What a run hears: its pieces, which examples are drawn from them (`draw`, `contrast`, `mixes`, `judged`), and how a
//! batch is written into the memory that the device takes it from (`example`, `loader`). It knows a step's inputs by their
//! handles, and nothing of the loop. Start reading at [`Data::open`].

mod contrast;
mod draw;
mod dump;
mod example;
mod judged;
mod knn;
pub mod loader;
mod micro;
mod mixes;
mod works;

pub use draw::{JudgedCount, LessonCounts};
pub use dump::dump_draws;
use example::Stem;
pub(crate) use example::{Batch, Example, Item, Writer};
pub(crate) use judged::{JudgementTable, judgements_hash};
pub(crate) use micro::MicroBatches;

use contrast::Contrasts;
use draw::{Draw, Sampled, TRAIN};
use judged::{Judged, Lesson};
pub(crate) use knn::{KnnData, Segment};
use mixes::Mixes;

use std::path::Path;

use crate::{
    corpus::{
        self, CorpusError, Instrument, PieceOptions, Pieces, Sampler, SamplerOptions, SeparatedStems, Source,
        Split, TempoClasses,
    },
    train::{
        Event, Observer, Parent, RunConfig, TrainError,
        recipe::{Model, Recipe, Sampling, Task},
    },
};

/// Bytes for decoded audio, where there is no store.
const AUDIO_MEMORY: u64 = 4 << 30;

/// What a run hears.
pub(crate) struct Data {
    /// The hash of the store that it comes from, if it does.
    pub hash: Option<String>,
    /// Hash of the lists of a folder's tracks, if it has any.
    pub selection: Option<String>,
    /// Licences of the corpora that name one.
    pub licence: Option<String>,
    /// Hash of the stems that another program separated, if they are heard.
    pub stems: Option<String>,
    /// Pieces of the splits, by the numbers that [`Stem::set`](example::Stem::set) has.
    pub sets: Vec<Pieces>,
    pub draw: Box<dyn Draw>,
    /// The examples to validate on.
    pub validation: Vec<Example>,
    /// What the nearest-neighbour score is taken on, if it is.
    pub knn: Option<KnnData>,
}

impl Data {
    pub fn open(config: &RunConfig, parents: &[Parent], observer: Observer<'_>) -> Result<Self, TrainError> {
        let recipe = &config.recipe;
        if !config.renderings.is_empty() && !recipe.takes_several_corpora() {
            let message = "only contrast and separator-joint train on several: give one corpus";
            return Err(TrainError::setting("--corpus", message));
        }
        let corpus = RunCorpus {
            stems: separated(recipe)?,
            ..RunCorpus::open(&config.corpus, recipe, observer)?
        };
        let stems = corpus.stems.as_ref().map(|(stems, _)| stems.hash()).transpose()?;
        let pieces = |split, segment_len, memory| corpus.pieces(split, segment_len, memory);
        let len = recipe.segment_samples();
        let of_training = AUDIO_MEMORY / 2 / (1 + config.renderings.len() as u64);
        let mut sets = vec![
            pieces(Split::Train, len, of_training)?,
            pieces(Split::Validation, recipe.validation_samples(), AUDIO_MEMORY / 4)?,
        ];
        let mut hash = corpus.source.hash().map(str::to_string);
        let selection = corpus.source.selection().map(str::to_string);
        let mut licences: Vec<String> = corpus.source.licence().map(str::to_string).into_iter().collect();
        let mut train = vec![TRAIN];
        for root in &config.renderings {
            let other = RunCorpus::open(root, recipe, observer)?;
            train.push(sets.len());
            sets.push(other.pieces(Split::Train, len, of_training)?);
            hash = joined(hash, other.source.hash());
            let licence = other.source.licence().map(str::to_string);
            licences.extend(licence.filter(|licence| !licences.contains(licence)));
        }
        let missing = |instrument, error: &TrainError| observer(Event::LeftOut { instrument, error });
        let draw: Box<dyn Draw> = match recipe.task {
            Task::Contrast => Box::new(Contrasts::new(recipe, &sets, &train, &missing)?),
            Task::Separation if recipe.model == Model::JointSeparator => {
                Box::new(Mixes::new(recipe, &sets, &train, &missing)?)
            }
            Task::Judgements => {
                let lesson = Lesson::read(recipe)?;
                let there = |id: u32| {
                    sets.iter()
                        .any(|set| set.catalogue().pieces().iter().any(|p| p.id == id))
                };
                if !lesson.tracks().all(there) {
                    sets.push(pieces(Split::Test, len, AUDIO_MEMORY / 4)?);
                }
                Box::new(Judged::new(recipe, &lesson, &sets)?)
            }
            _ => Box::new(sampled(recipe, parents, &sets, observer)?),
        };
        let training = &recipe.training;
        let count = training.validation.next_multiple_of(training.batch);
        let knn = match recipe.scores_neighbours() {
            true => Some(KnnData::new(
                recipe,
                pieces(
                    Split::Validation,
                    recipe.samples(training.knn_seconds),
                    AUDIO_MEMORY / 4,
                )?,
                observer,
            )?),
            false => None,
        };
        Ok(Data {
            hash,
            selection,
            licence: (!licences.is_empty()).then(|| licences.join("; ")),
            stems,
            validation: draw.validation(count)?,
            draw,
            sets,
            knn,
        })
    }
}

impl Data {
    /// The examples of a micro-batch, counted over the whole run.
    pub fn examples(&self, micro: MicroBatches, micro_step: u32) -> Result<Vec<Example>, TrainError> {
        let (update, place) = micro.update_of(micro_step);
        let indices = place * micro.examples..(place + 1) * micro.examples;
        indices.map(|index| self.draw.training(update, index)).collect()
    }
}

/// A corpus that a run hears.
struct RunCorpus<'a> {
    source: Source,
    classes: TempoClasses,
    rate: u32,
    /// What another program separated, and the instrument that is heard of it.
    stems: Option<(SeparatedStems, Instrument)>,
    observer: Observer<'a>,
}

impl<'a> RunCorpus<'a> {
    fn open(root: &Path, recipe: &Recipe, observer: Observer<'a>) -> Result<Self, TrainError> {
        let source = Source::open(root)?;
        if let Source::Folder(corpus) = &source {
            observer(Event::Undecoded { root: corpus.root() });
        }
        Ok(RunCorpus {
            classes: source.tempo_classes()?,
            source,
            rate: recipe.front_end.sample_rate,
            stems: None,
            observer,
        })
    }

    /// Its pieces of a split, of which at most `memory` bytes are kept decoded.
    fn pieces(&self, split: Split, segment_len: usize, memory: u64) -> Result<Pieces, CorpusError> {
        let options = PieceOptions {
            segment_len,
            rate: self.rate,
            memory,
        };
        let progress = |done, total| (self.observer)(Event::Decoded { done, total });
        match &self.stems {
            None => self.source.pieces(split, &options, &self.classes, &progress),
            Some((stems, instrument)) => {
                // of the clean stems only where they sound is asked
                let clean = PieceOptions { memory: 0, ..options };
                let clean = self.source.pieces(split, &clean, &self.classes, &progress)?;
                clean.with_stems(stems, &[*instrument], &options, &progress)
            }
        }
    }
}

/// The stems of another program that a recipe asks for, and the instrument that it hears of them.
fn separated(recipe: &Recipe) -> Result<Option<(SeparatedStems, Instrument)>, TrainError> {
    let Some(root) = &recipe.data.separated else {
        return Ok(None);
    };
    match recipe.instrument.filter(|_| recipe.model.hears_stems()) {
        Some(instrument) => Ok(Some((SeparatedStems::open(root)?, instrument))),
        None => {
            let message = format!(
                "'{}' hears mixes: stems are for clean and clean-paft",
                recipe.name
            );
            Err(TrainError::setting("data.separated", message))
        }
    }
}

/// The hash of several stores: none if one of them has none.
fn joined(first: Option<String>, second: Option<&str>) -> Option<String> {
    Some(format!("{}+{}", first?, second?))
}

fn sampled(
    recipe: &Recipe,
    parents: &[Parent],
    sets: &[Pieces],
    observer: Observer<'_>,
) -> Result<Sampled, TrainError> {
    let training = &recipe.training;
    let options = SamplerOptions {
        seed: recipe.seed,
        batch: training.batch as u64,
        sampling: match recipe.data.sampling {
            Sampling::Fresh => corpus::Sampling::Fresh,
            Sampling::Epoch => corpus::Sampling::NewPerEpoch {
                size: recipe.data.set as u64,
            },
            Sampling::Fixed => corpus::Sampling::FixedPerEpoch {
                size: recipe.data.set as u64,
            },
        },
    };
    // always the same samples, whatever the run's seed
    let fixed = SamplerOptions {
        seed: 0,
        sampling: corpus::Sampling::Fresh,
        ..options
    };
    let mut catalogue = sets[TRAIN].catalogue().clone();
    if recipe.data.limit > 0 {
        catalogue = catalogue.first(recipe.data.limit);
    }
    let step = (recipe.data.grid * recipe.segment_samples() as f64).round() as u64;
    if step > 0 {
        catalogue = catalogue.on_grid(step);
    }
    let train = Sampler::new(catalogue, options)?;
    let validation = Sampler::new(sets[1].catalogue().clone(), fixed)?;
    let taught = Instrument::ALL.map(|instrument| {
        let taught = parents.iter().any(|parent| parent.instrument == Some(instrument));
        if recipe.task == Task::Targets && !taught {
            observer(Event::Untaught { instrument });
        }
        taught
    });
    Sampled::new(recipe, train, validation, taught, &|instrument, error| {
        observer(Event::LeftOut { instrument, error })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corpus::Corpus,
        generate::synth::{SynthOptions, synthesise},
    };

    /// Pieces of 6 s at 44.1 kHz, so many in each split, for segments of `segment_len` samples.
    pub fn synthesised(
        [train, validation, test]: [u32; 3],
        segment_len: usize,
        splits: &[Split],
    ) -> Vec<Pieces> {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions {
            seed: 2,
            train,
            validation,
            test,
            seconds: 6.0,
        };
        synthesise(folder.path(), &options, &|_, _| {}).unwrap();
        let source = Source::Folder(Corpus::open(folder.path()).unwrap());
        let classes = source.tempo_classes().unwrap();
        let options = PieceOptions {
            segment_len,
            rate: 44_100,
            memory: 1 << 30,
        };
        let pieces = |&split| source.pieces(split, &options, &classes, &|_, _| {}).unwrap();
        splits.iter().map(pieces).collect()
    }
}
