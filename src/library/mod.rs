//! A person's own music, described and searched.
//!
//! A library is a folder:
//!
//! | file | content |
//! |---|---|
//! | `library.json` | the header: format, identity of the model, its runs, rate, length of segments, instruments and dimensions |
//! | `files.jsonl` | a log. Its first line names the file of vectors; then one line a file of music, or one that drops it |
//! | `vectors-N.f32` | a flat matrix of f32, little-endian: one row a content, the vectors of its instruments in a row |
//! | `errors.jsonl` | path and reason of every file that could not be described |
//! | `.lock` | held by the process that writes |
//!
//! **When a file is described.** If a file has the size, the times and the number that the log has of it, it is taken to
//! be what it was. Else its content decides, by its hash: only one that is new is described.
//!
//! **What describes a file.** It is decoded to the mean of its channels, resampled to the model's rate, rounded to 16
//! bits and cut into segments of the length that the model was trained on, one after another; a rest of at least half
//! a segment gives one more, which ends with the music. A file shorter than a segment is filled up with silence. Segments
//! without sound in any channel are left out, and a file without any other is *silent*: it has an entry, but no vectors
//! and no neighbours. If the mean lies more than 20 dB below its channels in any stretch of a segment's length, they
//! cancel one another there, and the whole file is described by its loudest channel; its entry says so. A file's vectors
//! are the means of its segments', instrument by instrument. Segments' own vectors are not kept: they would be a hundred
//! times as many bytes as the means.
//!
//! **What a crash leaves.** A row is on the disk before the line that speaks of it. A line without its end and rows
//! without a line are removed by the next writer, so that what was finished stays and nothing is done twice. At the end
//! of a run log and matrix are written anew in the order of paths, if anything was dropped or came in another order:
//! the same music gives the same files, however often the work was stopped.
//!
//! **Presence.** A model that says which instruments sound gives every segment a probability for each; an entry has their
//! means. Vectors of length one say nothing of how loud an instrument is, or whether it is there, so a search by some
//! instruments puts the files in which one of them has less than a half behind all others.
//!
//! **Tags** are a content's, as its hash is, and are kept beside it. A library of an earlier version has none: the next
//! `embed` of its files reads them, and describes nothing anew.
//!
//! **Distances.** Between two files, an instrument's is the Euclidean distance of their vectors over the library's: the
//! root of the mean square of the distances of all pairs of its contents, so that 1 is what two files of the library
//! usually have. The distance is the mean of the instruments', weighted by the focus; that to several queries is the mean
//! of those to each. Files at less than [`FOLD`] in the mean of all instruments are one piece of music to the ear, and
//! are folded together.
//!
//! **Stems.** Models that hear stems describe those that another program separated, in a folder that the header names: the
//! same segments of each instrument's stem in the place of the music.
//!
//! It may know audio and description, and nothing of corpora but their instruments and separated stems. Start reading at `entry.rs` and
//! `writer.rs`, which are what is on the disk; `embed.rs` fills a library, `search.rs` asks it.

mod embed;
mod entry;
mod error;
mod export;
mod focus;
mod mean;
mod phase;
mod playlist;
mod query;
mod reader;
mod scan;
mod search;
mod song;
mod tags;
mod worker;
mod writer;

pub use embed::{EmbedOptions, Failure, Progress, Summary, embed};
pub use entry::{Content, Entry, FileInfo, Header, Presence, Row, RunName, Subspace};
pub use error::LibraryError;
pub use export::{SegmentExport, export, export_segments};
pub use focus::parse_focus;
pub use playlist::{PLAYLIST, playlist};
pub use query::{Queries, Query};
pub use reader::Library;
pub use search::{FOLD, Found, Match, Wanted, search};
pub use tags::Tags;
pub use writer::Writer;
