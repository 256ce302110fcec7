//! Mel filters against librosa's (`tests/fixtures/mel/make_mel.py`).

use std::{fs, path::Path};

use safetensors::SafeTensors;
use serde_json::Value;
use stemwise::signal::{BandedMatrix, MelFilters, MelScale};

/// Four little-endian bytes at a time.
fn words<T>(tensors: &SafeTensors<'_>, name: &str, word: fn([u8; 4]) -> T) -> Vec<T> {
    let bytes = tensors.tensor(name).unwrap();
    let words = bytes.data().chunks_exact(4);
    words.map(|b| word([b[0], b[1], b[2], b[3]])).collect()
}

fn filters(case: &Value) -> MelFilters {
    let number = |key: &str| case[key].as_f64().unwrap();
    MelFilters {
        rate: number("rate") as u32,
        size: number("size") as usize,
        mels: number("mels") as usize,
        low: number("low"),
        high: number("high"),
        scale: match case["scale"].as_str() {
            Some("slaney") => MelScale::Slaney,
            _ => MelScale::Htk,
        },
        unit_area: case["norm"] == "slaney",
    }
}

#[test]
fn filters_are_those_of_librosa() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mel/mel.safetensors");
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let cases = cases.as_object().unwrap();
    assert_eq!(cases.len(), 8);
    for (name, case) in cases {
        let matrix = filters(case).matrix().unwrap();
        let first = words(&tensors, &format!("{name}.first"), i32::from_le_bytes);
        let count = words(&tensors, &format!("{name}.count"), i32::from_le_bytes);
        let mut weights = words(&tensors, &format!("{name}.weights"), f32::from_le_bytes).into_iter();
        assert_eq!(matrix.rows(), first.len(), "{name}");
        assert_eq!(matrix.columns(), case["size"].as_u64().unwrap() as usize / 2 + 1);
        for (row, (&first, &count)) in first.iter().zip(&count).enumerate() {
            let mut want = vec![0.0f32; matrix.columns()];
            let filter = weights.by_ref().take(count as usize);
            want[first as usize..]
                .iter_mut()
                .zip(filter)
                .for_each(|(w, v)| *w = v);
            let got = dense(&matrix, row);
            // both are computed in f64 and rounded; the peak sets the scale of what cancels beside a corner
            let peak = want.iter().copied().fold(0.0, f32::max);
            for (bin, (got, want)) in got.iter().zip(&want).enumerate() {
                assert!(
                    (got - want).abs() <= 1.2e-7 * peak,
                    "{name}, filter {row}, bin {bin}: {got} {want}"
                );
            }
        }
        assert_eq!(weights.next(), None);
    }
}

fn dense(matrix: &BandedMatrix, row: usize) -> Vec<f32> {
    let mut dense = vec![0.0; matrix.columns()];
    let (first, weights) = matrix.row(row);
    dense[first..first + weights.len()].copy_from_slice(weights);
    dense
}

#[test]
fn no_default_filter_is_empty() {
    let matrix = MelFilters::default().matrix().unwrap();
    assert_eq!((matrix.rows(), matrix.columns()), (259, 1025));
    let bins: Vec<usize> = (0..259).map(|row| matrix.row(row).1.len()).collect();
    assert!(bins.iter().all(|&bins| bins > 0));
    assert_eq!(bins.iter().filter(|&&bins| bins == 1).count(), 43);
}

#[test]
fn mels_and_hertz_are_inverse() {
    for scale in [MelScale::Slaney, MelScale::Htk] {
        for hertz in [0.0, 3.0, 440.0, 999.9, 1000.0, 1000.1, 8000.0, 22_050.0] {
            assert!((scale.hertz(scale.mels(hertz)) - hertz).abs() <= 1e-9 * hertz);
        }
    }
    // 1 kHz is 15 mels for Slaney, and about 1000 for HTK
    assert!((MelScale::Slaney.mels(1000.0) - 15.0).abs() < 1e-12);
    assert!((MelScale::Htk.mels(1000.0) - 999.9855).abs() < 1e-4);
}

#[test]
fn impossible_filters_are_refused() {
    let filters = MelFilters::default();
    for wrong in [
        MelFilters { mels: 0, ..filters },
        MelFilters { size: 0, ..filters },
        MelFilters { rate: 0, ..filters },
        MelFilters { low: -1.0, ..filters },
        MelFilters {
            low: 30_000.0,
            ..filters
        },
        MelFilters {
            high: 22_051.0,
            ..filters
        },
        MelFilters {
            high: f64::NAN,
            ..filters
        },
    ] {
        let error = wrong.matrix().unwrap_err().to_string();
        assert!(error.contains("Hz"), "{wrong:?}: {error}");
    }
}
