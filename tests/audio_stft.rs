//! The short-time Fourier transform against a golden vector, itself, and its streaming form.

use approx::assert_abs_diff_eq;
use std::f64::consts::TAU;

use stemwise::audio::{AudioError, IstftStream, Spectrogram, Stft, StftStream};

fn noise(n: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / f64::from(1u32 << 31) - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// 3 s of a tone in noise at 44.1 kHz: the signal behind the golden numbers.
fn golden_signal() -> Vec<f32> {
    let tone = |i: usize| 0.5 * (TAU * 440.0 * i as f64 / 44_100.0).sin();
    noise(132_300, 1)
        .iter()
        .enumerate()
        .map(|(i, x)| (0.01 * x + tone(i)) as f32)
        .collect()
}

#[test]
fn golden_vector() {
    let x = Stft::default().forward(&golden_signal());
    assert_eq!((x.bins, x.frames), (1025, 259));
    let magnitude = x.magnitude();
    let max = magnitude.iter().copied().fold(0.0, f32::max);
    // The numbers are given to seven digits, and f32 has as many: 2e-4 is one unit of the last digit given plus
    // what the order of the additions may change (2048 terms, 1e-6 relative).
    assert_abs_diff_eq!(max, 226.7271, epsilon = 2e-4);
    let one = magnitude[20 * 259 + 100];
    assert_abs_diff_eq!(one, 226.5692, epsilon = 2e-4);
    assert_eq!(one, x.at(20, 100).norm());
}

#[test]
fn frames_follow_from_the_length() {
    let stft = Stft::default();
    for (samples, frames) in [
        (132_300, 259),
        (220_500, 431),
        (441_000, 862),
        (0, 0),
        (1, 1),
        (511, 1),
        (512, 2),
    ] {
        assert_eq!(stft.frames(samples), frames);
    }
    assert!(matches!(Stft::new(7, 2), Err(AudioError::Invalid { .. })));
    assert!(matches!(Stft::new(8, 5), Err(AudioError::Invalid { .. })));
    assert!(matches!(Stft::new(8, 0), Err(AudioError::Invalid { .. })));
}

#[test]
fn equals_its_definition() {
    let stft = Stft::new(16, 4).unwrap();
    // 5 samples are fewer than the reflection reads: zeros follow them.
    for n in [5, 8, 9, 30] {
        let samples: Vec<f32> = noise(n, 3).iter().map(|&x| x as f32).collect();
        let mut extended = samples.clone();
        extended.resize(n.max(9), 0.0);
        let at = |i: i64| {
            let last = extended.len() as i64 - 1;
            let i = i.abs();
            f64::from(extended[(if i > last { 2 * last - i } else { i }) as usize])
        };
        let x = stft.forward(&samples);
        assert_eq!((x.bins, x.frames), (9, 1 + n / 4));
        for frame in 0..x.frames {
            for bin in 0..x.bins {
                let (mut re, mut im) = (0.0, 0.0);
                for m in 0..16 {
                    let window = 0.5 - 0.5 * (TAU * m as f64 / 16.0).cos();
                    let term = window * at(4 * frame as i64 + m as i64 - 8);
                    let angle = -TAU * (m * bin) as f64 / 16.0;
                    re += term * angle.cos();
                    im += term * angle.sin();
                }
                let got = x.at(bin, frame);
                let error = (f64::from(got.re) - re).hypot(f64::from(got.im) - im);
                assert!(error < 1e-5, "{n} samples, bin {bin}, frame {frame}: {error}");
            }
        }
    }
}

#[test]
fn the_inverse_reconstructs() {
    for (stft, lengths) in [
        (
            Stft::default(),
            vec![0, 1, 300, 1024, 1025, 4000, 44_100, 132_300],
        ),
        (Stft::new(512, 256).unwrap(), vec![1, 256, 257, 5000]),
    ] {
        for n in lengths {
            let samples: Vec<f32> = noise(n, 7).iter().map(|&x| x as f32).collect();
            let back = stft.inverse(&stft.forward(&samples), n).unwrap();
            assert_eq!(back.len(), n);
            let error = samples
                .iter()
                .zip(&back)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(error < 1e-5, "{n}: {error}");
        }
    }
    let stft = Stft::default();
    let x = stft.forward(&[0.0; 5000]);
    assert!(matches!(stft.inverse(&x, 6000), Err(AudioError::Invalid { .. })));
}

#[test]
fn magnitudes_go_into_a_batch() {
    let stft = Stft::default();
    let signal = &golden_signal()[..5000];
    let mut batch = vec![0.0; 2 * 1025 * 10];
    stft.magnitude_into(signal, &mut batch[1025 * 10..]).unwrap();
    assert!(batch[1025 * 10..] == stft.forward(signal).magnitude());
    assert!(batch[..1025 * 10].iter().all(|&x| x == 0.0));
    assert!(matches!(
        stft.magnitude_into(signal, &mut batch),
        Err(AudioError::Invalid { .. })
    ));
}

#[test]
fn streaming_gives_the_same_numbers() {
    for (size, hop) in [(2048, 512), (64, 32), (64, 7)] {
        let stft = Stft::new(size, hop).unwrap();
        for n in [0, 1, size / 2, size / 2 + 1, size, 3 * size + 5, 20_001] {
            let samples: Vec<f32> = noise(n, 5).iter().map(|&x| x as f32).collect();
            let whole = stft.forward(&samples);
            let inverse = stft.inverse(&whole, n).unwrap();
            for piece in [1, 100, 4096, n + 1] {
                let (mut forward, mut columns) = (StftStream::new(stft.clone()), Vec::new());
                for part in samples.chunks(piece) {
                    forward.push(part, |frame| columns.push(frame.to_vec()));
                }
                assert_eq!(forward.finish(|frame| columns.push(frame.to_vec())), n as u64);
                assert_eq!(
                    columns.len(),
                    whole.frames,
                    "{size}/{hop}, {n} samples in pieces of {piece}"
                );
                let (mut back, mut out) = (IstftStream::new(stft.clone()), Vec::new());
                for (f, column) in columns.iter().enumerate() {
                    for (bin, x) in column.iter().enumerate() {
                        assert!((x - whole.at(bin, f)).norm() <= 1e-6, "bin {bin}, frame {f}");
                    }
                    back.push(column, &mut out);
                    assert!(out.len() <= n, "a sample beyond the end");
                }
                back.finish(n as u64, &mut out).unwrap();
                assert_eq!(out.len(), n);
                assert!(out.iter().zip(&inverse).all(|(a, b)| (a - b).abs() <= 1e-6));
            }
            // the closing frame is one more, and changes none of the others
            let closed = stft.forward_closed(&samples);
            let (mut forward, mut columns) = (StftStream::new(stft.clone()), Vec::new());
            forward.push(&samples, |frame| columns.push(frame.to_vec()));
            forward.finish_closed(|frame| columns.push(frame.to_vec()));
            assert_eq!(
                (columns.len(), closed.frames),
                (stft.closed_frames(n), columns.len())
            );
            let (mut back, mut out) = (IstftStream::new(stft.clone()), Vec::new());
            for (f, column) in columns.iter().enumerate() {
                for (bin, x) in column.iter().enumerate() {
                    assert!((x - closed.at(bin, f)).norm() <= 1e-6);
                    assert!(f == whole.frames || closed.at(bin, f) == whole.at(bin, f));
                }
                back.push(column, &mut out);
                assert!(out.len() <= n, "a sample beyond the end");
            }
            back.finish(n as u64, &mut out).unwrap();
            assert_eq!(out, stft.inverse(&closed, n).unwrap());
        }
    }
}

/// What frame `t` holds: its inverse Fourier transform, by the definition.
fn held(spectrogram: &Spectrogram, t: usize) -> Vec<f64> {
    let half = spectrogram.bins - 1;
    let wave: Vec<f64> = (0..2 * half)
        .map(|i| (TAU * i as f64 / (2 * half) as f64).cos())
        .collect();
    let sine = |i: usize| wave[(i + 2 * half - half / 2) % (2 * half)]; // exact where the size divides by four
    let sample = |n: usize| -> f64 {
        let term = |k: usize| {
            let (x, i) = (spectrogram.at(k, t), k * n % (2 * half));
            let sin = if half.is_multiple_of(2) {
                sine(i)
            } else {
                (TAU * i as f64 / (2 * half) as f64).sin()
            };
            match k % half {
                0 => f64::from(x.re) * wave[i],
                _ => 2.0 * (f64::from(x.re) * wave[i] - f64::from(x.im) * sin),
            }
        };
        (0..=half).map(term).sum::<f64>() / (2 * half) as f64
    };
    (0..2 * half).map(sample).collect()
}

/// Every size, hop and remainder, under masks that say nothing of the signal: the worst that a network can do.
#[test]
fn no_estimate_exceeds_what_its_frames_hold() {
    const LEAST: f64 = 1.0 / 16.0;
    let mut largest = [0.0f64; 2];
    for size in [4, 18, 64] {
        let window: Vec<f64> = (0..size)
            .map(|n| 0.5 - 0.5 * (TAU * n as f64 / size as f64).cos())
            .collect();
        for hop in 1..=size / 2 {
            let stft = Stft::new(size, hop).unwrap();
            let lengths = (1..=hop)
                .map(|r| 2 * size + r)
                .chain([1, hop, size / 2, size / 2 + 1, size - 1]);
            for n in lengths {
                let samples: Vec<f32> = noise(n, n as u32).iter().map(|&x| x as f32).collect();
                for closed in [false, true] {
                    let mut x = if closed {
                        stft.forward_closed(&samples)
                    } else {
                        stft.forward(&samples)
                    };
                    let back = stft.inverse(&x, n).unwrap();
                    let masks = noise(x.data.len(), 1);
                    x.data
                        .iter_mut()
                        .zip(masks)
                        .for_each(|(x, mask)| *x *= 0.5 + 0.5 * mask as f32);
                    let estimate = stft.inverse(&x, n).unwrap();
                    let frames: Vec<Vec<f64>> = (0..x.frames).map(|t| held(&x, t)).collect();
                    for s in 0..n {
                        let (mut sum, mut weight, mut peak) = (0.0, 0.0, 0.0f64);
                        for (t, frame) in frames.iter().enumerate() {
                            let Some(at) = (s + size / 2).checked_sub(t * hop).filter(|&at| at < size) else {
                                continue;
                            };
                            sum += window[at] * frame[at].abs();
                            weight += window[at] * window[at];
                            peak = peak.max(frame[at].abs());
                        }
                        let (got, what) = (
                            f64::from(estimate[s].abs()),
                            format!("{size}/{hop}, sample {s} of {n}, {closed}"),
                        );
                        // f32: a few units of the last digit of the frames, over the least weight
                        assert!(got <= sum / weight.max(LEAST) + 1e-5, "{what}: {got}");
                        assert!(
                            got <= if closed { 2.0 } else { 4.0 } * peak + 1e-5,
                            "{what}: {got} of {peak}"
                        );
                        assert!(!closed || weight > 0.499, "{what}: {weight}");
                        if weight >= LEAST {
                            let error = f64::from((back[s] - samples[s]).abs());
                            assert!(error < 1e-5, "{what}: {error}");
                        }
                        let gain = got / peak.max(1e-3);
                        largest[usize::from(closed)] = largest[usize::from(closed)].max(gain);
                    }
                }
            }
        }
    }
    println!(
        "largest gain without a closing frame {:.2}, with it {:.2}",
        largest[0], largest[1]
    );
}
