//! The parts of a corpus, and what the tracks in them are called.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A part of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What models learn from.
    Train,
    /// What checkpoints are chosen by.
    Validation,
    /// What results are reported on.
    Test,
    /// Left out of Slakh2100-redux, for pieces that other splits hold too.
    Omitted,
    /// All tracks of a corpus that has no split folders, such as BabySlakh.
    Unsplit,
}

impl Split {
    /// The splits that are folders.
    pub const FOLDERS: [Split; 4] = [Split::Train, Split::Validation, Split::Test, Split::Omitted];

    /// Lower-case name; that of the folder, except for [`Split::Unsplit`].
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
            Split::Omitted => "omitted",
            Split::Unsplit => "unsplit",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::FOLDERS.into_iter().chain([Split::Unsplit]);
        all.find(|split| split.name() == text)
            .ok_or_else(|| format!("no split '{text}': use train, validation, test, omitted or unsplit"))
    }
}

/// What the track of a number is called.
pub fn track_name(id: u32) -> String {
    format!("Track{id:05}")
}
