//! The front end of all models on every device: a golden vector, the CPU's own transform, its inverse, and the
//! gradient of the whole chain.

mod engine;

use std::f64::consts::TAU;

use approx::assert_abs_diff_eq;
use engine::{
    Target, absolute, evaluate,
    harness::{self, step},
    noise, widen,
};
use stemwise::{
    audio,
    nn::{LogMel, LogMelConfig, magnitude},
    ops::{self, Decibel, Multiply, StftOutput, Sum, filterbank, inverse_stft, stft},
    signal::{MelFilters, MelScale},
    tape::{Case, Class, CpuProgram, CpuStore, Parameters, Plan, Tape, Values, Var},
};

/// 3 s of a tone in noise at 44.1 kHz: the signal behind the golden numbers.
fn golden_signal() -> Vec<f32> {
    let mut state = 1u32;
    let sample = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state) / f64::from(1u32 << 31) - 1.0;
        (0.01 * noise + 0.5 * (TAU * 440.0 * i as f64 / 44_100.0).sin()) as f32
    };
    (0..132_300).map(sample).collect()
}

fn run(target: Target, tape: &Tape, outputs: &[Var], inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    evaluate(target, &Parameters::default(), tape, outputs, inputs, &step()).unwrap()
}

fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max)
}

#[test]
fn golden_vector() {
    let mut tape = Tape::new();
    let samples = tape.input("samples", [1, 1, 132_300]);
    let x = magnitude(&mut tape, samples).unwrap();
    let config = LogMelConfig::default();
    let matrix = std::sync::Arc::new(config.filters.matrix().unwrap());
    let mel = filterbank(&mut tape, x, &matrix).unwrap();
    let db = tape.push(Decibel { floor: config.floor }, &[mel]).unwrap();
    let log_mel = LogMel::new(&config).unwrap().record(&mut tape, x).unwrap();
    assert_eq!(tape.shape(x).unwrap().dims(), [1, 1, 1025, 259]);
    assert_eq!(tape.shape(log_mel).unwrap().dims(), [1, 1, 259, 259]);
    for target in Target::ALL {
        let got = run(target, &tape, &[x, mel, db, log_mel], &[golden_signal()]);
        let [x, mel, db, log_mel] = got.as_slice() else {
            unreachable!("four outputs")
        };
        let count = db.len() as f64;
        let mean = db.iter().sum::<f64>() / count;
        let variance = db.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
        println!(
            "{target}: |X| {} {}, mel {}, dB {} {} {mean} {}, {}, standardised {}",
            max(x),
            x[20 * 259 + 100],
            max(mel),
            -max(&db.iter().map(|v| -v).collect::<Vec<_>>()),
            max(db),
            variance.sqrt(),
            db[28 * 259 + 100],
            log_mel[28 * 259 + 100]
        );
        // The numbers were computed in f32 and given to seven digits: 2e-4 in 227 is one unit of the last digit and
        // what the order of 2048 additions may change (1e-6 relative); so are 2e-5 in 15, and in decibels 1e-5 for a
        // relative 1e-6, and one unit of the last digit.
        assert_abs_diff_eq!(max(x), 226.7271, epsilon = 2e-4);
        assert_abs_diff_eq!(x[20 * 259 + 100], 226.5692, epsilon = 2e-4);
        assert_abs_diff_eq!(max(mel), 14.69011, epsilon = 2e-5);
        assert_abs_diff_eq!(max(db), 23.3405, epsilon = 6e-5);
        assert_abs_diff_eq!(db[28 * 259 + 100], 18.20343, epsilon = 3e-5);
        // The least of 67,081 is a bin where the noise cancels: |X| is about 2e-3, and f32 knows it to 3e-6 next to
        // a tone of 227. That is 0.013 dB.
        let least = db.iter().copied().fold(f64::MAX, f64::min);
        assert_abs_diff_eq!(least, -83.5397, epsilon = 0.013);
        // such errors average out
        assert_abs_diff_eq!(mean, -41.77031, epsilon = 5e-5);
        assert_abs_diff_eq!(variance.sqrt(), 10.38762, epsilon = 5e-5);
        assert_abs_diff_eq!(log_mel[28 * 259 + 100], 5.77358, epsilon = 3e-5);
        let squares: f64 = log_mel.iter().map(|v| v * v).sum();
        assert_abs_diff_eq!(log_mel.iter().sum::<f64>() / count, 0.0, epsilon = 1e-5);
        assert_abs_diff_eq!(squares / (count - 1.0), 1.0, epsilon = 1e-5);
    }
}

/// Sizes, hop and lengths with every kind of pass, kernel and remainder.
const TRANSFORMS: [[usize; 3]; 6] = [
    [256, 128, 129],
    [512, 100, 2345],
    [1024, 256, 5000],
    [2048, 512, 9001],
    [4096, 1111, 12_345],
    [8192, 4096, 16_383],
];

#[test]
fn the_transform_is_that_of_audio() {
    for [size, hop, samples] in TRANSFORMS {
        let signals = noise(1, 2 * samples);
        let mut tape = Tape::new();
        let x = tape.input("samples", [2, 1, samples]);
        let complex = stft(&mut tape, x, size, hop, StftOutput::Complex).unwrap();
        let magnitude = stft(&mut tape, x, size, hop, StftOutput::Magnitude).unwrap();
        let reference = audio::Stft::new(size, hop).unwrap();
        let (mut parts, mut magnitudes) = (Vec::new(), Vec::new());
        for signal in signals.chunks_exact(samples) {
            let spectrogram = reference.forward(signal);
            parts.extend(spectrogram.data.iter().map(|x| f64::from(x.re)));
            parts.extend(spectrogram.data.iter().map(|x| f64::from(x.im)));
            magnitudes.extend(widen(&spectrogram.magnitude()));
        }
        for target in Target::ALL {
            let got = run(
                target,
                &tape,
                &[complex, magnitude],
                std::slice::from_ref(&signals),
            );
            // white noise: each part is a sum of `size` terms whose root mean square is √(3/8 · 1/3 · size)
            let scale = (size as f64 / 8.0).sqrt();
            for (got, want) in got.iter().zip([&parts, &magnitudes]) {
                let error = absolute(got, want) / scale;
                println!("{target}, {size}/{hop}: {error:.1e}");
                assert!(error < 2e-6, "{target}, {size}/{hop}: {error:.1e}");
            }
        }
    }
}

#[test]
fn the_inverse_reconstructs() {
    for [size, hop, samples] in TRANSFORMS {
        let signals = noise(2, 3 * samples);
        let mut tape = Tape::new();
        let x = tape.input("samples", [3, 1, samples]);
        let spectrum = stft(&mut tape, x, size, hop, StftOutput::Complex).unwrap();
        let back = inverse_stft(&mut tape, spectrum, size, hop, samples).unwrap();
        assert_eq!(tape.shape(back).unwrap(), tape.shape(x).unwrap());
        for target in Target::ALL {
            let got = run(target, &tape, &[back], std::slice::from_ref(&signals));
            // Behind a third of the last window's length the last samples fade, if no other reaches them: see
            // `InverseStft`.
            let covered = samples.min(samples / hop * hop + size / 3 + 1);
            let mut worst = 0.0f64;
            for (got, want) in got[0].chunks_exact(samples).zip(signals.chunks_exact(samples)) {
                worst = worst.max(absolute(&got[..covered], &widen(&want[..covered])));
            }
            println!("{target}, {size}/{hop}: {worst:.1e}");
            assert!(worst < 5e-6, "{target}, {size}/{hop}: {worst:.1e}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |size, hop, shape: &[usize], what: &str| {
        let mut tape = Tape::new();
        let x = tape.input("samples", stemwise::shape::Shape::try_from(shape).unwrap());
        let error = stft(&mut tape, x, size, hop, StftOutput::Complex)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("stft: ") && error.contains(what), "{error}");
    };
    refused(300, 100, &[1, 1, 1000], "power of two");
    refused(128, 32, &[1, 1, 1000], "power of two");
    refused(16_384, 32, &[1, 1, 100_000], "power of two");
    refused(256, 0, &[1, 1, 1000], "hop");
    refused(256, 129, &[1, 1, 1000], "hop");
    refused(256, 64, &[1, 1, 128], "128 samples are too few");
    refused(256, 64, &[1, 2, 1000], "1×2×1000");
    refused(256, 64, &[1, 1000], "1×1000");

    let mut tape = Tape::new();
    let spectrum = tape.input("spectrum", [1, 2, 129, 9]);
    assert!(inverse_stft(&mut tape, spectrum, 256, 64, 512).is_ok());
    let error = inverse_stft(&mut tape, spectrum, 256, 64, 600)
        .unwrap_err()
        .to_string();
    assert!(error.contains("[1×2×129×10], not [1×2×129×9]"), "{error}");

    let mut tape = Tape::new();
    let x = tape.input("magnitude", [1, 1, 1024, 9]);
    let log_mel = LogMel::new(&LogMelConfig::default()).unwrap();
    let error = log_mel.record(&mut tape, x).unwrap_err().to_string();
    assert!(error.contains("1025") && error.contains("1024"), "{error}");
    assert!(tape.push(Decibel { floor: 0.0 }, &[x]).is_err());
}

fn small() -> LogMel {
    let filters = MelFilters {
        rate: 8000,
        size: 64,
        mels: 9,
        high: 4000.0,
        scale: MelScale::Htk,
        ..MelFilters::default()
    };
    LogMel::new(&LogMelConfig {
        filters,
        ..LogMelConfig::default()
    })
    .unwrap()
}

#[test]
fn the_gradient_of_the_chain_is_its_central_difference() {
    let record = |tape: &mut Tape, x: &[Var]| small().record(tape, x[0]);
    let case = Case::function(Class::Reduction, "log-mel", record, [[2, 1, 33, 5]])
        .fill(0, Values::Uniform(0.05, 2.0));
    let gradient = harness::gradients(&case, Target::Reference).unwrap().remove(0);
    let scale = engine::largest(&gradient);
    let mut loss = harness::Loss::of(&case).unwrap();
    for (index, want) in gradient.iter().enumerate() {
        let got = loss.derivative(0, index, 1e-4).unwrap();
        assert!((got - want).abs() < 1e-8 * scale, "{index}: {got} {want}");
    }
    for target in [Target::Cpu, Target::Gpu] {
        let got = harness::gradients(&case, target).unwrap().remove(0);
        assert!(engine::relative(&got, &gradient) < 1e-5, "{target}");
    }
}

#[test]
fn silence_is_zeros_and_has_a_finite_gradient() {
    let mut tape = Tape::new();
    let x = tape.input("magnitude", [2, 1, 33, 7]);
    let y = small().record(&mut tape, x).unwrap();
    let weights = tape
        .constant(tape.shape(y).unwrap(), &noise(3, 2 * 9 * 7))
        .unwrap();
    let weighted = tape.push(Multiply, &[y, weights]).unwrap();
    let loss = tape.push(Sum, &[weighted]).unwrap();
    let gradient = tape.gradients(loss, &[x]).unwrap()[0].unwrap();
    // the second item sounds
    let mut values = vec![0.0; 33 * 7];
    values.extend(noise(4, 33 * 7).iter().map(|v| v.abs()));
    for target in Target::ALL {
        let got = run(target, &tape, &[y, gradient], &[values.clone()]);
        let (silent, sounding) = got[0].split_at(9 * 7);
        assert!(silent.iter().all(|&v| v == 0.0), "{target}: {silent:?}");
        assert!(sounding.iter().any(|&v| v > 1.0), "{target}");
        let (silent, sounding) = got[1].split_at(33 * 7);
        // below the floor nothing can be gained
        assert!(silent.iter().all(|&v| v == 0.0), "{target}");
        assert!(
            sounding.iter().all(|v| v.is_finite()) && sounding.iter().any(|&v| v != 0.0),
            "{target}"
        );
    }
}

#[test]
fn a_constant_has_a_finite_gradient() {
    let mut tape = Tape::new();
    let x = tape.input("x", [1, 1, 7, 9]);
    let y = ops::standardise(&mut tape, x, 1e-5).unwrap();
    let weights = noise(5, 63);
    let constant = tape.constant([1, 1, 7, 9], &weights).unwrap();
    let weighted = tape.push(Multiply, &[y, constant]).unwrap();
    let loss = tape.push(Sum, &[weighted]).unwrap();
    let gradient = tape.gradients(loss, &[x]).unwrap()[0].unwrap();
    let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / 63.0;
    let want: Vec<f64> = weights
        .iter()
        .map(|&w| (f64::from(w) - mean) / f64::from(1e-5f32))
        .collect();
    for target in Target::ALL {
        let got = run(target, &tape, &[y, gradient], &[vec![-99.7; 63]]);
        assert!(got[0].iter().all(|&v| v == 0.0), "{target}");
        assert!(engine::relative(&got[1], &want) < 1e-5, "{target}");
    }
}

/// A magnitude has no gradient: what would need one fails when it is recorded.
#[test]
fn nothing_trains_through_the_transform() {
    let mut tape = Tape::new();
    let samples = tape.input("samples", [1, 1, 4000]);
    let x = magnitude(&mut tape, samples).unwrap();
    let loss = tape.push(Sum, &[x]).unwrap();
    let error = tape.gradients(loss, &[samples]).unwrap_err().to_string();
    assert!(error.contains("stft"), "{error}");
    // and everything runs on a plan of its own
    let mut store = CpuStore::<f64>::new(&Parameters::default());
    let plan = Plan::for_cpu(&tape, &Parameters::default(), &[loss]).unwrap();
    let mut program = CpuProgram::new(plan, &mut store);
    program.run(&mut store, &[&[0.0; 4000]], &step()).unwrap();
    assert_eq!(program.read(&store, loss).unwrap(), [0.0]);
}
