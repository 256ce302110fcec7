//! What a training run is made of, as its `config.toml` says it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    files,
    train::{
        TrainError,
        recipe::{Recipe, misfit, no_toml},
    },
};

/// A whole `config.toml`: where the data are, and what is trained on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// A corpus in the Slakh2100 layout, or a store of one, with the splits `train` and `validation`.
    pub corpus: PathBuf,
    /// Further corpora, or stores, whose training pieces take part in contrast, or are separated into all instruments:
    /// other renderings of the same pieces, or other pieces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renderings: Vec<PathBuf>,
    /// The runs that it builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<PathBuf>,
    /// The stage.
    pub recipe: Recipe,
}

impl RunConfig {
    /// Reads and checks a `config.toml`.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::Config`] for a file that is not one, or has a key that does not exist;
    /// [`TrainError::Setting`] for a value out of range.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = files::read_to_string(path).map_err(TrainError::io("read", path))?;
        let failed = |message| TrainError::config(path, message);
        let table: toml::Table = text.parse().map_err(|error| failed(no_toml(&error, &text)))?;
        let config: Self = table.try_into().map_err(|error| failed(misfit(&error)))?;
        config.recipe.check()?;
        Ok(config)
    }

    /// The text of a `config.toml` with every setting spelled out.
    pub(crate) fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|error| TrainError::setting("config", error.to_string()))
    }
}
