//! How a recipe learns: what is minimised, how long and how fast, and by what the best is known.

use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Margin of the triplet loss.
    pub margin: f32,
    /// Weight of the triplet loss.
    pub triplet: f32,
    /// Weight of the L1 of separated or reconstructed stems.
    pub l1: f32,
    /// Which stems Direct's decoders reconstruct of a triplet.
    #[serde(default)]
    pub reconstruct: Reconstruct,
    /// Weight of the norm loss.
    pub norm: f32,
    /// What the separator of all instruments minimises.
    #[serde(default)]
    pub error: ErrorOf,
    /// Temperature of the contrast.
    #[serde(default = "temperature")]
    pub temperature: f32,
    /// Weight of the loss of what sounds, beside contrast.
    #[serde(default = "presence")]
    pub presence: f32,
}

/// Which stems Direct's decoders reconstruct of each member of a triplet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconstruct {
    /// That of the instrument that the triplet holds for: the published code.
    Condition,
    /// All five.
    #[default]
    All,
}

// What recipes of earlier versions do not say: as in `defaults.toml`.

fn temperature() -> f32 {
    0.1
}

fn presence() -> f32 {
    0.1
}

/// What an error is summed up as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorOf {
    /// `mean |error|`.
    #[default]
    Absolute,
    /// `√(mean error²)` of each segment and stem.
    Root,
}

/// How long and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Adam's step size.
    pub learning_rate: f32,
    /// What activations and their gradients are kept in.
    #[serde(default)]
    pub precision: Precision,
    /// Examples in an update.
    pub batch: usize,
    /// Examples on the device at a time, which divide a batch; 0: as many as fit.
    pub micro_batch: usize,
    /// Examples in an epoch; 0: all there are, of judgements.
    pub epoch: usize,
    /// Epochs at most.
    pub epochs: u32,
    /// Epochs without a new best before training ends; 0: never.
    pub patience: u32,
    /// Epochs without a new best before the learning rate is halved; 0: never.
    pub plateau: u32,
    /// How the learning rate goes over the run.
    #[serde(default)]
    pub schedule: Decay,
    /// Updates over which the learning rate rises to its full height first; 0: none.
    #[serde(default)]
    pub warmup: u32,
    /// Examples to validate on after every epoch, rounded up to whole batches.
    pub validation: usize,
    /// Length of the segments that the validation loss is taken on, in seconds; 0: that of training.
    #[serde(default)]
    pub validation_seconds: f64,
    /// What the best checkpoint is chosen by.
    pub best: Best,
    /// Length of the segments of the nearest-neighbour score, in seconds.
    pub knn_seconds: f64,
    /// How many of them for each instrument; 0: no such score.
    pub knn_segments: usize,
}

/// What activations and their gradients are kept in while a network is trained; see
/// [`Tape::narrow`](crate::tape::Tape::narrow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats, with a scaled loss. Parameters, sums and validation stay in 32 bits.
    F16,
}

/// How the learning rate goes over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It stays, but for plateaus.
    #[default]
    Constant,
    /// It falls along half a cosine, to 2 % at the last of all updates.
    Cosine,
}

/// What the best checkpoint is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Best {
    /// The least validation loss.
    Loss,
    /// The highest nearest-neighbour score, of segments of normal pieces.
    Knn,
    /// The highest nearest-neighbour score of pseudo musical pieces: MES-Pseudo on the validation split.
    #[serde(rename = "knn-pseudo")]
    KnnPseudo,
    /// The newest.
    Last,
}

impl Best {
    /// Whether it is a nearest-neighbour score.
    pub fn asks_neighbours(self) -> bool {
        matches!(self, Best::Knn | Best::KnnPseudo)
    }
}
