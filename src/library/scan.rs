//! Finding music in folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{Failure, FileInfo};
use crate::audio;

/// What was found.
#[derive(Default)]
pub(super) struct Scan {
    /// By path.
    pub files: BTreeMap<PathBuf, FileInfo>,
    /// What could not be looked at.
    pub failures: Vec<Failure>,
    /// The folders that were searched, and whether there was music in them.
    pub folders: Vec<(PathBuf, bool)>,
    /// Files that were given themselves and are not there.
    pub missing: BTreeSet<PathBuf>,
}

impl Scan {
    /// Looks for music in files and folders, through links too. In folders, names decide what may be music, and what
    /// begins with a dot is passed over; a file that is named itself is always taken.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut scan = Scan::default();
        for path in paths {
            match fs::canonicalize(path) {
                Ok(root) if root.is_dir() => scan.folder(root),
                Ok(file) => {
                    let relative = file.file_name().map_or_else(|| file.clone(), PathBuf::from);
                    scan.file(file, relative);
                }
                Err(error) => {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    scan.failures
                        .push(Failure::new(&path, format!("cannot be read: {error}")));
                    scan.missing.insert(path);
                }
            }
        }
        scan
    }

    fn folder(&mut self, root: PathBuf) {
        let before = self.files.len() + self.failures.len();
        let visible =
            |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
        // loops of links are errors of theirs
        let walk = WalkDir::new(&root)
            .follow_links(true)
            .into_iter()
            .filter_entry(visible);
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_music(entry.path()) => {
                    let relative = entry.path().strip_prefix(&root).unwrap_or(entry.path());
                    let relative = relative.to_path_buf();
                    self.file(entry.into_path(), relative);
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(&root).to_path_buf();
                    self.failures
                        .push(Failure::new(&path, format!("cannot be searched: {error}")));
                }
            }
        }
        let found = self.files.len() + self.failures.len() > before;
        self.folders.push((root, found));
    }

    fn file(&mut self, path: PathBuf, relative: PathBuf) {
        if path.to_str().is_none() {
            let reason = "its path is not UTF-8: rename it".to_string();
            return self.failures.push(Failure::new(&path, reason));
        }
        match FileInfo::of(path.clone(), relative) {
            Ok(info) => drop(self.files.insert(path, info)),
            Err(error) => self
                .failures
                .push(Failure::new(&path, format!("cannot be read: {error}"))),
        }
    }

    /// Whether this scan would have found the file if it were there.
    pub fn covers(&self, path: &Path) -> bool {
        self.missing.contains(path)
            || self.files.contains_key(path)
            || self.folders.iter().any(|(folder, _)| path.starts_with(folder))
    }
}

fn is_music(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|e| audio::EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()))
}
