//! The tempo of a piece that no MIDI file tells, from its sound.
//!
//! Where notes begin, the mel spectrogram rises: the sum of its rises in decibels is the strength of onsets, over time. A tempo
//! is scored by two views of it that err differently: its autocorrelation at one to four beats is also high at multiples of
//! the beat, its Fourier transform at one, two and four times the beat's frequency also at fractions, so that their
//! product is high at the beat alone (Peeters, "Template-based estimation of time-varying tempo", 2007). Which of a tempo,
//! its half and its double is felt remains open: those near 110 a minute are preferred.

use std::f64::consts::TAU;

use rustfft::num_complex::Complex32;

use super::{
    CorpusError, Instrument, Track,
    segment::{StemFiles, add, to_pcm16},
};
use crate::{
    audio::{SAMPLE_RATE, Stft, StftStream},
    signal::{BandedMatrix, MelFilters, MelScale},
};

/// Frames a second, about.
const FRAMES: f64 = 86.0;
/// Mel bands, and the lowest frequency, in hertz.
const BANDS: usize = 40;
const LOWEST: f64 = 30.0;
/// Decibels below the loudest that count as silence.
const FLOOR: f32 = 60.0;
/// Seconds over which the strength of onsets is compared with its mean.
const LOCAL: f64 = 0.5;
/// Tempi from which one is chosen, in beats a minute, evenly spaced by ratio.
const SLOWEST: f64 = 45.0;
const FASTEST: f64 = 240.0;
const STEPS: usize = 600;
/// What is preferred, and by how many octaves others may differ.
const USUAL: f64 = 110.0;
const OCTAVES: f64 = 1.0;
/// Beats at which the autocorrelation is looked at, and multiples of the beat's frequency.
const BEATS: [f64; 4] = [1.0, 2.0, 3.0, 4.0];
const HARMONICS: [f64; 3] = [1.0, 2.0, 4.0];
/// Seconds that are needed at least.
const SHORTEST: f64 = 10.0;

/// Estimates the tempo of a mix, in quarter notes a minute, rounded as MIDI files round it (to microseconds a beat). `None`
/// for less than ten seconds, or what has no onsets.
///
/// # Errors
/// [`CorpusError::Audio`] for a rate that cannot be transformed.
pub fn estimate_tempo(samples: &[f32], rate: u32) -> Result<Option<f64>, CorpusError> {
    if (samples.len() as f64) < SHORTEST * f64::from(rate) {
        return Ok(None);
    }
    // the power of two for about four frames' time
    let size = 1usize << (f64::from(rate) * 4.0 / FRAMES).log2().round() as u32;
    let hop = size / 4;
    let rises = onsets(samples, rate, Stft::new(size, hop)?)?;
    let tempo = tempo_of(&rises, f64::from(rate) / hop as f64);
    Ok(tempo.map(|tempo| 60e6 / (60e6 / tempo).round()))
}

/// Strength of onsets from one frame to the next.
fn onsets(samples: &[f32], rate: u32, stft: Stft) -> Result<Vec<f64>, CorpusError> {
    let filters = MelFilters {
        rate,
        size: stft.size(),
        mels: BANDS,
        low: LOWEST,
        high: 0.4 * f64::from(rate),
        scale: MelScale::Htk,
        unit_area: false,
    };
    let filters = filters
        .matrix()
        .map_err(|error| CorpusError::invalid(error.to_string()))?;
    let mut bands: Vec<f32> = Vec::new();
    let mut stream = StftStream::new(stft);
    let mut frame = |bins: &[Complex32]| {
        let magnitude: Vec<f32> = bins.iter().map(|x| x.norm()).collect();
        bands.extend((0..BANDS).map(|band| weighed(&filters, band, &magnitude)));
    };
    stream.push(samples, &mut frame);
    stream.finish(&mut frame);
    let loudest = bands.iter().copied().fold(0.0, f32::max);
    let least = loudest * 10f32.powf(-FLOOR / 20.0);
    if loudest == 0.0 {
        return Ok(Vec::new());
    }
    bands.iter_mut().for_each(|x| *x = 20.0 * x.max(least).log10());
    let frames: Vec<&[f32]> = bands.chunks_exact(BANDS).collect();
    let rise = |pair: &[&[f32]]| {
        let rises = pair[1]
            .iter()
            .zip(pair[0])
            .map(|(now, before)| (now - before).max(0.0));
        rises.map(f64::from).sum()
    };
    Ok(frames.windows(2).map(rise).collect())
}

fn weighed(filters: &BandedMatrix, band: usize, magnitude: &[f32]) -> f32 {
    let (start, weights) = filters.row(band);
    weights.iter().zip(&magnitude[start..]).map(|(w, x)| w * x).sum()
}

/// The tempo that onsets have, of which there are `frames` a second.
fn tempo_of(rises: &[f64], frames: f64) -> Option<f64> {
    let strength = above_local_mean(rises, ((LOCAL * frames) as usize) | 1);
    let mean = strength.iter().sum::<f64>() / strength.len().max(1) as f64;
    let wave: Vec<f64> = strength.iter().map(|x| x - mean).collect();
    let longest = (BEATS[BEATS.len() - 1] * 60.0 * frames / SLOWEST).ceil() as usize + 1;
    if mean == 0.0 || wave.len() <= longest {
        return None;
    }
    let related: Vec<f64> = (0..=longest).map(|lag| autocorrelation(&wave, lag)).collect();
    let score = |tempo: f64| {
        let lag = 60.0 * frames / tempo;
        let beats: f64 = BEATS.iter().map(|beat| between(&related, beat * lag)).sum();
        let octaves = (tempo / USUAL).log2() / OCTAVES;
        let waves: f64 = HARMONICS
            .iter()
            .map(|harmonic| swing(&wave, harmonic / lag))
            .sum();
        beats.max(0.0) * waves * (-0.5 * octaves * octaves).exp()
    };
    let step = |i: usize| SLOWEST * (FASTEST / SLOWEST).powf(i as f64 / (STEPS - 1) as f64);
    let scored = (0..STEPS).map(|i| (step(i), score(step(i))));
    let best = scored.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.filter(|(_, score)| *score > 0.0).map(|(tempo, _)| tempo)
}

/// How far each number is above the mean of the `width` around it; 0 where it is not.
fn above_local_mean(values: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in values {
        sums.push(sums[sums.len() - 1] + value);
    }
    let above = |(i, value): (usize, &f64)| {
        let (start, end) = (i.saturating_sub(width / 2), (i + width / 2 + 1).min(values.len()));
        (value - (sums[end] - sums[start]) / (end - start) as f64).max(0.0)
    };
    values.iter().enumerate().map(above).collect()
}

/// Mean product of a wave and itself `lag` later.
fn autocorrelation(wave: &[f64], lag: usize) -> f64 {
    let products = wave.iter().zip(&wave[lag..]).map(|(a, b)| a * b);
    products.sum::<f64>() / (wave.len() - lag) as f64
}

/// A value between two numbers of a list.
fn between(list: &[f64], at: f64) -> f64 {
    let (i, share) = (at as usize, at.fract());
    let next = list[(i + 1).min(list.len() - 1)];
    list[i.min(list.len() - 1)] * (1.0 - share) + next * share
}

/// Magnitude of the Fourier transform at a frequency in cycles a frame.
fn swing(wave: &[f64], frequency: f64) -> f64 {
    // the turn of a frame, again and again; its length does not drift in so few steps
    let (sine, cosine) = (TAU * frequency).sin_cos();
    let (mut re, mut im, mut x, mut y) = (0.0, 0.0, 1.0, 0.0);
    for value in wave {
        re += value * x;
        im += value * y;
        (x, y) = (x * cosine - y * sine, x * sine + y * cosine);
    }
    f64::hypot(re, im)
}

/// The tempo of a track, estimated from the sum of its instruments as they are heard: at one rate, whatever rate the track
/// is heard at otherwise, so that it is the same in a folder and in every store.
///
/// # Errors
/// Files that cannot be read.
pub(super) fn of_track(track: &Track) -> Result<Option<f64>, CorpusError> {
    let files = StemFiles::of(track)?;
    let frames = files.frames(SAMPLE_RATE)?;
    let mut mix = vec![0.0; frames as usize];
    for instrument in Instrument::ALL.into_iter().filter(|&i| files.plays(i)) {
        let mut samples = files.whole(instrument, frames, SAMPLE_RATE)?;
        to_pcm16(&mut samples);
        add(&mut mix, &samples);
    }
    estimate_tempo(&mix, SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Random, Stream};

    /// Clicks of noise, loud ones on the beat and soft ones between, with a bar of four.
    fn clicks(tempo: f64, seconds: f64, rate: u32) -> Vec<f32> {
        let mut random = Random::new(Stream::Segment, None, 1, 1);
        let mut samples = vec![0.0; (seconds * f64::from(rate)) as usize];
        let step = 60.0 / tempo / 2.0 * f64::from(rate);
        for i in 0.. {
            let start = (f64::from(i) * step) as usize;
            if start + 4000 > samples.len() {
                break;
            }
            let loud = match i % 8 {
                0 => 0.8,
                2 | 4 | 6 => 0.5,
                _ => 0.1,
            };
            for (k, x) in samples[start..start + 4000].iter_mut().enumerate() {
                let noise = random.below(2001) as f32 / 1000.0 - 1.0;
                *x += loud * noise * (-(k as f32) / 800.0).exp();
            }
        }
        samples
    }

    #[test]
    fn the_beat_of_clicks_is_found() {
        for (tempo, rate) in [
            (80.0, 44_100),
            (97.0, 44_100),
            (120.0, 16_000),
            (133.3, 48_000),
            (150.0, 22_050),
        ] {
            let found = estimate_tempo(&clicks(tempo, 20.0, rate), rate).unwrap().unwrap();
            let near = [0.5, 1.0, 2.0]
                .iter()
                .any(|times| (found / (times * tempo) - 1.0).abs() < 0.01);
            assert!(near, "{tempo} at {rate} Hz: {found}");
        }
    }

    #[test]
    fn silence_and_what_is_short_have_none() {
        assert_eq!(estimate_tempo(&[0.0; 600_000], 44_100).unwrap(), None);
        assert_eq!(estimate_tempo(&clicks(120.0, 9.0, 44_100), 44_100).unwrap(), None);
        assert_eq!(estimate_tempo(&[], 44_100).unwrap(), None);
    }
}
