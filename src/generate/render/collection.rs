//! The MIDI files of a folder, and what becomes of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::{Notice, RenderEvent, RenderOptions, find::find, piece::Piece};
use crate::{
    corpus::{CorpusError, Split},
    files,
};

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
    flaws: Vec<String>,
    lacks: Option<&'static str>,
}

impl Collection {
    /// Reads all files below `folder` that are not below `root`; `None` if it was stopped.
    ///
    /// # Errors
    /// [`CorpusError::Missing`] without the folder; [`CorpusError::Invalid`] without a usable piece or with too many;
    /// [`CorpusError::Io`] if the folder cannot be listed.
    pub fn read(
        folder: &Path,
        root: &Path,
        options: &RenderOptions,
        stop: &AtomicBool,
        observer: &(dyn Fn(RenderEvent) + Sync),
    ) -> Result<Option<Self>, CorpusError> {
        let found = find(folder, root)?;
        let files: Vec<(String, PathBuf)> = found.files.into_iter().collect();
        let named = options.list.iter().flatten().map(|(source, _)| source);
        let there: BTreeSet<&String> = files.iter().map(|(source, _)| source).collect();
        let lost: Vec<String> = named.filter(|source| !there.contains(source)).cloned().collect();
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
        for (source, reason) in found.unread {
            collection.skip(source, reason);
        }
        for source in lost {
            collection.skip(source, "the table of splits names it, but it is not there".into());
        }
        let mut seen: BTreeMap<[u8; 32], String> = BTreeMap::new();
        for ((source, path), outline) in files.into_iter().zip(outlines) {
            let Some(outline) = outline else { return Ok(None) };
            let Outline {
                content,
                flaws,
                lacks,
            } = match outline {
                Ok(outline) => outline,
                Err(reason) => {
                    collection.skip(source, reason);
                    continue;
                }
            };
            let split = match &options.list {
                None => Some(split(content, options.shares)),
                Some(list) => list.get(&source).copied(),
            };
            let Some(split) = split else {
                collection.skip(source, "the table of splits does not name it".into());
                continue;
            };
            if let Some(instrument) = lacks {
                collection.skip(source, format!("it has no {instrument}"));
            } else if let Some(first) = seen.get(&content) {
                collection.skip(source, format!("it is the same music as {first}"));
            } else {
                collection.notices.extend(flaws.into_iter().map(|message| Notice {
                    source: source.clone(),
                    message,
                    skipped: false,
                }));
                seen.insert(content, source.clone());
                collection.entries.push(Entry {
                    number: 0,
                    split,
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
        let reason = self.notices.first();
        let reason = reason.map_or(String::new(), |n| format!("; {}: {}", n.source, n.message));
        if total == 0 {
            return Err(CorpusError::invalid(format!(
                "there is no MIDI file (.mid, .midi, .kar, .rmi) in {folder}{reason}"
            )));
        }
        if self.entries.is_empty() {
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
    let bytes = files::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let piece = Piece::parse(&bytes)?;
    let lacks = options.require.iter().find(|i| !piece.has(**i));
    Ok(Outline {
        content: piece.content,
        lacks: lacks.map(|i| i.name()),
        flaws: piece.flaws,
    })
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
