//! Trained models where they are kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{BuiltIn, Checkpoint, Run};
use crate::train::{Recipe, TrainError};

/// A trained model: of a run's folder, of a file that was [exported](super::exchange::export), or [built in](BuiltIn).
pub(crate) struct Saved {
    /// As it was named.
    pub place: PathBuf,
    pub recipe: Recipe,
    /// Its file, or again the name of what is built in.
    weights: PathBuf,
}

impl Saved {
    /// Finds the model that `place` names.
    ///
    /// # Errors
    /// [`TrainError::Run`] if there is none; what reading it gives.
    pub fn open(place: &Path) -> Result<Self, TrainError> {
        let (place, at) = (place.to_path_buf(), BuiltIn::at(place)?);
        if at.is_none() && !place.is_file() {
            let run = Run::open(&place)?;
            return Ok(Saved {
                weights: run.newest_best(),
                recipe: run.config.recipe,
                place,
            });
        }
        let recipe = read(&place)?.state.recipe;
        recipe.check().map_err(|error| {
            TrainError::checkpoint(&place, format!("its recipe cannot be used ({error})"))
        })?;
        let weights = place.clone();
        Ok(Saved {
            place,
            recipe,
            weights,
        })
    }

    /// Its weights: of a run the best, or without these the newest.
    ///
    /// # Errors
    /// [`TrainError::Untrained`] for a run without a checkpoint; what reading it gives.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        if BuiltIn::at(&self.weights)?.is_none() && !self.weights.is_file() {
            let folder = real(&self.place);
            return Err(TrainError::Untrained { folder });
        }
        read(&self.weights)
    }
}

fn read(weights: &Path) -> Result<Checkpoint, TrainError> {
    match BuiltIn::at(weights)? {
        Some(model) => model.checkpoint(),
        None => Checkpoint::read(weights),
    }
}

/// The place of a model as it is called from any folder.
pub(crate) fn real(place: &Path) -> PathBuf {
    match BuiltIn::at(place) {
        Ok(None) => fs::canonicalize(place).unwrap_or_else(|_| place.into()),
        _ => place.into(),
    }
}
