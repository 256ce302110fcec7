//! The scores after an epoch.

use std::collections::BTreeMap;

use super::engine::Engine;
use crate::{
    metrics::{Embeddings, Ties, nearest_others},
    train::{
        Scores, TrainError,
        data::{Data, Example, KnnData, Segment, Writer},
    },
};

/// Neighbours that vote.
const NEIGHBOURS: usize = 5;

/// The name of the score over all instruments.
const MEAN: &str = "mean";

/// The mean loss over the validation examples, and the nearest-neighbour scores by instrument and over all.
pub(crate) fn validate(
    engine: &mut Engine,
    data: &Data,
) -> Result<(Scores, BTreeMap<String, f32>), TrainError> {
    let loss = mean_loss(engine, data)?;
    let knn = match &data.knn {
        // NaN has no neighbours
        Some(knn) if loss.is_finite() => neighbours(engine, knn)?,
        _ => BTreeMap::new(),
    };
    Ok((
        Scores {
            loss,
            knn: knn.get(MEAN).copied(),
        },
        knn,
    ))
}

/// Examples in batches of `size`; the first ones fill up the last.
pub(crate) fn whole_batches(examples: &[Example], size: usize) -> impl Iterator<Item = Vec<Example>> {
    let batches = examples.chunks(size.max(1));
    batches.map(move |batch| {
        batch
            .iter()
            .chain(examples.iter().cycle())
            .take(size)
            .cloned()
            .collect()
    })
}

fn mean_loss(engine: &mut Engine, data: &Data) -> Result<f32, TrainError> {
    let writer = Writer::new(&engine.network, &engine.programs.evaluation.inputs, &data.sets);
    let (mut sum, mut batches) = (0.0, 0);
    for examples in whole_batches(&data.validation, engine.programs.validated) {
        sum += f64::from(engine.evaluate(|slot| writer.write(&examples, slot))?);
        batches += 1;
    }
    Ok((sum / f64::from(batches)) as f32)
}

/// The share of segments whose neighbours are of their piece; none of those of their own pseudo piece is one.
fn recognised(embeddings: Embeddings<'_>, segments: &[Segment]) -> Result<f32, TrainError> {
    let labels: Vec<u32> = segments.iter().map(|segment| segment.piece).collect();
    let groups: Option<Vec<u32>> = segments.iter().map(|segment| segment.pseudo).collect();
    let neighbours = nearest_others(embeddings, NEIGHBOURS, groups.as_deref())?;
    Ok(neighbours.accuracy(&labels, Ties::default())?.share() as f32)
}

fn neighbours(engine: &mut Engine, knn: &KnnData) -> Result<BTreeMap<String, f32>, TrainError> {
    let mut scores = BTreeMap::new();
    for (instrument, segments) in &knn.segments {
        let items: Vec<_> = segments.iter().map(|segment| segment.item).collect();
        let values = engine.embed(&items, &knn.pieces)?;
        let recipe = &engine.network.recipe;
        let embeddings = Embeddings::new(&values, recipe.dimensions())?;
        let embeddings = match recipe.model.of_one_instrument() {
            true => embeddings,
            false => {
                let each = recipe.network.dimensions;
                let start = *instrument as usize * each;
                embeddings.columns(start..start + each)?
            }
        };
        // a single segment has no neighbours
        if segments.len() > 1 {
            scores.insert(instrument.to_string(), recognised(embeddings, segments)?);
        }
    }
    if !scores.is_empty() {
        let mean = scores.values().sum::<f32>() / scores.len() as f32;
        scores.insert(MEAN.into(), mean);
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::Item;

    /// Four pseudo pieces, two of each piece, whose segments are all alike; the nearest of each is of the other
    /// piece.
    #[test]
    fn segments_of_their_own_pseudo_piece_are_no_neighbours() {
        let places = [0.0, 1.0, 1.1, 2.0];
        let values: Vec<f32> = (0..24).map(|n| places[n / 6]).collect();
        let segment = |n: usize, pseudo: bool| Segment {
            piece: [7, 8][n / 6 % 2],
            pseudo: pseudo.then_some(n as u32 / 6),
            item: Item { stems: [None; 5] },
        };
        let share = |pseudo| {
            let segments: Vec<Segment> = (0..24).map(|n| segment(n, pseudo)).collect();
            recognised(Embeddings::new(&values, 1).unwrap(), &segments).unwrap()
        };
        assert_eq!(share(true), 0.0);
        assert_eq!(share(false), 1.0);
    }
}
