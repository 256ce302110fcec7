//! Finding music in folders.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, FileType},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use walkdir::WalkDir;

use super::{Failure, FileInfo};
use crate::{audio, files};

/// What was found.
#[derive(Default)]
pub(super) struct Scan {
    /// By path.
    pub files: BTreeMap<PathBuf, FileInfo>,
    /// What could not be looked at.
    pub failures: Vec<Failure>,
    /// What is in the folders and is not described.
    pub passed: Vec<Passed>,
    /// The folders that were searched, and whether there was music in them.
    pub folders: Vec<(PathBuf, bool)>,
    /// Files that were given themselves and are not there.
    pub missing: BTreeSet<PathBuf>,
    /// It was stopped before all was found.
    pub stopped: bool,
}

/// Something that is passed over.
pub(super) struct Passed {
    /// What things of its kind are called: `.opus`, `named pipe`.
    pub kind: String,
    pub why: Failure,
}

impl Scan {
    /// Looks for music in files and folders, through links too, and finds every file once. In folders, names decide what
    /// may be music, and what begins with a dot is passed over; a file that is named itself is always taken.
    pub fn of(paths: &[PathBuf], stop: &AtomicBool) -> Self {
        let mut walk = Walk {
            scan: Scan::default(),
            stop,
            roots: Vec::new(),
            seen: HashSet::new(),
            links: Vec::new(),
        };
        let mut named = Vec::new();
        for path in paths {
            match fs::canonicalize(path) {
                Ok(root) if root.is_dir() => walk.roots.push(root),
                Ok(file) => named.push(file),
                Err(error) => {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    walk.scan
                        .failures
                        .push(Failure::new(&path, format!("cannot be read: {error}")));
                    walk.scan.missing.insert(path);
                }
            }
        }
        walk.all();
        for file in named {
            if walk.seen.insert(file.clone()) {
                let relative = file.file_name().map_or_else(|| file.clone(), PathBuf::from);
                walk.scan.file(file, relative);
            }
        }
        walk.scan.folders = walk
            .roots
            .iter()
            .map(|root| (root.clone(), walk.scan.found_in(root)))
            .collect();
        walk.scan.stopped = stop.load(Relaxed);
        walk.scan
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

    fn pass(&mut self, kind: &str, path: &Path, reason: String) {
        self.passed.push(Passed {
            kind: kind.into(),
            why: Failure::new(path, reason),
        });
    }

    fn found_in(&self, folder: &Path) -> bool {
        let mut below = self.files.range(folder.to_path_buf()..);
        below.next().is_some_and(|(path, _)| path.starts_with(folder))
            || self
                .failures
                .iter()
                .any(|failure| failure.path.starts_with(folder))
    }

    /// Whether the file is there, but is found under another name, or not at all as it is above the folders.
    pub fn elsewhere(&self, path: &Path) -> bool {
        let below = |passed: &Passed| path != passed.why.path && path.starts_with(&passed.why.path);
        let other = |truth: PathBuf| truth != path && self.files.contains_key(&truth);
        !self.files.contains_key(path)
            && (self.passed.iter().any(below) || fs::canonicalize(path).is_ok_and(other))
    }

    /// Whether this scan would have found the file if it were there.
    pub fn covers(&self, path: &Path) -> bool {
        self.missing.contains(path)
            || self.files.contains_key(path)
            || self.folders.iter().any(|(folder, _)| path.starts_with(folder))
    }
}

/// A search that comes to no place twice.
struct Walk<'a> {
    scan: Scan,
    stop: &'a AtomicBool,
    /// The folders that were given.
    roots: Vec<PathBuf>,
    /// Files and folders that were come to, by their true paths.
    seen: HashSet<PathBuf>,
    /// Links that were come to: they wait until all that is there itself is found.
    links: Vec<Link>,
}

struct Link {
    path: PathBuf,
    /// True path of the folder that it is in.
    within: PathBuf,
    /// The folder that was given.
    root: PathBuf,
}

impl Walk<'_> {
    fn all(&mut self) {
        for root in self.roots.clone() {
            self.folder(&root, &root, &root);
        }
        let mut files = Vec::new();
        while !self.links.is_empty() {
            for link in std::mem::take(&mut self.links) {
                match fs::canonicalize(&link.path) {
                    Ok(truth) if truth.is_dir() => self.linked_folder(&link, &truth),
                    Ok(truth) => files.push((link, truth)),
                    Err(error) => {
                        let reason = format!("the link cannot be followed: {error}");
                        self.scan.failures.push(Failure::new(&link.path, reason));
                    }
                }
            }
        }
        for (link, truth) in files {
            match fs::metadata(&truth) {
                Ok(data) if !data.is_file() => self.other(data.file_type(), &link.path),
                _ => self.file(link.path, truth, &link.root),
            }
        }
    }

    fn linked_folder(&mut self, link: &Link, truth: &Path) {
        if self.seen.contains(truth) {
            return;
        }
        let mut below = self.roots.clone();
        below.push(link.within.clone());
        let below = below.into_iter().find(|folder| folder.starts_with(truth));
        match below {
            None => self.folder(&link.path, truth, &link.root),
            Some(folder) => self.scan.pass(
                "link to a folder above",
                &link.path,
                format!("passed over: {} is above {}", truth.display(), folder.display()),
            ),
        }
    }

    /// What is in the folder `path`, which is `truth` itself or leads there.
    fn folder(&mut self, path: &Path, truth: &Path, root: &Path) {
        let mut walk = WalkDir::new(path).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            if self.stop.load(Relaxed) {
                return;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(path);
                    let reason = match error.io_error() {
                        Some(error) => format!("cannot be searched: {error}"),
                        None => "cannot be searched".into(),
                    };
                    self.scan.failures.push(Failure::new(path, reason));
                    continue;
                }
            };
            let hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
            let below = entry.path().strip_prefix(path).unwrap_or(Path::new(""));
            // joining nothing would add a slash
            let truth = match entry.depth() {
                0 => truth.to_path_buf(),
                _ => truth.join(below),
            };
            let kind = entry.file_type();
            if entry.depth() == 0 || kind.is_dir() {
                if hidden || !self.seen.insert(truth) {
                    walk.skip_current_dir();
                }
            } else if hidden {
            } else if kind.is_symlink() {
                self.links.push(Link {
                    within: truth.parent().unwrap_or(&truth).into(),
                    path: entry.into_path(),
                    root: root.into(),
                });
            } else if kind.is_file() {
                self.file(entry.into_path(), truth, root);
            } else {
                self.other(kind, entry.path());
            }
        }
    }

    /// What is neither folder nor file.
    fn other(&mut self, kind: FileType, path: &Path) {
        let kind = files::kind(kind);
        let reason = format!("passed over: it is a {kind}, not a file");
        self.scan.pass(kind, path, reason);
    }

    /// A file that was found under the name `path`.
    fn file(&mut self, path: PathBuf, truth: PathBuf, root: &Path) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let extension = extension.map(str::to_ascii_lowercase).unwrap_or_default();
        if audio::EXTENSIONS.contains(&extension.as_str()) {
            if self.seen.insert(truth) {
                let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
                self.scan.file(path, relative);
            }
        } else if audio::UNREAD_EXTENSIONS.contains(&extension.as_str()) && self.seen.insert(truth) {
            let reason = format!("passed over: .{extension} is not read; convert it, to FLAC for one");
            self.scan.pass(&format!(".{extension}"), &path, reason);
        }
    }
}
