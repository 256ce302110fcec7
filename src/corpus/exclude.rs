//! What is left out of a corpus: tracks and stems, in a text file that a person can read and edit.

use std::{fmt, io, path::Path};

use super::{CorpusError, Split, stem_files::is_stem_name};
use crate::files::{self, write_atomically};

/// The list in the folder of a corpus that [`super::Corpus::open`] honours.
pub const EXCLUDE_FILE: &str = "exclude.txt";

const HEADER: &str = "\
# Tracks and stems that are left out, one a line: Track00123, or Track00357/S03; with the split in
# front, as in train/Track00123, if several splits have a track of that number. Named exclude.txt
# in the folder of the corpus, this list is honoured by everything that reads the corpus.
";

/// A track or a stem that is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exclusion {
    /// The split that is meant; `None` for all that have a track of this number.
    pub split: Option<Split>,
    /// The track's number.
    pub track: u32,
    /// One stem of it; `None` for the whole track.
    pub stem: Option<String>,
    /// Why, on one line.
    pub reason: String,
}

/// Tracks and stems that are left out of a corpus.
///
/// As a file: one a line, `Track00123` or `Track00357/S03`, both with an optional split in front
/// (`train/Track00123`). What follows a `#` is the reason, or a remark. Tracks that the corpus does not have do no
/// harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcludeList {
    /// In the order of the file.
    pub entries: Vec<Exclusion>,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = format!("Track{:05}", self.track);
        if let Some(split) = self.split {
            name = format!("{split}/{name}");
        }
        if let Some(stem) = &self.stem {
            name = format!("{name}/{stem}");
        }
        match self.reason.as_str() {
            "" => f.write_str(&name),
            reason => write!(f, "{name}  # {reason}"),
        }
    }
}

impl ExcludeList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`CorpusError::Io`]; [`CorpusError::Invalid`] with the number of a line that is neither a track nor a stem.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        Ok(Self::read_text(path)?.1)
    }

    fn read_text(path: &Path) -> Result<(String, Self), CorpusError> {
        let text = files::read_to_string(path).map_err(CorpusError::io("read", path))?;
        let mut entries = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let parsed = parse(line).map_err(|what| {
                CorpusError::invalid(format!(
                    "{}, line {number}: {what}: write Track00123 or Track00357/S03, and remarks behind a #",
                    path.display()
                ))
            })?;
            entries.extend(parsed);
        }
        Ok((text, Self { entries }))
    }

    /// The list of the corpus at `root`, [`EXCLUDE_FILE`]; an empty one if it has none.
    ///
    /// # Errors
    /// As [`ExcludeList::read`].
    pub fn of_corpus(root: &Path) -> Result<Self, CorpusError> {
        let path = root.join(EXCLUDE_FILE);
        // a link to nothing is not the same as no list
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            _ => Self::read(&path),
        }
    }

    /// Adds to the file `path` what it does not leave out already, and returns how many entries that were. A file
    /// that exists keeps every line it has; a new one begins with a comment that says what it is.
    ///
    /// # Errors
    /// As [`ExcludeList::read`] for an existing file; [`CorpusError::Invalid`] for a stem of a name that would not read
    /// back; [`CorpusError::File`] if it cannot be written.
    pub fn add_to(&self, path: &Path) -> Result<usize, CorpusError> {
        let (mut text, old) = match Self::read_text(path) {
            Err(CorpusError::Io(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                (HEADER.to_string(), Self::default())
            }
            other => other?,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let new = self.without(&old).entries;
        for entry in &new {
            if let Some(stem) = entry.stem.as_deref().filter(|stem| !is_stem_name(stem)) {
                let message = format!("Track{:05} cannot have a stem {stem:?} to leave out", entry.track);
                return Err(CorpusError::invalid(message));
            }
            text.push_str(&format!("{entry}\n"));
        }
        write_atomically(path, |file| file.write_all(text.as_bytes()))?;
        Ok(new.len())
    }

    /// The entries that `other` does not leave out.
    pub fn without(&self, other: &ExcludeList) -> Self {
        let entries = self.entries.iter().filter(|entry| !other.covers(entry));
        Self {
            entries: entries.cloned().collect(),
        }
    }

    /// Whether a track is left out (`stem` = `None`), or a stem of it: by itself or with its track.
    pub fn excludes(&self, split: Split, track: u32, stem: Option<&str>) -> bool {
        let of_track = |e: &&Exclusion| e.track == track && e.split.is_none_or(|s| s == split);
        let mut entries = self.entries.iter().filter(of_track);
        entries.any(|e| e.stem.is_none() || (stem.is_some() && e.stem.as_deref() == stem))
    }

    /// The stems of a track that are listed by themselves.
    pub fn stems(&self, split: Split, track: u32) -> Vec<String> {
        let of_track = |e: &&Exclusion| e.track == track && e.split.is_none_or(|s| s == split);
        let entries = self.entries.iter().filter(of_track);
        entries.filter_map(|e| e.stem.clone()).collect()
    }

    fn covers(&self, entry: &Exclusion) -> bool {
        self.entries.iter().any(|e| {
            e.track == entry.track
                && (e.split.is_none() || e.split == entry.split)
                && (e.stem.is_none() || e.stem == entry.stem)
        })
    }
}

/// One line: an entry, nothing, or what is wrong with it.
fn parse(line: &str) -> Result<Option<Exclusion>, String> {
    let (name, reason) = line.split_once('#').unwrap_or((line, ""));
    let name = name.trim();
    if name.is_empty() {
        return Ok(None);
    }
    let mut parts = name.split('/').peekable();
    let split = parts.peek().and_then(|part| part.parse().ok());
    if split.is_some() {
        parts.next();
    }
    let digits = parts.next().and_then(|part| part.strip_prefix("Track"));
    let track = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let stem = parts.next().map(String::from);
    match track.and_then(|digits| digits.parse().ok()) {
        Some(track) if parts.next().is_none() && stem.as_deref().is_none_or(is_stem_name) => {
            Ok(Some(Exclusion {
                split,
                track,
                stem,
                reason: reason.trim().into(),
            }))
        }
        _ => Err(format!("'{name}' is neither a track nor a stem")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_keeps_what_a_person_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exclude.txt");
        let entry = |split, track, stem: Option<&str>, reason: &str| Exclusion {
            split,
            track,
            stem: stem.map(String::from),
            reason: reason.into(),
        };
        let list = ExcludeList {
            entries: vec![
                entry(None, 123, None, "cannot be read"),
                entry(None, 357, Some("S03"), "white noise # really"),
                entry(Some(Split::Train), 7, None, ""),
                entry(Some(Split::Test), 7, Some("S01"), "a tone"),
            ],
        };
        assert_eq!(list.add_to(&path).unwrap(), 4);
        assert_eq!(ExcludeList::read(&path).unwrap(), list);
        assert_eq!(list.add_to(&path).unwrap(), 0);

        let by_hand = "# mine\n\ntrain/Track00009 # dull\n  Track00123/S00\t#a remark";
        fs::write(&path, by_hand).unwrap();
        assert_eq!(
            list.add_to(&path).unwrap(),
            4,
            "a stem of a track is not the track"
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(by_hand) && text.lines().count() == 8, "{text}");
        assert_eq!(ExcludeList::read(&path).unwrap().entries.len(), 6);
    }

    #[test]
    fn every_name_that_a_stem_can_have_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exclude.txt");
        let list = |names: &[&str]| ExcludeList {
            entries: names
                .iter()
                .map(|&name| Exclusion {
                    split: Some(Split::Train),
                    track: 1,
                    stem: Some(name.into()),
                    reason: "C# / D".into(),
                })
                .collect(),
        };
        let usable = list(&[
            "S00",
            "lead_guitar-2",
            "bass.take.1",
            "7",
            "-",
            "Flöte",
            "train",
            "Track00002",
        ]);
        usable.add_to(&path).unwrap();
        assert_eq!(ExcludeList::read(&path).unwrap(), usable);

        let before = fs::read(&path).unwrap();
        let unusable = [
            "",
            "Lead Guitar",
            "C#1",
            "a/b",
            "../S00",
            ".hidden",
            "a\\b",
            "S\n1",
            "S:1",
            "\u{feff}S",
        ];
        for name in unusable {
            assert!(!is_stem_name(name), "{name}");
            let error = list(&["S01", name]).add_to(&path).unwrap_err();
            assert!(matches!(error, CorpusError::Invalid { .. }), "{name}: {error}");
        }
        assert_eq!(fs::read(&path).unwrap(), before, "nothing was added");
    }

    #[test]
    fn a_track_takes_its_stems_with_it_and_a_split_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        fs::write(
            &path,
            "Track00002\nTrack3/S01\ntest/Track00004\ntest/Track5/S01\n",
        )
        .unwrap();
        let list = ExcludeList::read(&path).unwrap();
        let out = |split, track, stem| list.excludes(split, track, stem);
        use Split::{Test, Train};
        assert!(out(Train, 2, None) && out(Test, 2, Some("S09")));
        assert!(!out(Train, 3, None) && out(Train, 3, Some("S01")) && !out(Train, 3, Some("S02")));
        assert!(out(Test, 4, None) && !out(Train, 4, None));
        assert!(out(Test, 5, Some("S01")) && !out(Train, 5, Some("S01")));
        assert_eq!(list.stems(Train, 3), ["S01"]);
        assert!(list.stems(Train, 5).is_empty());
    }

    #[test]
    fn a_line_that_is_neither_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let lines = [
            "Trak00002",
            "Track00002 S01",
            "Track00002/",
            "Track00002/S01/x",
            "Track",
            "Track+3",
            "all/Track00002",
            "Track00002/S01 S02",
        ];
        for wrong in lines {
            fs::write(&path, format!("# fine\nTrack00001\n{wrong}\n")).unwrap();
            let error = ExcludeList::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("line 3") && error.contains("list"),
                "{wrong}: {error}"
            );
        }
    }
}
