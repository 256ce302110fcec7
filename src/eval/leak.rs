//! The leak check: does a sub-space tell what is played *around* its instrument?
//!
//! Ten pieces give the target instrument and ten others the rest; of each of the hundred pairs there are ten pseudo
//! segments. In the target's sub-space, the five nearest neighbours of a segment vote for the piece of the target, which
//! should be right, and for the piece of the rest, which should be right no more often than by chance. Only the segment
//! itself is left out: what two segments of one pair share is what is asked for. Table 6 of Imamura et al. 2025. The
//! same vectors make a picture: colour is the target's piece, shape the other's.

use serde::{Deserialize, Serialize};

use super::{
    EvalError, Scored, Subject,
    draw::{self, Draw, Stream},
    neighbours::ask,
};
use crate::{
    corpus::{Catalogue, Excerpt, Instrument, SoundingStarts},
    metrics::{Embeddings, TsneOptions, tsne},
};

/// Pieces that give the target, and the same number that give the rest.
const PIECES: usize = 10;
/// Segments of a pair.
const SEGMENTS: usize = 10;

/// What a sub-space tells.
#[derive(Clone, Debug)]
pub struct Leak {
    /// Of the target: high is good.
    pub target: Scored,
    /// Of what is around it: near chance is good.
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

/// The leak of one instrument's sub-space, with at most `limit` pieces of either kind.
///
/// # Errors
/// [`EvalError::TooFew`], naming what is missing; what the subject gives.
pub fn leak(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    limit: Option<usize>,
    seed: u64,
) -> Result<Leak, EvalError> {
    let mut draw = Draw::new(Stream::Leak, Some(target), seed);
    let wanted = limit.map_or(PIECES, |limit| limit.min(PIECES)).max(2);
    let mut giving = catalogue.usable(target).to_vec();
    draw.shuffle(&mut giving);
    giving.truncate(wanted);
    let sounding = |piece: u32| &catalogue.pieces()[piece as usize].sounding;
    let rest = |piece: u32| {
        let others = Instrument::ALL.into_iter().filter(|&other| other != target);
        SoundingStarts::union(others.map(|other| &sounding(piece)[other as usize]))
    };
    let mut around: Vec<u32> = (0..catalogue.pieces().len() as u32)
        .filter(|piece| !giving.contains(piece) && rest(*piece).count() > 0)
        .collect();
    draw.shuffle(&mut around);
    around.truncate(wanted);
    if giving.len() < wanted || around.len() < wanted {
        return Err(EvalError::TooFew {
            what: format!("the leak check of {target}"),
            needs: format!(
                "{wanted} pieces in which it sounds and {wanted} others in which something else does"
            ),
            has: format!(
                "of the {} pieces of the {} split there are {} and {}",
                catalogue.pieces().len(),
                catalogue.split(),
                giving.len(),
                around.len()
            ),
            advice: "Give more pieces, ask for fewer with --pieces, or for shorter segments with --seconds",
        });
    }
    let mut pick = |starts: &SoundingStarts| {
        let at = draw.below(starts.count().max(1) as usize);
        starts.nth(at as u64).unwrap_or_default()
    };
    let (mut mixes, mut targets, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let rests: Vec<SoundingStarts> = around.iter().map(|&piece| rest(piece)).collect();
    for &piece in &giving {
        for (&other, rest) in around.iter().zip(&rests) {
            for _ in 0..SEGMENTS {
                let excerpt = Excerpt {
                    piece,
                    instrument: target,
                    start: pick(&sounding(piece)[target as usize]),
                };
                mixes.push(draw::pseudo(excerpt, other, pick(rest)));
                targets.push(piece);
                others.push(other);
            }
        }
    }
    let vectors = subject.describe(target, &mixes)?;
    let id = |piece: u32| catalogue.pieces()[piece as usize].id;
    let places = places(Embeddings::new(&vectors, vectors.len() / mixes.len())?, seed)?;
    let points = places.iter().zip(targets.iter().zip(&others));
    let points = points.map(|(&[x, y], (&target, &other))| Point {
        x,
        y,
        target: id(target),
        other: id(other),
    });
    Ok(Leak {
        points: points.collect(),
        target: ask(&vectors, &targets, None, target, seed)?,
        other: ask(&vectors, &others, None, target, seed)?,
    })
}

/// Places in a picture, one a vector.
fn places(vectors: Embeddings<'_>, seed: u64) -> Result<Vec<[f64; 2]>, EvalError> {
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
