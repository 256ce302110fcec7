//! The settings of a recipe as options.

use std::path::PathBuf;

use clap::Args;

use crate::{
    corpus::Instrument,
    train::{RunConfig, SeparatorRecipe},
};

/// Settings that replace those of a config file, or the defaults.
#[derive(Args)]
pub struct RecipeArguments {
    /// drums, bass, piano, guitar or residuals
    #[arg(long)]
    instrument: Option<Instrument>,
    /// Multiplies all channel counts; 1 is the paper's network [default: 1]
    #[arg(long)]
    width: Option<f64>,
    /// Segments a step [default: 16]
    #[arg(long)]
    batch: Option<usize>,
    /// Steps in all [default: 10000]
    #[arg(long)]
    steps: Option<u32>,
    /// Length of a segment [default: 3]
    #[arg(long)]
    segment_seconds: Option<f64>,
    /// Adam's step size [default: 0.001]
    #[arg(long)]
    learning_rate: Option<f32>,
    /// Seed of weights, segments and dropout [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Steps from one validation to the next [default: 250]
    #[arg(long)]
    validate_every: Option<u32>,
    /// Segments in a validation [default: 64]
    #[arg(long)]
    validation_segments: Option<usize>,
}

impl RecipeArguments {
    /// Whether any is given, except for the number of steps.
    pub fn only_steps(&self) -> bool {
        let RecipeArguments {
            instrument,
            width,
            batch,
            steps: _,
            segment_seconds,
            learning_rate,
            seed,
            validate_every,
            validation_segments,
        } = self;
        instrument.is_none()
            && width.is_none()
            && batch.is_none()
            && segment_seconds.is_none()
            && learning_rate.is_none()
            && seed.is_none()
            && validate_every.is_none()
            && validation_segments.is_none()
    }

    pub fn steps(&self) -> Option<u32> {
        self.steps
    }

    /// The config of a file, or of the defaults, with the options given here. `None` for a setting that
    /// has no default: then `missing` names it.
    pub fn resolve(
        &self,
        file: Option<RunConfig>,
        corpus: Option<PathBuf>,
    ) -> Result<RunConfig, &'static str> {
        let instrument = self.instrument.or(file.as_ref().map(|f| f.separator.instrument));
        let corpus = corpus
            .or(file.as_ref().map(|f| f.corpus.clone()))
            .ok_or("--corpus DIR")?;
        let instrument = instrument.ok_or("--instrument NAME")?;
        let mut recipe = file.map_or_else(|| SeparatorRecipe::new(instrument), |f| f.separator);
        recipe.instrument = instrument;
        set(&mut recipe.width, self.width);
        set(&mut recipe.batch, self.batch);
        set(&mut recipe.steps, self.steps);
        set(&mut recipe.segment_seconds, self.segment_seconds);
        set(&mut recipe.learning_rate, self.learning_rate);
        set(&mut recipe.seed, self.seed);
        set(&mut recipe.validate_every, self.validate_every);
        set(&mut recipe.validation_segments, self.validation_segments);
        Ok(RunConfig {
            corpus,
            separator: recipe,
        })
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}
