//! What the neighbours say: shared by the protocols that ask them.

use super::{
    EvalError, Setup,
    draw::{Draw, Purpose},
};
use crate::{
    corpus::Instrument,
    metrics::{Embeddings, Neighbour, Proportion, nearest_others, vote},
};

/// Neighbours that vote, in all papers.
pub const K: usize = 5;
/// How often chance is tried.
const ROUNDS: usize = 20;

/// A score of nearest neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Queries whose neighbours voted right.
    pub hits: Proportion,
    /// The share that random neighbours vote right, with the same queries, labels and exclusions.
    pub chance: f64,
    /// Labels that there are.
    pub labels: usize,
    /// Pieces, pseudo pieces included.
    pub pieces: usize,
}

/// Asks the neighbours of every item for its label. Where `groups` are given, all of an item's group are left out.
pub(super) fn ask(
    vectors: &[f32],
    labels: &[u32],
    groups: Option<&[u32]>,
    target: Instrument,
    setup: &Setup,
) -> Result<Scored, EvalError> {
    let dimension = vectors.len() / labels.len().max(1);
    let neighbours = nearest_others(Embeddings::new(vectors, dimension)?, K, groups)?;
    let distinct = |list: &[u32]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.dedup();
        list.len()
    };
    Ok(Scored {
        hits: neighbours.accuracy(labels, setup.ties)?,
        chance: chance(labels, groups, target, setup),
        labels: distinct(labels),
        pieces: distinct(groups.unwrap_or(labels)),
    })
}

/// The share of right votes of neighbours that are drawn instead of found.
fn chance(labels: &[u32], groups: Option<&[u32]>, target: Instrument, setup: &Setup) -> f64 {
    let mut draw = Draw::new(Purpose::Chance, Some(target), setup.seed);
    let same = |a: usize, b: usize| a == b || groups.is_some_and(|groups| groups[a] == groups[b]);
    let mut right = 0;
    for query in 0..labels.len() {
        let mut others: Vec<usize> = (0..labels.len()).filter(|&other| !same(query, other)).collect();
        for _ in 0..ROUNDS {
            let count = K.min(others.len());
            for place in 0..count {
                let from = place + draw.below(others.len() - place);
                others.swap(place, from);
            }
            let drawn = others[..count]
                .iter()
                .map(|&index| Neighbour { index, distance: 0.0 });
            let voted = vote(&drawn.collect::<Vec<_>>(), labels, setup.ties);
            right += usize::from(voted == Some(labels[query]));
        }
    }
    right as f64 / (ROUNDS * labels.len()).max(1) as f64
}
