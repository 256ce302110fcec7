//! The models that are part of the program.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::Checkpoint;
use crate::train::TrainError;

/// In front of the names of models that are built in.
const PREFIX: &str = "built-in:";

/// A trained model that is part of the program, under the feature `weights`. Wherever a run is named, its
/// [`place`](Self::place) may be: `built-in:similarity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// Describes all instruments.
    Similarity,
    /// Separates.
    Separator,
}

impl BuiltIn {
    /// All that there are.
    pub const ALL: [BuiltIn; 2] = [BuiltIn::Similarity, BuiltIn::Separator];

    /// Whether this program has them.
    pub const THERE: bool = cfg!(feature = "weights");

    /// As in its place and its file.
    pub fn name(self) -> &'static str {
        match self {
            BuiltIn::Similarity => "similarity",
            BuiltIn::Separator => "separator",
        }
    }

    /// What stands where a run's folder may.
    pub fn place(self) -> PathBuf {
        self.to_string().into()
    }

    /// The model that `place` names; `None` for a folder.
    ///
    /// # Errors
    /// [`TrainError::Run`] for a name that no model has.
    pub fn at(place: &Path) -> Result<Option<Self>, TrainError> {
        let Some(name) = place.to_str().and_then(|place| place.strip_prefix(PREFIX)) else {
            return Ok(None);
        };
        match Self::ALL.into_iter().find(|model| model.name() == name) {
            Some(model) => Ok(Some(model)),
            None => {
                let [first, second] = Self::ALL;
                let message = format!("no such model is built in: there are {first} and {second}");
                Err(TrainError::run(place, message))
            }
        }
    }

    /// Its weights, and how they came about.
    ///
    /// # Errors
    /// [`TrainError::Run`] in a program without the feature `weights`; [`TrainError::Checkpoint`] for a file of another
    /// format.
    pub fn checkpoint(self) -> Result<Checkpoint, TrainError> {
        let place = self.place();
        match self.bytes() {
            Some(bytes) => Checkpoint::built_in(&place, bytes),
            None => {
                let message = "this program was built without the feature 'weights': give a run's folder";
                Err(TrainError::run(&place, message))
            }
        }
    }

    #[cfg(feature = "weights")]
    fn bytes(self) -> Option<&'static [u8]> {
        Some(match self {
            BuiltIn::Similarity => include_bytes!("../../../weights/similarity.safetensors"),
            BuiltIn::Separator => include_bytes!("../../../weights/separator.safetensors"),
        })
    }

    #[cfg(not(feature = "weights"))]
    fn bytes(self) -> Option<&'static [u8]> {
        None
    }
}

impl fmt::Display for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_folders() {
        for model in BuiltIn::ALL {
            assert_eq!(BuiltIn::at(&model.place()).unwrap(), Some(model));
        }
        for folder in ["similarity", "./built-in:similarity", "runs/built-in:similarity"] {
            assert_eq!(BuiltIn::at(Path::new(folder)).unwrap(), None, "{folder}");
        }
        let message = BuiltIn::at(Path::new("built-in:x")).unwrap_err().to_string();
        assert!(message.contains("built-in:separator"), "{message}");
    }
}
