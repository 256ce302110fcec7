//! Neighbours.

use std::{collections::HashMap, ops::Range, path::Path};

use rayon::prelude::*;

use super::{Entry, Library, Query};
use crate::corpus::Instrument;

/// Files at less than this in the mean of all instruments are folded together: a twentieth of what two files of the
/// library usually have. A copy has 0; music coded again has less than this, another piece of music hardly ever.
pub const FOLD: f64 = 0.05;

/// Rows that one thread adds up: fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 256;

/// How much of what is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Matches.
    pub count: usize,
    /// Files nearer than this to a query or to a match are folded into it; see [`FOLD`].
    pub fold: f64,
    /// Matches of one folder at most.
    pub per_folder: Option<usize>,
    /// Matches of one artist at most; of those without the tag, any number.
    pub per_artist: Option<usize>,
}

impl Wanted {
    /// As many as there are, from wherever they are.
    pub fn new(count: usize, fold: f64) -> Self {
        Wanted {
            count,
            fold,
            per_folder: None,
            per_artist: None,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// The nearest first.
    pub matches: Vec<Match<'a>>,
    /// Files like a query, other than itself: folded, and no matches.
    pub like_queries: Vec<&'a Entry>,
}

/// A file that is near.
#[derive(Clone, Debug, PartialEq)]
pub struct Match<'a> {
    /// The file.
    pub entry: &'a Entry,
    /// `Σ wᵢdᵢ / Σ|wᵢ|` of the instruments' distances dᵢ, over what two files of the library usually have.
    pub distance: f64,
    /// Those of the instruments, in the order of the header.
    pub by_instrument: Vec<f64>,
    /// Instruments of the focus that it [lacks](Entry::lacks): in these it is like nothing, and comes after all others.
    pub lacks: Vec<Instrument>,
    /// Files like this one.
    pub like: Vec<&'a Entry>,
}

/// A candidate and its distances.
struct Candidate<'a> {
    entry: &'a Entry,
    row: &'a [f32],
    by_instrument: Vec<f64>,
    /// Instruments of the focus that it has not.
    lacks: Vec<Instrument>,
    /// By the focus.
    distance: f64,
}

/// The files nearest to the queries, in the mean of the distances to each. `focus` gives weights to instruments, of
/// which not all are 0; below 0, what is unlike is near. Those that it does not name have none; an empty one is all of them
/// alike. Queries themselves and silent files are not among them; files that lack an instrument of the focus come last;
/// equal distances are in the order of paths.
pub fn search<'a>(
    library: &'a Library,
    queries: &[Query],
    focus: &[(Instrument, f64)],
    wanted: Wanted,
) -> Found<'a> {
    let Wanted { count, fold, .. } = wanted;
    let space = library.space();
    let mut candidates = candidates(library, space, queries, focus);
    // a stable sort keeps the order of paths
    candidates.par_sort_by(|a, b| {
        let last = a.lacks.is_empty().cmp(&b.lacks.is_empty()).reverse();
        last.then(a.distance.total_cmp(&b.distance))
    });

    let mut found = Found {
        matches: Vec::new(),
        like_queries: Vec::new(),
    };
    let mut shown: Vec<&[f32]> = Vec::new();
    let mut room = Room::of(wanted);
    for candidate in candidates {
        let like = |row: &[f32]| space.within(row, candidate.row, fold);
        if queries.iter().any(|query| like(&query.vectors)) {
            found.like_queries.push(candidate.entry);
            continue;
        }
        // by the triangle inequality, what is alike is also alike far from the queries, in every instrument
        let near = |other: &[f64]| {
            let pairs = other.iter().zip(&candidate.by_instrument);
            let apart: f64 = pairs.map(|(a, b)| (a - b).abs()).sum();
            apart / other.len() as f64 <= fold * (1.0 + 1e-9)
        };
        let mut pairs = found.matches.iter().zip(&shown);
        match pairs.position(|(other, row)| near(&other.by_instrument) && like(row)) {
            Some(place) => found.matches[place].like.push(candidate.entry),
            None if shown.len() < count && room.takes(candidate.entry) => {
                shown.push(candidate.row);
                found.matches.push(Match {
                    entry: candidate.entry,
                    distance: candidate.distance,
                    by_instrument: candidate.by_instrument,
                    lacks: candidate.lacks,
                    like: Vec::new(),
                });
            }
            None => {}
        }
    }
    found
}

/// How many of a folder and of an artist may still come.
struct Room<'a> {
    wanted: Wanted,
    folders: HashMap<&'a Path, usize>,
    artists: HashMap<&'a str, usize>,
}

impl<'a> Room<'a> {
    fn of(wanted: Wanted) -> Self {
        Room {
            wanted,
            folders: HashMap::new(),
            artists: HashMap::new(),
        }
    }

    /// Whether there is room for a file; it takes it.
    fn takes(&mut self, entry: &'a Entry) -> bool {
        let folder = entry.file.path.parent();
        let artist = entry.tags.as_ref().and_then(|tags| tags.artist.as_deref());
        let folder = folder.map(|folder| self.folders.entry(folder).or_insert(0));
        let artist = artist.map(|artist| self.artists.entry(artist).or_insert(0));
        let full = |taken: &Option<&mut usize>, most: Option<usize>| {
            taken
                .as_ref()
                .zip(most)
                .is_some_and(|(taken, most)| **taken >= most)
        };
        if full(&folder, self.wanted.per_folder) || full(&artist, self.wanted.per_artist) {
            return false;
        }
        folder.into_iter().chain(artist).for_each(|taken| *taken += 1);
        true
    }
}

/// The weight of every instrument, in the order of the header.
fn weights(library: &Library, focus: &[(Instrument, f64)]) -> Vec<f64> {
    let subspaces = library.header().subspaces.iter();
    let weight = |instrument| match focus {
        [] => 1.0,
        focus => focus
            .iter()
            .filter(|(i, _)| *i == instrument)
            .map(|(_, w)| w)
            .sum(),
    };
    subspaces.map(|subspace| weight(subspace.instrument)).collect()
}

/// The files that may be found, in the order of paths.
fn candidates<'a>(
    library: &'a Library,
    space: &Space,
    queries: &[Query],
    focus: &[(Instrument, f64)],
) -> Vec<Candidate<'a>> {
    let weights = weights(library, focus);
    let total: f64 = weights.iter().map(|weight| weight.abs()).sum();
    let asked = focus.iter().filter(|(_, weight)| *weight != 0.0);
    let asked: Vec<Instrument> = asked.map(|&(instrument, _)| instrument).collect();
    let candidate = |entry: &'a Entry| {
        let row = library.row(entry)?;
        let mut by_instrument = vec![0.0; weights.len()];
        for query in queries {
            let distances = space.distances(&query.vectors, row);
            by_instrument
                .iter_mut()
                .zip(distances)
                .for_each(|(sum, d)| *sum += d);
        }
        by_instrument
            .iter_mut()
            .for_each(|sum| *sum /= queries.len() as f64);
        let weighted = by_instrument.iter().zip(&weights).map(|(d, w)| d * w);
        Some(Candidate {
            entry,
            row,
            lacks: asked.iter().copied().filter(|&i| entry.lacks(i)).collect(),
            distance: weighted.sum::<f64>() / total,
            by_instrument,
        })
    };
    let others = library.entries().par_iter();
    let others = others.filter(|entry| queries.iter().all(|query| query.hash != entry.hash));
    others.filter_map(candidate).collect()
}

/// Where a row's instruments lie, and what their distances usually are.
pub(super) struct Space {
    parts: Vec<(Range<usize>, f64)>,
}

impl Space {
    /// Over all pairs of contents, the mean square of the distance is twice the variance, the sum over dimensions.
    pub fn of(library: &Library) -> Self {
        let rows: HashMap<u32, &[f32]> = library
            .entries()
            .iter()
            .filter_map(|entry| Some((entry.row.as_ref()?.row, library.row(entry)?)))
            .collect();
        let mut rows: Vec<(u32, &[f32])> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|(row, _)| *row);
        let width = library.header().width();
        let n = rows.len() as f64;
        let mut mean = column_sums(&rows, width, |x, _| x);
        mean.iter_mut().for_each(|x| *x /= n);
        let squares = column_sums(&rows, width, |x, column| (x - mean[column]).powi(2));
        let mut start = 0;
        let parts = library.header().subspaces.iter().map(|subspace| {
            let range = start..start + subspace.dimensions;
            start = range.end;
            let usual = (2.0 * squares[range.clone()].iter().sum::<f64>() / (n - 1.0)).sqrt();
            // one content, or all alike: there is nothing to measure by
            (range, if usual > 0.0 { usual } else { 1.0 })
        });
        Space {
            parts: parts.collect(),
        }
    }

    /// By instrument.
    fn distances(&self, a: &[f32], b: &[f32]) -> impl Iterator<Item = f64> {
        self.parts.iter().map(|(range, usual)| {
            let pairs = a[range.clone()].iter().zip(&b[range.clone()]);
            pairs
                .map(|(x, y)| f64::from(x - y) * f64::from(x - y))
                .sum::<f64>()
                .sqrt()
                / usual
        })
    }

    /// Whether the mean over all instruments is less than `fold`; most others are known by their first instrument.
    fn within(&self, a: &[f32], b: &[f32], fold: f64) -> bool {
        let mut sum = 0.0;
        let mut far = |distance: f64| {
            sum += distance;
            sum / self.parts.len() as f64 >= fold
        };
        !self.distances(a, b).any(&mut far)
    }
}

/// Σ over rows of f(value, column), by column.
fn column_sums(rows: &[(u32, &[f32])], width: usize, f: impl Fn(f64, usize) -> f64 + Sync) -> Vec<f64> {
    let partial: Vec<Vec<f64>> = rows
        .par_chunks(CHUNK)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            for (_, row) in rows {
                sums.iter_mut()
                    .zip(*row)
                    .enumerate()
                    .for_each(|(column, (sum, &x))| *sum += f(f64::from(x), column));
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0; width];
    for part in partial {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    sums
}
