//! What verbs do without `--model`, and where libraries are without `--library`.

use std::path::{Path, PathBuf};

use super::output::{Misuse, name, note};
use crate::{
    folders::data_folder,
    train::{BuiltIn, TrainError},
};

/// Digits of a hash that are shown.
const SHOWN: usize = 12;

/// The models that were named; without one, the built-in one, which is said.
pub fn models_or(named: &[PathBuf], model: BuiltIn) -> anyhow::Result<Vec<PathBuf>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    tell(model)?;
    Ok(vec![model.place()])
}

/// Says which built-in model is used.
pub fn tell(model: BuiltIn) -> Result<(), TrainError> {
    let checkpoint = model.checkpoint()?;
    note(format!(
        "model: {model}, a run of '{}', {}",
        checkpoint.state.recipe.name,
        &checkpoint.hash()[..SHOWN]
    ));
    Ok(())
}

/// The folder of the library that was named, or else of the user's own, which is said.
pub fn library_or(option: &str, named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.into());
    }
    let Some(library) = data_folder("library") else {
        let message = format!("this system names no folder for data: give {option} LIBRARY");
        return Err(Misuse(message).into());
    };
    note(format!("library: {}", name(&library)));
    Ok(library)
}
