//! Batches for contrast: mixes whose every stem is of one of a few pieces.

use super::{
    draw::{Draw, VALIDATION},
    example::{Example, Item, Stem},
    works::{Rendering, Works},
};
use crate::{
    corpus::{CorpusError, Excerpt, Instrument, Pieces, Random, Stream},
    train::{TrainError, recipe::Recipe},
};

/// Draws the mixes of a batch from the same few pieces. An instrument's stem is of any of them, at any place where it
/// sounds, a little louder or softer; where the piece has none, the mix goes without.
pub(crate) struct Contrasts {
    seed: u64,
    batch: usize,
    /// Pieces of a batch.
    pieces: usize,
    /// By how many decibels a stem is made louder or softer at most.
    gain: f64,
    /// The share of mixes of one stem and the others of another piece.
    coherent: f64,
    train: Works,
    validation: Works,
}

impl Contrasts {
    /// Draws from the training sets `train` and the validation set. Instruments that sound in fewer than two pieces are
    /// told to `missing`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for fewer than two pieces, or if no instrument sounds in two.
    pub fn new(
        recipe: &Recipe,
        sets: &[Pieces],
        train: &[usize],
        missing: &dyn Fn(Instrument, &TrainError),
    ) -> Result<Self, TrainError> {
        let contrasts = Contrasts {
            seed: recipe.seed,
            batch: recipe.training.batch,
            pieces: recipe.data.pieces,
            gain: recipe.data.gain.into(),
            coherent: recipe.data.coherent,
            train: Works::new(sets, train),
            validation: Works::new(sets, &[VALIDATION]),
        };
        let mut told = Vec::new();
        for instrument in Instrument::ALL {
            if contrasts.train.having(instrument).len() < 2 {
                let message =
                    format!("{instrument} sounds in fewer than two pieces: none can be told from another");
                told.push((instrument, TrainError::from(CorpusError::invalid(message))));
            }
        }
        if told.len() == Instrument::ALL.len() {
            let message = "no instrument sounds in two pieces: contrast needs more of them";
            return Err(TrainError::setting("data.pieces", message));
        }
        told.iter()
            .for_each(|(instrument, error)| missing(*instrument, error));
        Ok(contrasts)
    }

    /// The pieces of a batch, each in one rendering. An item's label is a piece's place here.
    fn pieces(&self, works: &Works, seed: u64, step: u64) -> Vec<Rendering> {
        let mut random = Random::new(Stream::ContrastPieces, None, seed, step);
        let drawn = random.several(works.works().len(), self.pieces);
        let pieces = drawn.into_iter();
        pieces.map(|work| random.one_of(&works.works()[work])).collect()
    }

    fn example(&self, works: &Works, seed: u64, step: u64, index: u64) -> Example {
        let pieces = self.pieces(works, seed, step);
        let number = step.wrapping_mul(self.batch as u64).wrapping_add(index);
        let mut random = Random::new(Stream::ContrastMix, None, seed, number);
        let rest = match self.coherent > 0.0 && random.chance(self.coherent) {
            true => Rest::draw(works, &pieces, &mut random),
            false => None,
        };
        let mut example = Example::of(Instrument::Drums, vec![Item { stems: [None; 5] }]);
        for instrument in Instrument::ALL {
            let mut label = random.below(pieces.len() as u64) as usize;
            let gain = random.gain(self.gain);
            let mut start = random.start(works.starts(pieces[label], instrument));
            if let Some(rest) = rest.filter(|rest| rest.beside != instrument) {
                label = rest.label;
                let there = works.starts(pieces[label], instrument).contains(rest.start);
                start = there.then_some(rest.start);
            }
            let (set, piece) = pieces[label];
            let Some(start) = start else {
                continue;
            };
            let excerpt = Excerpt {
                piece,
                instrument,
                start,
            };
            example.items[0].stems[instrument as usize] = Some(Stem { set, excerpt, gain });
            example.labels[instrument as usize] = Some(label as u16);
        }
        example
    }
}

/// What is heard beside one stem: all others, from one place of one piece.
#[derive(Clone, Copy)]
struct Rest {
    /// The instrument that is of another piece.
    beside: Instrument,
    /// The piece's place in the batch.
    label: usize,
    start: u64,
}

impl Rest {
    /// At a place where one of the others sounds; `None` if none does anywhere.
    fn draw(works: &Works, pieces: &[Rendering], random: &mut Random) -> Option<Self> {
        let beside = random.one_of(&Instrument::ALL);
        let label = random.below(pieces.len() as u64) as usize;
        let starts = |&i: &Instrument| works.starts(pieces[label], i);
        let others = Instrument::ALL.into_iter().filter(|&i| i != beside);
        let sounding: Vec<Instrument> = others.filter(|i| starts(i).count() > 0).collect();
        if sounding.is_empty() {
            return None;
        }
        let lead = random.one_of(&sounding);
        let start = random.start(starts(&lead))?;
        Some(Rest { beside, label, start })
    }
}

impl Draw for Contrasts {
    fn training(&self, update: u32, index: usize) -> Result<Example, TrainError> {
        Ok(self.example(&self.train, self.seed, update.into(), index as u64))
    }

    /// In whole batches.
    fn validation(&self, count: usize) -> Result<Vec<Example>, TrainError> {
        let place = |i: usize| ((i / self.batch) as u64, (i % self.batch) as u64);
        let example = |(step, index)| self.example(&self.validation, 0, step, index);
        Ok((0..count).map(|i| example(place(i))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::{
        corpus::Split,
        train::{
            data::{draw::TRAIN, tests::synthesised},
            recipe::{Overrides, resolve},
        },
    };

    /// Three pieces in two renderings, and one piece to validate on.
    fn contrasts(seed: u64) -> (Contrasts, Vec<Pieces>) {
        contrasts_with(seed, 0.0)
    }

    fn contrasts_with(seed: u64, coherent: f64) -> (Contrasts, Vec<Pieces>) {
        let splits = [Split::Train, Split::Validation, Split::Train];
        let sets = synthesised([3, 1, 1], 11_025, &splits);
        let set = [
            "data.segment_seconds=0.25",
            "data.pieces=2",
            "training.batch=8",
            "training.knn_seconds=1",
            &format!("seed={seed}"),
            &format!("data.coherent={coherent}"),
        ];
        let recipe = resolve("contrast", &Overrides::set(&set)).unwrap();
        let contrasts = Contrasts::new(&recipe, &sets, &[TRAIN, 2], &|_, _| {}).unwrap();
        (contrasts, sets)
    }

    #[test]
    fn labels_say_which_piece_a_stem_is_of_and_no_batch_holds_two_renderings_of_one() {
        let (contrasts, sets) = contrasts(5);
        assert_eq!(contrasts.train.works().len(), 3);
        assert!(
            contrasts
                .train
                .works()
                .iter()
                .all(|renderings| renderings.len() == 2)
        );
        let (mut used, mut silent, mut gains) = (HashSet::new(), 0, Vec::new());
        for update in 0..40 {
            let mut of_label = BTreeMap::new();
            let mut together = HashSet::new();
            for index in 0..8 {
                let example = contrasts.training(update, index).unwrap();
                let stems = example.items[0].stems;
                for (instrument, (stem, label)) in
                    Instrument::ALL.into_iter().zip(stems.iter().zip(example.labels))
                {
                    assert_eq!(stem.is_some(), label.is_some());
                    let (Some(stem), Some(label)) = (stem, label) else {
                        silent += 1;
                        continue;
                    };
                    let Excerpt { piece, start, .. } = stem.excerpt;
                    assert_eq!(stem.excerpt.instrument, instrument);
                    assert!(sets[stem.set].catalogue().sounds(piece, instrument, start));
                    assert_eq!(
                        *of_label.entry(label).or_insert((stem.set, piece)),
                        (stem.set, piece)
                    );
                    gains.push(stem.gain);
                    together.insert((stem.set, piece));
                }
            }
            let pieces: HashSet<u32> = together.iter().map(|(_, piece)| *piece).collect();
            assert!(
                together.len() <= 2 && pieces.len() == together.len(),
                "{together:?}"
            );
            used.extend(together);
        }
        let all: HashSet<(usize, u32)> = [TRAIN, 2]
            .iter()
            .flat_map(|&set| (0..3).map(move |i| (set, i)))
            .collect();
        assert_eq!(used, all);
        // the synthesiser's pieces have all instruments, some not everywhere
        assert!(silent < gains.len() / 4, "{silent} of {}", gains.len());
        let decibels = gains.iter().map(|gain| 20.0 * gain.log10());
        let (low, high) = decibels.fold((0.0f32, 0.0f32), |(low, high), x| (low.min(x), high.max(x)));
        // of some 1000 uniform numbers in ±6 all lie within 5.5 in one case of 10³⁷
        assert!(
            (-6.001..-5.5).contains(&low) && (5.5..6.001).contains(&high),
            "{low} {high}"
        );
    }

    #[test]
    fn a_coherent_rest_is_one_place_of_one_piece() {
        let (contrasts, sets) = contrasts_with(5, 1.0);
        let mut beside = HashSet::new();
        let (mut alone, mut all) = (0, 0);
        for (update, index) in (0..40).flat_map(|update| (0..8).map(move |index| (update, index))) {
            let example = contrasts.training(update, index).unwrap();
            let stems: Vec<(Stem, u16)> = (example.items[0].stems.iter().zip(example.labels))
                .filter_map(|(stem, label)| Some(((*stem)?, label?)))
                .collect();
            let place =
                |(stem, label): &(Stem, u16)| (stem.set, stem.excerpt.piece, stem.excerpt.start, *label);
            let counts = stems.iter().fold(BTreeMap::new(), |mut counts, stem| {
                *counts.entry(place(stem)).or_insert(0) += 1;
                counts
            });
            let most = counts.values().copied().max().unwrap_or(0);
            assert!(most + 1 >= stems.len(), "{counts:?}");
            for (stem, _) in &stems {
                let Excerpt {
                    piece,
                    instrument,
                    start,
                } = stem.excerpt;
                assert!(sets[stem.set].catalogue().sounds(piece, instrument, start));
            }
            all += 1;
            if let [_, _, _, ..] = stems[..]
                && let Some(other) = stems.iter().find(|stem| counts[&place(stem)] == 1)
            {
                alone += 1;
                beside.insert(other.0.excerpt.instrument);
            }
        }
        assert!(alone > all / 2, "{alone} of {all}");
        assert_eq!(beside.len(), 5, "{beside:?}");
        // of half the mixes; the others have three stems or more of one place by chance only
        let (half, _) = contrasts_with(5, 0.5);
        let places = (0..40).flat_map(|update| (0..8).map(move |index| (update, index)));
        let stems = places.map(|(u, i)| half.training(u, i).unwrap().items[0].stems);
        let stems: Vec<Vec<Stem>> = stems.map(|stems| stems.into_iter().flatten().collect()).collect();
        let place = |stem: &Stem| (stem.set, stem.excerpt.piece, stem.excerpt.start);
        let coherent = stems.iter().filter(|stems| {
            let together = stems.iter().map(|stem| {
                let same = stems.iter().filter(|other| place(other) == place(stem));
                same.count()
            });
            together.max().unwrap_or(0) >= 3
        });
        // at most 160 of 320, with a deviation of 9, and fewer where stems are silent
        let coherent = coherent.count();
        assert!((80..=205).contains(&coherent), "{coherent} of 320");
    }

    #[test]
    fn draws_are_those_of_seed_and_place_alone() {
        let ((contrasts, _), (same, _), (other, _)) = (contrasts(5), self::contrasts(5), self::contrasts(6));
        let draw = |from: &Contrasts, update: u32| -> Vec<Example> {
            (0..8)
                .map(|index| from.training(update, index).unwrap())
                .collect()
        };
        let forth: Vec<_> = (0..6).map(|update| draw(&contrasts, update)).collect();
        let back: Vec<_> = (0..6).rev().map(|update| draw(&same, update)).collect();
        assert!(forth.iter().eq(back.iter().rev()));
        assert_ne!(forth[0], forth[1]);
        assert_ne!(forth[0], draw(&other, 0));
        // whatever the seed, and the first of more are the same
        let validation = contrasts.validation(16).unwrap();
        assert_eq!(validation, other.validation(24).unwrap()[..16]);
        assert!(
            validation
                .iter()
                .flat_map(|e| e.items[0].stems)
                .flatten()
                .all(|stem| stem.set == VALIDATION)
        );
    }
}
