//! Corpora in other layouts than Slakh2100's: where their pieces lie, and which stem is which instrument, in a small TOML.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use walkdir::WalkDir;

use super::{
    CorpusError, Instrument, Split, Stem, StemMetadata,
    instrument::DRUM_PROGRAM,
    stem_files::{AudioFiles, list},
};
use crate::files;

/// The file in a corpus' folder that says how it is laid out, and what its licence is.
pub const MAPPING_FILE: &str = "corpus.toml";

/// Mappings that are known without a file.
const KNOWN: [&str; 2] = [
    include_str!("mappings/musdb18hq.toml"),
    include_str!("mappings/moisesdb.toml"),
];

/// Folders below one another that are searched for pieces.
const DEPTH: usize = 3;

/// What a `corpus.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// What the corpus is called.
    pub name: String,
    /// Its licence, which goes into runs and model cards.
    pub licence: Option<String>,
    /// A file that every piece's folder has, and no other folder; without one, pieces are Slakh2100's.
    pub piece: Option<String>,
    /// Name of the mix in a piece's folder, without its ending.
    pub mix: Option<String>,
    /// Pieces of the validation split, by the names of their folders, whatever folders these are in.
    pub validation: Vec<String>,
    /// Instruments of the stems, by the names of their files without the ending, or of the folders that these are in.
    pub stems: BTreeMap<String, Instrument>,
}

/// A piece that was found.
pub(super) struct Found {
    pub path: PathBuf,
    pub split: Split,
}

impl Mapping {
    /// That of the corpus at `root`, if it has one.
    ///
    /// # Errors
    /// [`CorpusError::Io`]; [`CorpusError::Invalid`] for a file that is no mapping.
    pub(super) fn of_corpus(root: &Path) -> Result<Option<Self>, CorpusError> {
        let path = root.join(MAPPING_FILE);
        let text = match files::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(CorpusError::io("read", &path))?,
        };
        let mapping: Mapping = toml::from_str(&text).map_err(|error| {
            let message = error.message().replace('`', "'");
            CorpusError::invalid(format!(
                "{}: {message}: it may have name, licence, piece, mix, validation and a table [stems] of names and \
                 instruments",
                path.display()
            ))
        })?;
        if mapping.piece.is_some() && mapping.stems.is_empty() {
            let message =
                "it names no stem: say which instrument each is, in [stems], as vocals = \"residuals\"";
            return Err(CorpusError::invalid(format!("{}: {message}", path.display())));
        }
        Ok(Some(mapping))
    }

    /// A known mapping that finds pieces at `root`, and these.
    pub(super) fn known(root: &Path) -> Result<Option<(Self, Vec<Found>)>, CorpusError> {
        for text in KNOWN {
            let mapping: Mapping =
                toml::from_str(text).map_err(|error| CorpusError::invalid(error.to_string()))?;
            // what cannot be listed is no corpus of these
            let found = mapping.pieces(root).unwrap_or_default();
            if !found.is_empty() {
                return Ok(Some((mapping, found)));
            }
        }
        Ok(None)
    }

    /// The pieces below `root`, in the order of their paths. Those below a folder that is called as a split are of it.
    pub(super) fn pieces(&self, root: &Path) -> Result<Vec<Found>, CorpusError> {
        let Some(marker) = &self.piece else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut walk = WalkDir::new(root)
            .follow_links(true)
            .max_depth(DEPTH)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| CorpusError::io("list", root)(error.into()))?;
            if !entry.file_type().is_dir() || !entry.path().join(marker).is_file() {
                continue;
            }
            walk.skip_current_dir();
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let first = below.iter().next().and_then(|name| name.to_str());
            let of_folder = Split::FOLDERS
                .into_iter()
                .find(|split| Some(split.name()) == first);
            let name = entry.file_name().to_string_lossy();
            let split = match self.validation.iter().any(|other| *other == name) {
                true => Split::Validation,
                false => of_folder.unwrap_or(Split::Unsplit),
            };
            found.push(Found {
                path: entry.into_path(),
                split,
            });
        }
        Ok(found)
    }

    /// The stems in a piece's folder, by name: its files, and those of the folders in it.
    pub(super) fn stems_of(&self, piece: &Path) -> Result<Vec<Stem>, CorpusError> {
        let mut stems = Vec::new();
        let mut add = |key: &str, path: PathBuf, name: String| {
            if self.mix.as_deref() == Some(key) {
                return Ok(());
            }
            let instrument = self.stems.get(key).copied().ok_or_else(|| {
                CorpusError::invalid(format!(
                    "{}: no instrument is said for '{key}': add it to [stems] in the corpus' {MAPPING_FILE}",
                    path.display()
                ))
            })?;
            let metadata = metadata_of(instrument);
            stems.push(Stem { name, metadata, path });
            Ok::<_, CorpusError>(())
        };
        for path in AudioFiles::of(piece)?.into_paths() {
            let key = stem_of(&path).to_ascii_lowercase();
            add(&key, path, key.clone())?;
        }
        for folder in list(piece)?.into_iter().filter(|path| path.is_dir()) {
            let key = folder.file_name().unwrap_or_default().to_string_lossy();
            let key = key.to_ascii_lowercase();
            for path in AudioFiles::of(&folder)?.into_paths() {
                let name = format!("{key}-{}", stem_of(&path));
                add(&key, path, name)?;
            }
        }
        stems.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stems)
    }
}

fn stem_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What there would be in a `metadata.yaml`: a program of the instrument.
fn metadata_of(instrument: Instrument) -> StemMetadata {
    let (program, name) = match instrument {
        Instrument::Drums => (DRUM_PROGRAM, "Drums"),
        Instrument::Bass => (33, "Bass"),
        Instrument::Piano => (0, "Piano"),
        Instrument::Guitar => (24, "Guitar"),
        Instrument::Residuals => (52, "Others"),
    };
    StemMetadata {
        audio_rendered: Some(true),
        inst_class: name.into(),
        integrated_loudness: 0.0,
        is_drum: instrument == Instrument::Drums,
        midi_program_name: String::new(),
        midi_saved: false,
        plugin_name: String::new(),
        program_num: program,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mappings that are part of the program read, and give every stem of theirs an instrument.
    #[test]
    fn known_mappings_are_such() {
        let known: Vec<Mapping> = KNOWN.iter().map(|text| toml::from_str(text).unwrap()).collect();
        assert_eq!(known[0].validation.len(), 14);
        assert_eq!(known[0].stems["vocals"], Instrument::Residuals);
        assert_eq!(
            (known[1].stems.len(), known[1].stems["piano"]),
            (11, Instrument::Piano)
        );
        for mapping in known {
            assert!(mapping.licence.is_some() && mapping.piece.is_some());
            for instrument in mapping.stems.values() {
                assert_eq!(metadata_of(*instrument).instrument(), *instrument);
            }
        }
    }
}
