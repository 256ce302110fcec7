//! The inverse transform, of a whole spectrogram or frame by frame.

use rustfft::num_complex::Complex32;

use super::{AudioError, Spectrogram, Stft};
use crate::signal::{LEAST_WEIGHT, Scratch};

impl Stft {
    /// The `samples` samples whose spectrogram this is, by overlap-add: each sample is the mean of what the frames
    /// say about it, weighted by the squared window. A spectrogram without its closing frame is taken, too; then the
    /// last samples fade where they lie under the foot of one window.
    ///
    /// # Errors
    /// [`AudioError::Invalid`] if a signal of that length has another number of bins or frames.
    pub fn inverse(&self, spectrogram: &Spectrogram, samples: usize) -> Result<Vec<f32>, AudioError> {
        let (bins, frames) = (self.bins(), spectrogram.frames);
        let fits = self.are_frames_of(frames, samples) && spectrogram.bins == bins;
        if !fits || spectrogram.data.len() != bins * frames {
            let message = format!(
                "{samples} samples have a spectrogram of [{bins}, {}], this one is [{}, {frames}] with {} numbers",
                self.frames(samples),
                spectrogram.bins,
                spectrogram.data.len()
            );
            return Err(AudioError::Invalid { message });
        }
        let mut stream = IstftStream::new(self.clone());
        let mut out = Vec::with_capacity(samples + self.size());
        let mut column = vec![Complex32::ZERO; bins];
        for frame in 0..frames {
            for (bin, x) in column.iter_mut().enumerate() {
                *x = spectrogram.at(bin, frame);
            }
            stream.push(&column, &mut out);
        }
        stream.finish(samples as u64, &mut out)?;
        Ok(out)
    }
}

/// [`Stft::inverse`] in pieces: frames go in, finished samples come out. Holds two windows.
pub struct IstftStream {
    stft: Stft,
    scratch: Scratch<f32>,
    time: Vec<f32>,
    /// Weighted sum of the frames, and of their squared windows, for the next `size` samples.
    sum: Vec<f32>,
    weight: Vec<f32>,
    frames: usize,
    /// Samples still to drop: the reflection in front of the signal.
    leading: usize,
    emitted: u64,
}

impl IstftStream {
    /// A stream before its first frame.
    pub fn new(stft: Stft) -> Self {
        let (size, leading) = (stft.size(), stft.padding());
        let scratch = stft.fft.scratch();
        let zeros = vec![0.0; size];
        Self {
            stft,
            scratch,
            time: zeros.clone(),
            sum: zeros.clone(),
            weight: zeros,
            frames: 0,
            leading,
            emitted: 0,
        }
    }

    /// Adds a frame of `size / 2 + 1` bins and appends to `out` the samples that no later frame can change. They
    /// wait for the next frame: a closing one reaches further than the signal.
    pub fn push(&mut self, frame: &[Complex32], out: &mut Vec<f32>) {
        debug_assert_eq!(frame.len(), self.stft.bins());
        if self.frames > 0 {
            self.advance(out);
        }
        self.stft.fft.inverse(frame, &mut self.time, &mut self.scratch);
        let terms = self
            .sum
            .iter_mut()
            .zip(&mut self.weight)
            .zip(&self.time)
            .zip(&self.stft.window);
        for (((sum, weight), x), w) in terms {
            *sum += x * w;
            *weight += w * w;
        }
        self.frames += 1;
    }

    /// Ends the signal, which has `samples` samples in all, and appends the rest of them to `out`. Its closing frame
    /// may have been pushed, or not; see [`Stft::inverse`].
    ///
    /// # Errors
    /// [`AudioError::Invalid`] if a signal of that length has another number of frames than were pushed.
    pub fn finish(mut self, samples: u64, out: &mut Vec<f32>) -> Result<(), AudioError> {
        if !self.stft.are_frames_of(self.frames, samples as usize) {
            let frames = self.stft.frames(samples as usize);
            let message = format!("{samples} samples have {frames} frames, not {}", self.frames);
            return Err(AudioError::Invalid { message });
        }
        // A frame covers more than a hop beyond its centre, so the signal ends within the window.
        let rest = (samples - self.emitted.min(samples)) as usize;
        self.emit(self.leading + rest, out);
        Ok(())
    }

    /// Goes on to the next frame's window.
    fn advance(&mut self, out: &mut Vec<f32>) {
        let hop = self.stft.hop();
        self.emit(hop, out);
        for numbers in [&mut self.sum, &mut self.weight] {
            numbers.drain(..hop);
            numbers.resize(self.stft.size(), 0.0);
        }
    }

    /// Appends the first `count` samples of the window to `out`, less what lies before the signal.
    fn emit(&mut self, count: usize, out: &mut Vec<f32>) {
        let count = count.min(self.sum.len());
        let skipped = self.leading.min(count);
        self.leading -= skipped;
        let finished = self.sum[skipped..count].iter().zip(&self.weight[skipped..count]);
        out.extend(finished.map(|(sum, weight)| sum / weight.max(LEAST_WEIGHT as f32)));
        self.emitted += (count - skipped) as u64;
    }
}
