//! The MIDI files of a folder, and what becomes of each.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::{Notice, RenderEvent, RenderOptions, piece::Piece};
use crate::corpus::{CorpusError, Split};

const EXTENSIONS: [&str; 4] = ["mid", "midi", "kar", "rmi"];
/// The largest number of a track.
const MAX_TRACKS: usize = 99_999;

/// A piece that becomes a track.
pub(super) struct Entry {
    pub number: u32,
    pub split: Split,
    /// Relative to the collection, with `/` on every system.
    pub source: String,
    pub path: PathBuf,
    pub content: [u8; 32],
}

/// The pieces that become tracks, in the order of their paths, and what there is to say of the others.
pub(super) struct Collection {
    pub entries: Vec<Entry>,
    pub notices: Vec<Notice>,
}

/// What is remembered of a piece.
struct Outline {
    content: [u8; 32],
    endless: usize,
    lacks: Option<&'static str>,
}

impl Collection {
    /// Reads all files below `folder`; `None` if it was stopped.
    ///
    /// # Errors
    /// [`CorpusError::Missing`] without the folder; [`CorpusError::Invalid`] without a usable piece or with too many;
    /// [`CorpusError::Io`] if a folder cannot be listed.
    pub fn read(
        folder: &Path,
        options: &RenderOptions,
        stop: &AtomicBool,
        observer: &(dyn Fn(RenderEvent) + Sync),
    ) -> Result<Option<Self>, CorpusError> {
        let mut files = Vec::new();
        find(folder, "", &mut files)?;
        files.sort();
        let (done, total) = (AtomicUsize::new(0), files.len());
        let outlines: Vec<Option<Result<Outline, String>>> = files
            .par_iter()
            .map(|(_, path)| {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let outline = outline(path, options);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                observer(RenderEvent::Read { done, total });
                Some(outline)
            })
            .collect();
        let mut collection = Collection {
            entries: Vec::new(),
            notices: Vec::new(),
        };
        let mut seen: BTreeMap<[u8; 32], String> = BTreeMap::new();
        for ((source, path), outline) in files.into_iter().zip(outlines) {
            let Some(outline) = outline else { return Ok(None) };
            let Outline {
                content,
                endless,
                lacks,
            } = match outline {
                Ok(outline) => outline,
                Err(reason) => {
                    collection.skip(source, reason);
                    continue;
                }
            };
            if let Some(instrument) = lacks {
                collection.skip(source, format!("it has no {instrument}"));
            } else if let Some(first) = seen.get(&content) {
                collection.skip(source, format!("it is the same music as {first}"));
            } else {
                if endless > 0 {
                    collection.notices.push(Notice {
                        source: source.clone(),
                        message: format!("notes without an end, held until the piece ends: {endless}"),
                        skipped: false,
                    });
                }
                seen.insert(content, source.clone());
                collection.entries.push(Entry {
                    number: 0,
                    split: split(content, options.shares),
                    source,
                    path,
                    content,
                });
            }
        }
        collection.number(folder, total, options)?;
        Ok(Some(collection))
    }

    fn skip(&mut self, source: String, message: String) {
        self.notices.push(Notice {
            source,
            message,
            skipped: true,
        });
    }

    fn number(&mut self, folder: &Path, total: usize, options: &RenderOptions) -> Result<(), CorpusError> {
        let folder = folder.display();
        if total == 0 {
            return Err(CorpusError::invalid(format!(
                "there is no MIDI file (.mid, .midi, .kar, .rmi) in {folder}"
            )));
        }
        if self.entries.is_empty() {
            let reason = self.notices.first();
            let reason = reason.map_or(String::new(), |n| format!("; {}: {}", n.source, n.message));
            return Err(CorpusError::invalid(format!(
                "none of the {total} MIDI files in {folder} can be used{reason}"
            )));
        }
        if let Some(most) = options.pieces {
            self.entries.truncate(most);
        }
        if self.entries.len() > MAX_TRACKS {
            return Err(CorpusError::invalid(format!(
                "{} pieces are too many for one corpus: limit them to {MAX_TRACKS}",
                self.entries.len()
            )));
        }
        for (entry, number) in self.entries.iter_mut().zip(1..) {
            entry.number = number;
        }
        Ok(())
    }

    /// Changes with every piece and its number.
    pub fn digest(&self) -> blake3::Hash {
        let mut digest = blake3::Hasher::new();
        for entry in &self.entries {
            digest.update(entry.source.as_bytes());
            digest.update(&[0]);
            digest.update(&entry.content);
        }
        digest.finalize()
    }
}

/// The split of a piece, a function of its music alone: equal pieces are in one split, also of different corpora.
/// `shares` are the weights of training, validation and test; one at least is not 0.
fn split(content: [u8; 32], shares: [u32; 3]) -> Split {
    let [train, validation, test] = shares.map(u128::from);
    let head = u64::from_le_bytes(std::array::from_fn(|i| content[i]));
    // uniform in 0..total
    let at = (u128::from(head) * (train + validation + test)) >> 64;
    if at < train {
        Split::Train
    } else if at < train + validation {
        Split::Validation
    } else {
        Split::Test
    }
}

fn outline(path: &Path, options: &RenderOptions) -> Result<Outline, String> {
    let bytes = fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let piece = Piece::parse(&bytes)?;
    let lacks = options.require.iter().find(|i| !piece.has(**i));
    Ok(Outline {
        content: piece.content,
        endless: piece.endless,
        lacks: lacks.map(|i| i.name()),
    })
}

/// Collects the MIDI files below a folder by their paths relative to the first. Links to folders are not followed.
fn find(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), CorpusError> {
    let failed = |source: io::Error| match (source.kind(), prefix) {
        (io::ErrorKind::NotFound, "") => CorpusError::Missing {
            what: "the folder of MIDI files",
            path: folder.into(),
            hint: "give the folder that holds them, at any depth",
        },
        _ => CorpusError::io("list", folder)(source),
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let source = format!("{prefix}{}", name.to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            find(&path, &format!("{source}/"), files)?;
        } else if is_midi(&path) && path.is_file() {
            files.push((source, path));
        }
    }
    Ok(())
}

fn is_midi(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_have_their_shares() {
        let mut counts = [0; 3];
        for i in 0..20_000u32 {
            let content = blake3::hash(&i.to_le_bytes()).into();
            match split(content, [70, 15, 15]) {
                Split::Train => counts[0] += 1,
                Split::Validation => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        // five standard deviations of a binomial distribution: 324 and 252
        assert!((13_676..14_324).contains(&counts[0]), "{counts:?}");
        assert!((2_748..3_252).contains(&counts[1]), "{counts:?}");
        for content in [[0; 32], [7; 32], [255; 32]] {
            assert_eq!(split(content, [0, 1, 0]), Split::Validation);
        }
    }
}
