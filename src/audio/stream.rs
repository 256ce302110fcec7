//! The transform of signals too long to be held: the same numbers, frame by frame.

use rustfft::num_complex::Complex32;

use super::stft::{Analysis, Stft};

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
    /// that were pushed, for [`IstftStream::finish`](super::IstftStream::finish).
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
