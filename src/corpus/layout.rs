//! The folders of a corpus: `<root>/{train,validation,test,omitted}/TrackNNNNN/stems/SXX.flac`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    CorpusError, ExcludeList, Instrument, Mapping, Metadata, SPLIT_FILE, Split, StemMetadata,
    exclude::EXCLUDE_FILE,
    mapping::Found,
    split::track_name,
    split_file::read_splits,
    stem_files::{AudioFiles, list, named},
};
use crate::files;

/// A corpus on the disk: its tracks, by split and number. Nothing but folder names has been read.
#[derive(Clone, Debug)]
pub struct Corpus {
    root: PathBuf,
    tracks: Vec<Track>,
    licence: Option<String>,
    selection: Option<String>,
}

impl Corpus {
    /// Finds the tracks under `root`, less what the file [`EXCLUDE_FILE`] there leaves out, if there is one.
    ///
    /// # Errors
    /// As [`Corpus::open_whole`] and [`ExcludeList::read`]; [`CorpusError::Invalid`] if nothing is left.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CorpusError> {
        let corpus = Self::open_whole(root)?;
        let list = ExcludeList::of_corpus(corpus.root())?;
        let mut corpus = corpus.excluding(&list);
        corpus.selection = selection(&corpus.root)?;
        if corpus.tracks.is_empty() {
            let path = corpus.root.join(EXCLUDE_FILE);
            return Err(CorpusError::invalid(format!(
                "{} leaves out every track",
                path.display()
            )));
        }
        Ok(corpus)
    }

    /// Finds all tracks under `root`: in split folders, or directly in `root` if it has none of these; or pieces as a
    /// [`Mapping`] says, of its own or of MUSDB18-HQ and MoisesDB. A table [`SPLIT_FILE`] in the folder assigns splits.
    ///
    /// # Errors
    /// [`CorpusError::Missing`] if there is no such folder or no track in it, [`CorpusError::Io`] if a
    /// folder cannot be listed, [`CorpusError::Invalid`] for a number that occurs twice in one split, or a mapping or a
    /// table that cannot be read.
    pub fn open_whole(root: impl Into<PathBuf>) -> Result<Self, CorpusError> {
        let root = root.into();
        if !root.is_dir() {
            let hint = "give the folder that holds train/, validation/ and test/, or the tracks themselves";
            return Err(CorpusError::Missing {
                what: "the corpus folder",
                path: root,
                hint,
            });
        }
        let mut mapping = Mapping::of_corpus(&root)?.unwrap_or_default();
        let mut tracks = match mapping.piece {
            Some(_) => mapped(&mapping, mapping.pieces(&root)?),
            None => find_all(&root)?,
        };
        if tracks.is_empty()
            && mapping.piece.is_none()
            && let Some((known, found)) = Mapping::known(&root)?
        {
            tracks = mapped(&known, found);
            mapping.licence = mapping.licence.or(known.licence);
        }
        let splits = read_splits(&root)?;
        for track in &mut tracks {
            track.split = splits.get(&track.id).copied().unwrap_or(track.split);
        }
        if tracks.is_empty() {
            let hint = "expected folders TrackNNNNN here, or in train/, validation/, test/; or a corpus.toml that says otherwise";
            return Err(CorpusError::Missing {
                what: "every track",
                path: root,
                hint,
            });
        }
        tracks.sort_by(|a, b| (a.split, a.id, &a.path).cmp(&(b.split, b.id, &b.path)));
        for pair in tracks.windows(2) {
            if (pair[0].split, pair[0].id) == (pair[1].split, pair[1].id) {
                let paths = (pair[0].path.display(), pair[1].path.display());
                return Err(CorpusError::invalid(format!(
                    "{} and {} have the same number",
                    paths.0, paths.1
                )));
            }
        }
        Ok(Self {
            root,
            tracks,
            licence: mapping.licence,
            selection: None,
        })
    }

    /// Without the tracks and stems that `list` leaves out.
    pub fn excluding(mut self, list: &ExcludeList) -> Self {
        self.tracks
            .retain(|track| !list.excludes(track.split, track.id, None));
        for track in &mut self.tracks {
            track.excluded.extend(list.stems(track.split, track.id));
        }
        self
    }

    /// The folder it was opened at.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its licence, if its [`Mapping`] names one.
    pub fn licence(&self) -> Option<&str> {
        self.licence.as_deref()
    }

    /// BLAKE3 of the lists by which tracks were left out and assigned to splits; none without such lists.
    pub fn selection(&self) -> Option<&str> {
        self.selection.as_deref()
    }

    /// All tracks, by split, then number.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The tracks of one split, by number; empty if the corpus has no such split.
    pub fn split(&self, split: Split) -> &[Track] {
        let start = self.tracks.partition_point(|track| track.split < split);
        let end = self.tracks.partition_point(|track| track.split <= split);
        &self.tracks[start..end]
    }
}

/// One song: a folder of stems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The number in the folder's name.
    pub id: u32,
    /// The split whose folder holds it.
    pub split: Split,
    /// The folder.
    pub path: PathBuf,
    /// Names of stems that are left out, as if the track did not have them.
    pub excluded: Vec<String>,
    /// How it is laid out, if not as in Slakh2100.
    pub mapping: Option<Arc<Mapping>>,
}

/// A stem whose audio is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// `S00`, `S01`, …
    pub name: String,
    /// Its entry in the track's `metadata.yaml`.
    pub metadata: StemMetadata,
    /// A file that exists, of one of the formats that are read.
    pub path: PathBuf,
}

impl Stem {
    /// The instrument that this stem is a part of.
    pub fn instrument(&self) -> Instrument {
        self.metadata.instrument()
    }
}

/// The stems of a track: what the metadata and the folder say, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stems {
    /// By name.
    pub present: Vec<Stem>,
    /// Names that the metadata lists and for which there is no file.
    pub missing: Vec<String>,
    /// Audio files in the stems folder that the metadata does not list, by name.
    pub unlisted: Vec<PathBuf>,
    /// Names of stems of which there are several files, and those that are not read.
    pub passed_over: Vec<(String, PathBuf)>,
}

impl Track {
    /// The folder's name, `TrackNNNNN`.
    pub fn name(&self) -> String {
        track_name(self.id)
    }

    /// What it is a rendering of, if its metadata can be read and say so.
    pub fn work(&self) -> Option<String> {
        if self.mapping.is_some() {
            return Some(self.path.file_name()?.to_string_lossy().into_owned());
        }
        let metadata = self.metadata().ok()?;
        metadata.work().map(str::to_string)
    }

    /// Reads `metadata.yaml`.
    ///
    /// # Errors
    /// [`CorpusError::Missing`], [`CorpusError::Io`], or [`CorpusError::Metadata`] with the line that does
    /// not read as it should, or the stem whose name cannot be that of a file.
    pub fn metadata(&self) -> Result<Metadata, CorpusError> {
        if let Some(mapping) = &self.mapping {
            let stems = mapping.stems_of(&self.path)?.into_iter();
            return Ok(Metadata {
                overall_gain: 1.0,
                stems: stems.map(|stem| (stem.name, stem.metadata)).collect(),
                ..Metadata::default()
            });
        }
        let path = named(&self.path, "metadata.yaml");
        let text = match files::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let hint = "without it the stems have no instruments; copy the track again";
                return Err(CorpusError::Missing {
                    what: "a track's metadata.yaml",
                    path,
                    hint,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(CorpusError::Metadata {
                    path,
                    message: "it is not UTF-8 text: copy the track again".into(),
                });
            }
            Err(error) => return Err(CorpusError::io("read", path)(error)),
        };
        Metadata::parse(&text).map_err(|message| CorpusError::Metadata { path, message })
    }

    /// The stems that exist as files, whatever the metadata's flags say, and those that do not. Without those
    /// that are [`Track::excluded`].
    ///
    /// # Errors
    /// As [`Track::metadata`]; [`CorpusError::Io`] if the stems folder cannot be listed. A missing stems folder is
    /// no error: all stems are missing.
    pub fn stems(&self) -> Result<Stems, CorpusError> {
        if let Some(mapping) = &self.mapping {
            let mut present = mapping.stems_of(&self.path)?;
            present.retain(|stem| !self.excluded.contains(&stem.name));
            return Ok(Stems {
                present,
                ..Stems::default()
            });
        }
        let metadata = self.metadata()?;
        let mut files = AudioFiles::of(&named(&self.path, "stems"))?;
        let mut stems = Stems::default();
        for (name, metadata) in metadata.stems {
            let found = files.take(&name);
            if self.excluded.contains(&name) {
                continue;
            }
            let Some((path, others)) = found else {
                stems.missing.push(name);
                continue;
            };
            let others = others.into_iter().map(|path| (name.clone(), path));
            stems.passed_over.extend(others);
            stems.present.push(Stem { name, metadata, path });
        }
        stems.unlisted = files.into_paths();
        Ok(stems)
    }

    /// A file of a stem in a format that is not read, if there is one.
    pub fn stem_in_other_format(&self, stem: &str) -> Option<PathBuf> {
        let files = list(&named(&self.path, "stems")).unwrap_or_default();
        let name = |path: &Path| path.file_stem().map(|name| name.to_string_lossy().into_owned());
        let same = |path: &PathBuf| name(path).is_some_and(|name| name.eq_ignore_ascii_case(stem));
        files.into_iter().find(same)
    }

    /// The existing stems of one instrument, by name; empty if it does not play.
    ///
    /// # Errors
    /// As [`Track::stems`].
    pub fn instrument_stems(&self, instrument: Instrument) -> Result<Vec<Stem>, CorpusError> {
        let mut stems = self.stems()?.present;
        stems.retain(|stem| stem.instrument() == instrument);
        Ok(stems)
    }

    /// Where the MIDI file of the whole piece is, if there is one: `all_src.mid`.
    pub fn midi_path(&self) -> PathBuf {
        named(&self.path, "all_src.mid")
    }

    /// Where the MIDI file of a stem is, if there is one: `MIDI/S00.mid`.
    pub fn stem_midi_path(&self, stem: &str) -> PathBuf {
        named(&named(&self.path, "MIDI"), &format!("{stem}.mid"))
    }

    /// The mixed song: `mix.flac`, `mix.wav` or the like.
    ///
    /// # Errors
    /// [`CorpusError::Missing`]; [`CorpusError::Io`] if the folder cannot be listed.
    pub fn mix_path(&self) -> Result<PathBuf, CorpusError> {
        let hint = "copy the track again, or use the sum of its stems";
        let missing = || CorpusError::Missing {
            what: "mix.flac",
            path: self.path.clone(),
            hint,
        };
        let mix = self.mapping.as_ref().and_then(|mapping| mapping.mix.as_deref());
        let found = AudioFiles::of(&self.path)?.take(mix.unwrap_or("mix"));
        found.map(|(path, _)| path).ok_or_else(missing)
    }
}

/// The tracks of Slakh2100's layout.
fn find_all(root: &Path) -> Result<Vec<Track>, CorpusError> {
    let mut tracks = Vec::new();
    let mut split_folders = false;
    for split in Split::FOLDERS {
        let folder = root.join(split.name());
        if folder.is_dir() {
            split_folders = true;
            find_tracks(&folder, split, &mut tracks)?;
        }
    }
    if !split_folders {
        find_tracks(root, Split::Unsplit, &mut tracks)?;
    }
    Ok(tracks)
}

/// Pieces of another layout as tracks, which are numbered in the order of their paths.
fn mapped(mapping: &Mapping, found: Vec<Found>) -> Vec<Track> {
    let mapping = Arc::new(mapping.clone());
    let track = |(id, Found { path, split })| Track {
        id,
        split,
        path,
        excluded: Vec::new(),
        mapping: Some(mapping.clone()),
    };
    (1..).zip(found).map(track).collect()
}

/// Hash of the lists in a corpus' folder, if there is one.
fn selection(root: &Path) -> Result<Option<String>, CorpusError> {
    let mut hasher = blake3::Hasher::new();
    let mut found = false;
    for name in [EXCLUDE_FILE, SPLIT_FILE] {
        let path = root.join(name);
        match files::read(&path) {
            Ok(bytes) => {
                hasher
                    .update(name.as_bytes())
                    .update(blake3::hash(&bytes).as_bytes());
                found = true;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CorpusError::io("read", path)(error)),
        }
    }
    Ok(found.then(|| hasher.finalize().to_hex().to_string()))
}

fn find_tracks(folder: &Path, split: Split, tracks: &mut Vec<Track>) -> Result<(), CorpusError> {
    for path in list(folder)? {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        let id = name.strip_prefix("Track").and_then(|digits| digits.parse().ok());
        if let Some(id) = id.filter(|_| path.is_dir()) {
            tracks.push(Track {
                id,
                split,
                path,
                excluded: Vec::new(),
                mapping: None,
            });
        }
    }
    Ok(())
}
