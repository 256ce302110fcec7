//! What figures share: ticks, and points few enough to be drawn.

/// Places of about `count` ticks from `low` to `high`, at 1, 2 or 5 times a power of ten.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) || count == 0 {
        return vec![low];
    }
    let rough = span / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    // the next larger, but for rounding
    let step = step
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough);
    let (first, last) = (
        (low / step - 1e-9).ceil() as i64,
        (high / step + 1e-9).floor() as i64,
    );
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Ticks of a logarithmic axis: powers of ten, and 2 and 5 times them if those are few.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    if !(low > 0.0 && high > low && high.is_finite()) {
        return vec![low];
    }
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |tick: &f64| *tick >= low * (1.0 - 1e-9) && *tick <= high * (1.0 + 1e-9);
    let at = |times: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|power| {
            let power = 10f64.powi(power);
            times.iter().map(move |times| times * power).collect::<Vec<_>>()
        });
        all.filter(within).collect()
    };
    let powers = at(&[1.0]);
    match powers.len() {
        0..3 => at(&[1.0, 2.0, 5.0]),
        _ => powers,
    }
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1e6 => format!("{}M", trimmed(value / 1e6, 1)),
        _ if size >= 1e4 => format!("{}k", trimmed(value / 1e3, 1)),
        _ if size >= 100.0 => trimmed(value, 0),
        _ if size >= 1.0 => trimmed(value, 2),
        _ if size >= 1e-3 || size == 0.0 => trimmed(value, 4),
        _ => format!("{value:.0e}"),
    }
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// A stretch of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    /// Mean place.
    pub x: f64,
    /// Mean value.
    pub y: f64,
    /// Least value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

/// Points, in order, in at most `most` buckets of equally many points.
pub(super) fn buckets(points: &[(f64, f64)], most: usize) -> Vec<Bucket> {
    let count = points.len().min(most);
    let bucket = |i: usize| {
        let part = &points[i * points.len() / count..(i + 1) * points.len() / count];
        let share = 1.0 / part.len() as f64;
        Bucket {
            x: part.iter().map(|(x, _)| x).sum::<f64>() * share,
            y: part.iter().map(|(_, y)| y).sum::<f64>() * share,
            low: part.iter().fold(f64::INFINITY, |least, (_, y)| least.min(*y)),
            high: part.iter().fold(f64::NEG_INFINITY, |most, (_, y)| most.max(*y)),
        }
    };
    (0..count).map(bucket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let text = |ticks: Vec<f64>| ticks.into_iter().map(short).collect::<Vec<_>>().join(" ");
        assert_eq!(text(ticks(0.0, 1.0, 5)), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(text(ticks(0.13, 0.31, 4)), "0.15 0.2 0.25 0.3");
        assert_eq!(text(ticks(0.0, 80.0, 4)), "0 20 40 60 80");
        assert_eq!(text(ticks(-3.0, 7.0, 4)), "0 5");
        assert_eq!(text(ticks(0.0, 2_000_000.0, 4)), "0 500k 1M 1.5M 2M");
        assert_eq!(ticks(2.0, 2.0, 4), [2.0]);
        assert_eq!(ticks(0.0, f64::INFINITY, 4), [0.0]);
        for (low, high) in [(0.0, 0.001), (3.7, 1234.5), (-0.2, 0.9)] {
            let all = ticks(low, high, 5);
            assert!((2..=7).contains(&all.len()), "{all:?}");
            assert!(
                all.iter().all(|tick| (low - 1e-9..=high + 1e-9).contains(tick)),
                "{all:?}"
            );
        }
    }

    #[test]
    fn logarithmic_ticks() {
        assert_eq!(log_ticks(0.9, 1200.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(log_ticks(1.0, 20.0), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log_ticks(0.0, 20.0), [0.0]);
    }

    #[test]
    fn buckets_keep_the_mean_and_the_extremes() {
        let points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), f64::from(i % 10))).collect();
        let all = buckets(&points, 100);
        assert_eq!(all.len(), 100);
        let first = Bucket {
            x: 4.5,
            y: 4.5,
            low: 0.0,
            high: 9.0,
        };
        // ten tenths and ten sums round
        assert!((all[0].x - first.x).abs() < 1e-12 && (all[0].y - first.y).abs() < 1e-12);
        assert_eq!((all[0].low, all[0].high), (first.low, first.high));
        // every point is in one of them
        let sum: f64 = buckets(&points[..997], 100).len() as f64;
        assert_eq!(sum, 100.0);
        assert_eq!(buckets(&points[..3], 100).len(), 3);
        assert!(buckets(&[], 100).is_empty());
    }
}
