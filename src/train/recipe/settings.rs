//! The settings of a recipe, one struct a table.

use serde::{Deserialize, Serialize};

use crate::{
    audio::Stft,
    corpus::Instrument,
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
    /// Weight of the norm loss.
    pub norm: f32,
    /// Temperature of the contrast.
    #[serde(default = "temperature")]
    pub temperature: f32,
    /// Weight of the loss of what sounds, beside contrast.
    #[serde(default = "presence")]
    pub presence: f32,
}

// What recipes of earlier versions do not say: as in `defaults.toml`.

fn pieces() -> usize {
    12
}

fn gain() -> f32 {
    6.0
}

fn temperature() -> f32 {
    0.1
}

fn presence() -> f32 {
    0.1
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
    /// The highest nearest-neighbour score.
    Knn,
    /// The newest.
    Last,
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
