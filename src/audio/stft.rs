//! The short-time Fourier transform.

use rustfft::num_complex::Complex32;

use super::AudioError;
use crate::signal::{RealFft, Scratch, hann};

/// Frames transformed before their columns are written out: whole cache lines instead of single numbers.
const TILE: usize = 16;

/// A complex spectrogram, `[bins, frames]` row by row: all frames of bin 0, then of bin 1, …
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram {
    /// Frequencies: half the transform's size, and one.
    pub bins: usize,
    /// Steps in time, one hop apart.
    pub frames: usize,
    /// `bins × frames` numbers.
    pub data: Vec<Complex32>,
}

impl Spectrogram {
    /// `|X|`, in the same layout.
    pub fn magnitude(&self) -> Vec<f32> {
        self.data.iter().map(|x| x.norm()).collect()
    }

    /// `X` at frequency `bin` and time `frame`; panics outside, as a slice does.
    pub fn at(&self, bin: usize, frame: usize) -> Complex32 {
        self.data[bin * self.frames + frame]
    }
}

/// The transform: windows of `size` samples under a periodic Hann window, `hop` samples apart, the first
/// centred on sample 0. Both ends are reflected by `size / 2` samples; no scaling.
///
/// A signal of at most `size / 2` samples is too short to be reflected: it is continued with zeros up to
/// `size / 2 + 1` samples first. Its number of frames still follows from its own length.
///
/// The samples behind the centre of the last of these frames may lie under the foot of its window only, from where
/// no inverse can bring them back. One frame more, the *closing* one, sees them whole: with it every sample lies
/// between two centres, and is reconstructed. Models do not see it.
#[derive(Clone)]
pub struct Stft {
    pub(super) fft: RealFft<f32>,
    pub(super) window: Vec<f32>,
    pub(super) hop: usize,
}

impl Default for Stft {
    /// The front end of all models: 2048 samples, hop 512, hence 1025 bins.
    fn default() -> Self {
        Self::build(2048, 512)
    }
}

impl Stft {
    /// # Errors
    /// [`AudioError::Invalid`] unless `size` is even, at least 4, and `1 <= hop <= size / 2` (beyond which
    /// the windows leave samples uncovered, and nothing could be inverted).
    pub fn new(size: usize, hop: usize) -> Result<Self, AudioError> {
        if size < 4 || !size.is_multiple_of(2) || hop == 0 || hop > size / 2 {
            let message =
                format!("window size {size}, hop {hop}: use an even size and a hop of at most half of it");
            return Err(AudioError::Invalid { message });
        }
        Ok(Self::build(size, hop))
    }

    fn build(size: usize, hop: usize) -> Self {
        Self {
            fft: RealFft::new(size),
            window: (0..size).map(|n| hann(n, size) as f32).collect(),
            hop,
        }
    }

    /// Window length in samples.
    pub fn size(&self) -> usize {
        self.window.len()
    }

    /// Samples from one window to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Number of frequency bins, `size / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.fft.bins()
    }

    /// Samples added at either end.
    pub(super) fn padding(&self) -> usize {
        self.size() / 2
    }

    /// Number of frames of a signal of `samples` samples: `1 + samples / hop`, or none for an empty signal.
    pub fn frames(&self, samples: usize) -> usize {
        if samples == 0 { 0 } else { 1 + samples / self.hop }
    }

    /// Number of frames with the closing one; none for an empty signal.
    pub fn closed_frames(&self, samples: usize) -> usize {
        self.frames(samples) + usize::from(samples > 0)
    }

    /// The spectrogram of `samples`: `[size / 2 + 1, frames(samples.len())]`.
    pub fn forward(&self, samples: &[f32]) -> Spectrogram {
        self.spectrogram(samples, self.frames(samples.len()))
    }

    /// The spectrogram of `samples` with the closing frame behind its end. Beyond the reflection are zeros.
    pub fn forward_closed(&self, samples: &[f32]) -> Spectrogram {
        self.spectrogram(samples, self.closed_frames(samples.len()))
    }

    fn spectrogram(&self, samples: &[f32], frames: usize) -> Spectrogram {
        let bins = self.bins();
        let mut data = vec![Complex32::ZERO; bins * frames];
        self.transform(samples, frames, &mut data, |x| x);
        Spectrogram { bins, frames, data }
    }

    /// `|X|` of `samples` into `out`, which holds `[size / 2 + 1, frames(samples.len())]`: one item of a batch.
    ///
    /// # Errors
    /// [`AudioError::Invalid`] if `out` has another length.
    pub fn magnitude_into(&self, samples: &[f32], out: &mut [f32]) -> Result<(), AudioError> {
        let (bins, frames) = (self.bins(), self.frames(samples.len()));
        if out.len() != bins * frames {
            let message = format!(
                "a magnitude of [{bins}, {frames}] does not fit a slice of {}",
                out.len()
            );
            return Err(AudioError::Invalid { message });
        }
        self.transform(samples, frames, out, |x| x.norm());
        Ok(())
    }

    /// Whether a signal of that length has so many frames, with or without the closing one.
    pub(super) fn are_frames_of(&self, frames: usize, samples: usize) -> bool {
        frames == self.frames(samples) || frames == self.closed_frames(samples)
    }

    /// Writes `f(X)`, `[bins, frames]`, to `out`.
    fn transform<T: Copy + Default>(
        &self,
        samples: &[f32],
        frames: usize,
        out: &mut [T],
        f: impl Fn(Complex32) -> T,
    ) {
        if frames == 0 {
            return;
        }
        let bins = self.bins();
        let mut padded = self.pad(samples);
        // what the closing frame sees beyond the reflection
        padded.resize(padded.len() + self.hop, 0.0);
        let mut analysis = Analysis::new(self);
        let mut tile = vec![T::default(); bins * TILE];
        for start in (0..frames).step_by(TILE) {
            let count = TILE.min(frames - start);
            for i in 0..count {
                let from = (start + i) * self.hop;
                let frame = analysis.frame(self, &padded[from..from + self.size()]);
                for (bin, &x) in frame.iter().enumerate() {
                    tile[bin * TILE + i] = f(x);
                }
            }
            for (row, part) in out.chunks_exact_mut(frames).zip(tile.chunks_exact(TILE)) {
                row[start..start + count].copy_from_slice(&part[..count]);
            }
        }
    }

    /// `samples` with both ends reflected (without repeating the end sample).
    fn pad(&self, samples: &[f32]) -> Vec<f32> {
        let padding = self.padding();
        let extended = samples.len().max(padding + 1);
        let at = |i: usize| samples.get(i).copied().unwrap_or(0.0);
        let mut padded = Vec::with_capacity(extended + 2 * padding);
        padded.extend((1..=padding).rev().map(at));
        padded.extend_from_slice(samples);
        padded.extend((samples.len()..extended).map(at));
        padded.extend((1..=padding).map(|i| at(extended - 1 - i)));
        padded
    }
}

/// Working memory for transforming one window after another.
#[derive(Clone)]
pub(super) struct Analysis {
    windowed: Vec<f32>,
    bins: Vec<Complex32>,
    scratch: Scratch<f32>,
}

impl Analysis {
    pub fn new(stft: &Stft) -> Self {
        Self {
            windowed: vec![0.0; stft.size()],
            bins: vec![Complex32::ZERO; stft.bins()],
            scratch: stft.fft.scratch(),
        }
    }

    /// The bins of one window of samples.
    pub fn frame(&mut self, stft: &Stft, samples: &[f32]) -> &[Complex32] {
        for ((y, x), w) in self.windowed.iter_mut().zip(samples).zip(&stft.window) {
            *y = x * w;
        }
        stft.fft
            .forward(&self.windowed, &mut self.bins, &mut self.scratch);
        &self.bins
    }
}
