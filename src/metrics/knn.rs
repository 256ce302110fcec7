//! Nearest neighbours and their vote: the scores of MES-Normal and MES-Pseudo (Imamura et al. 2025).

use std::{cmp::Reverse, fmt, str::FromStr};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Embeddings, MetricsError, Proportion, embeddings::squared_distance, error::same_length};

/// Queries that one task answers.
const QUERIES: usize = 32;
/// Candidates that are widened to f64 at once: with 128 dimensions, 128 KiB.
const CANDIDATES: usize = 128;

/// Which of several labels is voted for, where as many neighbours have one as another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ties {
    /// The lowest, as in scikit-learn's `KNeighborsClassifier`: the papers' rule.
    #[default]
    Lowest,
    /// The one whose nearest neighbour is nearest.
    Nearest,
}

impl Ties {
    fn name(self) -> &'static str {
        match self {
            Ties::Lowest => "lowest",
            Ties::Nearest => "nearest",
        }
    }
}

impl fmt::Display for Ties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Ties {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Ties::Lowest, Ties::Nearest]
            .into_iter()
            .find(|ties| ties.name() == text);
        found.ok_or_else(|| format!("ties do not go to the '{text}': use lowest or nearest"))
    }
}

/// A candidate near a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Position among the candidates.
    pub index: usize,
    /// Euclidean distance from the query.
    pub distance: f64,
}

/// The nearest candidates of every query, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    candidates: usize,
    of: Vec<Vec<Neighbour>>,
}

/// The `k` candidates nearest to every query, by Euclidean distance `√(Σ (x − y)²)` in f64, nearest first; of
/// equally distant ones, the lower index first. Where `leave_out(query, candidate)`, the two are not
/// compared. Where fewer than `k` candidates remain, they are all.
///
/// The result does not depend on the number of threads. Beside it, memory grows with the number of threads
/// only.
///
/// # Errors
/// [`MetricsError`] if `k` is 0, if queries and candidates differ in dimension, or if no candidate remains
/// for some query.
pub fn nearest(
    queries: Embeddings<'_>,
    candidates: Embeddings<'_>,
    k: usize,
    leave_out: impl Fn(usize, usize) -> bool + Sync,
) -> Result<Neighbours, MetricsError> {
    if k == 0 {
        let message = "0 neighbours; ask for at least one".into();
        return Err(MetricsError::setting("k", message));
    }
    same_length(
        "dimensions of a candidate",
        queries.dimension(),
        candidates.dimension(),
    )?;
    let starts: Vec<usize> = (0..queries.len()).step_by(QUERIES).collect();
    let blocks = starts.into_par_iter().map(|start| {
        let block = start..queries.len().min(start + QUERIES);
        nearest_of_block(queries, candidates, k, &leave_out, block)
    });
    let of: Vec<Vec<Neighbour>> = blocks.collect::<Vec<_>>().into_iter().flatten().collect();
    if let Some(query) = of.iter().position(Vec::is_empty) {
        return Err(MetricsError::NoCandidates { query });
    }
    Ok(Neighbours {
        candidates: candidates.len(),
        of,
    })
}

/// [`nearest`] among the embeddings themselves: a query's own item is left out and, if items have groups,
/// every item of its group. With pieces for groups, this is how MES-Pseudo leaves out the query's own piece
/// (Imamura et al. 2025).
///
/// # Errors
/// As of [`nearest`], and if there is not one group for every item.
pub fn nearest_others(
    embeddings: Embeddings<'_>,
    k: usize,
    groups: Option<&[u32]>,
) -> Result<Neighbours, MetricsError> {
    match groups {
        None => nearest(embeddings, embeddings, k, |query, candidate| query == candidate),
        Some(groups) => {
            same_length("groups, one for every embedding", embeddings.len(), groups.len())?;
            nearest(embeddings, embeddings, k, |query, candidate| {
                groups[query] == groups[candidate]
            })
        }
    }
}

fn nearest_of_block(
    queries: Embeddings<'_>,
    candidates: Embeddings<'_>,
    k: usize,
    leave_out: &impl Fn(usize, usize) -> bool,
    block: std::ops::Range<usize>,
) -> Vec<Vec<Neighbour>> {
    let dimension = queries.dimension();
    let query_rows = queries.wide(block.clone());
    let mut found: Vec<Vec<Neighbour>> = vec![Vec::new(); block.len()];
    for first in (0..candidates.len()).step_by(CANDIDATES) {
        let rows = candidates.wide(first..candidates.len().min(first + CANDIDATES));
        for ((query, x), found) in block.clone().zip(query_rows.chunks(dimension)).zip(&mut found) {
            for (index, y) in (first..).zip(rows.chunks(dimension)) {
                if !leave_out(query, index) {
                    insert(found, k, index, squared_distance(x, y));
                }
            }
        }
    }
    for neighbour in found.iter_mut().flatten() {
        neighbour.distance = neighbour.distance.sqrt();
    }
    found
}

/// Candidates come by ascending index, so one that is no nearer than another stands behind it.
fn insert(found: &mut Vec<Neighbour>, k: usize, index: usize, distance: f64) {
    if found.len() == k {
        if found.last().is_some_and(|last| distance >= last.distance) {
            return;
        }
        found.pop();
    }
    let place = found.partition_point(|other| other.distance <= distance);
    found.insert(place, Neighbour { index, distance });
}

/// The label that most neighbours have; of labels with equally many, the one that `ties` says. `None` without
/// neighbours; labels are indexed by [`Neighbour::index`], and those that are not there do not vote.
pub fn vote<L: Copy + Ord>(neighbours: &[Neighbour], labels: &[L], ties: Ties) -> Option<L> {
    let mut votes: Vec<(L, usize)> = Vec::new();
    for label in neighbours
        .iter()
        .filter_map(|neighbour| labels.get(neighbour.index))
    {
        match votes.iter_mut().find(|(known, _)| known == label) {
            Some((_, count)) => *count += 1,
            None => votes.push((*label, 1)),
        }
    }
    // in the order of their nearest neighbours
    let ranked = votes.into_iter().enumerate();
    let (_, (label, _)) = ranked.min_by_key(|&(place, (label, count))| {
        let lowest = (ties == Ties::Lowest).then_some(label);
        (Reverse(count), lowest, place)
    })?;
    Some(label)
}

impl Neighbours {
    /// Those of every query, in the queries' order.
    pub fn all(&self) -> &[Vec<Neighbour>] {
        &self.of
    }

    /// What the neighbours of each query [`vote`] for, given the label of every candidate.
    ///
    /// # Errors
    /// [`MetricsError::Length`] if there is not one label for every candidate.
    pub fn predict<L: Copy + Ord>(&self, labels: &[L], ties: Ties) -> Result<Vec<L>, MetricsError> {
        same_length("labels, one for every candidate", self.candidates, labels.len())?;
        let predicted = self.of.iter().enumerate();
        predicted
            .map(|(query, neighbours)| {
                vote(neighbours, labels, ties).ok_or(MetricsError::NoCandidates { query })
            })
            .collect()
    }

    /// How many queries are given their own label, where the queries are the candidates.
    ///
    /// # Errors
    /// As of [`Neighbours::predict`], and if there is no query.
    pub fn accuracy<L: Copy + Ord>(&self, labels: &[L], ties: Ties) -> Result<Proportion, MetricsError> {
        same_length("labels, one for every query", self.of.len(), labels.len())?;
        let predicted = self.predict(labels, ties)?;
        let right = predicted
            .iter()
            .zip(labels)
            .filter(|(found, label)| found == label);
        Proportion::new(right.count() as u64, labels.len() as u64)
    }
}
