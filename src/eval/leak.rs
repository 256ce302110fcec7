//! The leak check: does a sub-space tell what is played *around* its instrument?
//!
//! Ten pieces give the target instrument, and the same ten the rest: a hundred pairs, ten of them a piece with itself.
//! Of each piece ten segments are taken, and in each pair those of the one are paired with those of the other at random:
//! a thousand pseudo segments, which are asked as in [MES-Pseudo](super::mes_pseudo): the five nearest neighbours in the
//! target's sub-space, all segments of the query's own pair left out, vote for the piece of the target, which should be
//! right, and for that of the rest, which should be wrong: a model that hears the target alone finds it in other pairs
//! only, and scores 0. Table 6 and Figures 6 and 7 of Imamura et al. 2025. The same vectors make a picture: colour is the
//! target's piece, shape the other's.

use serde::{Deserialize, Serialize};

use super::{
    EvalError, Scored, Setup, Subject,
    draw::{self, Draw, Purpose},
    neighbours::ask,
};
use crate::{
    corpus::{Catalogue, Excerpt, Instrument},
    metrics::{Embeddings, TsneOptions, tsne},
};

/// Pieces that give both the target and the rest.
const PIECES: usize = 10;
/// Segments of a piece, and pseudo segments of a pair.
const SEGMENTS: usize = 10;

/// What a sub-space tells.
#[derive(Clone, Debug)]
pub struct Leak {
    /// Of the target: high is good.
    pub target: Scored,
    /// Of what is around it: low is good.
    pub other: Scored,
    /// A picture of the vectors (t-SNE); empty if there are too few.
    pub points: Vec<Point>,
}

/// A segment in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its place.
    pub x: f64,
    /// Its place.
    pub y: f64,
    /// Number of the piece that gives the target.
    pub target: u32,
    /// Number of the piece that gives the rest.
    pub other: u32,
}

/// The leak of one instrument's sub-space. Pieces with ten segments in which it and something else sound come first;
/// where a piece has fewer, so have its pairs.
///
/// # Errors
/// [`EvalError::TooFew`], naming what is missing; what the subject gives.
pub fn leak(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    setup: &Setup,
) -> Result<Leak, EvalError> {
    let mut draw = Draw::new(Purpose::Leak, Some(target), setup.seed);
    let pieces = pieces(catalogue, target, setup, &mut draw)?;
    let (mut mixes, mut targets, mut others, mut pairs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (row, giving) in pieces.iter().enumerate() {
        for (column, around) in pieces.iter().enumerate() {
            let mut rests = around.starts.clone();
            draw.shuffle(&mut rests);
            for (&start, rest) in giving.starts.iter().zip(rests) {
                let excerpt = Excerpt {
                    piece: giving.piece,
                    instrument: target,
                    start,
                };
                mixes.push(draw::pseudo(excerpt, around.piece, rest));
                targets.push(giving.piece);
                others.push(around.piece);
                pairs.push((row * pieces.len() + column) as u32);
            }
        }
    }
    let vectors = subject.describe(target, &mixes)?;
    let places = places(
        Embeddings::new(&vectors, vectors.len() / mixes.len())?,
        setup.seed,
    )?;
    let id = |piece: u32| catalogue.pieces()[piece as usize].id;
    let points = places.iter().zip(targets.iter().zip(&others));
    let points = points.map(|(&[x, y], (&target, &other))| Point {
        x,
        y,
        target: id(target),
        other: id(other),
    });
    Ok(Leak {
        points: points.collect(),
        target: ask(&vectors, &targets, Some(&pairs), target, setup)?.0,
        other: ask(&vectors, &others, Some(&pairs), target, setup)?.0,
    })
}

/// A piece and the starts of its segments.
struct Chosen {
    piece: u32,
    starts: Vec<u64>,
}

/// The pieces, and ten segments of each in which the target and something else sound.
fn pieces(
    catalogue: &Catalogue,
    target: Instrument,
    setup: &Setup,
    draw: &mut Draw,
) -> Result<Vec<Chosen>, EvalError> {
    let wanted = setup.pieces.map_or(PIECES, |most| most.min(PIECES)).max(2);
    let usable = catalogue.usable(target).iter().map(|&piece| {
        let rest = draw::grid_of_rest(catalogue, piece, target);
        let mut starts = draw::grid(catalogue, piece, target);
        starts.retain(|start| rest.binary_search(start).is_ok());
        Chosen { piece, starts }
    });
    let mut pieces: Vec<Chosen> = usable.filter(|chosen| !chosen.starts.is_empty()).collect();
    draw.shuffle(&mut pieces);
    // a stable sort: among pieces with enough, those that were drawn first
    pieces.sort_by_key(|chosen| SEGMENTS.saturating_sub(chosen.starts.len()));
    if pieces.len() < wanted {
        return Err(EvalError::TooFew {
            what: format!("the leak check of {target}"),
            needs: format!("{wanted} pieces in which it and something else sound for a segment"),
            has: format!(
                "of the {} pieces of the {} split {} are such",
                catalogue.pieces().len(),
                catalogue.split(),
                pieces.len()
            ),
            advice: "Give more pieces, ask for fewer with --pieces, or for shorter segments with --seconds",
        });
    }
    pieces.truncate(wanted);
    for chosen in &mut pieces {
        draw.shuffle(&mut chosen.starts);
        chosen.starts.truncate(SEGMENTS);
    }
    Ok(pieces)
}

/// Places in a picture, one a vector.
pub(super) fn places(vectors: Embeddings<'_>, seed: u64) -> Result<Vec<[f64; 2]>, EvalError> {
    let usual = TsneOptions::default();
    // a picture of few points needs fewer neighbours
    let perplexity = usual.perplexity.min((vectors.len() - 1) as f64 / 3.0);
    let options = TsneOptions {
        perplexity,
        seed,
        ..usual
    };
    Ok(tsne(vectors, &options)?)
}
