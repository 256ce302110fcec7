//! Corpora of separated music, as they are read.
//!
//! A corpus is a folder in the layout of Slakh2100 ([`Corpus`]), or a [`Store`] that was prepared from one; a [`Source`]
//! is either. [`check`](mod@check) listens to a folder, and [`store`] decodes it once. From a source come [`Pieces`],
//! whose sound can be read from anywhere, and of their [`Catalogue`] a [`Sampler`] draws what training hears: segments,
//! triplets, pseudo pieces, as excerpts, without touching sound.
//!
//! It may know files and audio, and nothing of models or of how a corpus was made: that is the room
//! [`generate`](crate::generate). Start reading at `layout.rs`, then `source.rs` and `pieces.rs`, then `sample`.

pub(crate) mod cast;
mod catalogue;
pub mod check;
pub(crate) mod draw;
mod error;
mod exclude;
pub mod general_midi;
mod instrument;
mod layout;
mod mapping;
mod metadata;
pub mod midi;
mod pieces;
pub(crate) mod record;
mod sample;
mod segment;
mod select;
mod separated;
mod silence;
mod sound_tempo;
mod source;
mod split;
mod split_file;
mod stem_files;
pub mod store;
mod tempo;

pub use catalogue::{Catalogue, Piece};
pub use error::CorpusError;
pub use exclude::{EXCLUDE_FILE, ExcludeList, Exclusion};
pub use instrument::{DRUM_PROGRAM, Instrument};
pub use layout::{Corpus, Stem, Stems, Track};
pub use mapping::{MAPPING_FILE, Mapping};
pub use metadata::{Metadata, StemMetadata};
pub use pieces::Pieces;
pub use sample::{Excerpt, Mix, Sampler, SamplerOptions, Sampling, Triplet};
pub(crate) use sample::{Random, Stream};
pub use segment::{load_all, load_instrument, track_frames};
pub use select::{Dropped, shortest};
pub use separated::SeparatedStems;
pub use silence::{QuietStretches, SoundingStarts, has_power, is_silent};
pub use sound_tempo::estimate_tempo;
pub use source::{PieceOptions, Source};
pub use split::{Split, track_name};
pub use split_file::{SPLIT_FILE, Splits, assigned, read_splits, write_splits};
pub use store::{Store, StoredTrack};
pub use tempo::TempoClasses;
