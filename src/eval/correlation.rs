//! Correlation of distance matrices: does a sub-space see the same in a mix as in the clean stem, and something else
//! than the other sub-spaces?
//!
//! The distances between all pairs of segments are computed twice and correlated (Pearson). *Same sub-space, clean
//! stem in against mix in* should be high, *two sub-spaces, mix in* low: Tables 4 and 5 of Hashizume et al. 2025.
//! Vectors that know nothing give 0.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    EvalError, Setup, Subject, draw,
    identification::{excerpts, nothing},
};
use crate::{
    corpus::{Catalogue, Excerpt, Instrument, Mix},
    metrics::{Embeddings, MetricsError, distance_correlation, distances_from},
};

/// Pieces in a picture of distances (Figure 12 of Hashizume et al. 2025), with all their segments.
const PICTURED: usize = 10;
/// The largest distance in a picture.
const LARGEST: f64 = 255.0;

/// Both tables.
#[derive(Clone, Debug)]
pub struct Correlations {
    /// By instrument: correlation of clean and mix, and the segments that it is of; `None` if there are too few or
    /// one of them has only one distance.
    pub clean_and_mix: [Option<(f64, usize)>; 5],
    /// By pair of sub-spaces, mix in. `None` as above.
    pub across: Vec<Vec<Option<f64>>>,
    /// Segments of the second table.
    pub segments: usize,
    /// Pictures of what the first table correlates, by instrument.
    pub distances: Vec<Distances>,
}

/// The distances between an instrument's segments in ten pieces: a picture of what was correlated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// The instrument.
    pub instrument: Instrument,
    /// Number of the piece that each segment is of, in order.
    pub pieces: Vec<u32>,
    /// Clean stem in.
    pub clean: Triangle,
    /// Mix in.
    pub mix: Triangle,
}

/// A distance matrix above its diagonal, row by row, in 255ths of its largest distance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Triangle(pub Vec<u8>);

impl From<Triangle> for String {
    fn from(triangle: Triangle) -> String {
        BASE64_STANDARD.encode(triangle.0)
    }
}

impl TryFrom<String> for Triangle {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        BASE64_STANDARD.decode(text).map(Triangle)
    }
}

impl Triangle {
    fn of(embeddings: Embeddings<'_>, chosen: &[usize]) -> Self {
        let row = |i: usize| {
            let all = distances_from(embeddings, chosen[i]);
            chosen[i + 1..].iter().map(move |&other| all[other])
        };
        let distances: Vec<f64> = (0..chosen.len()).flat_map(row).collect();
        let largest = distances.iter().fold(0.0, |most: f64, &d| most.max(d));
        let scale = if largest > 0.0 { LARGEST / largest } else { 0.0 };
        Triangle(distances.iter().map(|d| (d * scale).round() as u8).collect())
    }

    /// The distance between two of `segments`; `None` if the matrix is of another number, or has no such segment.
    pub fn at(&self, segments: usize, row: usize, column: usize) -> Option<u8> {
        let (first, second) = (row.min(column), row.max(column));
        if second >= segments || self.0.len() != segments * (segments - 1) / 2 {
            return None;
        }
        if first == second {
            return Some(0);
        }
        let before = first * (2 * segments - first - 1) / 2;
        self.0.get(before + second - first - 1).copied()
    }
}

impl Distances {
    fn of(
        instrument: Instrument,
        catalogue: &Catalogue,
        excerpts: &[Excerpt],
        [clean, mix]: [Embeddings<'_>; 2],
        setup: &Setup,
    ) -> Self {
        let mut pieces: Vec<u32> = excerpts.iter().map(|excerpt| excerpt.piece).collect();
        pieces.dedup();
        let pictured = draw::some(pieces, Some(PICTURED), setup.seed);
        let chosen: Vec<usize> = (0..excerpts.len())
            .filter(|&i| pictured.contains(&excerpts[i].piece))
            .collect();
        let piece = |&i: &usize| catalogue.pieces()[excerpts[i].piece as usize].id;
        Distances {
            instrument,
            pieces: chosen.iter().map(piece).collect(),
            clean: Triangle::of(clean, &chosen),
            mix: Triangle::of(mix, &chosen),
        }
    }
}

/// Correlates distances between segments.
///
/// # Errors
/// [`EvalError::TooFew`] if nothing sounds; what the subject gives.
pub fn correlation(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    setup: &Setup,
) -> Result<Correlations, EvalError> {
    let mut clean_and_mix = [None; 5];
    let mut pictures = Vec::new();
    let mut everywhere = Vec::new();
    for instrument in Instrument::ALL {
        let excerpts = excerpts(catalogue, instrument, setup);
        let mixes: Vec<Mix> = excerpts.iter().map(|e| Mix::of_piece(e.piece, e.start)).collect();
        everywhere.extend_from_slice(&mixes);
        if mixes.len() < 3 {
            continue;
        }
        let alone: Vec<Mix> = excerpts.iter().map(|&excerpt| draw::alone(excerpt)).collect();
        let clean = subject.describe(instrument, &alone)?;
        let mix = subject.describe(instrument, &mixes)?;
        let dimension = clean.len() / mixes.len();
        let (clean, mix) = (
            Embeddings::new(&clean, dimension)?,
            Embeddings::new(&mix, dimension)?,
        );
        clean_and_mix[instrument as usize] =
            defined(distance_correlation(clean, mix))?.map(|r| (r, mixes.len()));
        pictures.push(Distances::of(
            instrument,
            catalogue,
            &excerpts,
            [clean, mix],
            setup,
        ));
    }
    let key = |mix: &Mix| mix.sources[0].map(|source| (source.piece, source.start));
    everywhere.sort_by_key(key);
    everywhere.dedup();
    let mixes = draw::spread(&everywhere, setup.segments.unwrap_or(everywhere.len()));
    if mixes.len() < 3 {
        return Err(nothing("the correlation of sub-spaces", catalogue));
    }
    let vectors = subject.describe_all(&mixes)?;
    let width = vectors.len() / mixes.len();
    let (all, d) = (Embeddings::new(&vectors, width)?, width / Instrument::ALL.len());
    let space = |i: Instrument| all.columns(i as usize * d..(i as usize + 1) * d);
    let row = |a: Instrument| {
        let of = |b: Instrument| defined(distance_correlation(space(a)?, space(b)?));
        Instrument::ALL
            .into_iter()
            .map(of)
            .collect::<Result<Vec<_>, EvalError>>()
    };
    Ok(Correlations {
        clean_and_mix,
        across: Instrument::ALL.into_iter().map(row).collect::<Result<_, _>>()?,
        segments: mixes.len(),
        distances: pictures,
    })
}

/// `None` for a correlation that is not defined.
fn defined(correlation: Result<f64, MetricsError>) -> Result<Option<f64>, EvalError> {
    match correlation {
        Ok(r) => Ok(Some(r)),
        Err(MetricsError::Constant { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_distances_in_255ths_of_the_largest() {
        // on a line: 0, 1, 3, 7
        let places = [0.0, 1.0, 3.0, 7.0];
        let embeddings = Embeddings::new(&places, 1).unwrap();
        let triangle = Triangle::of(embeddings, &[0, 1, 2, 3]);
        for (row, a) in places.iter().enumerate() {
            for (column, b) in places.iter().enumerate() {
                let wanted = (255.0 * (a - b).abs() / 7.0).round() as u8;
                assert_eq!(triangle.at(4, row, column), Some(wanted), "{row} {column}");
            }
        }
        assert_eq!((triangle.at(4, 0, 4), triangle.at(5, 0, 1)), (None, None));
        // some of them, and none apart
        assert_eq!(Triangle::of(embeddings, &[1, 3]).0, [255]);
        assert_eq!(
            Triangle::of(Embeddings::new(&[2.0; 3], 1).unwrap(), &[0, 1, 2]).0,
            [0; 3]
        );
        // as text and back
        let text = serde_json::to_string(&triangle).unwrap();
        assert_eq!(serde_json::from_str::<Triangle>(&text).unwrap(), triangle);
        assert!(serde_json::from_str::<Triangle>("\"no base64!\"").is_err());
    }
}
