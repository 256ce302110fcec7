//! A recipe and what is laid over it, as options.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    corpus::Instrument,
    train::{
        Recipe, TrainError,
        recipe::{Overrides, resolve},
    },
};

/// What is laid over a recipe.
#[derive(Args, Clone)]
pub struct RecipeArguments {
    /// drums, bass, piano, guitar or residuals, for recipes of one instrument
    #[arg(long)]
    pub instrument: Option<Instrument>,
    /// Sizes: tiny, hour, small or paper
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Change a setting, as in training.batch=16, or of one stage alone, as in clean:training.batch=16; may be given
    /// several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What activations and their gradients are kept in while a network is trained: f32 or f16 (half the memory)
    #[arg(long, value_name = "FLOATS", value_parser = ["f32", "f16"])]
    pub precision: Option<String>,
    /// CSV file of judgements, for recipes that learn from them
    #[arg(long, value_name = "FILE")]
    pub judgements: Option<PathBuf>,
}

impl RecipeArguments {
    /// Whether nothing is laid over a recipe.
    pub fn is_empty(&self) -> bool {
        let RecipeArguments {
            instrument,
            preset,
            set,
            precision,
            judgements,
        } = self;
        let named = instrument.is_some() || preset.is_some() || precision.is_some();
        !named && set.is_empty() && judgements.is_none()
    }

    /// Lets what hears stems hear those that another program separated.
    pub fn hear(&mut self, stems: Option<&Path>) {
        self.set
            .extend(stems.map(|stems| setting("data.separated", stems)));
    }

    /// The recipe of that name with these overrides.
    pub fn resolve(&self, name: &str) -> Result<Recipe, TrainError> {
        let overrides = self.overrides();
        let recipe = resolve(name, &overrides)?;
        overrides.check(&[&recipe.name])?;
        Ok(recipe)
    }

    /// The same overrides for the library.
    pub fn overrides(&self) -> Overrides {
        let mut set = self.set.clone();
        let precision = |floats| format!("training.precision=\"{floats}\"");
        set.extend(self.precision.as_ref().map(precision));
        let judgements = self.judgements.as_deref();
        set.extend(judgements.map(|path| setting("data.judgements", path)));
        Overrides {
            preset: self.preset.clone(),
            instrument: self.instrument,
            set,
        }
    }
}

/// A path as the value of a key: as a TOML string, since it may look like a number.
fn setting(key: &str, path: &Path) -> String {
    format!("{key}={}", toml::Value::from(path.display().to_string()))
}
