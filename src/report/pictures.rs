//! Pictures of the leak check: colour is the piece that gives the instrument, shape the one that gives the rest.

use serde::Serialize;

use super::{gather::Found, provenance::is_simulated};
use crate::eval::{Point, What};

/// Colours and shapes that can be told apart; the leak check has ten pieces of either kind.
const KINDS: usize = 10;
/// Points in all pictures together: what is beyond is thinned out.
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
    pub size: f64,
    pub points: Vec<Mark>,
    /// Of how many segments.
    pub all: usize,
    pub targets: Vec<Key>,
    pub others: Vec<Key>,
}

/// A colour or a shape, and the piece that it stands for.
#[derive(Serialize)]
pub(super) struct Key {
    pub kind: usize,
    pub piece: String,
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
    let total: usize = all().map(|(_, points)| points.len()).sum();
    let keep = (POINTS as f64 / total.max(1) as f64).min(1.0);
    let of_evaluation = found.evaluations.iter().map(|evaluation| {
        let pictures = evaluation.evaluation.pictures.iter();
        Pictures {
            recipe: evaluation.recipe(),
            detail: evaluation.folder.display().to_string(),
            simulated: is_simulated(evaluation, What::Leak, &found.runs),
            pictures: pictures
                .filter(|(_, points)| points.iter().any(is_somewhere))
                .map(|(instrument, points)| picture(instrument.name(), points, keep))
                .collect(),
        }
    });
    let pictures = of_evaluation.filter(|all| !all.pictures.is_empty()).collect();
    (pictures, keep < 1.0)
}

fn is_somewhere(point: &Point) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

fn picture(instrument: &'static str, points: &[Point], keep: f64) -> Picture {
    let points: Vec<&Point> = points.iter().filter(|point| is_somewhere(point)).collect();
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
    let kind = |all: &[u32], piece: u32| all.iter().position(|other| *other == piece).unwrap_or(0) % KINDS;
    let keys = |all: &[u32]| {
        let key = |&piece: &u32| Key {
            kind: kind(all, piece),
            piece: piece.to_string(),
        };
        all.iter().map(key).collect()
    };
    let mark = |i: usize| {
        let point = points[i * points.len() / count.max(1)];
        Mark {
            x: place(point.x, (left + right) / 2.0),
            y: place(-point.y, -(low + high) / 2.0),
            colour: kind(&targets, point.target),
            shape: kind(&others, point.other),
            title: format!(
                "{instrument} of Track{:05}, rest of Track{:05}",
                point.target, point.other
            ),
        }
    };
    Picture {
        instrument,
        size: SIZE,
        points: (0..count).map(mark).collect(),
        all: points.len(),
        targets: keys(&targets),
        others: keys(&others),
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
        let whole = picture("bass", &points, 1.0);
        assert_eq!((whole.points.len(), whole.all), (100, 100));
        assert_eq!(whole.points[1].title, "bass of Track00008, rest of Track00030");
        assert_eq!((whole.targets.len(), whole.others.len()), (2, 1));
        assert_eq!((whole.points[0].colour, whole.points[1].colour), (0, 1));
        for mark in &whole.points {
            let (x, y): (f64, f64) = (mark.x.parse().unwrap(), mark.y.parse().unwrap());
            let within = 0.0..=SIZE;
            assert!(within.contains(&x) && within.contains(&y), "{x} {y}");
        }
        assert_eq!(picture("bass", &points, 0.25).points.len(), 25);
    }
}
