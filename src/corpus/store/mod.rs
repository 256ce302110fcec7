//! A corpus decoded once: the five submixes of every track as 16-bit samples that are mapped into memory, and what is
//! known of each: where it is quiet, its tempo.
//!
//! ```text
//! <store>/store.json             the manifest, written last: without it the store is not finished
//! <store>/store.lock             empty, and stays; locked while someone prepares
//! <store>/train/Track00001.pcm   the instruments that play, one after another
//! <store>/train/Track00001.json  the record; it appears after the samples, which are whole if it is there
//! ```
//!
//! [`prepare`] writes a store and continues an interrupted one, [`Store`] reads it. No file holds a date, a path or
//! anything that depends on threads: from the same corpus comes the same store, byte for byte, however often its
//! making was interrupted.

mod fingerprint;
mod folder;
mod format;
mod prepare;
mod reader;
mod track;

pub use format::LEAST_QUIET;
pub use prepare::{Clipped, Event, Failure, Plan, PrepareOptions, Summary, prepare};
pub use reader::{Store, StoredTrack};
