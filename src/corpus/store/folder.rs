//! The folder of a store while it is written.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::format::{MANIFEST, name, pcm_path, record_path};
use crate::{
    corpus::{CorpusError, Split},
    files::{Lock, PARTIAL_PREFIX},
};

/// Taken by whoever writes; it stays when the store is finished.
pub const LOCK: &str = "store.lock";

/// A folder that is ours alone, as long as this lives.
pub struct Folder {
    root: PathBuf,
    _lock: Lock,
    sealed: Mutex<bool>,
}

impl Folder {
    /// Takes the folder `root`: a new or an empty one, or a store. Removes what a killed process left half-written.
    pub fn claim(root: &Path) -> Result<Self, CorpusError> {
        fs::create_dir_all(root).map_err(CorpusError::io("create", root))?;
        let names: Vec<_> = entries(root)?.into_iter().map(|(name, _)| name).collect();
        if !names.is_empty() && !names.iter().any(|name| name == LOCK || name == MANIFEST) {
            let message = "is not empty and no store: give an empty or a new folder";
            return Err(CorpusError::invalid(format!("{} {message}", root.display())));
        }
        let path = root.join(LOCK);
        let Some(lock) = Lock::take(&path).map_err(CorpusError::io("lock", &path))? else {
            let message = "is being prepared by another process: wait for it, or give another folder";
            return Err(CorpusError::invalid(format!("{} {message}", root.display())));
        };
        let folder = Folder {
            root: root.into(),
            _lock: lock,
            sealed: Mutex::new(true),
        };
        for place in folder.places() {
            for (name, path) in entries(&place)? {
                if name.starts_with(PARTIAL_PREFIX) {
                    fs::remove_file(&path).map_err(CorpusError::io("remove", &path))?;
                }
            }
        }
        Ok(folder)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Bytes that this user may still write.
    pub fn free(&self) -> Result<u64, CorpusError> {
        fs4::available_space(&self.root).map_err(CorpusError::io("ask for the free space of", &self.root))
    }

    /// Makes the store an unfinished one, before anything in it changes.
    pub fn unseal(&self) -> Result<(), CorpusError> {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        if *sealed {
            remove(&self.root.join(MANIFEST))?;
            *sealed = false;
        }
        Ok(())
    }

    /// Makes a track one that is not there; its record goes first.
    pub fn forget(&self, split: Split, id: u32) -> Result<(), CorpusError> {
        self.unseal()?;
        remove(&record_path(&self.root, split, id))?;
        remove(&pcm_path(&self.root, split, id))
    }

    /// Forgets all tracks but those given, and returns how many there were.
    pub fn keep_only(&self, tracks: &BTreeSet<(Split, u32)>) -> Result<usize, CorpusError> {
        let mut others = BTreeSet::new();
        for split in splits() {
            for (file, _) in entries(&self.root.join(split.name()))? {
                let track = [".pcm", ".json"].iter().find_map(|end| file.strip_suffix(end));
                let id = track.and_then(|track| track.strip_prefix("Track")?.parse().ok());
                let ours = id.filter(|&id| track.is_some_and(|track| name(split, id).ends_with(track)));
                others.extend(ours.map(|id| (split, id)).filter(|other| !tracks.contains(other)));
            }
        }
        for &(split, id) in &others {
            self.forget(split, id)?;
        }
        for split in splits() {
            // Refused where there is something in it.
            let _ = fs::remove_dir(self.root.join(split.name()));
        }
        Ok(others.len())
    }

    /// Where files of the store are.
    fn places(&self) -> impl Iterator<Item = PathBuf> {
        let folders = splits().map(|split| self.root.join(split.name()));
        folders.chain([self.root.clone()])
    }
}

fn splits() -> impl Iterator<Item = Split> {
    Split::FOLDERS.into_iter().chain([Split::Unsplit])
}

/// Name and path of what is in a folder; nothing, if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, CorpusError> {
    let list = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(CorpusError::io("list", folder))?,
    };
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.map_err(CorpusError::io("list", folder))?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    };
    list.map(entry).collect()
}

fn remove(path: &Path) -> Result<(), CorpusError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CorpusError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
