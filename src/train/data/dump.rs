//! What a run would hear, as a table: which stems of which pieces make up the examples of its first steps.

use std::path::Path;

use super::{Data, Stem};
use crate::{
    arrays::CsvWriter,
    corpus::Instrument,
    train::{Network, Observer, RunConfig, TrainError, recipe::Task},
};

const COLUMNS: [&str; 13] = [
    "step",
    "example",
    "input",
    "condition",
    "additional",
    "instrument",
    "corpus",
    "split",
    "piece",
    "start",
    "seconds",
    "gain",
    "label",
];

/// Writes the draws of the first `steps` updates of a run into the table `path`, without training it: a line for every
/// stem of every input of every example. `input` is `mix` or `anchor`, `positive`, `negative`; `start` is in samples at the
/// rate of the recipe, `piece` the track's number, `label` which of a batch's pieces the stem is of. Returns the number of
/// lines.
///
/// # Errors
/// As of [`start`](crate::train::start), but for the device; [`TrainError::File`] for the table.
pub fn dump_draws(
    config: &RunConfig,
    steps: u32,
    path: &Path,
    observer: Observer<'_>,
) -> Result<usize, TrainError> {
    let recipe = &config.recipe;
    let parents = match recipe.task {
        // what nothing teaches is not heard
        Task::Targets => Network::new(recipe)?.adopt(&config.from)?,
        _ => Vec::new(),
    };
    let data = Data::open(config, &parents, observer)?;
    let mut table = CsvWriter::create(path, &COLUMNS)?;
    let mut lines = 0;
    for step in 0..steps {
        for index in 0..recipe.training.batch {
            let example = data.draw.training(step, index)?;
            let inputs: &[&str] = match example.items.len() {
                1 => &["mix"],
                _ => &["anchor", "positive", "negative"],
            };
            for (item, input) in example.items.iter().zip(inputs) {
                for instrument in Instrument::ALL {
                    let Some(stem) = item.stems[instrument as usize] else {
                        continue;
                    };
                    let additional = example.additional;
                    let label = example.labels[instrument as usize];
                    let place = [
                        step.to_string(),
                        index.to_string(),
                        input.to_string(),
                        example.condition.to_string(),
                        additional.map_or(String::new(), |instrument| instrument.to_string()),
                        instrument.to_string(),
                    ];
                    let label = label.map_or(String::new(), |label| label.to_string());
                    table.line(place.into_iter().chain(data.place(config, stem)).chain([label]))?;
                    lines += 1;
                }
            }
        }
    }
    table.finish()?;
    Ok(lines)
}

impl Data {
    /// Corpus, split, piece, start, the same in seconds, and gain.
    fn place(&self, config: &RunConfig, stem: Stem) -> [String; 6] {
        let Stem { set, excerpt, gain } = stem;
        let catalogue = self.sets[set].catalogue();
        // the first corpus has two sets, or three; of several, the others have one each
        let corpus = set.checked_sub(2).and_then(|set| config.renderings.get(set));
        let rate = config.recipe.front_end.sample_rate;
        [
            corpus.unwrap_or(&config.corpus).display().to_string(),
            catalogue.split().to_string(),
            catalogue.pieces()[excerpt.piece as usize].id.to_string(),
            excerpt.start.to_string(),
            (excerpt.start as f64 / f64::from(rate)).to_string(),
            gain.to_string(),
        ]
    }
}
