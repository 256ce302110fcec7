//! A library as it is on the disk.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use memmap2::Mmap;

use super::{
    Entry, Header, LibraryError,
    entry::{LOG, Line, check},
    search::Space,
};
use crate::files;

/// A library, opened to be searched.
pub struct Library {
    root: PathBuf,
    header: Header,
    /// In the order of their paths.
    entries: Vec<Entry>,
    vectors: Vectors,
    /// How far apart its files usually are, once it was asked.
    space: OnceLock<Space>,
}

impl Library {
    /// Opens the library `root`. Another process may be adding to it: what it finished is seen.
    ///
    /// # Errors
    /// [`LibraryError::NoLibrary`], [`LibraryError::Damaged`], or what the system says.
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        let header = Header::read(root)?.ok_or_else(|| LibraryError::NoLibrary {
            path: root.into(),
            message: "there is no library.json in it; make one with 'stemwise embed'".into(),
        })?;
        // A writer that ends replaces the log first and then removes the old vectors: look again.
        let mut tried = 0;
        let (log, vectors) = loop {
            let log = Log::read(root)?;
            match Vectors::open(root, &log, header.width()) {
                Err(LibraryError::Io(error))
                    if error.source.kind() == io::ErrorKind::NotFound && tried < 3 =>
                {
                    tried += 1;
                }
                opened => break (log, opened?),
            }
        };
        Ok(Library {
            root: root.into(),
            header,
            entries: log.entries.into_values().collect(),
            vectors,
            space: OnceLock::new(),
        })
    }

    /// The file that grows with every file of music, in the library `root`: if its size and time are what they were, so is
    /// the library.
    pub fn log(root: &Path) -> PathBuf {
        root.join(LOG)
    }

    /// Where a row's instruments lie, and how far apart files usually are. Takes two passes over all vectors, once.
    pub(super) fn space(&self) -> &Space {
        self.space.get_or_init(|| Space::of(self))
    }

    /// Does once what the first search would: then that is as fast as all others.
    pub fn prepare(&self) {
        self.space();
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it was made with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its files, in the order of their paths.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The vectors of a file, one after another; `None` for a silent one.
    pub fn row(&self, entry: &Entry) -> Option<&[f32]> {
        self.vectors.row(entry.row.as_ref()?.row)
    }
}

/// The matrix, mapped.
pub(super) struct Vectors {
    /// None for no bytes, which cannot be mapped.
    map: Option<Mmap>,
    width: usize,
}

impl Vectors {
    /// Maps the file that `log` names.
    pub fn open(root: &Path, log: &Log, width: usize) -> Result<Self, LibraryError> {
        let path = root.join(&log.vectors);
        let file = files::open(&path).map_err(LibraryError::io("read", &path))?;
        let bytes = file.metadata().map_err(LibraryError::io("read", &path))?.len();
        let needed = u64::from(log.rows) * width as u64 * 4;
        if bytes < needed {
            let message = format!("it has {bytes} bytes, and the log speaks of {needed}");
            return Err(LibraryError::Damaged { path, message });
        }
        // SAFETY: only this crate writes to it, and never to rows that the log speaks of. Whoever cuts the file off
        // under us kills the process, and nothing else.
        let map = (needed > 0).then(|| unsafe { Mmap::map(&file) });
        Ok(Vectors {
            map: map.transpose().map_err(LibraryError::io("map", &path))?,
            width,
        })
    }

    pub fn row(&self, row: u32) -> Option<&[f32]> {
        let start = row as usize * self.width * 4;
        let bytes = self.map.as_ref()?.get(start..start + self.width * 4)?;
        // the map begins at a page
        bytemuck::try_cast_slice(bytes).ok()
    }

    /// Refuses rows that are not what was written.
    pub fn verify(&self, root: &Path, log: &Log) -> Result<(), LibraryError> {
        for entry in log.entries.values() {
            let Some(row) = &entry.row else { continue };
            if self.row(row.row).is_none_or(|values| check(values) != row.check) {
                return Err(LibraryError::Damaged {
                    path: root.join(&log.vectors),
                    message: format!(
                        "the vectors of {} are not what was written",
                        entry.file.path.display()
                    ),
                });
            }
        }
        Ok(())
    }
}

/// What the log says.
pub(super) struct Log {
    /// Name of the file of vectors.
    pub vectors: String,
    pub entries: BTreeMap<PathBuf, Entry>,
    /// Rows that it speaks of, dropped ones too.
    pub rows: u32,
    /// Lines after the first.
    pub lines: usize,
    /// Bytes up to the end of the last whole line.
    pub bytes: u64,
}

impl Log {
    pub fn read(root: &Path) -> Result<Self, LibraryError> {
        let path = root.join(LOG);
        let bytes = files::read(&path).map_err(LibraryError::io("read", &path))?;
        // a writer may be in the middle of a line, or have been killed there
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let mut log = Log {
            vectors: String::new(),
            entries: BTreeMap::new(),
            rows: 0,
            lines: 0,
            bytes: whole as u64,
        };
        let damaged = |number: usize, message: String| LibraryError::Damaged {
            path: path.clone(),
            message: format!("line {number}: {message}"),
        };
        for (number, line) in (1..).zip(bytes[..whole].split_inclusive(|&b| b == b'\n')) {
            let line = serde_json::from_slice(line)
                .map_err(|_| damaged(number, "it is not what was written".into()))?;
            log.lines += usize::from(number > 1);
            match line {
                Line::Vectors(name) if number == 1 && is_vectors(&name) => log.vectors = name,
                Line::Entry(entry) if number > 1 => {
                    let rows = entry.row.as_ref().map_or(0, |row| row.row.saturating_add(1));
                    log.rows = log.rows.max(rows);
                    log.entries.insert(entry.file.path.clone(), *entry);
                }
                Line::Drop(path) if number > 1 => {
                    log.entries.remove(&path);
                }
                _ => return Err(damaged(number, "it does not belong there".into())),
            }
        }
        match log.vectors.is_empty() {
            true => Err(damaged(1, "the file of vectors is not named".into())),
            false => Ok(log),
        }
    }
}

/// Whether a file may be one of vectors: `vectors-<number>.f32`.
pub(super) fn is_vectors(name: &str) -> bool {
    generation(name).is_some()
}

/// The number of a file of vectors.
pub(super) fn generation(name: &str) -> Option<u64> {
    name.strip_prefix("vectors-")?.strip_suffix(".f32")?.parse().ok()
}
