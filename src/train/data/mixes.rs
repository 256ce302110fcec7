//! Mixes for the separator of all instruments: some of one piece, some whose every stem is of a piece of its own.

use super::{
    draw::{Draw, VALIDATION},
    example::{Example, Item, Stem},
    works::{Rendering, Works},
};
use crate::{
    corpus::{CorpusError, Excerpt, Instrument, Mix, Pieces, Random, Stream},
    train::{TrainError, recipe::Recipe},
};

/// Draws mixes whose stems are each a little louder or softer. A mix of one piece is heard where one of the instruments
/// sounds, each as often as another; in a remix, an instrument that its piece has not is silent.
pub(crate) struct Mixes {
    seed: u64,
    batch: usize,
    /// The share of remixes.
    remix: f64,
    /// By how many decibels a stem is made louder or softer at most.
    gain: f64,
    train: Set,
    validation: Set,
}

/// The pieces of a split.
struct Set {
    works: Works,
    /// For each instrument that sounds in any, those in which it does.
    having: Vec<(Instrument, Vec<Vec<Rendering>>)>,
}

impl Mixes {
    /// Draws from the training sets `train` and the validation set. Instruments that sound nowhere in training are told
    /// to `missing`.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if nothing sounds for long enough, in training or validation.
    pub fn new(
        recipe: &Recipe,
        sets: &[Pieces],
        train: &[usize],
        missing: &dyn Fn(Instrument, &TrainError),
    ) -> Result<Self, TrainError> {
        let mixes = Mixes {
            seed: recipe.seed,
            batch: recipe.training.batch,
            remix: recipe.data.remix,
            gain: recipe.data.gain.into(),
            train: Set::new(sets, train),
            validation: Set::new(sets, &[VALIDATION]),
        };
        for (set, name) in [(&mixes.train, "training"), (&mixes.validation, "validation")] {
            if set.having.is_empty() {
                let seconds = recipe.data.segment_seconds;
                let message = format!(
                    "no instrument sounds in any {seconds} s of the {name} pieces: use shorter segments or other pieces"
                );
                return Err(CorpusError::invalid(message).into());
            }
        }
        for instrument in Instrument::ALL {
            if !mixes.train.having.iter().any(|(other, _)| *other == instrument) {
                let message = format!("{instrument} sounds in no training piece: its mask learns silence");
                missing(instrument, &CorpusError::invalid(message).into());
            }
        }
        Ok(mixes)
    }
}

impl Set {
    fn new(sets: &[Pieces], own: &[usize]) -> Self {
        let works = Works::new(sets, own);
        let having = Instrument::ALL.map(|instrument| (instrument, works.having(instrument)));
        let having = having
            .into_iter()
            .filter(|(_, those)| !those.is_empty())
            .collect();
        Set { works, having }
    }

    /// All stems of one piece, at one place.
    fn of_one_piece(&self, random: &mut Random) -> Item {
        let (instrument, works) = &self.having[random.below(self.having.len() as u64) as usize];
        let (set, piece) = rendering_of_any(works, random);
        match random.start(self.works.starts((set, piece), *instrument)) {
            Some(start) => Item::of_mix(Mix::of_piece(piece, start), set),
            None => Item { stems: [None; 5] },
        }
    }

    /// Each stem of any piece, from any place where it sounds.
    fn remix(&self, random: &mut Random) -> Item {
        let works = self.works.works();
        let stems = Instrument::ALL.map(|instrument| {
            let (set, piece) = rendering_of_any(works, random);
            let start = random.start(self.works.starts((set, piece), instrument))?;
            let excerpt = Excerpt {
                piece,
                instrument,
                start,
            };
            Some(Stem::new(set, excerpt))
        });
        Item { stems }
    }
}

/// Every piece is as likely as another, in however many renderings there are of it.
fn rendering_of_any(works: &[Vec<Rendering>], random: &mut Random) -> Rendering {
    let work = random.below(works.len() as u64) as usize;
    random.one_of(&works[work])
}

/// An input by itself: it is of no instrument more than of another.
fn single(item: Item) -> Example {
    Example::of(Instrument::Drums, vec![item])
}

impl Draw for Mixes {
    fn training(&self, update: u32, index: usize) -> Result<Example, TrainError> {
        let number = u64::from(update) * self.batch as u64 + index as u64;
        let mut random = Random::new(Stream::SeparatedMix, None, self.seed, number);
        let mut item = match random.chance(self.remix) {
            true => self.train.remix(&mut random),
            false => self.train.of_one_piece(&mut random),
        };
        for stem in item.stems.iter_mut().flatten() {
            stem.gain = random.gain(self.gain);
        }
        Ok(single(item))
    }

    /// As they are: mixes of one piece, no stem louder or softer.
    fn validation(&self, count: usize) -> Result<Vec<Example>, TrainError> {
        let example = |number| {
            let mut random = Random::new(Stream::SeparatedMix, None, 0, number);
            single(self.validation.of_one_piece(&mut random))
        };
        Ok((0..count as u64).map(example).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        corpus::Split,
        train::{
            data::{draw::TRAIN, tests::synthesised},
            recipe::{Overrides, resolve},
        },
    };

    /// Four pieces in two renderings, and two to validate on.
    fn mixes(set: &[&str]) -> Mixes {
        let splits = [Split::Train, Split::Validation, Split::Train];
        let sets = synthesised([4, 2, 1], 11_025, &splits);
        let own = ["data.segment_seconds=0.25", "training.batch=8", "seed=5"];
        let recipe = resolve("separator-joint", &Overrides::set(&[&own, set].concat())).unwrap();
        Mixes::new(&recipe, &sets, &[TRAIN, 2], &|_, _| {}).unwrap()
    }

    fn items(mixes: &Mixes) -> Vec<[Option<Stem>; 5]> {
        let places = (0..40).flat_map(|update| (0..8).map(move |index| (update, index)));
        let example = |(update, index)| mixes.training(update, index).unwrap();
        places.map(example).map(|e| e.items[0].stems).collect()
    }

    /// Where stems are from: set, piece and first sample.
    fn places(stems: &[Option<Stem>; 5]) -> HashSet<(usize, u32, u64)> {
        let stems = stems.iter().flatten();
        stems
            .map(|stem| (stem.set, stem.excerpt.piece, stem.excerpt.start))
            .collect()
    }

    #[test]
    fn mixes_of_one_piece_have_all_its_stems_from_one_place() {
        let drawn = items(&mixes(&["data.remix=0"]));
        for stems in &drawn {
            assert!(stems.iter().all(Option::is_some));
            assert_eq!(places(stems).len(), 1, "{stems:?}");
        }
        let used: HashSet<(usize, u32)> = drawn
            .iter()
            .flat_map(places)
            .map(|(set, piece, _)| (set, piece))
            .collect();
        assert_eq!(used.len(), 8, "four pieces, two renderings: {used:?}");
    }

    #[test]
    fn stems_of_a_remix_are_drawn_each_for_itself_where_they_sound() {
        let mixes = mixes(&["data.remix=1"]);
        let drawn = items(&mixes);
        // of eight renderings and thousands of places, two stems hardly have one in common
        let together = drawn.iter().filter(|stems| places(stems).len() == 1).count();
        assert_eq!(together, 0);
        let stems: Vec<Stem> = drawn.iter().flatten().copied().flatten().collect();
        for stem in &stems {
            let Excerpt {
                piece,
                instrument,
                start,
            } = stem.excerpt;
            assert!(
                mixes
                    .train
                    .works
                    .starts((stem.set, piece), instrument)
                    .contains(start)
            );
        }
        // a pair of stems shares its rendering in one of eight cases: 40 of 320, with a deviation of 6
        let shared = drawn.iter().filter_map(|stems| Some((stems[0]?, stems[1]?)));
        let shared = shared.filter(|(a, b)| (a.set, a.excerpt.piece) == (b.set, b.excerpt.piece));
        let shared = shared.count();
        assert!((15..=65).contains(&shared), "{shared}");
    }

    #[test]
    fn shares_and_gains_are_as_the_recipe_says_and_validation_has_none() {
        let mixes = mixes(&["data.gain=3"]);
        let drawn = items(&mixes);
        // half of 320, with a deviation of 9
        let remixed = drawn.iter().filter(|stems| places(stems).len() > 1).count();
        assert!((115..=205).contains(&remixed), "{remixed}");
        for instrument in Instrument::ALL {
            let gains = drawn.iter().filter_map(|stems| stems[instrument as usize]);
            let decibels = gains.map(|stem| 20.0 * stem.gain.log10());
            let (low, high) = decibels.fold((0.0f32, 0.0f32), |(low, high), x| (low.min(x), high.max(x)));
            // of some 300 uniform numbers in ±3 none lies beyond 2.6 on one side in one case of 10⁹
            assert!(
                (-3.001..-2.6).contains(&low) && (2.6..3.001).contains(&high),
                "{instrument}: {low} {high}"
            );
        }
        for example in mixes.validation(24).unwrap() {
            let stems = example.items[0].stems;
            assert!(
                stems
                    .iter()
                    .flatten()
                    .all(|s| (s.set, s.gain) == (VALIDATION, 1.0))
            );
            assert_eq!(places(&stems).len(), 1);
        }
    }

    #[test]
    fn draws_are_those_of_seed_and_place_alone() {
        let ([first, same], other) = ([0, 0].map(|_| mixes(&[])), mixes(&["seed=6"]));
        let forth = items(&first);
        let again = same.training(39, 7).unwrap();
        assert_eq!(forth[319], again.items[0].stems);
        assert_ne!(forth[0], forth[1]);
        assert!(forth != items(&other));
        // whatever the seed, and the first of more are the same
        let validation = first.validation(16).unwrap();
        assert_eq!(validation, other.validation(24).unwrap()[..16]);
    }
}
