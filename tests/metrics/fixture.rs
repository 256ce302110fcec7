//! What `make.py` has written, and the noise that both sides make for themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub const RATE: usize = 44_100;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics")
}

/// A part of `metrics.json`.
pub fn case(name: &str) -> Value {
    file("metrics.json")[name].take()
}

/// A file of the folder.
pub fn file(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Numbers, of which `null` stands for NaN.
pub fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    };
    value.as_array().unwrap().iter().map(number).collect()
}

pub fn table(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// Embeddings and their dimension.
pub fn matrix(value: &Value) -> (Vec<f32>, usize) {
    let rows = table(value);
    (
        rows.concat().into_iter().map(|x| x as f32).collect(),
        rows[0].len(),
    )
}

pub fn integers(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|x| x as u32).collect()
}

/// White noise in −1..1 by a linear congruential generator.
pub fn noise(mut state: u32) -> impl Iterator<Item = f64> {
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / 2f64.powi(31) - 1.0
    })
}

/// The same in f32.
pub fn random(seed: u32, count: usize) -> Vec<f32> {
    noise(seed).take(count).map(|x| x as f32).collect()
}

/// Equal within `tolerance`, NaN and infinities included.
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let close = (found - expected).abs() <= tolerance
            || found == expected
            || (found.is_nan() && expected.is_nan());
        assert!(close, "{found} instead of {expected}");
    }
}

/// The result of `body` in a pool of so many threads.
pub fn in_threads<R: Send>(threads: usize, body: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(body)
}
