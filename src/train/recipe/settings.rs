//! The settings of a recipe, one struct a table.

use serde::{Deserialize, Serialize};

use super::{Loss, Training};
use crate::{
    audio::Stft,
    corpus::{Instrument, cast::Preset},
    listening::{Aspect, Criterion, Share, SplitBy},
    models::{Last, SUBSPACES},
    train::TrainError,
};

/// One stage of training, every setting spelled out. With the corpus, the runs that it builds on and the kind of
/// device, it determines every bit of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the recipe, as `cascade-ft`.
    pub name: String,
    /// The network.
    pub model: Model,
    /// What it learns from.
    pub task: Task,
    /// Names of the recipes whose runs it builds on.
    pub from: Vec<String>,
    /// Parts of the network that do not change: neither weights nor running statistics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Part>,
    /// The instrument, for networks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Instrument>,
    /// Seed of everything random: initial weights, samples, dropout.
    pub seed: u64,
    /// The spectrograms.
    pub front_end: FrontEnd,
    /// Sizes of the network.
    pub network: NetworkSettings,
    /// What the network hears.
    pub data: Data,
    /// What is minimised.
    pub loss: Loss,
    /// How long and how fast.
    pub training: Training,
}

/// A network, or two of them in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// The U-Net that separates one instrument.
    Separator,
    /// Our own, for all instruments: the U-Net with a mask for each, which add up to one.
    #[serde(rename = "joint-separator")]
    JointSeparator,
    /// The feature extractor of one instrument, on clean stems.
    Extractor,
    /// Separator and extractor of one instrument.
    Cascade,
    /// One network for all instruments.
    Direct,
    /// The network of Hashizume et al. 2025, for all instruments.
    Hashizume,
    /// Our own, for all instruments: vectors of length one, and whether each instrument sounds.
    Contrast,
}

/// What a network learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Mixes and their stems.
    Separation,
    /// Triplets.
    Triplets,
    /// The vectors of Clean, as targets.
    Targets,
    /// Judgements of listeners, as triplets.
    Judgements,
    /// Mixes of stems of a few pieces, each compared with all others of its batch.
    Contrast,
}

/// Part of a network, which one run can take from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The U-Net of a separator, of one instrument or of all, or a cascade.
    Separator,
    /// The feature extractor of Clean or a cascade.
    Extractor,
    /// Direct, the network of Hashizume et al. or our own, without decoders.
    Encoder,
    /// The reconstruction decoders of Direct.
    Decoders,
}

/// The spectrograms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// Working rate in Hz.
    pub sample_rate: u32,
    /// Window length of the transform, in samples, a power of two from 256 to 8192; `stft_size / 2 + 1` bins.
    pub stft_size: usize,
    /// Samples from one window to the next.
    pub stft_hop: usize,
    /// Mel bins, where a network hears a mel spectrogram.
    pub mels: usize,
}

/// Sizes of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Multiplies all channel counts; 1 is the paper's network.
    pub width: f64,
    /// Numbers that describe one instrument.
    pub dimensions: usize,
    /// Probability with which a channel of the first decoder layers is dropped.
    pub dropout: f32,
    /// What follows Direct's last convolution.
    pub last: Last,
    /// Whether Direct has its reconstruction decoders.
    pub decoders: bool,
    /// Whether contrast's vectors pass a batch norm before they are brought to length one.
    #[serde(default)]
    pub centred: bool,
    /// Frequency bands that the separator of all instruments hears, in decibels, and masks; 0: bins, as they are.
    #[serde(default)]
    pub bands: usize,
}

/// What the network hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Length of a segment, in seconds.
    pub segment_seconds: f64,
    /// What triplets are made of.
    pub triplets: Triplets,
    /// Whether a triplet of pseudo pieces is also one of another instrument, with positive and negative swapped.
    #[serde(default = "additional")]
    pub additional: bool,
    /// When they are drawn.
    pub sampling: Sampling,
    /// Samples of a fixed set, or of an epoch's own.
    pub set: usize,
    /// Where training segments may begin: at multiples of this share of a segment; 0: anywhere.
    #[serde(default)]
    pub grid: f64,
    /// Training pieces at most, the first ones; 0: all.
    #[serde(default)]
    pub limit: usize,
    /// Whether targets are learned from mixes of some stems too, or from whole segments alone.
    #[serde(default = "subsets")]
    pub subsets: bool,
    /// What judged segments are heard in.
    pub stems: Stems,
    /// What stays together when three in ten judgements are held out.
    pub split: SplitBy,
    /// In what respect judgements are learned.
    #[serde(default)]
    pub aspect: Aspect,
    /// How many listeners must agree about an item.
    #[serde(default)]
    pub share: Share,
    /// Pieces that the stems of one batch come from, for contrast.
    #[serde(default = "pieces")]
    pub pieces: usize,
    /// For contrast and the separator of all instruments, by how many decibels a stem is made louder or softer at most.
    #[serde(default = "gain")]
    pub gain: f32,
    /// For the separator of all instruments, the share of training mixes whose every stem is of a piece of its own.
    #[serde(default)]
    pub remix: f64,
    /// For contrast, the share of mixes in which all stems but one are from one place of one piece.
    #[serde(default)]
    pub coherent: f64,
    /// File of judgements, for tasks that learn from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgements: Option<std::path::PathBuf>,
    /// Folder of stems that another program separated, which a network of one stem hears instead of the clean ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separated: Option<std::path::PathBuf>,
}

impl Data {
    /// Which judged items count.
    pub fn criterion(&self) -> Criterion {
        Criterion {
            aspect: self.aspect,
            share: self.share,
        }
    }
}

/// Of files that do not say it.
fn subsets() -> bool {
    true
}

/// Of files that do not say it.
fn additional() -> bool {
    true
}

/// What triplets are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Triplets {
    /// Two segments of one piece, and one of another.
    Normal,
    /// Pseudo musical pieces.
    Pseudo,
}

/// When samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Anew for every batch: "DA" of Imamura et al. 2025.
    Fresh,
    /// For every epoch a set of its own.
    Epoch,
    /// Once: every epoch has the same samples, in another order.
    Fixed,
}

/// What judged segments are heard in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stems {
    /// The judged stem alone.
    Clean,
    /// The judged stem, and the rest from other pieces.
    Pseudo,
    /// The piece that it was judged in.
    Normal,
}

// What recipes of earlier versions do not say: as in `defaults.toml`.

fn pieces() -> usize {
    12
}

fn gain() -> f32 {
    6.0
}

impl Model {
    /// Whether there is one for every instrument.
    pub fn of_one_instrument(self) -> bool {
        matches!(self, Model::Separator | Model::Extractor | Model::Cascade)
    }

    /// Whether its input is one stem, not a mix.
    pub fn hears_stems(self) -> bool {
        self == Model::Extractor
    }

    /// Whether it says which instruments sound.
    pub fn tells_presence(self) -> bool {
        self == Model::Contrast
    }

    /// Whether it describes what it hears by numbers.
    pub fn embeds(self) -> bool {
        !matches!(self, Model::Separator | Model::JointSeparator)
    }
}

impl FrontEnd {
    /// The transform.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if window and hop do not fit together.
    pub fn stft(&self) -> Result<Stft, TrainError> {
        let stft = Stft::new(self.stft_size, self.stft_hop);
        stft.map_err(|error| {
            TrainError::setting("front_end.stft_size, front_end.stft_hop", error.to_string())
        })
    }

    /// Frequencies of a spectrogram.
    pub fn bins(&self) -> usize {
        self.stft_size / 2 + 1
    }
}

/// What follows a name to say which instrument something is of: ` of drums`.
pub(crate) fn of(instrument: Option<Instrument>) -> String {
    instrument.map_or(String::new(), |instrument| format!(" of {instrument}"))
}

impl Recipe {
    /// Its name and instrument, as `cascade of drums`.
    pub fn title(&self) -> String {
        format!("{}{}", self.name, of(self.instrument))
    }

    /// Samples of a length in seconds.
    pub fn samples(&self, seconds: f64) -> usize {
        (seconds * f64::from(self.front_end.sample_rate)).round() as usize
    }

    /// Length of a training segment in samples.
    pub fn segment_samples(&self) -> usize {
        self.samples(self.data.segment_seconds)
    }

    /// Length of a segment that the validation loss is taken on, in samples.
    pub fn validation_samples(&self) -> usize {
        match self.training.validation_seconds {
            0.0 => self.segment_samples(),
            seconds => self.samples(seconds),
        }
    }

    /// How many examples are validated on at a time where `examples` are trained on: no more samples.
    pub fn validation_examples(&self, examples: usize) -> usize {
        let training = examples * self.segment_samples();
        (training / self.validation_samples().max(1)).clamp(1, examples.max(1))
    }

    /// The protocol that its pseudo pieces are made by.
    pub fn pseudo_preset(&self) -> Preset {
        match self.model {
            Model::Hashizume => Preset::H25,
            _ => Preset::I25,
        }
    }

    /// Whether a part is frozen.
    pub fn freezes(&self, part: Part) -> bool {
        self.frozen.contains(&part)
    }

    /// Whether its training hears stems louder or softer than they are.
    pub(crate) fn changes_gains(&self) -> bool {
        self.task == Task::Contrast || self.model == Model::JointSeparator
    }

    /// Whether it can train on the pieces of several corpora.
    pub(crate) fn takes_several_corpora(&self) -> bool {
        matches!(self.model, Model::Contrast | Model::JointSeparator)
    }

    /// Whether validation takes the nearest-neighbour score.
    pub fn scores_neighbours(&self) -> bool {
        self.model.embeds() && self.training.knn_segments > 0
    }

    /// Numbers of an embedding: of one instrument, or of all in a row.
    pub fn dimensions(&self) -> usize {
        match self.model.of_one_instrument() {
            true => self.network.dimensions,
            false => SUBSPACES * self.network.dimensions,
        }
    }

    /// The instruments that the network separates from a mix, in the order of [`Instrument::ALL`].
    pub fn separates(&self) -> Vec<Instrument> {
        match self.model {
            Model::Separator | Model::Cascade => self.instrument.into_iter().collect(),
            Model::JointSeparator => Instrument::ALL.to_vec(),
            Model::Direct if self.network.decoders => Instrument::ALL.to_vec(),
            Model::Direct | Model::Extractor | Model::Hashizume | Model::Contrast => Vec::new(),
        }
    }
}
