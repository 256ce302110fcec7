//! What the nearest-neighbour score of a validation is taken on: segments of normal pieces, or of pseudo pieces.

use super::{draw::VALIDATION, example::Item};
use crate::{
    corpus::{
        self, Catalogue, Instrument, Mix, Pieces, Sampler, SamplerOptions,
        cast::{Cast, PseudoSegments},
    },
    train::{
        Event, Observer, TrainError,
        recipe::{Best, Recipe},
    },
};

/// Segments of the validation pieces, of the length for the nearest-neighbour score.
pub(crate) struct KnnData {
    pub pieces: Pieces,
    /// By instrument.
    pub segments: Vec<(Instrument, Vec<Segment>)>,
}

/// One such segment.
pub(crate) struct Segment {
    /// The piece that it, or its instrument, is of.
    pub piece: u32,
    /// The pseudo piece that it is of, whose segments are no neighbours of it.
    pub pseudo: Option<u32>,
    pub item: Item,
}

impl KnnData {
    /// Segments of pieces of the validation split: the same for every run, whatever its seed.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if there are none to choose a checkpoint by, and it is to be chosen so; what drawing gives.
    pub fn new(recipe: &Recipe, pieces: Pieces, observer: Observer<'_>) -> Result<Self, TrainError> {
        let (catalogue, best) = (pieces.catalogue(), recipe.training.best);
        let asked = recipe
            .instrument
            .map_or(Instrument::ALL.to_vec(), |instrument| vec![instrument]);
        let playing = asked.into_iter().filter(|&i| !catalogue.usable(i).is_empty());
        let segments = playing.map(|instrument| {
            let segments = match best {
                Best::KnnPseudo => pseudo(recipe, catalogue, instrument, observer),
                _ => normal(recipe, catalogue, instrument)?,
            };
            Ok((instrument, segments))
        });
        let segments = segments.collect::<Result<Vec<(Instrument, Vec<Segment>)>, TrainError>>()?;
        if best.asks_neighbours() && segments.iter().all(|(_, segments)| segments.len() < 2) {
            return Err(nothing(recipe));
        }
        Ok(KnnData { pieces, segments })
    }
}

/// Segments of normal pieces, evenly spread over all places at which the instrument sounds.
fn normal(
    recipe: &Recipe,
    catalogue: &Catalogue,
    instrument: Instrument,
) -> Result<Vec<Segment>, TrainError> {
    let options = SamplerOptions {
        seed: 0,
        batch: 1,
        sampling: corpus::Sampling::Fresh,
    };
    let sampler = Sampler::new(catalogue.clone(), options)?;
    let drawn = sampler.validation_segments(instrument, recipe.training.knn_segments)?;
    let segments = drawn.into_iter().map(|excerpt| Segment {
        piece: excerpt.piece,
        pseudo: None,
        item: Item::of_mix(Mix::of_piece(excerpt.piece, excerpt.start), VALIDATION),
    });
    Ok(segments.collect())
}

/// Segments of the pseudo pieces of MES-Pseudo, of fewer target pieces where there are few. Their number is shared out
/// among the pseudo pieces, of each of which there is at least one.
fn pseudo(
    recipe: &Recipe,
    catalogue: &Catalogue,
    instrument: Instrument,
    observer: Observer<'_>,
) -> Vec<Segment> {
    let preset = recipe.pseudo_preset();
    let cast = Cast::of_what_there_is(catalogue, instrument, preset, 0);
    let targets = cast.as_ref().map_or(0, |cast| cast.targets.len());
    if targets < preset.targets() {
        observer(Event::FewTargets {
            instrument,
            targets,
            asked: preset.targets(),
        });
    }
    let Some(cast) = cast else { return Vec::new() };
    let made = targets * (preset.others() + usize::from(preset.normal()));
    let most = (recipe.training.knn_segments / made).max(1);
    let PseudoSegments {
        mixes,
        labels,
        groups,
    } = cast.segments(catalogue, instrument, preset, most);
    let segments = mixes.into_iter().zip(labels).zip(groups);
    let segments = segments.map(|((mix, piece), pseudo)| Segment {
        piece,
        pseudo: Some(pseudo),
        item: Item::of_mix(mix, VALIDATION),
    });
    segments.collect()
}

/// That no checkpoint can be chosen by neighbours.
fn nothing(recipe: &Recipe) -> TrainError {
    let seconds = recipe.training.knn_seconds;
    match recipe.training.best {
        Best::KnnPseudo => {
            let message = format!(
                "the validation split has too few pieces for pseudo pieces of {seconds} s: it takes two in which an \
                 instrument sounds, and one or two others; choose the best checkpoint by \"knn\" or \"loss\""
            );
            TrainError::setting("training.best", message)
        }
        _ => {
            let message = format!(
                "no two segments of {seconds} s in the validation split: the best checkpoint cannot be chosen by them"
            );
            TrainError::setting("training.knn_seconds", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Mutex,
    };

    use super::*;
    use crate::{
        corpus::Split,
        train::{
            data::tests::synthesised,
            recipe::{Overrides, resolve},
        },
    };

    /// A second of 44.1 kHz.
    const LEN: usize = 44_100;

    fn recipe(set: &[&str]) -> Recipe {
        let seconds = ["training.knn_seconds=1"];
        resolve("direct", &Overrides::set(&[&seconds, set].concat())).unwrap()
    }

    fn drawn(recipe: &Recipe, validation: u32) -> (Result<KnnData, TrainError>, Vec<(Instrument, usize)>) {
        let pieces = synthesised([1, validation, 1], LEN, &[Split::Validation]).remove(0);
        let told = Mutex::new(Vec::new());
        let data = KnnData::new(recipe, pieces, &|event| {
            if let Event::FewTargets {
                instrument,
                targets,
                asked,
            } = event
            {
                assert_eq!(asked, 10);
                told.lock().unwrap().push((instrument, targets));
            }
        });
        (data, told.into_inner().unwrap())
    }

    #[test]
    fn pseudo_pieces_are_of_as_many_targets_as_there_are_and_it_is_said() {
        let (data, told) = drawn(&recipe(&["training.knn_segments=40"]), 6);
        let data = data.unwrap();
        for (instrument, segments) in &data.segments {
            let mut groups: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
            for segment in segments {
                let pseudo = segment.pseudo.unwrap();
                groups.entry(segment.piece).or_default().insert(pseudo);
                for (i, stem) in segment.item.stems.iter().enumerate() {
                    let Some(stem) = stem else { continue };
                    let own = stem.excerpt.piece == segment.piece;
                    // the first pseudo piece of four is the piece as it is
                    assert_eq!(own, i == *instrument as usize || pseudo.is_multiple_of(4));
                }
            }
            // of six pieces three are the rest of each, and none of those gives the target
            let targets = groups.len();
            assert!((2..=3).contains(&targets), "{instrument}: {targets}");
            assert!(told.contains(&(*instrument, targets)), "{told:?}");
            assert!(groups.values().all(|pseudo| pseudo.len() == 4), "{groups:?}");
            assert!(segments.len() <= 40);
        }
        assert_eq!((data.segments.len(), told.len()), (5, 5));
    }

    #[test]
    fn too_few_pieces_to_choose_by_are_an_error() {
        let message = |set: &[&str]| match drawn(&recipe(set), 2) {
            (Err(error), _) => error.to_string(),
            _ => String::new(),
        };
        let pseudo = message(&[]);
        assert!(
            pseudo.contains("training.best") && pseudo.contains("\"knn\""),
            "{pseudo}"
        );
        assert_eq!(message(&["training.best=knn"]), "");
    }
}
