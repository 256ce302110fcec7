//! The figures of Hashizume et al. 2025 beside its tables, for each instrument: segments of whole pieces in its sub-space
//! (Figure 8), segments of pseudo pieces there (Figures 9 and 10), and what its clean stems are in all sub-spaces
//! (Figure 11). Figure 12 is the distance matrices of [`correlation`](super::correlation()).
//!
//! They are of ten pieces each and of ten segments of a piece or pseudo piece, evenly spread.

use serde::{Deserialize, Serialize};

use super::{
    EvalError, Preset, Setup, Subject, draw,
    leak::{Point, places},
};
use crate::{
    corpus::{Catalogue, Excerpt, Instrument, Mix, cast::Cast},
    metrics::Embeddings,
};

/// Pieces in a figure.
const PIECES: usize = 10;
/// Segments of a piece, or of a pseudo piece.
const SEGMENTS: usize = 10;
/// Fewer places are no picture.
const LEAST: usize = 4;
/// What the largest value of a stack is written as.
const LARGEST: f32 = 255.0;

/// The figures of one instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The instrument.
    pub instrument: Instrument,
    /// Segments of whole pieces, by t-SNE: the target's piece is that of the rest.
    pub pieces: Vec<Point>,
    /// Segments of pseudo pieces, by t-SNE.
    pub pseudo: Vec<Point>,
    /// Clean stems in all sub-spaces, of a subject that has all.
    pub stems: Option<Stack>,
}

/// The absolute values of embeddings, a row for each segment, in 255ths of the largest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Numbers in a row: the sub-spaces in the order of [`Instrument::ALL`].
    pub dimensions: usize,
    /// `[segments, dimensions]`
    #[serde(with = "coded")]
    pub values: Vec<u8>,
}

/// Bytes as base64.
mod coded {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)
    }
}

impl Stack {
    /// Of embeddings `[segments, dimensions]`.
    pub fn of(embeddings: &[f32], dimensions: usize) -> Self {
        let largest = embeddings.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = if largest > 0.0 { LARGEST / largest } else { 0.0 };
        let values = embeddings.iter().map(|x| (x.abs() * scale).round() as u8);
        Stack {
            dimensions,
            values: values.collect(),
        }
    }
}

/// The figures of an instrument; with its clean stems in all sub-spaces if the subject `has_all`. Where there are too few
/// pieces for one of them, it is empty.
///
/// # Errors
/// What the subject gives.
pub fn figures(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    has_all: bool,
    setup: &Setup,
) -> Result<Figures, EvalError> {
    let most = setup.pieces.map_or(PIECES, |most| most.min(PIECES));
    let chosen = draw::some(catalogue.usable(target).to_vec(), Some(most), setup.seed);
    let of_piece = |piece| {
        let starts = draw::spread(&draw::grid(catalogue, piece, target), SEGMENTS).into_iter();
        starts.map(move |start| Excerpt {
            piece,
            instrument: target,
            start,
        })
    };
    let excerpts: Vec<Excerpt> = chosen.into_iter().flat_map(of_piece).collect();
    let whole: Vec<Mix> = excerpts.iter().map(|e| Mix::of_piece(e.piece, e.start)).collect();
    let preset = Preset::H25;
    let cast = Cast::draw(catalogue, target, preset, [most, preset.others()], setup.seed);
    let pseudo = cast.map_or_else(
        |_| Vec::new(),
        |cast| cast.segments(catalogue, target, preset, SEGMENTS).mixes,
    );
    let stems = match has_all && !excerpts.is_empty() {
        true => {
            let alone: Vec<Mix> = excerpts.iter().map(|&excerpt| draw::alone(excerpt)).collect();
            let embeddings = subject.describe_all(&alone)?;
            Some(Stack::of(&embeddings, embeddings.len() / alone.len()))
        }
        false => None,
    };
    Ok(Figures {
        instrument: target,
        pieces: picture(subject, catalogue, target, &whole, setup)?,
        pseudo: picture(subject, catalogue, target, &pseudo, setup)?,
        stems,
    })
}

/// Where mixes lie in the target's sub-space.
fn picture(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    mixes: &[Mix],
    setup: &Setup,
) -> Result<Vec<Point>, EvalError> {
    if mixes.len() < LEAST {
        return Ok(Vec::new());
    }
    let vectors = subject.describe(target, mixes)?;
    let embeddings = Embeddings::new(&vectors, vectors.len() / mixes.len())?;
    let id = |excerpt: Excerpt| catalogue.pieces()[excerpt.piece as usize].id;
    let point = |([x, y], mix): ([f64; 2], &Mix)| {
        let mut rest = mix.sources.iter().flatten().filter(|e| e.instrument != target);
        Some(Point {
            x,
            y,
            target: id(mix.sources[target as usize]?),
            other: id(*rest.next()?),
        })
    };
    let places = places(embeddings, setup.seed)?;
    Ok(places.into_iter().zip(mixes).filter_map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_absolute_values_in_255ths_and_reads_back() {
        let stack = Stack::of(&[0.5, -2.0, 0.0, 1.0], 2);
        assert_eq!((stack.dimensions, &stack.values[..]), (2, &[64, 255, 0, 128][..]));
        let text = serde_json::to_string(&stack).unwrap();
        assert_eq!(serde_json::from_str::<Stack>(&text).unwrap(), stack);
        assert!(serde_json::from_str::<Stack>(r#"{"dimensions": 2, "values": "no base64!"}"#).is_err());
        assert_eq!(Stack::of(&[0.0; 3], 3).values, [0; 3]);
        assert_eq!(Stack::of(&[f32::NAN, 1.0], 2).values, [0, 255]);
    }
}
