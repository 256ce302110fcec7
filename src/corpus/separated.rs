//! Stems that another program separated, in a folder of their own.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{CorpusError, Instrument, Split, segment::StemFiles, stem_files::AudioFiles};
use crate::audio::frames_at;

/// What programs call the stems of each instrument.
const NAMES: [(&str, Instrument); 8] = [
    ("drums", Instrument::Drums),
    ("bass", Instrument::Bass),
    ("piano", Instrument::Piano),
    ("guitar", Instrument::Guitar),
    ("residuals", Instrument::Residuals),
    ("other", Instrument::Residuals),
    ("others", Instrument::Residuals),
    ("vocals", Instrument::Residuals),
];

/// By how many seconds a separated stem may be shorter than what was separated.
const SHORTER: f64 = 1.0;

/// A folder with a folder a piece, as separation programs write them:
///
/// ```text
/// <root>/[<split>/]<piece>/{drums,bass,piano,guitar}.wav
/// <root>/[<split>/]<piece>/{residuals,other,others,vocals}.wav    residuals: their sum
/// ```
///
/// A piece is called `Track00001`, as `stemwise corpus export` names its mix, or as a song's file without its ending.
#[derive(Clone, Debug)]
pub struct SeparatedStems {
    root: PathBuf,
}

impl SeparatedStems {
    /// # Errors
    /// [`CorpusError::Missing`] if there is no such folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CorpusError> {
        let root = root.into();
        match root.is_dir() {
            true => Ok(SeparatedStems { root }),
            false => Err(CorpusError::Missing {
                what: "the folder of separated stems",
                path: root,
                hint: "give the one that holds a folder for each piece, as Track00001/drums.wav",
            }),
        }
    }

    /// Where they are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// BLAKE3 over the names and sizes of all files in it.
    ///
    /// # Errors
    /// [`CorpusError::Io`] for a folder that cannot be listed.
    pub fn hash(&self) -> Result<String, CorpusError> {
        let mut hasher = blake3::Hasher::new();
        for entry in WalkDir::new(&self.root).sort_by_file_name() {
            let failed = |error: walkdir::Error| CorpusError::io("list", &self.root)(error.into());
            let entry = entry.map_err(failed)?;
            if entry.file_type().is_dir() {
                continue;
            }
            let size = entry.metadata().map_err(failed)?.len();
            let name = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            hasher.update(format!("{} {size}\n", name.display()).as_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The whole stem of an instrument of what is called `name`, at `rate` Hz, which is to be `frames` samples long: what a
    /// program added at the end is left out, and a little that it left out is silence.
    ///
    /// # Errors
    /// [`CorpusError::Missing`] if the piece or the instrument is not there; [`CorpusError::Invalid`] for a file that is no
    /// stem by its name, or one that is too short; an audio file that cannot be read.
    pub fn whole(
        &self,
        name: &str,
        instrument: Instrument,
        rate: u32,
        frames: u64,
    ) -> Result<Vec<f32>, CorpusError> {
        self.files(None, name, &[instrument], rate, frames)?
            .whole(instrument, frames, rate)
    }

    /// The same of a piece of a split, which may have a folder of its own.
    ///
    /// # Errors
    /// As [`whole`](Self::whole).
    pub fn of_split(
        &self,
        split: Split,
        name: &str,
        instrument: Instrument,
        rate: u32,
        frames: u64,
    ) -> Result<Vec<f32>, CorpusError> {
        self.files(Some(split), name, &[instrument], rate, frames)?
            .whole(instrument, frames, rate)
    }

    /// The files of some instruments of a piece that is `frames` samples long at `rate` Hz, which are all there.
    pub(super) fn files(
        &self,
        split: Option<Split>,
        name: &str,
        instruments: &[Instrument],
        rate: u32,
        frames: u64,
    ) -> Result<StemFiles, CorpusError> {
        let of_split = split.map(|split| self.root.join(split.name()).join(name));
        let folder = of_split.filter(|folder| folder.is_dir());
        let folder = folder.unwrap_or_else(|| self.root.join(name));
        if !folder.is_dir() {
            return Err(CorpusError::Missing {
                what: "a piece's folder of separated stems",
                path: folder,
                hint: "separate its mix as well, see 'stemwise corpus export'",
            });
        }
        let mut files = <[Vec<PathBuf>; 5]>::default();
        let mut there = AudioFiles::of(&folder)?;
        for (name, instrument) in NAMES {
            let found = there.take(name).map(|(best, _)| best);
            files[instrument as usize].extend(found);
        }
        if let Some(path) = there.into_paths().first() {
            return Err(CorpusError::invalid(format!(
                "{} is no stem by its name: drums, bass, piano and guitar are, and residuals, other, others and vocals, which \
                 are added up; take others away",
                path.display()
            )));
        }
        for &instrument in instruments {
            let paths = &files[instrument as usize];
            if paths.is_empty() {
                return Err(CorpusError::Missing {
                    what: "a separated stem",
                    path: folder.join(format!("{instrument}.wav")),
                    hint: "choose a model of the program that separates this instrument",
                });
            }
            for path in paths {
                let there = frames_at(path, rate)?;
                let missing = frames.saturating_sub(there) as f64 / f64::from(rate);
                if missing > SHORTER {
                    return Err(CorpusError::invalid(format!(
                        "{} ends {missing:.1} s before what it was separated from: separate it again, as a whole (some programs \
                         stop after ten minutes unless they are told otherwise)",
                        path.display()
                    )));
                }
            }
        }
        Ok(StemFiles::new(files))
    }
}
