//! Triplets that listeners judged, for perception-aware fine-tuning.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    draw::{Draw, JudgedCount, LessonCounts, Lessons, TRAIN, VALIDATION},
    example::{Example, Item, Stem},
};
use crate::{
    corpus::{self, Excerpt, Instrument, Pieces, Sampler, SamplerOptions},
    files,
    listening::{self, Clip, ClipTriplet, Clips, Items, Judgements},
    train::{
        TrainError,
        recipe::{Recipe, Stems, of},
    },
};

/// How the files begin that say where judged samples lie.
const CLIP_FILES: &str = "dict_triplet_";

/// The judged triplets of a run: trained on, and held out.
pub(crate) struct Judged {
    hash: String,
    simulated: bool,
    counts: LessonCounts,
    stems: Stems,
    train: Vec<Placed>,
    held_out: Vec<Placed>,
    /// Give the rest of pseudo pieces.
    samplers: [Sampler; 2],
}

/// A judged triplet, found in the corpus: the more alike is the positive.
#[derive(Clone, Copy, Debug)]
struct Placed {
    instrument: Instrument,
    /// Reference, positive and negative, and the tempo class of each.
    stems: [(Stem, Option<usize>); 3],
}

/// A table of judgements, and the files beside it that say where the judged segments lie.
pub(crate) struct JudgementTable {
    pub judgements: Judgements,
    pub clips: Clips,
    /// Hash of all these files.
    pub hash: String,
}

impl JudgementTable {
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        Ok(JudgementTable {
            judgements: Judgements::read(path)?,
            clips: Clips::read(&clip_files(path)?)?,
            hash: judgements_hash(path)?,
        })
    }

    /// Whether the answers are simulated.
    pub fn simulated(&self) -> bool {
        self.judgements.simulated() || self.clips.simulated()
    }

    /// The clear items as the recipe divides them: trained on, and held out.
    pub fn divided(&self, recipe: &Recipe) -> [Vec<listening::Judged>; 2] {
        Items::clear(&self.judgements, recipe.data.criterion()).split(recipe.seed, recipe.data.split)
    }
}

/// What a run learns from.
pub(crate) struct Lesson {
    parts: [Vec<ClipTriplet>; 2],
    /// Whether the answers are simulated.
    simulated: bool,
    /// Hash of the table.
    hash: String,
}

impl Lesson {
    /// Reads the recipe's table.
    pub fn read(recipe: &Recipe) -> Result<Self, TrainError> {
        let path = recipe.data.judgements.as_deref().unwrap_or(Path::new(""));
        let table = JudgementTable::read(path)?;
        let [train, held_out] = table.divided(recipe);
        let ours = |triplets: Vec<ClipTriplet>| {
            let wanted = |t: &ClipTriplet| {
                recipe
                    .instrument
                    .is_none_or(|instrument| instrument == t.instrument)
            };
            triplets.into_iter().filter(wanted).collect::<Vec<_>>()
        };
        let clips = &table.clips;
        let parts = [ours(clips.triplets(&train)?), ours(clips.triplets(&held_out)?)];
        if parts.iter().any(Vec::is_empty) {
            let of = of(recipe.instrument);
            let message = format!(
                "{} has {} clear items{of} to train on and {} to hold out: both need at least one",
                path.display(),
                parts[0].len(),
                parts[1].len()
            );
            return Err(match recipe.instrument {
                Some(instrument) => TrainError::Unheard { instrument, message },
                None => TrainError::setting("data.judgements", message),
            });
        }
        Ok(Lesson {
            parts,
            simulated: table.simulated(),
            hash: table.hash,
        })
    }

    /// Numbers of all pieces that were judged.
    pub fn tracks(&self) -> impl Iterator<Item = u32> {
        let triplets = self.parts.iter().flatten();
        triplets.flat_map(|t| [t.reference.track, t.positive.track, t.negative.track])
    }
}

/// Hash of a table of judgements and of the files beside it that say where the judged segments lie.
///
/// # Errors
/// [`TrainError::Io`] for what cannot be read; [`TrainError::Setting`] without such files.
pub(crate) fn judgements_hash(table: &Path) -> Result<String, TrainError> {
    let mut hasher = blake3::Hasher::new();
    for path in [vec![table.into()], clip_files(table)?].concat() {
        let bytes = files::read(&path).map_err(TrainError::io("read", &path))?;
        hasher.update(blake3::hash(&bytes).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The JSON files in the folder of a table of judgements, in the order of their names.
fn clip_files(table: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let folder = match table.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let list = || TrainError::io("list", folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(list())? {
        let name = entry.map_err(list())?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(CLIP_FILES) && text.ends_with(".json") {
            files.push(folder.join(&name));
        }
    }
    files.sort_unstable();
    match files.is_empty() {
        false => Ok(files),
        true => Err(TrainError::setting(
            "data.judgements",
            format!(
                "{} has no file {CLIP_FILES}*.json, which says where the judged samples lie",
                folder.display()
            ),
        )),
    }
}

impl Judged {
    /// Finds the judged pieces in `sets`, of which the first two are those of training and validation.
    pub fn new(recipe: &Recipe, lesson: &Lesson, sets: &[Pieces]) -> Result<Self, TrainError> {
        let options = |size: usize, seed| SamplerOptions {
            seed,
            batch: recipe.training.batch as u64,
            sampling: corpus::Sampling::FixedPerEpoch {
                size: size.max(1) as u64,
            },
        };
        let place = |triplets: &[ClipTriplet]| {
            triplets
                .iter()
                .map(|triplet| placed(triplet, recipe, sets))
                .collect::<Result<Vec<_>, _>>()
        };
        let (train, held_out) = (place(&lesson.parts[0])?, place(&lesson.parts[1])?);
        let sampler =
            |set: usize, size, seed| Sampler::new(sets[set].catalogue().clone(), options(size, seed));
        Ok(Judged {
            hash: lesson.hash.clone(),
            simulated: lesson.simulated,
            counts: LessonCounts {
                trained_on: count(&lesson.parts[0]),
                held_out: count(&lesson.parts[1]),
            },
            stems: recipe.data.stems,
            samplers: [
                sampler(TRAIN, train.len(), recipe.seed)?,
                sampler(VALIDATION, held_out.len(), 0)?,
            ],
            train,
            held_out,
        })
    }

    fn example(&self, set: usize, placed: &Placed, step: u64, index: u64) -> Result<Example, TrainError> {
        let target = placed.instrument;
        let items = match self.stems {
            Stems::Clean => placed.stems.map(|(stem, _)| alone(stem)),
            Stems::Normal => placed.stems.map(|(stem, _)| whole(stem)),
            Stems::Pseudo => {
                let [reference, positive, negative] = placed.stems;
                // the rest of anchor and negative is of one piece, that of the positive of another
                let rest = |(_, class): (Stem, Option<usize>), except: &[u32], other| {
                    let judged = placed.stems.iter().filter(|(stem, _)| stem.set == set);
                    let mut except =
                        [except, &judged.map(|(s, _)| s.excerpt.piece).collect::<Vec<_>>()].concat();
                    except.sort_unstable();
                    except.dedup();
                    self.samplers[set].accompaniment(target, class, &except, [step, index], other)
                };
                let [a, again] = rest(reference, &[], false)?;
                let used: Vec<u32> = a.sources.iter().flatten().map(|excerpt| excerpt.piece).collect();
                let [b, _] = rest(positive, &used, true)?;
                let with = |mix, (stem, _): (Stem, Option<usize>)| {
                    let mut item = Item::of_mix(mix, set);
                    item.stems[target as usize] = Some(stem);
                    item
                };
                [with(a, reference), with(b, positive), with(again, negative)]
            }
        };
        Ok(Example::of(target, items.to_vec()))
    }
}

impl Draw for Judged {
    fn training(&self, update: u32, index: usize) -> Result<Example, TrainError> {
        let (step, index) = (u64::from(update), index as u64);
        let number = self.samplers[TRAIN].number(step, index) as usize;
        // the accompaniment is another in every epoch: drawn for the place, not for the judgement
        self.example(TRAIN, &self.train[number % self.train.len()], step, index)
    }

    fn validation(&self, _count: usize) -> Result<Vec<Example>, TrainError> {
        let placed = (0..).zip(&self.held_out);
        placed
            .map(|(index, placed)| self.example(VALIDATION, placed, 0, index))
            .collect()
    }

    fn epoch(&self) -> Option<usize> {
        Some(self.train.len())
    }

    fn judgements(&self) -> Option<Lessons<'_>> {
        Some(Lessons {
            hash: &self.hash,
            simulated: self.simulated,
            counts: self.counts,
        })
    }
}

fn count(triplets: &[ClipTriplet]) -> JudgedCount {
    let answers = triplets
        .iter()
        .map(|triplet| u64::from(triplet.agreeing) + u64::from(triplet.disagreeing));
    JudgedCount {
        items: triplets.len(),
        answers: answers.sum(),
    }
}

/// Finds a judged triplet's pieces. Of clips longer than the recipe's segments, the middle is heard.
fn placed(triplet: &ClipTriplet, recipe: &Recipe, sets: &[Pieces]) -> Result<Placed, TrainError> {
    let find = |clip: Clip| {
        let found = sets.iter().enumerate().find_map(|(set, pieces)| {
            let place = pieces
                .catalogue()
                .pieces()
                .iter()
                .position(|piece| piece.id == clip.track)?;
            Some((set, place as u32))
        });
        let (set, piece) = found.ok_or_else(|| {
            let message = format!("Track{:05} was judged, but is not in the corpus", clip.track);
            TrainError::setting("data.judgements", message)
        })?;
        let excerpt = Excerpt {
            piece,
            instrument: triplet.instrument,
            start: clip.middle(recipe.front_end.sample_rate, recipe.segment_samples() as u64),
        };
        Ok::<_, TrainError>((Stem::new(set, excerpt), sets[set].catalogue().class_of(piece)))
    };
    Ok(Placed {
        instrument: triplet.instrument,
        stems: [
            find(triplet.reference)?,
            find(triplet.positive)?,
            find(triplet.negative)?,
        ],
    })
}

/// A stem and nothing else.
fn alone(stem: Stem) -> Item {
    let mut item = Item { stems: [None; 5] };
    item.stems[stem.excerpt.instrument as usize] = Some(stem);
    item
}

/// All that is heard of the piece where a stem is.
fn whole(stem: Stem) -> Item {
    let stems = Instrument::ALL.map(|instrument| {
        let excerpt = Excerpt {
            instrument,
            ..stem.excerpt
        };
        Some(Stem { excerpt, ..stem })
    });
    Item { stems }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corpus::Split,
        train::{
            data::tests::synthesised,
            recipe::{Overrides, resolve},
        },
    };

    fn recipe(stems: &str) -> Recipe {
        let set = [
            "data.segment_seconds=0.5",
            "training.knn_seconds=0.5",
            "training.batch=2",
            &format!("data.stems={stems}"),
        ];
        resolve("direct-paft", &Overrides::set(&set)).unwrap()
    }

    /// What was judged closer is the positive, wherever it is; the stems are those that were judged, and the rest is
    /// what the recipe says, anew in every epoch.
    #[test]
    fn judged_stems_are_heard_in_their_roles() {
        let splits = [Split::Train, Split::Validation, Split::Test];
        let sets = synthesised([6, 6, 3], 22_050, &splits);
        let id = |set: usize, piece: usize| sets[set].catalogue().pieces()[piece].id;
        // a second of each, at half the rate that the recipe works at
        let clip = |track, start: u64| Clip {
            track,
            start,
            end: start + 22_050,
            rate: 22_050,
        };
        let triplet = |track: [u32; 3]| ClipTriplet {
            instrument: Instrument::Drums,
            reference: clip(track[0], 22_050),
            positive: clip(track[1], 44_100),
            negative: clip(track[2], 33_075),
            positive_is_own: None,
            agreeing: 9,
            disagreeing: 1,
        };
        let lesson = Lesson {
            parts: [
                vec![triplet([id(2, 0), id(2, 1), id(0, 3)])],
                vec![triplet([id(1, 0), id(1, 1), id(1, 2)])],
            ],
            simulated: false,
            hash: String::new(),
        };
        // the middle half of the clip's second
        let start = |seconds: f64| (44_100.0 * (seconds + 0.25)) as u64;
        let places = [(2, 0, start(1.0)), (2, 1, start(2.0)), (0, 3, start(1.5))];
        for stems in ["clean", "normal", "pseudo"] {
            let judged = Judged::new(&recipe(stems), &lesson, &sets).unwrap();
            assert_eq!(
                (judged.epoch(), judged.validation(9).unwrap().len()),
                (Some(1), 1)
            );
            let example = judged.training(0, 0).unwrap();
            assert_eq!((example.condition, example.additional), (Instrument::Drums, None));
            let rest = |item: &Item| {
                item.stems[1..]
                    .iter()
                    .flatten()
                    .map(|s| (s.set, s.excerpt.piece, s.excerpt.start))
                    .next()
            };
            for (item, (set, piece, start)) in example.items.iter().zip(places) {
                let drums = item.stems[0].unwrap();
                assert_eq!(
                    (drums.set, drums.excerpt.piece, drums.excerpt.start),
                    (set, piece, start),
                    "{stems}"
                );
                match stems {
                    "clean" => assert_eq!(rest(item), None),
                    "normal" => assert_eq!(rest(item), Some((set, piece, start))),
                    _ => assert!(rest(item).is_some_and(|(set, piece, _)| set == TRAIN && piece != 3)),
                }
            }
            if stems == "pseudo" {
                let [a, b, again] = [0, 1, 2].map(|role| rest(&example.items[role]).unwrap());
                assert!(
                    a.1 == again.1 && a.2 != again.2 && a.1 != b.1,
                    "{a:?} {b:?} {again:?}"
                );
                let epochs: Vec<_> = (0..8).map(|update| judged.training(update, 0).unwrap()).collect();
                assert!(
                    epochs.iter().any(|other| other.items != example.items),
                    "another rest in another epoch"
                );
                assert_eq!(judged.training(3, 1).unwrap(), judged.training(3, 1).unwrap());
            }
        }
    }
}
