use approx::assert_abs_diff_eq;
use stemwise::metrics::{MetricsError, Proportion, clopper_pearson};

use crate::fixture::{case, table};

#[test]
fn bounds_are_those_of_scipy() {
    let rows = table(&case("intervals"));
    assert_eq!(rows.len(), 75);
    for row in rows {
        let proportion = Proportion::new(row[0] as u64, row[1] as u64).unwrap();
        let interval = proportion.interval(row[2]).unwrap();
        // Both quantiles are refined until f64 has no more to give; what remains is the rounding of the
        // distribution function.
        assert_abs_diff_eq!(interval.low, row[3], epsilon = 1e-11);
        assert_abs_diff_eq!(interval.high, row[4], epsilon = 1e-11);
    }
}

#[test]
fn the_papers_interval() {
    let interval = clopper_pearson(Proportion::new(734, 1163).unwrap(), 0.95).unwrap();
    assert_eq!(
        format!("{:.2} {:.2}", 100.0 * interval.low, 100.0 * interval.high),
        "60.27 65.89"
    );
}

#[test]
fn none_and_all_have_one_bound_in_closed_form() {
    for trials in [1u64, 2, 30, 1000] {
        let bound = 0.025f64.powf(1.0 / trials as f64);
        let none = Proportion::new(0, trials).unwrap().interval(0.95).unwrap();
        let all = Proportion::new(trials, trials).unwrap().interval(0.95).unwrap();
        assert_eq!((none.low, all.high), (0.0, 1.0));
        assert_abs_diff_eq!(none.high, 1.0 - bound, epsilon = 1e-12);
        assert_abs_diff_eq!(all.low, bound, epsilon = 1e-12);
    }
}

#[test]
fn every_proportion_lies_inside_its_interval() {
    for trials in [1, 2, 3, 10, 37, 60] {
        for hits in 0..=trials {
            for level in [1e-6, 0.5, 0.95, 1.0 - 1e-9] {
                let proportion = Proportion::new(hits, trials).unwrap();
                let interval = proportion.interval(level).unwrap();
                let inside =
                    interval.low <= proportion.share() + 1e-12 && proportion.share() <= interval.high + 1e-12;
                assert!(inside, "{hits} of {trials} at {level}: {interval:?}");
            }
        }
    }
}

#[test]
fn what_is_no_proportion_is_refused() {
    assert_eq!(Proportion::new(0, 0), Err(MetricsError::Empty { what: "trials" }));
    let error = Proportion::new(3, 2).unwrap_err().to_string();
    assert_eq!(
        error,
        "hits: 3 of 2 trials; there cannot be more hits than trials"
    );
    for level in [0.0, 1.0, -0.5, 95.0, f64::NAN, f64::INFINITY] {
        let error = Proportion::new(1, 2).unwrap().interval(level).unwrap_err();
        assert!(matches!(
            error,
            MetricsError::Setting {
                setting: "confidence level",
                ..
            }
        ));
    }
}

/// A quantile of millions of trials is found, too, and found at once.
#[test]
fn many_trials_do_not_take_forever() {
    for (hits, trials) in [
        (7_978_287, 7_978_290),
        (2, 1_837_909_335),
        (5, 1_566_588_833),
        (1 << 61, 1 << 62),
    ] {
        let proportion = Proportion::new(hits, trials).unwrap();
        let interval = proportion.interval(0.95).unwrap();
        assert!(interval.low <= proportion.share() + 1e-4 && proportion.share() <= interval.high + 1e-4);
        assert!(interval.high - interval.low < 1e-3, "{interval:?}");
    }
}
