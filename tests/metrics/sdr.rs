//! SDR against values of museval 0.4.

use approx::assert_abs_diff_eq;
use stemwise::metrics::{MetricsError, median, signal_to_distortion};

use crate::fixture::{RATE, assert_close, noise};

/// Two sources of three seconds, and estimates in which each hears the other.
pub fn signals() -> ([Vec<f64>; 2], [Vec<f64>; 2]) {
    let a: Vec<f64> = noise(1).take(3 * RATE).map(|x| 0.5 * x).collect();
    let b: Vec<f64> = noise(2).take(3 * RATE).map(|x| 0.25 * x).collect();
    let mix = |u: f64, v: f64| a.iter().zip(&b).map(|(a, b)| u * a + v * b).collect();
    let estimates = [mix(0.8, 0.1), mix(0.1, 0.9)];
    ([a, b], estimates)
}

fn sdr(references: &[Vec<f64>; 2], estimates: &[Vec<f64>; 2]) -> Vec<Vec<f64>> {
    signal_to_distortion(
        &[&references[0], &references[1]],
        &[&estimates[0], &estimates[1]],
        RATE,
    )
    .unwrap()
}

#[test]
fn golden_values() {
    let (references, estimates) = signals();
    let found = sdr(&references, &estimates);
    assert_close(&found[0], &[13.7126, 13.7062, 13.7179], 1e-4);
    assert_close(&found[1], &[12.9847, 13.0404, 13.0143], 1e-4);
    assert_abs_diff_eq!(median(&found[0]).unwrap(), 13.7126, epsilon = 1e-4);
}

#[test]
fn a_silent_source_leaves_its_frame_out_for_all() {
    let (mut references, _) = signals();
    references[1][RATE..2 * RATE].fill(0.0);
    let [a, b] = &references;
    let mix = |u: f64, v: f64| a.iter().zip(b).map(|(a, b)| u * a + v * b).collect::<Vec<_>>();
    let found = sdr(&references, &[mix(0.8, 0.1), mix(0.1, 0.9)]);
    assert_close(&found[0], &[13.713, f64::NAN, 13.718], 1e-3);
    assert!(found[1][1].is_nan());
    assert_close(&[median(&found[0]).unwrap()], &[13.7153], 1e-3);
    assert_eq!(median(&[f64::NAN]), None);
}

#[test]
fn remainders_are_dropped_and_mismatches_named() {
    let x = vec![0.5f32; 250];
    let found = signal_to_distortion(&[&x], &[&x], 100).unwrap();
    assert_eq!(found, [[f64::INFINITY; 2]]);
    let message = |references: &[&[f32]], estimates: &[&[f32]], frame| {
        signal_to_distortion(references, estimates, frame)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&[&x], &[], 100),
        "estimates, one for every reference: 0 given where 1 are needed"
    );
    assert_eq!(
        message(&[&x], &[&x[1..]], 100),
        "samples of estimate 0: 249 given where 250 are needed"
    );
    assert_eq!(
        message(&[&x], &[&x], 0),
        "frame: 0 samples; a frame has at least one"
    );
    let mut broken = x.clone();
    broken[7] = f32::NAN;
    let error = signal_to_distortion(&[&x, &x], &[&x, &broken], 100).unwrap_err();
    assert!(matches!(
        error,
        MetricsError::NotFinite {
            what: "estimate",
            index: 1,
            ..
        }
    ));
    assert_eq!(signal_to_distortion::<f32>(&[], &[], 100), Ok(Vec::new()));
}
