//! The transform and its inverse for signals too long to be held: the same numbers, frame by frame.

use rustfft::num_complex::Complex32;

use super::{
    AudioError,
    stft::{Analysis, Stft},
};
use crate::signal::{LEAST_WEIGHT, Scratch};

/// [`Stft::forward`] in pieces: samples go in, complete frames come out. Holds a few windows at most, besides
/// the piece being pushed.
pub struct StftStream {
    stft: Stft,
    analysis: Analysis,
    /// The padded signal from the first sample that is still needed.
    buffer: Vec<f32>,
    /// Where in `buffer` the next window begins.
    next: usize,
    samples: usize,
    emitted: usize,
}

impl StftStream {
    /// A stream before its first sample.
    pub fn new(stft: Stft) -> Self {
        let analysis = Analysis::new(&stft);
        Self {
            stft,
            analysis,
            buffer: Vec::new(),
            next: 0,
            samples: 0,
            emitted: 0,
        }
    }

    /// Appends samples to the signal; `on_frame` gets the bins (`size / 2 + 1`) of each frame now complete.
    pub fn push(&mut self, samples: &[f32], mut on_frame: impl FnMut(&[Complex32])) {
        let held_back = self.samples <= self.stft.padding();
        self.samples += samples.len();
        self.buffer.extend_from_slice(samples);
        if held_back {
            if self.samples <= self.stft.padding() {
                return; // The first frame begins with the reflection of these samples.
            }
            self.reflect_start();
        }
        self.emit(usize::MAX, &mut on_frame);
    }

    /// Ends the signal: reflects its end and hands the last frames to `on_frame`. Returns the number of samples
    /// that were pushed, for [`IstftStream::finish`].
    pub fn finish(self, on_frame: impl FnMut(&[Complex32])) -> u64 {
        let frames = self.stft.frames(self.samples);
        self.end(frames, on_frame)
    }

    /// As [`finish`](Self::finish), and the closing frame comes last; see [`Stft`].
    pub fn finish_closed(self, on_frame: impl FnMut(&[Complex32])) -> u64 {
        let frames = self.stft.closed_frames(self.samples);
        self.end(frames, on_frame)
    }

    fn end(mut self, frames: usize, mut on_frame: impl FnMut(&[Complex32])) -> u64 {
        let padding = self.stft.padding();
        if frames > 0 {
            if self.samples <= padding {
                self.buffer.resize(padding + 1, 0.0);
                self.reflect_start();
            }
            let last = self.buffer.len() - 1;
            for i in 1..=padding {
                self.buffer.push(self.buffer[last - i]);
            }
            // what the closing frame sees beyond the reflection
            self.buffer.resize(self.buffer.len() + self.stft.hop(), 0.0);
            self.emit(frames, &mut on_frame);
        }
        self.samples as u64
    }

    fn reflect_start(&mut self) {
        let head: Vec<f32> = self.buffer[1..=self.stft.padding()]
            .iter()
            .rev()
            .copied()
            .collect();
        self.buffer.splice(0..0, head);
    }

    /// Emits the complete frames, up to frame number `limit`.
    fn emit(&mut self, limit: usize, on_frame: &mut impl FnMut(&[Complex32])) {
        let size = self.stft.size();
        while self.emitted < limit && self.next + size <= self.buffer.len() {
            on_frame(
                self.analysis
                    .frame(&self.stft, &self.buffer[self.next..self.next + size]),
            );
            self.next += self.stft.hop();
            self.emitted += 1;
        }
        // The reflection at the end reads back `padding` samples before the last one.
        let done = self
            .next
            .min(self.buffer.len().saturating_sub(self.stft.padding() + 1));
        self.buffer.drain(..done);
        self.next -= done;
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
