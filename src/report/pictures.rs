//! Pictures of segments that t-SNE placed: those of the leak check, where colour is the piece that gives the instrument and
//! shape the one that gives the rest, and others, where colour and shape together tell one piece.

use serde::Serialize;

use super::{gather::Found, provenance::is_simulated};
use crate::eval::{Point, What};

/// Colours, and shapes, that can be told apart; the leak check has ten pieces of either kind.
const KINDS: usize = 10;
/// Points in all pictures of a kind together: what is beyond is thinned out.
const POINTS: usize = 24_000;
/// Width and height of a picture, and room at its edge.
const SIZE: f64 = 300.0;
const EDGE: f64 = 10.0;

/// The pictures of one evaluation.
#[derive(Serialize)]
pub(super) struct Pictures {
    pub recipe: String,
    pub detail: String,
    pub simulated: bool,
    pub pictures: Vec<Picture>,
}

#[derive(Serialize)]
pub(super) struct Picture {
    pub instrument: &'static str,
    /// What it is of, where it is one of several of an instrument.
    pub what: Option<&'static str>,
    pub size: f64,
    pub points: Vec<Mark>,
    /// Of how many segments.
    pub all: usize,
    pub legends: Vec<Legend>,
}

/// What colours or shapes stand for.
#[derive(Serialize)]
pub(super) struct Legend {
    pub text: String,
    pub keys: Vec<Key>,
}

/// A colour, a shape or both, and the piece that they stand for.
#[derive(Serialize)]
pub(super) struct Key {
    pub colour: Option<usize>,
    pub shape: usize,
    pub piece: String,
}

/// What colour and shape of a mark tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coloured {
    /// Colour the piece that gives the instrument, shape the one that gives the rest.
    Both,
    /// The only piece that is heard.
    Piece,
    /// The piece that gives the instrument.
    Target,
    /// The piece that gives the rest.
    Rest,
}

#[derive(Serialize)]
pub(super) struct Mark {
    pub x: String,
    pub y: String,
    pub colour: usize,
    pub shape: usize,
    pub title: String,
}

/// All pictures, and whether points were left out.
pub(super) fn pictures(found: &Found) -> (Vec<Pictures>, bool) {
    let all = || {
        found
            .evaluations
            .iter()
            .flat_map(|found| &found.evaluation.pictures)
    };
    let keep = kept(all().map(|(_, points)| points.len()).sum());
    let of_evaluation = found.evaluations.iter().map(|evaluation| {
        let pictures = evaluation.evaluation.pictures.iter();
        let pictures = pictures
            .filter_map(|(instrument, points)| picture(instrument.name(), points, keep, Coloured::Both));
        Pictures {
            recipe: evaluation.recipe(),
            detail: evaluation.folder.display().to_string(),
            simulated: is_simulated(evaluation, What::Leak, &found.runs),
            pictures: pictures.collect(),
        }
    });
    let pictures = of_evaluation.filter(|all| !all.pictures.is_empty()).collect();
    (pictures, keep < 1.0)
}

/// The share of so many points that is drawn.
pub(super) fn kept(total: usize) -> f64 {
    (POINTS as f64 / total.max(1) as f64).min(1.0)
}

fn is_somewhere(point: &Point) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

/// The picture of some points, of which a share is drawn; `None` if none is anywhere.
pub(super) fn picture(
    instrument: &'static str,
    points: &[Point],
    keep: f64,
    coloured: Coloured,
) -> Option<Picture> {
    let points: Vec<&Point> = points.iter().filter(|point| is_somewhere(point)).collect();
    if points.is_empty() {
        return None;
    }
    let count = ((points.len() as f64 * keep).ceil() as usize).min(points.len());
    let extent = |of: fn(&Point) -> f64| {
        let values = points.iter().map(|point| of(point));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let ((left, right), (low, high)) = (extent(|point| point.x), extent(|point| point.y));
    // one scale for both: distances are what is shown
    let span = (right - left).max(high - low).max(f64::MIN_POSITIVE);
    let place = |value: f64, middle: f64| {
        format!(
            "{:.1}",
            SIZE / 2.0 + (value - middle) / span * (SIZE - 2.0 * EDGE)
        )
    };
    let numbers = |of: fn(&Point) -> u32| {
        let mut all: Vec<u32> = points.iter().map(|point| of(point)).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (targets, others) = (numbers(|point| point.target), numbers(|point| point.other));
    let mark = |i: usize| {
        let point = points[i * points.len() / count.max(1)];
        let (colour, shape) = coloured.kinds(at(&targets, point.target), at(&others, point.other));
        Mark {
            x: place(point.x, (left + right) / 2.0),
            y: place(-point.y, -(low + high) / 2.0),
            colour,
            shape,
            title: coloured.title(instrument, point),
        }
    };
    Some(Picture {
        instrument,
        what: coloured.what(),
        size: SIZE,
        points: (0..count).map(mark).collect(),
        all: points.len(),
        legends: coloured.legends(instrument, &targets, &others),
    })
}

/// The place of a piece among others.
fn at(all: &[u32], piece: u32) -> usize {
    all.binary_search(&piece).unwrap_or(0)
}

/// Colour and shape that tell one piece: all colours of the first shape, then all of the next.
fn kinds(place: usize) -> (usize, usize) {
    (place % KINDS, place / KINDS % KINDS)
}

impl Coloured {
    /// Colour and shape of a mark, by the places of its pieces.
    fn kinds(self, target: usize, rest: usize) -> (usize, usize) {
        match self {
            Coloured::Both => (target % KINDS, rest % KINDS),
            Coloured::Piece | Coloured::Target => kinds(target),
            Coloured::Rest => kinds(rest),
        }
    }

    fn what(self) -> Option<&'static str> {
        match self {
            Coloured::Both => None,
            Coloured::Piece => Some("whole pieces"),
            Coloured::Target => Some("pseudo pieces, by the piece that gives the instrument"),
            Coloured::Rest => Some("pseudo pieces, by the piece that gives the rest"),
        }
    }

    fn title(self, instrument: &str, Point { target, other, .. }: &Point) -> String {
        match self {
            Coloured::Piece => format!("Track{target:05}"),
            _ => format!("{instrument} of Track{target:05}, rest of Track{other:05}"),
        }
    }

    fn legends(self, instrument: &str, targets: &[u32], others: &[u32]) -> Vec<Legend> {
        let legend = |text: String, pieces: &[u32], kinds: &dyn Fn(usize) -> (Option<usize>, usize)| {
            let keys = pieces.iter().enumerate().map(|(place, piece)| {
                let (colour, shape) = kinds(place);
                let piece = piece.to_string();
                Key { colour, shape, piece }
            });
            Legend {
                text,
                keys: keys.collect(),
            }
        };
        let alone = |place| {
            let (colour, shape) = kinds(place);
            (Some(colour), shape)
        };
        match self {
            Coloured::Both => vec![
                legend(format!("{instrument} of"), targets, &|place| {
                    (Some(place % KINDS), 0)
                }),
                legend("rest of".into(), others, &|place| (None, place % KINDS)),
            ],
            Coloured::Piece => vec![legend("piece".into(), targets, &alone)],
            Coloured::Target => vec![legend(format!("{instrument} of"), targets, &alone)],
            Coloured::Rest => vec![legend("rest of".into(), others, &alone)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_within_and_thinned_evenly() {
        let point = |i: u32| Point {
            x: f64::from(i),
            y: -2.0 * f64::from(i),
            target: 7 + i % 2,
            other: 30,
        };
        let mut points: Vec<Point> = (0..100).map(point).collect();
        points.push(Point {
            x: f64::NAN,
            ..point(0)
        });
        let whole = picture("bass", &points, 1.0, Coloured::Both).unwrap();
        assert_eq!((whole.points.len(), whole.all), (100, 100));
        assert_eq!(whole.points[1].title, "bass of Track00008, rest of Track00030");
        let keys: Vec<usize> = whole.legends.iter().map(|legend| legend.keys.len()).collect();
        assert_eq!(keys, [2, 1]);
        assert_eq!((whole.points[0].colour, whole.points[1].colour), (0, 1));
        for mark in &whole.points {
            let (x, y): (f64, f64) = (mark.x.parse().unwrap(), mark.y.parse().unwrap());
            let within = 0.0..=SIZE;
            assert!(within.contains(&x) && within.contains(&y), "{x} {y}");
        }
        let thin = picture("bass", &points, 0.25, Coloured::Both).unwrap();
        assert_eq!(thin.points.len(), 25);
        assert!(picture("bass", &points[100..], 1.0, Coloured::Both).is_none());
    }

    #[test]
    fn colour_and_shape_tell_forty_pieces_apart() {
        let point = |i: u32| Point {
            x: f64::from(i % 8),
            y: f64::from(i / 8),
            target: 100 + i / 4,
            other: 200 + i,
        };
        let points: Vec<Point> = (0..40).map(point).collect();
        let looks = |coloured| {
            let picture = picture("bass", &points, 1.0, coloured).unwrap();
            let marks = picture.points.iter().map(|mark| (mark.colour, mark.shape));
            let marks: Vec<_> = marks.collect();
            let keys = picture.legends[0]
                .keys
                .iter()
                .map(|key| (key.colour.unwrap(), key.shape));
            (marks, keys.collect::<Vec<_>>())
        };
        let (marks, keys) = looks(Coloured::Rest);
        assert_eq!(marks, keys);
        assert_eq!((keys[0], keys[10], keys[39]), ((0, 0), (0, 1), (9, 3)));
        let (marks, keys) = looks(Coloured::Target);
        assert_eq!(keys, (0..10).map(|colour| (colour, 0)).collect::<Vec<_>>());
        assert!((0..40).all(|i| marks[i] == keys[i / 4]));
    }
}
