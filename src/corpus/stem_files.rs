//! The audio files of a folder, and other files by names of any case.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::CorpusError;
use crate::audio;

/// What is read of several files of one name, best first: without loss before what is coded.
const PREFERRED: [&str; 3] = ["flac", "wav", "wave"];

/// The audio files of one folder.
pub(super) struct AudioFiles(Vec<AudioFile>);

struct AudioFile {
    /// Without the extension.
    name: String,
    /// Less is better.
    rank: usize,
    path: PathBuf,
}

impl AudioFiles {
    /// Those of a folder that need not be there.
    ///
    /// # Errors
    /// [`CorpusError::Io`] if it cannot be listed.
    pub fn of(folder: &Path) -> Result<Self, CorpusError> {
        let paths = match folder.is_dir() {
            true => list(folder)?,
            false => Vec::new(),
        };
        let mut files: Vec<_> = paths.into_iter().filter_map(AudioFile::of).collect();
        files.sort_by(|a, b| (a.rank, &a.path).cmp(&(b.rank, &b.path)));
        Ok(AudioFiles(files))
    }

    /// The file of a name, best first; the case of letters in it matters only where there are several. The second are
    /// those that it is preferred to. All of them are taken out.
    pub fn take(&mut self, name: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
        let mut found: Vec<_> = self.0.extract_if(.., |file| file.name == name).collect();
        if found.is_empty() {
            let same = |file: &mut AudioFile| file.name.eq_ignore_ascii_case(name);
            found = self.0.extract_if(.., same).collect();
        }
        let mut paths = found.into_iter().map(|file| file.path);
        Some((paths.next()?, paths.collect()))
    }

    /// Those that are left, by path.
    pub fn into_paths(self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = self.0.into_iter().map(|file| file.path).collect();
        paths.sort();
        paths
    }
}

impl AudioFile {
    /// `None` for a folder and for what is no audio by its name. What is neither file nor folder is kept, behind all
    /// files: whoever opens it says what it is.
    fn of(path: PathBuf) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let known = PREFERRED.iter().chain(&audio::EXTENSIONS);
        let rank = known.into_iter().position(|known| *known == extension)?;
        let special = match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return None,
            Ok(metadata) => !metadata.is_file(),
            Err(_) => true,
        };
        Some(AudioFile {
            name: path.file_stem()?.to_string_lossy().into_owned(),
            rank: rank + if special { 1000 } else { 0 },
            path,
        })
    }
}

/// Where something lies in a folder: under its name, or, if there is no such thing, under that name in another case.
pub(super) fn named(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    if path.symlink_metadata().is_ok() {
        return path;
    }
    let same = |other: &PathBuf| {
        other
            .file_name()
            .is_some_and(|other| other.eq_ignore_ascii_case(OsStr::new(name)))
    };
    let others = list(folder).unwrap_or_default();
    others.into_iter().find(same).unwrap_or(path)
}

/// The entries of a folder, by name.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let entries = fs::read_dir(folder).map_err(CorpusError::io("list", folder))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(CorpusError::io("list", folder))?;
    paths.sort();
    Ok(paths)
}

/// Whether a stem can have this name: a file's without its folder, and one that stands in a line of an
/// [`ExcludeList`](super::ExcludeList).
pub(super) fn is_stem_name(name: &str) -> bool {
    let usable = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(usable)
}
