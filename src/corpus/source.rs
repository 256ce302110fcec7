//! Where training takes its music from: a prepared store, or the folder of a corpus.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use super::{Corpus, CorpusError, Pieces, Split, Store, TempoClasses, Track, midi, sound_tempo};

/// A corpus to train on.
pub enum Source {
    /// A store that `stemwise corpus prepare` made: opened at once, read at the speed of memory.
    Store(Arc<Store>),
    /// A folder in Slakh's layout: decoded when it is opened.
    Folder(Corpus),
}

/// What [`Source::pieces`] gives, and what it may cost.
#[derive(Clone, Copy, Debug)]
pub struct PieceOptions {
    /// Samples in a segment.
    pub segment_len: usize,
    /// Working rate in Hz. A folder's stems of another rate are resampled; a store has one rate.
    pub rate: u32,
    /// Bytes for decoded audio, if it is a folder. Tracks that do not fit are read from the disk at every draw.
    pub memory: u64,
}

impl Source {
    /// Opens a store, if `path` holds one, or a corpus.
    ///
    /// # Errors
    /// As [`Store::open`] or [`Corpus::open`].
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        Ok(match Store::is_at(path) {
            true => Source::Store(Arc::new(Store::open(path)?)),
            false => Source::Folder(Corpus::open(path)?),
        })
    }

    /// What fixes every sample of a store: its integrity hash. A folder has none.
    pub fn hash(&self) -> Option<&str> {
        match self {
            Source::Store(store) => Some(store.hash()),
            Source::Folder(_) => None,
        }
    }

    /// Its licence, if the corpus names one.
    pub fn licence(&self) -> Option<&str> {
        match self {
            Source::Store(store) => store.licence(),
            Source::Folder(corpus) => corpus.licence(),
        }
    }

    /// Hash of the lists by which the tracks of a folder were left out and assigned to splits. In a store they are part of
    /// its own.
    pub fn selection(&self) -> Option<&str> {
        match self {
            Source::Store(_) => None,
            Source::Folder(corpus) => corpus.selection(),
        }
    }

    /// The tempo classes of all pieces, of all splits.
    ///
    /// # Errors
    /// As [`TempoClasses::new`].
    pub fn tempo_classes(&self) -> Result<TempoClasses, CorpusError> {
        let tempos: Vec<f64> = match self {
            Source::Store(store) => store.tracks().iter().filter_map(|track| track.tempo).collect(),
            Source::Folder(corpus) => corpus.tracks().par_iter().filter_map(tempo).collect(),
        };
        TempoClasses::new(&tempos, TempoClasses::default_count(tempos.len()))
    }

    /// The pieces of a split. `progress` is called with the tracks decoded and their number, from any thread, if
    /// there is anything to decode.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] for a split without tracks, a store of another rate, or segments of no length; any
    /// file that cannot be read.
    pub fn pieces(
        &self,
        split: Split,
        options: &PieceOptions,
        classes: &TempoClasses,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Pieces, CorpusError> {
        match self {
            Source::Store(store) => Pieces::of_store(store, split, options, classes),
            Source::Folder(corpus) => Pieces::of_folder(corpus, split, options, classes, progress),
        }
    }
}

/// A track's tempo: that of its MIDI file, or else what its sound has. What cannot be read has none.
pub(super) fn tempo(track: &Track) -> Option<f64> {
    let heard = || sound_tempo::of_track(track).ok().flatten();
    written_tempo(track).or_else(heard)
}

/// The tempo that a track's MIDI file tells.
pub(super) fn written_tempo(track: &Track) -> Option<f64> {
    midi::read_tempo(&track.midi_path()).ok()
}
