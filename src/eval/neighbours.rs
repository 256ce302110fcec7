//! What the neighbours say: shared by the protocols that ask them.

use super::{
    EvalError, Setup, Subject,
    draw::{Draw, Purpose},
};
use crate::{
    corpus::{Instrument, Mix},
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

/// The segments of one protocol. All are queries, and all are candidates.
#[derive(Default)]
pub(super) struct Questions {
    pub mixes: Vec<Mix>,
    /// Of every segment the piece that is to be named.
    pub labels: Vec<u32>,
    /// The pseudo piece that every segment is of, which is left out of its neighbours; without, the segment alone is.
    pub groups: Option<Vec<u32>>,
}

/// What became of them.
pub(super) struct Answers {
    pub scored: Scored,
    /// `[segments, dimensions]`
    pub vectors: Vec<f32>,
    /// The piece that every segment's neighbours name.
    pub votes: Vec<u32>,
}

impl Questions {
    /// Describes all segments in the target's sub-space, and asks the neighbours of each for its label.
    pub fn ask(
        &self,
        subject: &mut dyn Subject,
        target: Instrument,
        setup: &Setup,
    ) -> Result<Answers, EvalError> {
        let vectors = subject.describe(target, &self.mixes)?;
        let (scored, votes) = ask(&vectors, &self.labels, self.groups.as_deref(), target, setup)?;
        Ok(Answers {
            scored,
            vectors,
            votes,
        })
    }
}

/// Asks the neighbours of every item for its label. Where `groups` are given, all of an item's group are left out. The
/// second are the labels that they vote for.
pub(super) fn ask(
    vectors: &[f32],
    labels: &[u32],
    groups: Option<&[u32]>,
    target: Instrument,
    setup: &Setup,
) -> Result<(Scored, Vec<u32>), EvalError> {
    let dimension = vectors.len() / labels.len().max(1);
    let neighbours = nearest_others(Embeddings::new(vectors, dimension)?, K, groups)?;
    let distinct = |list: &[u32]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.dedup();
        list.len()
    };
    let votes = neighbours.predict(labels, setup.ties)?;
    let right = votes.iter().zip(labels).filter(|(vote, label)| vote == label);
    let scored = Scored {
        hits: Proportion::new(right.count() as u64, labels.len() as u64)?,
        chance: chance(labels, groups, target, setup),
        labels: distinct(labels),
        pieces: distinct(groups.unwrap_or(labels)),
    };
    Ok((scored, votes))
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
