//! A few seconds as a spectrogram and a sound, both inside the page.

use std::io::Cursor;

use serde::Serialize;

use super::{
    SoundError,
    colour::{address, image},
    segments::Segment,
};
use crate::audio::{Stft, resample};

/// Rate of what is heard, at most.
const RATE: u32 = 22_050;
/// Window and hop of the pictures, and their rows.
const WINDOW: usize = 2048;
const HOP: usize = 256;
const ROWS: usize = 128;
/// The lowest frequency in a picture, in Hz.
const LOWEST: f64 = 50.0;
/// From black to the brightest, in dB.
const RANGE: f64 = 70.0;

/// A picture and its sound.
#[derive(Serialize)]
pub(super) struct Clip {
    pub image: String,
    pub audio: String,
}

/// A frequency, and its place from the bottom in per cent.
#[derive(Serialize)]
pub(super) struct Frequency {
    pub at: String,
    pub text: &'static str,
}

impl Clip {
    pub fn bytes(&self) -> usize {
        self.image.len() + self.audio.len()
    }
}

/// How the sounds of one segment become clips: all as loud and as bright as in the mix.
pub(super) struct View<'a> {
    segment: &'a Segment,
    stft: Stft,
    rate: u32,
    gain: f32,
    /// The loudest of the mix's spectrum.
    loudest: f64,
}

impl<'a> View<'a> {
    pub fn new(segment: &'a Segment, mix: &[f32]) -> Result<Self, SoundError> {
        let mut view = View {
            segment,
            stft: Stft::new(WINDOW, HOP)?,
            rate: segment.rate.min(RATE),
            gain: 1.0,
            loudest: 1.0,
        };
        let samples = view.samples(mix)?;
        let peak = samples.iter().fold(0f32, |most, x| most.max(x.abs()));
        if peak > 0.0 {
            view.gain = 0.9 / peak;
        }
        let magnitude = view.stft.forward(&view.samples(mix)?).magnitude();
        let loudest = magnitude.iter().fold(0f32, |most, x| most.max(*x));
        view.loudest = f64::from(loudest).max(f64::MIN_POSITIVE);
        Ok(view)
    }

    /// The segment at the rate at which it is heard.
    fn samples(&self, stem: &[f32]) -> Result<Vec<f32>, SoundError> {
        let samples = self.segment.cut(stem);
        let mut samples = match self.rate == self.segment.rate {
            true => samples.to_vec(),
            false => resample(samples, self.segment.rate, self.rate)?,
        };
        samples.iter_mut().for_each(|x| *x *= self.gain);
        Ok(samples)
    }

    pub fn clip(&self, stem: &[f32]) -> Result<Clip, SoundError> {
        let samples = self.samples(stem)?;
        Ok(Clip {
            image: self.image(&samples)?,
            audio: address("audio/wav", &wav(&samples, self.rate)?),
        })
    }

    fn image(&self, samples: &[f32]) -> Result<String, SoundError> {
        let spectrum = self.stft.forward(samples);
        let (magnitude, frames) = (spectrum.magnitude(), spectrum.frames);
        let mut pixels = Vec::with_capacity(ROWS * frames);
        for row in (0..ROWS).rev() {
            let [low, high] =
                [row, row + 1].map(|edge| self.frequency(edge) * WINDOW as f64 / f64::from(self.rate));
            for frame in 0..frames {
                let at = |bin: usize| f64::from(magnitude[bin.min(spectrum.bins - 1) * frames + frame]);
                let value = match high.floor() > low.ceil() {
                    true => (low.ceil() as usize..=high.floor() as usize)
                        .map(at)
                        .fold(0.0, f64::max),
                    // rows that are narrower than a bin lie between two
                    false => {
                        let middle = (low + high) / 2.0;
                        let share = middle.fract();
                        at(middle as usize) * (1.0 - share) + at(middle as usize + 1) * share
                    }
                };
                let decibels = 20.0 * (value / self.loudest).max(1e-12).log10();
                pixels.push((255.0 * (1.0 + decibels / RANGE).clamp(0.0, 1.0)).round() as u8);
            }
        }
        image(&pixels, frames, ROWS)
    }

    /// The lower edge of a row, in Hz: rows are as high as they are wide in octaves.
    fn frequency(&self, row: usize) -> f64 {
        let highest = f64::from(self.rate) / 2.0;
        LOWEST * (highest / LOWEST).powf(row as f64 / ROWS as f64)
    }

    pub fn ticks(&self) -> Vec<Frequency> {
        let highest = f64::from(self.rate) / 2.0;
        let all = [(100.0, "100 Hz"), (1000.0, "1 kHz"), (5000.0, "5 kHz")].into_iter();
        let tick = |(hertz, text): (f64, &'static str)| Frequency {
            at: format!("{:.1}", 100.0 * (hertz / LOWEST).ln() / (highest / LOWEST).ln()),
            text,
        };
        all.filter(|(hertz, _)| *hertz < highest).map(tick).collect()
    }
}

/// A mono WAV file of 16 bits.
fn wav(samples: &[f32], rate: u32) -> Result<Vec<u8>, SoundError> {
    let failed = |error: hound::Error| SoundError::Coding {
        what: "sound",
        message: error.to_string(),
    };
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).map_err(failed)?;
    for x in samples {
        writer
            .write_sample((x * 32767.0).round().clamp(-32768.0, 32767.0) as i16)
            .map_err(failed)?;
    }
    writer.finalize().map_err(failed)?;
    Ok(bytes.into_inner())
}
