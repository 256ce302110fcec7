//! What is searched by.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{
    Entry, FileInfo, Header, Library, LibraryError, Presence,
    entry::{hash_file, lacks},
    mean::describe_file,
};
use crate::{corpus::Instrument, describe::Describer, files};

/// A piece of music to search by.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// As it was given.
    pub given: PathBuf,
    /// BLAKE3 of its bytes.
    pub hash: String,
    /// The channel that describes it, from 0, where its channels cancel one another.
    pub channel: Option<usize>,
    /// Its row.
    pub vectors: Vec<f32>,
    /// How likely each instrument sounds in it, as [`Entry::presence`].
    pub presence: Option<Presence>,
}

impl Query {
    /// Whether an instrument hardly sounds in it, as far as the model says so.
    pub fn lacks(&self, instrument: Instrument) -> bool {
        lacks(self.presence, instrument)
    }
}

/// Finds queries in a library, or describes them as it was described. The model is loaded when it is needed first.
pub struct Queries<'a, L> {
    library: &'a Library,
    load: L,
    describer: Option<Describer>,
}

impl<'a, L: FnMut(&Header) -> Result<Describer, LibraryError>> Queries<'a, L> {
    /// `load` loads the library's model; it is given the header, which names its runs.
    pub fn new(library: &'a Library, load: L) -> Self {
        Queries {
            library,
            load,
            describer: None,
        }
    }

    /// Finds `given` in the library: by its path, absolute or from here, or from the folder that was embedded, or by its
    /// content. A file that is not there, or has changed, is described.
    ///
    /// # Errors
    /// [`LibraryError::Query`] for what is not there, means several files, or is silent; [`LibraryError::Unlike`] for a
    /// model other than the library's; what reading and describing give.
    pub fn find(&mut self, given: &Path) -> Result<Query, LibraryError> {
        let entry = self.entry(given)?;
        let path = match entry {
            Some(entry) if trusted(entry) => return self.known(given, entry),
            Some(entry) => &entry.file.path,
            None => given,
        };
        if let Err(error) = files::look(path) {
            return Err(match error.kind() {
                io::ErrorKind::NotFound => query(
                    given,
                    "it is not in the library, and there is no file of that name",
                ),
                io::ErrorKind::InvalidInput => query(given, &error.to_string()),
                _ => LibraryError::io("read", path)(error),
            });
        }
        let hash = hash_file(path, &AtomicBool::new(false)).map_err(LibraryError::io("read", path))?;
        let hash = hash.unwrap_or_default(); // nobody stops it
        let same = |entry: &&Entry| entry.hash == hash && !entry.doubtful();
        if let Some(entry) = self.library.entries().iter().find(same) {
            return self.known(given, entry);
        }
        if self.describer.is_none() {
            let describer = (self.load)(self.library.header()).map_err(|error| match error {
                LibraryError::Describe(source) => LibraryError::NoModel {
                    query: given.into(),
                    source: Box::new(source),
                },
                other => other,
            })?;
            let header = Header::of(&describer, self.library.header().stems.as_deref())?;
            self.library.header().check(self.library.root(), &header)?;
            self.describer = Some(describer);
        }
        let (means, channel) = match &mut self.describer {
            Some(describer) => describe_file(describer, self.library.header(), path)?,
            None => (None, None),
        };
        let means = means.ok_or_else(|| query(given, SILENT))?;
        Ok(Query {
            given: given.into(),
            hash,
            channel,
            vectors: means.vectors,
            presence: means.presence,
        })
    }

    /// The entry of that path.
    fn entry(&self, given: &Path) -> Result<Option<&'a Entry>, LibraryError> {
        let entries = self.library.entries();
        let absolute = [fs::canonicalize(given), std::path::absolute(given)];
        let named = absolute.into_iter().flatten().find_map(|path| {
            let place = entries.binary_search_by(|entry| entry.file.path.cmp(&path));
            place.ok().map(|place| &entries[place])
        });
        match named {
            Some(entry) => Ok(Some(entry)),
            // a file here goes before one of the same name there
            None if given.is_file() => Ok(None),
            None => {
                let mut named = entries.iter().filter(|entry| entry.file.relative == given);
                let first = named.next();
                if let (Some(first), Some(second)) = (first, named.next()) {
                    let (a, b) = (first.file.path.display(), second.file.path.display());
                    return Err(query(
                        given,
                        &format!("it may be {a} or {b}: give the whole path"),
                    ));
                }
                Ok(first)
            }
        }
    }

    fn known(&self, given: &Path, entry: &Entry) -> Result<Query, LibraryError> {
        let vectors = self.library.row(entry).ok_or_else(|| query(given, SILENT))?;
        Ok(Query {
            given: given.into(),
            hash: entry.hash.clone(),
            channel: entry.channel,
            vectors: vectors.to_vec(),
            presence: entry.presence,
        })
    }
}

/// Whether the entry's file has not changed since. One that is gone is known all the same.
fn trusted(entry: &Entry) -> bool {
    let now = FileInfo::of(entry.file.path.clone(), entry.file.relative.clone());
    !entry.doubtful()
        && match now {
            Ok(now) => now.unchanged(&entry.file),
            Err(error) => error.kind() != io::ErrorKind::InvalidInput,
        }
}

const SILENT: &str = "it is silent, and silence is like nothing";

fn query(given: &Path, message: &str) -> LibraryError {
    LibraryError::Query {
        query: given.into(),
        message: message.into(),
    }
}
