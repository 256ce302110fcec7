//! Adding to a library, so that a crash loses nothing that was finished.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    Content, Entry, Failure, FileInfo, Header, LibraryError, Row,
    entry::{ERRORS, HEADER, LOCK, LOG, Line},
    reader::{Log, Vectors, generation, is_vectors},
};
use crate::files::{self, Lock, PARTIAL_PREFIX, write_atomically};

/// The one process that adds to a library.
pub struct Writer {
    root: PathBuf,
    header: Header,
    entries: BTreeMap<PathBuf, Entry>,
    /// An entry of every content that was there since this writer began, its file may be dropped by now: the row is not.
    contents: HashMap<String, Entry>,
    vectors: (String, File),
    log: File,
    errors: File,
    rows: u32,
    /// Lines of the log after its first.
    lines: usize,
    _lock: Lock,
}

impl Writer {
    /// Takes the library `root`, or makes it: a new or an empty folder. Removes what a killed process left half-written.
    ///
    /// # Errors
    /// [`LibraryError::Unlike`] for a library of another model, [`LibraryError::Locked`], [`LibraryError::NoLibrary`] for
    /// a folder of other things, [`LibraryError::Damaged`], or what the system says.
    pub fn open(root: &Path, header: &Header) -> Result<Self, LibraryError> {
        fs::create_dir_all(root).map_err(LibraryError::io("create", root))?;
        let known = [HEADER, LOG, ERRORS, LOCK];
        let names = names(root)?;
        let ours = |name: &String| {
            known.contains(&name.as_str()) || is_vectors(name) || name.starts_with(PARTIAL_PREFIX)
        };
        if !names.iter().any(|name| name == LOCK || name == HEADER) && !names.iter().all(ours) {
            let message = "the folder is not empty: give an empty or a new one".into();
            return Err(LibraryError::NoLibrary {
                path: root.into(),
                message,
            });
        }
        let path = root.join(LOCK);
        let lock = Lock::take(&path).map_err(LibraryError::io("lock", &path))?;
        let lock = lock.ok_or_else(|| LibraryError::Locked { path: root.into() })?;
        match Header::read(root)? {
            Some(before) => before.check(root, header)?,
            None => {
                // the log first: where there is a header, there is a log
                new_log(root, "vectors-0.f32", &[], &[])?;
            }
        }
        if Header::read(root)?.as_ref() != Some(header) {
            // a new library, or runs that have moved
            let text = serde_json::to_string_pretty(header).map_err(io::Error::from);
            let text = text.map_err(LibraryError::io("write", root))?;
            write_atomically(&root.join(HEADER), |file| writeln!(file, "{text}"))?;
        }
        let log = Log::read(root)?;
        Vectors::open(root, &log, header.width())?.verify(root, &log)?;
        for name in &names {
            if name.starts_with(PARTIAL_PREFIX) || (is_vectors(name) && *name != log.vectors) {
                let _ = fs::remove_file(root.join(name)); // the next writer tries again
            }
        }
        let (log_file, vectors) = (append(root, LOG)?, append(root, &log.vectors)?);
        let cut = |file: &File, name: &str, len: u64| {
            file.set_len(len)
                .map_err(LibraryError::io("shorten", &root.join(name)))
        };
        cut(&log_file, LOG, log.bytes)?;
        cut(
            &vectors,
            &log.vectors,
            u64::from(log.rows) * header.width() as u64 * 4,
        )?;
        let contents = log
            .entries
            .values()
            .filter(|entry| !entry.doubtful())
            .map(|entry| (entry.hash.clone(), entry.clone()));
        Ok(Writer {
            root: root.into(),
            header: header.clone(),
            contents: contents.collect(),
            entries: log.entries,
            vectors: (log.vectors, vectors),
            log: log_file,
            errors: append(root, ERRORS)?,
            rows: log.rows,
            lines: log.lines,
            _lock: lock,
        })
    }

    /// What it holds, by path.
    pub fn entries(&self) -> &BTreeMap<PathBuf, Entry> {
        &self.entries
    }

    /// The contents that are in the library.
    pub(super) fn hashes(&self) -> HashSet<String> {
        self.contents.keys().cloned().collect()
    }

    /// An entry of a content that is in the library, or was since this writer began.
    pub fn of_hash(&self, hash: &str) -> Option<&Entry> {
        self.contents.get(hash)
    }

    /// Adds a file that was described; `values` is its row, none if it is silent. Afterwards it is on the disk.
    ///
    /// # Errors
    /// What the system says, as to a full disk.
    pub fn add(
        &mut self,
        file: FileInfo,
        content: Content,
        values: Option<&[f32]>,
    ) -> Result<(), LibraryError> {
        let row = match values {
            None => None,
            Some(values) => {
                let path = self.root.join(&self.vectors.0);
                let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                let written = self.vectors.1.write_all(&bytes);
                let synced = written.and_then(|()| self.vectors.1.sync_data());
                synced.map_err(LibraryError::io("write", &path))?;
                self.rows += 1;
                Some(Row::new(self.rows - 1, values))
            }
        };
        self.put(Entry {
            file,
            hash: content.hash,
            seconds: content.seconds,
            channel: content.channel,
            presence: content.presence,
            tags: content.tags,
            row,
        })
    }

    /// Adds or replaces an entry whose row is there.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn put(&mut self, entry: Entry) -> Result<(), LibraryError> {
        self.line(&Line::Entry(Box::new(entry.clone())))?;
        self.contents.insert(entry.hash.clone(), entry.clone());
        self.entries.insert(entry.file.path.clone(), entry);
        Ok(())
    }

    /// Drops a file, if it is there.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn remove(&mut self, path: &Path) -> Result<(), LibraryError> {
        if self.entries.contains_key(path) {
            self.line(&Line::Drop(path.into()))?;
            self.entries.remove(path);
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> Result<(), LibraryError> {
        let path = self.root.join(LOG);
        let text = serde_json::to_string(line).map_err(io::Error::from);
        let written = text.and_then(|text| self.log.write_all(format!("{text}\n").as_bytes()));
        let synced = written.and_then(|()| self.log.sync_data());
        synced.map_err(LibraryError::io("write", &path))?;
        self.lines += 1;
        Ok(())
    }

    /// Begins the list of errors anew; what is said of files that `again` does not concern is kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin_errors(&mut self, again: impl Fn(&Path) -> bool) -> Result<(), LibraryError> {
        let path = self.root.join(ERRORS);
        let text = files::read(&path).map_err(LibraryError::io("read", &path))?;
        let text = String::from_utf8_lossy(&text);
        // a line that a killed process cut off is no loss: its file is tried again
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| serde_json::from_str(line).is_ok_and(|failure: Failure| !again(&failure.path)))
            .collect();
        write_atomically(&path, |file| {
            kept.iter().try_for_each(|line| writeln!(file, "{line}"))
        })?;
        self.errors = append(&self.root, ERRORS)?;
        Ok(())
    }

    /// Notes a file that could not be described.
    ///
    /// # Errors
    /// What the system says.
    pub fn note(&mut self, failure: &Failure) -> Result<(), LibraryError> {
        let text = serde_json::to_string(failure).map_err(io::Error::from);
        let written = text.and_then(|text| self.errors.write_all(format!("{text}\n").as_bytes()));
        written.map_err(LibraryError::io("write", &self.root.join(ERRORS)))
    }

    /// Ends the work: log and matrix in the order of paths, without what was dropped.
    ///
    /// # Errors
    /// What the system says; the library is then as it was.
    pub fn finish(self) -> Result<(), LibraryError> {
        let mut place: HashMap<u32, u32> = HashMap::new();
        let mut order = Vec::new();
        for row in self.entries.values().filter_map(|entry| entry.row.as_ref()) {
            place.entry(row.row).or_insert_with(|| {
                order.push(row.row);
                order.len() as u32 - 1
            });
        }
        let ordered = order.iter().copied().eq(0..self.rows);
        if ordered && self.lines == self.entries.len() && self.in_order()? {
            return Ok(());
        }
        let entries: Vec<Entry> = self
            .entries
            .values()
            .map(|entry| {
                let mut entry = entry.clone();
                if let Some(row) = &mut entry.row {
                    row.row = place.get(&row.row).copied().unwrap_or(row.row);
                }
                entry
            })
            .collect();
        let log = Log::read(&self.root)?;
        let vectors = Vectors::open(&self.root, &log, self.header.width())?;
        let rows: Option<Vec<&[f32]>> = order.iter().map(|&row| vectors.row(row)).collect();
        let rows = rows.ok_or_else(|| LibraryError::Damaged {
            path: self.root.join(&self.vectors.0),
            message: "a row is missing".into(),
        })?;
        let next = generation(&self.vectors.0).unwrap_or(0).wrapping_add(1);
        let name = format!("vectors-{next}.f32");
        new_log(&self.root, &name, &entries, &rows)?;
        drop(vectors);
        let _ = fs::remove_file(self.root.join(&self.vectors.0)); // the next writer tries again
        Ok(())
    }

    /// Whether the log's lines are in the order of their paths.
    fn in_order(&self) -> Result<bool, LibraryError> {
        let path = self.root.join(LOG);
        let text = files::read_to_string(&path).map_err(LibraryError::io("read", &path))?;
        let lines = text.lines().skip(1).map(|line| match serde_json::from_str(line) {
            Ok(Line::Entry(entry)) => Some(entry.file.path),
            _ => None,
        });
        let paths: Option<Vec<PathBuf>> = lines.collect();
        Ok(paths.is_some_and(|paths| paths.is_sorted()))
    }
}

/// Writes a matrix, and then the log that speaks of it.
fn new_log(root: &Path, name: &str, entries: &[Entry], rows: &[&[f32]]) -> Result<(), LibraryError> {
    write_atomically(&root.join(name), |file| {
        let mut values = rows.iter().flat_map(|row| row.iter());
        values.try_for_each(|x| file.write_all(&x.to_le_bytes()))
    })?;
    write_atomically(&root.join(LOG), |file| {
        let lines = entries.iter().map(|entry| Line::Entry(Box::new(entry.clone())));
        for line in [Line::Vectors(name.into())].into_iter().chain(lines) {
            writeln!(file, "{}", serde_json::to_string(&line)?)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn append(root: &Path, name: &str) -> Result<File, LibraryError> {
    let path = root.join(name);
    let file = File::options().create(true).append(true).open(&path);
    file.map_err(LibraryError::io("write", &path))
}

fn names(root: &Path) -> Result<Vec<String>, LibraryError> {
    let entries = fs::read_dir(root).map_err(LibraryError::io("list", root))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names
        .collect::<io::Result<_>>()
        .map_err(LibraryError::io("list", root))
}
