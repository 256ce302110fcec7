//! Against museval 0.4.1, within a millionth of a decibel. Both work in f64; badly conditioned stems
//! would be further apart.

use serde_json::Value;
use stemwise::{
    audio::read_mono_at,
    metrics::{BssEval, MetricsError, bss_eval, median},
};

use crate::{
    fixture::{RATE, assert_close, case, folder, in_threads, noise, random, table},
    sdr::signals,
};

const TOLERANCE: f64 = 1e-6;

fn evaluate<T: Copy + Into<f64> + Sync>(references: &[Vec<T>], estimates: &[Vec<T>]) -> BssEval {
    let references: Vec<&[T]> = references.iter().map(Vec::as_slice).collect();
    let estimates: Vec<&[T]> = estimates.iter().map(Vec::as_slice).collect();
    bss_eval(&references, &estimates, RATE).unwrap()
}

fn assert_measures(found: &BssEval, expected: &Value) {
    for (name, found) in [
        ("sdr", &found.sdr),
        ("isr", &found.isr),
        ("sir", &found.sir),
        ("sar", &found.sar),
    ] {
        let expected = table(&expected[name]);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_close(found, expected, TOLERANCE);
        }
    }
}

#[test]
fn golden_values() {
    let (references, estimates) = signals();
    let found = evaluate(&references, &estimates);
    assert_close(&found.sdr[1], &[12.9847, 13.0404, 13.0143], 1e-4);
    let medians = |values: &[Vec<f64>]| values.iter().map(|v| median(v).unwrap()).collect::<Vec<_>>();
    assert_close(&medians(&found.isr), &[13.9752, 19.9063], 1e-4);
    assert_close(&medians(&found.sir), &[24.0945, 13.0806], 1e-4);
    // The estimates are sums of the sources: there are no artefacts but the solver's rounding.
    assert!(found.sar.iter().flatten().all(|&sar| sar > 200.0));
}

#[test]
fn of_one_source_all_that_is_wrong_is_an_artefact() {
    let ([a, _], [estimate, _]) = signals();
    let found = evaluate(&[a], &[estimate]);
    assert_close(&found.sdr[0], &[13.7126, 13.7062, 13.7179], 1e-4);
    assert_close(&found.sir[0], &[f64::INFINITY; 3], 0.0);
    assert_close(&found.sar[0], &[24.1212, 24.0466, 24.0945], 1e-4);
}

/// The sources and estimates of `make.py`'s `noises`.
fn noises() -> ([Vec<f64>; 3], [Vec<f64>; 3]) {
    let made = |seed, scale: f64| -> Vec<f64> { noise(seed).take(3 * RATE).map(|x| scale * x).collect() };
    let (a, b, c) = (made(1, 0.5), made(2, 0.25), made(3, 0.125));
    let added = [4, 5, 6].map(|seed| made(seed, 0.02));
    let late = |x: &[f64], t: usize| if t < 3 { 0.0 } else { x[t - 3] };
    let estimate = |j: usize, at: &dyn Fn(usize) -> f64| (0..3 * RATE).map(|t| at(t) + added[j][t]).collect();
    let estimates = [
        estimate(0, &|t| 0.8 * a[t] + 0.1 * b[t] + 0.05 * late(&c, t)),
        estimate(1, &|t| 0.1 * a[t] + 0.9 * b[t] - 0.2 * late(&b, t)),
        estimate(2, &|t| 0.02 * late(&a, t) + 0.05 * b[t] + 0.7 * c[t]),
    ];
    ([a, b, c], estimates)
}

#[test]
fn noises_through_filters_are_judged_as_museval_judges_them() {
    let expected = case("noises");
    let (references, estimates) = noises();
    assert_measures(&evaluate(&references, &estimates), &expected["three"]);
    assert_measures(&evaluate(&references[..1], &estimates[..1]), &expected["one"]);
}

#[test]
fn a_silent_second_is_left_out_for_all() {
    let (mut references, estimates) = noises();
    references[1][RATE..2 * RATE].fill(0.0);
    let found = evaluate(&references[..2], &estimates[..2]);
    assert_measures(&found, &case("noises")["silent_second"]);
    assert!(
        [&found.isr, &found.sir, &found.sar]
            .iter()
            .all(|values| values[0][1].is_nan())
    );
    // An estimate that is silent throughout leaves no second at all.
    let silent = evaluate(&references[..1], &[vec![0.0; 3 * RATE]]);
    let nan = [f64::NAN; 3];
    for values in [&silent.sdr, &silent.isr, &silent.sir, &silent.sar] {
        assert_close(&values[0], &nan, 0.0);
    }
}

#[test]
fn stems_of_instruments_are_judged_as_museval_judges_them() {
    let expected = case("stems");
    let read = |kind: &str| -> Vec<Vec<f32>> {
        let names = expected["names"].as_array().unwrap().iter();
        let paths = names.map(|name| folder().join(format!("{}.{kind}.flac", name.as_str().unwrap())));
        paths
            .map(|path| read_mono_at(&path, RATE as u32).unwrap())
            .collect()
    };
    let (references, estimates) = (read("reference"), read("estimate"));
    assert_measures(&evaluate(&references, &estimates), &expected["all"]);
    assert_measures(&evaluate(&references[2..], &estimates[2..]), &expected["piano"]);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (references, estimates) = noises();
    let of = |threads| in_threads(threads, || evaluate(&references[..2], &estimates[..2]));
    assert_eq!(of(1), of(2));
    assert_eq!(of(1), of(3));
}

#[test]
fn what_remains_is_dropped_and_mismatches_are_named() {
    let x = random(1, 2500);
    let found = bss_eval(&[&x], &[&x], 1000).unwrap();
    assert_eq!((found.sdr[0].len(), found.sar[0].len()), (2, 2));
    assert_eq!(found.sdr[0], [f64::INFINITY; 2]);
    let short = bss_eval(&[&x], &[&x], 2501).unwrap();
    assert_eq!(short.isr, [[0.0; 0]]);
    assert_eq!(bss_eval::<f32>(&[], &[], 10).unwrap().sir.len(), 0);
    // A frame shorter than the filters, down to one sample
    assert_eq!(
        bss_eval(&[&x[..600]], &[&x[1..601]], 1).unwrap().isr[0].len(),
        600
    );
    assert!(matches!(
        bss_eval(&[&x], &[&x[1..]], 10),
        Err(MetricsError::Length { .. })
    ));
    assert!(matches!(
        bss_eval(&[&x], &[], 10),
        Err(MetricsError::Length { .. })
    ));
    assert!(matches!(
        bss_eval(&[&x], &[&x], 0),
        Err(MetricsError::Setting { .. })
    ));
    let mut broken = x.clone();
    broken[2400] = f32::NAN;
    assert!(matches!(
        bss_eval(&[&x], &[&broken], 1000),
        Err(MetricsError::NotFinite { .. })
    ));
}

#[test]
fn references_that_leave_the_filters_open_are_refused() {
    let (x, y) = (random(1, 4000), random(2, 4000));
    let twice = bss_eval(&[&x, &x], &[&x, &y], 1000);
    assert_eq!(twice, Err(MetricsError::Dependent));
    // Nothing is left of a quarter of the rate after two hundred means of neighbours: cos²⁰⁰(π/4) = 1e-30.
    let zeros = || std::iter::repeat_n(0.0, 200);
    let dull = |seed| {
        let mut x: Vec<f64> = zeros().chain(noise(seed).take(4000)).chain(zeros()).collect();
        for _ in 0..200 {
            x = x.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
        }
        x
    };
    let (x, y) = (dull(1), dull(2));
    let mix: Vec<f64> = x.iter().zip(noise(3)).map(|(x, noise)| x + 0.1 * noise).collect();
    assert_eq!(
        bss_eval(&[&x, &y], &[&mix, &y], 1000),
        Err(MetricsError::Dependent)
    );
}

/// Four minutes of five stems: `cargo test --release --test metrics -- --ignored --nocapture four_minutes`.
#[test]
#[ignore = "seconds in release, for timing"]
fn four_minutes_of_five_stems() {
    let stems: Vec<Vec<f32>> = (1..=5).map(|seed| random(seed, 240 * RATE)).collect();
    let estimates: Vec<Vec<f32>> = (0..5)
        .map(|j| {
            stems[j]
                .iter()
                .zip(&stems[(j + 1) % 5])
                .map(|(a, b)| a + 0.1 * b)
                .collect()
        })
        .collect();
    let start = std::time::Instant::now();
    let found = evaluate(&stems, &estimates);
    println!("240 s of 5 stems: {:?}", start.elapsed());
    assert_eq!(found.sir[4].len(), 240);
}
