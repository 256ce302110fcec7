//! The corpus: Slakh2100's layout, read, checked, made.

pub mod abx;
pub mod catalogue;
pub mod check;
mod error;
pub mod exclude;
pub mod general_midi;
pub mod instrument;
pub mod layout;
pub mod metadata;
pub mod midi;
pub mod pieces;
mod record;
pub mod render;
pub mod sample;
pub mod segment;
pub mod silence;
pub mod source;
mod stem_files;
pub mod store;
pub mod synth;
pub mod tempo;
pub mod write;

pub use catalogue::{Catalogue, Piece};
pub use error::CorpusError;
pub use exclude::{ExcludeList, Exclusion};
pub use instrument::Instrument;
pub use layout::{Corpus, Split, Stem, Stems, Track};
pub use metadata::{Metadata, StemMetadata};
pub use pieces::Pieces;
pub use sample::{Excerpt, Mix, Sampler, SamplerOptions, Sampling, Triplet};
pub use segment::{load_all, load_instrument, track_frames};
pub use silence::{QuietStretches, SoundingStarts, has_power, is_silent};
pub use source::{PieceOptions, Source};
pub use store::{Store, StoredTrack};
pub use tempo::TempoClasses;
