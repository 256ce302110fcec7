//! What a library's files say.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{LibraryError, Tags};
use crate::{
    corpus::Instrument,
    describe::Describer,
    files,
    train::{BuiltIn, real},
};

/// Version of the format.
pub(super) const FORMAT: u32 = 1;
/// Numbers of a subspace; more are not learned.
const MOST_DIMENSIONS: usize = 65_536;
/// Names of the files.
pub(super) const HEADER: &str = "library.json";
pub(super) const LOG: &str = "files.jsonl";
pub(super) const ERRORS: &str = "errors.jsonl";
pub(super) const LOCK: &str = ".lock";

/// `library.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format; 1.
    pub format: u32,
    /// Of the model: a hash of front end and weights.
    pub identity: String,
    /// The runs that describe.
    pub runs: Vec<RunName>,
    /// In Hz.
    pub rate: u32,
    /// Samples of a segment.
    pub segment: usize,
    /// Samples from one segment to the next.
    pub hop: usize,
    /// Folder of the stems that another program separated, where these are described and not the music itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stems: Option<PathBuf>,
    /// What a row holds, in order.
    pub subspaces: Vec<Subspace>,
}

/// A run as a header names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunName {
    /// Its folder when the library was last written, or [what is built in](BuiltIn).
    pub folder: PathBuf,
    /// Name of its recipe.
    pub recipe: String,
    /// BLAKE3 of its weights.
    pub weights: String,
}

/// The part of a row that describes an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subspace {
    /// What it describes.
    pub instrument: Instrument,
    /// Its numbers.
    pub dimensions: usize,
}

impl Header {
    /// The header of what a model describes, in segments of the length that it was trained on. A model that hears stems
    /// takes the folder of those that another program separated.
    ///
    /// # Errors
    /// [`DescribeError::NeedsStems`](crate::describe::DescribeError::NeedsStems) for a model that hears no mixes, without
    /// such a folder; [`LibraryError::NeedsMixes`] for one that hears nothing else, with it.
    pub fn of(describer: &Describer, stems: Option<&Path>) -> Result<Self, LibraryError> {
        if stems.is_some() && !describer.hears_stems() {
            return Err(LibraryError::NeedsMixes);
        }
        let runs: Vec<RunName> = describer
            .runs()
            .map(|(folder, recipe, weights)| RunName {
                folder: real(folder),
                recipe: recipe.name.clone(),
                weights: weights.into(),
            })
            .collect();
        if let (true, Some(run), Some(&instrument)) = (
            describer.hears_stems() && stems.is_none(),
            runs.first(),
            describer.instruments().first(),
        ) {
            let folder = run.folder.clone();
            return Err(crate::describe::DescribeError::NeedsStems { folder, instrument }.into());
        }
        let subspaces = describer.instruments().iter().filter_map(|&instrument| {
            let dimensions = describer.dimensions(instrument)?;
            Some(Subspace {
                instrument,
                dimensions,
            })
        });
        let segment = describer.recipe().segment_samples();
        Ok(Header {
            format: FORMAT,
            identity: describer.identity().into(),
            rate: describer.front_end().sample_rate,
            segment,
            hop: segment,
            stems: stems.map(real),
            subspaces: subspaces.collect(),
            runs,
        })
    }

    /// Reads the header of the library `root`; `None` if there is none.
    pub(super) fn read(root: &Path) -> Result<Option<Self>, LibraryError> {
        let path = root.join(HEADER);
        let bytes = match files::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LibraryError::io("read", &path)(error)),
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |error: serde_json::Error| LibraryError::Damaged {
            path: path.clone(),
            message: format!("line {} is not what was written", error.line()),
        };
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(LibraryError::NoLibrary {
                path: root.into(),
                message: format!(
                    "it has format {format}, and this version reads {FORMAT}: use the version that made it, or make it anew"
                ),
            });
        }
        let header: Header = serde_json::from_slice(&bytes).map_err(damaged)?;
        let dimensions = |subspace: &Subspace| (1..=MOST_DIMENSIONS).contains(&subspace.dimensions);
        let subspaces = 1..=Instrument::ALL.len();
        match header.segment > 0
            && subspaces.contains(&header.subspaces.len())
            && header.subspaces.iter().all(dimensions)
        {
            true => Ok(Some(header)),
            false => Err(LibraryError::Damaged {
                path,
                message: "segments or vectors of a length that no model has".into(),
            }),
        }
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.subspaces.iter().map(|subspace| subspace.dimensions).sum()
    }

    /// The built-in model that describes, and the hash of its weights.
    fn built_in(&self) -> Option<(BuiltIn, &str)> {
        let [run] = self.runs.as_slice() else { return None };
        Some((BuiltIn::at(&run.folder).ok()??, &run.weights))
    }

    /// Refuses a model whose vectors cannot be compared with those of the library `root`, whose header this is.
    ///
    /// # Errors
    /// [`LibraryError::OtherWeights`], [`LibraryError::Unlike`], [`LibraryError::OtherSegments`].
    pub fn check(&self, root: &Path, model: &Header) -> Result<(), LibraryError> {
        if let (Some((name, library)), Some((other, here))) = (self.built_in(), model.built_in())
            && name == other
            && library != here
        {
            return Err(LibraryError::OtherWeights {
                path: root.into(),
                model: name,
                library: library.into(),
                here: here.into(),
            });
        }
        if self.identity != model.identity || self.subspaces != model.subspaces {
            return Err(LibraryError::Unlike {
                path: root.into(),
                library: self.identity.clone(),
                model: model.identity.clone(),
            });
        }
        if self.stems != model.stems {
            return Err(LibraryError::OtherStems { path: root.into() });
        }
        if (self.segment, self.hop, self.rate) != (model.segment, model.hop, model.rate) {
            return Err(LibraryError::OtherSegments {
                path: root.into(),
                library: self.segment,
                model: model.segment,
            });
        }
        Ok(())
    }
}

/// What a file of music is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Absolute.
    pub path: PathBuf,
    /// From the folder that was given.
    pub relative: PathBuf,
    /// In bytes.
    pub size: u64,
    /// When its content was written, as it says: nanoseconds since 1970.
    pub modified: i64,
    /// When content, name or rights were changed, as the system says: nanoseconds since 1970. None where no system says
    /// so, and in libraries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<i64>,
    /// Its number in its file system; none in the same cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
}

impl FileInfo {
    /// Looks at the file `path`.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::InvalidInput`] for what is no regular file.
    pub fn of(path: PathBuf, relative: PathBuf) -> io::Result<Self> {
        let data = files::look(&path)?;
        let modified = match data.modified()?.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        };
        let (changed, inode) = identity(&data);
        Ok(FileInfo {
            path,
            relative,
            size: data.len(),
            modified,
            changed,
            inode,
        })
    }

    /// Whether the file is as it was, for all that the system says of it. If not, its content decides.
    pub fn unchanged(&self, before: &FileInfo) -> bool {
        let stamps = |info: &FileInfo| (info.size, info.modified, info.changed, info.inode);
        stamps(self) == stamps(before)
    }
}

/// Time of the last change, and number.
#[cfg(unix)]
fn identity(data: &fs::Metadata) -> (Option<i64>, Option<u64>) {
    use std::os::unix::fs::MetadataExt;
    let seconds = data.ctime().saturating_mul(1_000_000_000);
    (Some(seconds.saturating_add(data.ctime_nsec())), Some(data.ino()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (Option<i64>, Option<u64>) {
    (None, None)
}

/// BLAKE3 of a file's bytes; `None` if it was stopped.
pub(super) fn hash_file(path: &Path, stop: &AtomicBool) -> io::Result<Option<String>> {
    let (mut file, mut hash) = (files::open(path)?, blake3::Hasher::new());
    let mut bytes = vec![0; 1 << 18];
    while !stop.load(Relaxed) {
        match file.read(&mut bytes) {
            Ok(0) => return Ok(Some(hash.finalize().to_hex().to_string())),
            Ok(count) => drop(hash.update(&bytes[..count])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What a content is known and described by, beside its vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// BLAKE3 of its bytes.
    pub hash: String,
    /// Its length.
    pub seconds: f64,
    /// The channel that describes it, from 0, where the channels cancel one another; else all of them do.
    pub channel: Option<usize>,
    /// How likely each instrument sounds in it, as [`Entry::presence`].
    pub presence: Option<Presence>,
    /// What it says of itself, as [`Entry::tags`].
    pub tags: Option<Tags>,
}

/// Probabilities from 0 to 1, in the order of [`Instrument::ALL`].
pub type Presence = [f32; Instrument::ALL.len()];

/// Below this, an instrument counts as absent.
const PRESENT: f32 = 0.5;

/// Whether an instrument hardly sounds, as far as anything says so.
pub(super) fn lacks(presence: Option<Presence>, instrument: Instrument) -> bool {
    presence.is_some_and(|presence| presence[instrument as usize] < PRESENT)
}

/// A file of a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which file it is.
    pub file: FileInfo,
    /// BLAKE3 of its bytes.
    pub hash: String,
    /// Its length.
    pub seconds: f64,
    /// The channel that describes it, from 0, where the channels cancel one another; else all of them do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<usize>,
    /// How likely each instrument sounds in a segment of it: the mean over its segments. None from a model that does not
    /// say so, for a silent file, and in libraries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// What it says of itself. None if it was not asked: in libraries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// Its row of the matrix, and the first half of that row's BLAKE3; none for a silent file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
}

impl Entry {
    /// Whether an instrument hardly sounds in it: its presence is known, and below a half.
    pub fn lacks(&self, instrument: Instrument) -> bool {
        lacks(self.presence, instrument)
    }

    /// Whether the file is known not to be there: a disk that cannot be looked at may hold it.
    pub fn is_gone(&self) -> bool {
        !self.file.path.try_exists().unwrap_or(true)
    }

    /// Whether silence is what an earlier version said, which also said it of channels that cancel one another.
    pub(super) fn doubtful(&self) -> bool {
        cfg!(unix) && self.row.is_none() && self.file.changed.is_none()
    }
}

/// A row of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// From 0.
    pub row: u32,
    /// What the row's bytes hash to.
    pub check: String,
}

impl Row {
    pub(super) fn new(row: u32, values: &[f32]) -> Self {
        Row {
            row,
            check: check(values),
        }
    }
}

/// The first 64 bits of a row's BLAKE3.
pub(super) fn check(values: &[f32]) -> String {
    let mut hash = blake3::Hasher::new();
    for value in values {
        hash.update(&value.to_le_bytes());
    }
    hash.finalize().to_hex()[..16].to_string()
}

/// A line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first: name of the file of vectors.
    Vectors(String),
    /// A file was described, or found again.
    Entry(Box<Entry>),
    /// A file is gone.
    Drop(PathBuf),
}
