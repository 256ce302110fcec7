//! The corpus: Slakh2100's layout, read, checked, made.

pub mod catalogue;
mod error;
pub mod instrument;
pub mod layout;
pub mod metadata;
pub mod midi;
pub mod sample;
pub mod segment;
pub mod silence;
pub mod source;
pub mod synth;
pub mod tempo;
pub mod write;

pub use catalogue::{Catalogue, Piece};
pub use error::CorpusError;
pub use instrument::Instrument;
pub use layout::{Corpus, Split, Stem, Stems, Track};
pub use metadata::{Metadata, StemMetadata};
pub use sample::{Excerpt, Mix, Sampler, SamplerOptions, Sampling, Triplet};
pub use segment::{load_all, load_instrument, track_frames};
pub use silence::{QuietStretches, SoundingStarts, is_silent};
pub use source::{Place, Segment, SegmentOptions, SegmentSource};
pub use tempo::TempoClasses;
