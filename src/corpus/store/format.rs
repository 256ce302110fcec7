//! The files of a store, and what is believed of them.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    corpus::{CorpusError, Instrument, QuietStretches, Split, segment::MAX_FRAMES},
    files,
};

#[cfg(target_endian = "big")]
compile_error!("a store holds little-endian samples and is mapped as it is");

/// Changes whenever the same corpus would give other bytes, or the files another meaning.
pub const VERSION: u32 = 1;
/// Length of the shortest quiet stretch that a store lists, in samples: enough for segments of 4096 samples or more.
pub const LEAST_QUIET: u64 = 1024;
/// Every instrument begins at a multiple of a cache line.
const ALIGNMENT: u64 = 64;
pub const MANIFEST: &str = "store.json";

/// Bytes from one instrument of a track to the next: its samples, and zeros.
pub fn stride(frames: u64) -> u64 {
    (frames * size_of::<i16>() as u64).next_multiple_of(ALIGNMENT)
}

/// `train/Track00001`, below the store.
pub fn name(split: Split, id: u32) -> String {
    format!("{split}/Track{id:05}")
}

pub fn pcm_path(root: &Path, split: Split, id: u32) -> PathBuf {
    root.join(name(split, id) + ".pcm")
}

pub fn record_path(root: &Path, split: Split, id: u32) -> PathBuf {
    root.join(name(split, id) + ".json")
}

/// A track's own file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Fingerprint of the files that it was made of.
    pub source: String,
    /// What the track is a rendering of; none in stores of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    pub content: Content,
}

/// What is in a track. All numbers are whole, so that its JSON is a function of it, and so is its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub version: u32,
    pub split: Split,
    pub id: u32,
    pub rate: u32,
    pub frames: u64,
    /// Microseconds per quarter note, as MIDI counts them.
    pub beat: Option<u32>,
    /// Whether the beat was found in the sound, and not in a MIDI file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub heard: bool,
    /// Hash of the samples' file.
    pub pcm: String,
    /// Those that play, in the order of [`Instrument::ALL`], which is that of their samples.
    pub parts: Vec<Part>,
}

/// One instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub instrument: Instrument,
    /// Samples that were beyond full scale.
    pub clipped: u64,
    /// Of each quiet stretch, how far it begins after the last one, and its length.
    pub quiet: Vec<(u64, u64)>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Record {
    /// Reads the record of a track and believes nothing that cannot be.
    pub fn read(root: &Path, split: Split, id: u32) -> Result<Self, CorpusError> {
        let path = record_path(root, split, id);
        let record: Record = read_json(&path)?;
        match record.content.fault(split, id) {
            None => Ok(record),
            Some(fault) => Err(CorpusError::store(&path, fault)),
        }
    }
}

impl Content {
    fn fault(&self, split: Split, id: u32) -> Option<String> {
        let ascends = |pair: &[Part]| pair[0].instrument < pair[1].instrument;
        if self.version != VERSION {
            return Some(other_version(self.version));
        }
        if (self.split, self.id) != (split, id) {
            return Some(format!("this is the record of {}", name(self.split, self.id)));
        }
        if !(1..=MAX_FRAMES).contains(&self.frames) || self.rate == 0 || self.beat == Some(0) {
            return Some("its numbers are out of range".into());
        }
        if self.parts.is_empty() || !self.parts.windows(2).all(ascends) {
            return Some("its instruments are not in order".into());
        }
        let broken = self.parts.iter().find(|part| self.quiet(part).is_none())?;
        Some(format!(
            "the quiet stretches of {} are not in order",
            broken.instrument
        ))
    }

    /// Length of the samples' file.
    pub fn pcm_bytes(&self) -> u64 {
        stride(self.frames) * self.parts.len() as u64
    }

    /// The quiet stretches of one of its parts, unless there can be no such.
    pub fn quiet(&self, part: &Part) -> Option<QuietStretches> {
        let mut last = 0u64..0;
        let mut stretches = Vec::with_capacity(part.quiet.len());
        for (i, &(gap, length)) in part.quiet.iter().enumerate() {
            let start = last.start.checked_add(gap)?;
            let next = start..start.checked_add(length)?;
            let ascends = i == 0 || (next.start > last.start && next.end > last.end);
            if !ascends || length < LEAST_QUIET || next.end > self.frames {
                return None;
            }
            stretches.push(next.clone());
            last = next;
        }
        Some(QuietStretches::from_parts(self.frames, LEAST_QUIET, stretches))
    }

    pub fn hash(&self) -> Result<String, CorpusError> {
        let json = serde_json::to_vec(self).map_err(|e| CorpusError::invalid(e.to_string()))?;
        Ok(blake3::hash(&json).to_hex().to_string())
    }
}

/// The inverse of [`Content::quiet`].
pub fn gaps(stretches: &[Range<u64>]) -> Vec<(u64, u64)> {
    let starts = std::iter::once(0).chain(stretches.iter().map(|s| s.start));
    let gap = |(s, before): (&Range<u64>, u64)| (s.start - before, s.end - s.start);
    stretches.iter().zip(starts).map(gap).collect()
}

/// `store.json`: which tracks there are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub rate: u32,
    /// Over all that follows from the corpus' audio and tempo, whatever files it came in.
    pub hash: String,
    /// By split and number.
    pub tracks: Vec<Entry>,
    /// Tracks that could not be read.
    pub left_out: Vec<Name>,
    /// The corpus' licence, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub split: Split,
    pub id: u32,
    /// [`Content::hash`].
    pub hash: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub split: Split,
    pub id: u32,
}

impl Manifest {
    pub fn new(rate: u32, mut contents: Vec<Content>, mut left_out: Vec<Name>) -> Result<Self, CorpusError> {
        contents.sort_by_key(|content| (content.split, content.id));
        left_out.sort_by_key(|name| (name.split, name.id));
        let entry = |content: &Content| {
            Ok(Entry {
                split: content.split,
                id: content.id,
                hash: content.hash()?,
            })
        };
        let tracks = contents
            .iter()
            .map(entry)
            .collect::<Result<Vec<_>, CorpusError>>()?;
        Ok(Manifest {
            version: VERSION,
            rate,
            hash: hash(rate, &tracks),
            tracks,
            left_out,
            licence: None,
        })
    }

    /// # Errors
    /// Also if there is none, which is how an unfinished store looks.
    pub fn read(root: &Path) -> Result<Self, CorpusError> {
        let path = root.join(MANIFEST);
        if !path.exists() {
            return Err(CorpusError::Missing {
                what: "a store's manifest",
                path,
                hint: "the store is not finished, or this is none; run 'stemwise corpus prepare', it continues",
            });
        }
        // The version first: another may have other fields.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = read_json(&path)?;
        if version != VERSION {
            return Err(CorpusError::store(&path, other_version(version)));
        }
        let manifest: Manifest = read_json(&path)?;
        let ascends = |pair: &[Entry]| (pair[0].split, pair[0].id) < (pair[1].split, pair[1].id);
        if manifest.hash != hash(manifest.rate, &manifest.tracks) || !manifest.tracks.windows(2).all(ascends)
        {
            let message = "its hash is not that of what it lists; run 'stemwise corpus prepare' again";
            return Err(CorpusError::store(&path, message));
        }
        Ok(manifest)
    }

    pub fn json(&self) -> Result<String, CorpusError> {
        let json = serde_json::to_string_pretty(self).map_err(|e| CorpusError::invalid(e.to_string()))?;
        Ok(json + "\n")
    }
}

fn hash(rate: u32, tracks: &[Entry]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("stemwise store {VERSION}, {rate} Hz\n").as_bytes());
    for track in tracks {
        hasher.update(format!("{} {}\n", name(track.split, track.id), track.hash).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn other_version(version: u32) -> String {
    format!("it was prepared in format {version}, this reads {VERSION}; run 'stemwise corpus prepare' again")
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, CorpusError> {
    let bytes = files::read(path).map_err(absent("read", path))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("it is damaged ({error}); remove it and run 'stemwise corpus prepare' again");
        CorpusError::store(path, message)
    })
}

/// The error for a file that should be there.
pub fn absent(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CorpusError {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => CorpusError::Missing {
            what: "a part of the store",
            path,
            hint: "run 'stemwise corpus prepare' again",
        },
        _ => CorpusError::io(what, path)(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(quiet: &[(u64, u64)]) -> Content {
        let part = |instrument| Part {
            instrument,
            clipped: 0,
            quiet: quiet.to_vec(),
        };
        Content {
            version: VERSION,
            split: Split::Train,
            id: 7,
            rate: 44_100,
            frames: 100_000,
            beat: Some(500_000),
            heard: false,
            pcm: String::new(),
            parts: vec![part(Instrument::Bass), part(Instrument::Guitar)],
        }
    }

    #[test]
    fn stretches_survive_their_coding() {
        let stretches = vec![0..2000, 900..3000, 50_000..51_024, 60_000..100_000];
        let coded = content(&gaps(&stretches));
        assert_eq!(coded.quiet(&coded.parts[0]).unwrap().stretches(), &stretches[..]);
        assert_eq!(coded.fault(Split::Train, 7), None);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let bad = [
            vec![(0, 1000)],
            vec![(0, 100_001)],
            vec![(u64::MAX, 2000)],
            vec![(10, u64::MAX)],
            vec![(10, 2000), (u64::MAX, 2000)],
            vec![(10, 2000), (0, 3000)],
            vec![(10, 3000), (1, 2999)],
        ];
        for quiet in bad {
            assert!(content(&quiet).fault(Split::Train, 7).is_some(), "{quiet:?}");
        }
        type Edit = fn(&mut Content);
        let edits: [Edit; 8] = [
            |c| c.frames = 0,
            |c| c.frames = u64::MAX,
            |c| c.rate = 0,
            |c| c.beat = Some(0),
            |c| c.version += 1,
            |c| c.id += 1,
            |c| c.parts.clear(),
            |c| c.parts.reverse(),
        ];
        for (i, edit) in edits.into_iter().enumerate() {
            let mut content = content(&[]);
            edit(&mut content);
            assert!(content.fault(Split::Train, 7).is_some(), "{i}");
        }
        assert_eq!((stride(1), stride(32), stride(33)), (64, 64, 128));
    }
}
