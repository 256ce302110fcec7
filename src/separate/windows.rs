//! Cutting spectra into windows, and joining the masks of neighbours.
//!
//! Near its ends a window lacks the context that a pass over the whole song would have. So of the frames that two
//! neighbours share, the first belong to the one before, the last to the one behind, and only between them their masks
//! fade over. Every window begins on the grid of the networks' halvings, and the last one is moved back, so that it
//! ends where the song does and nothing but music is in it.

use rustfft::num_complex::Complex32;

use super::{SeparateError, Separators, WindowOptions};

/// Frames after which the networks' six halvings repeat themselves: windows that begin so far apart meet the same
/// arithmetic on the frames that they share.
const GRID: usize = 64;

/// Takes a finished frame: its channel, the mixture's bins, and the mask of every instrument.
type OnFrame<'a> = &'a mut dyn FnMut(usize, &[Complex32], &[&[f32]]);

/// The spectra of all channels that wait for a whole window.
pub(super) struct Windows {
    bins: usize,
    layout: Layout,
    /// By channel: frames of `bins` numbers each, from the beginning of the latest window on.
    pending: Vec<Vec<Complex32>>,
    magnitude: Vec<f32>,
    /// Frames of the latest window that were handed out.
    finished: usize,
    /// By instrument and channel: the latest window's masks of the frames after these.
    tails: Vec<Vec<Vec<f32>>>,
}

/// Where windows begin, and what becomes of the frames that two of them share.
#[derive(Clone, Copy)]
struct Layout {
    /// Length of a window.
    frames: usize,
    /// From one window to the next.
    step: usize,
    /// Shared frames that are the former's alone; about as many are the latter's.
    edge: usize,
    /// Shared frames over which the masks fade.
    fade: usize,
}

impl Layout {
    fn new(windows: WindowOptions) -> Self {
        let step = windows.frames - windows.overlap;
        let step = if step < GRID { step } else { step / GRID * GRID };
        let overlap = windows.frames - step;
        let fade = overlap / 8;
        Layout {
            frames: windows.frames,
            step,
            edge: (overlap - fade) / 2,
            fade,
        }
    }
}

impl Windows {
    pub fn new(separators: &Separators, channels: usize) -> Self {
        Windows {
            bins: separators.stft().bins(),
            layout: Layout::new(separators.windows()),
            pending: vec![Vec::new(); channels],
            magnitude: Vec::new(),
            finished: 0,
            tails: vec![vec![Vec::new(); channels]; separators.instruments().len()],
        }
    }

    /// Appends a frame of one channel.
    pub fn push(&mut self, channel: usize, frame: &[Complex32]) {
        self.pending[channel].extend_from_slice(frame);
    }

    /// Separates all windows that are not the song's last; with `last`, that one, too: then the last frame pushed is
    /// the closing one, which the networks do not see, and which gets the masks of the frame before. `on_frame` gets
    /// the frames that are finished, channel by channel in order.
    pub fn separate(
        &mut self,
        separators: &mut Separators,
        last: bool,
        on_frame: OnFrame<'_>,
    ) -> Result<(), SeparateError> {
        let Layout {
            frames, step, edge, ..
        } = self.layout;
        let mut shift = self.shift();
        while self.waiting(last) > shift + frames {
            self.window(separators, shift, frames)?;
            self.hand_out(step + edge, on_frame);
            shift = self.shift();
        }
        let waiting = self.waiting(last);
        if last && waiting > 0 {
            let shift = waiting.saturating_sub(frames).next_multiple_of(GRID).min(shift);
            self.window(separators, shift, waiting - shift)?;
            self.hand_out(waiting - shift + 1, on_frame);
        }
        Ok(())
    }

    /// How far behind the latest window the next begins.
    fn shift(&self) -> usize {
        match self.finished {
            0 => 0, // there is none
            _ => self.layout.step,
        }
    }

    /// Frames from the beginning of the latest window on, without the closing one.
    fn waiting(&self, closed: bool) -> usize {
        let frames = self.pending.iter().map(Vec::len).min().unwrap_or(0) / self.bins;
        frames.saturating_sub(closed.into())
    }

    /// Separates the window that begins `shift` frames behind the latest one and has `frames` frames.
    fn window(
        &mut self,
        separators: &mut Separators,
        shift: usize,
        frames: usize,
    ) -> Result<(), SeparateError> {
        for pending in &mut self.pending {
            pending.drain(..shift * self.bins);
        }
        self.finished -= shift;
        for channel in 0..self.pending.len() {
            self.fill_magnitude(channel, frames);
            let masks = separators.masks(frames, &self.magnitude)?;
            for (tails, mask) in self.tails.iter_mut().zip(&masks) {
                let tail = &mut tails[channel];
                *tail = join(tail, mask, self.bins, self.finished, self.layout.fade);
            }
        }
        Ok(())
    }

    /// A channel's magnitudes as models take them: `[bin][frame]`.
    fn fill_magnitude(&mut self, channel: usize, frames: usize) {
        self.magnitude.resize(self.bins * frames, 0.0);
        let spectra = self.pending[channel].chunks_exact(self.bins).take(frames);
        for (frame, spectrum) in spectra.enumerate() {
            for (bin, x) in spectrum.iter().enumerate() {
                self.magnitude[bin * frames + frame] = x.norm();
            }
        }
    }

    /// Hands out the latest window's frames before frame `end`. Where there is no mask any more, the last one holds.
    fn hand_out(&mut self, end: usize, on_frame: OnFrame<'_>) {
        let bins = self.bins;
        for (channel, pending) in self.pending.iter().enumerate() {
            let frames = pending.chunks_exact(bins).take(end).skip(self.finished);
            for (frame, mixture) in frames.enumerate() {
                let masks = self.tails.iter().map(|tails| {
                    let tail = &tails[channel];
                    let at = (frame * bins).min(tail.len() - bins);
                    &tail[at..at + bins]
                });
                on_frame(channel, mixture, &masks.collect::<Vec<_>>());
            }
        }
        for tail in self.tails.iter_mut().flatten() {
            tail.drain(..tail.len().min((end - self.finished) * bins));
        }
        self.finished = end;
    }
}

/// The frames from `from` on of a mask `[bin][frame]`, turned round to `[frame][bin]` and faded over from those of the
/// window before, if there are any.
fn join(before: &[f32], mask: &[f32], bins: usize, from: usize, fade: usize) -> Vec<f32> {
    let frames = mask.len() / bins;
    let mut joined = Vec::with_capacity((frames - from) * bins);
    for frame in from..frames {
        joined.extend(mask.iter().skip(frame).step_by(frames));
    }
    let fading = joined.chunks_exact_mut(bins).zip(before.chunks_exact(bins));
    for (i, (row, before)) in fading.take(fade).enumerate() {
        let weight = (i + 1) as f32 / (fade + 1) as f32;
        for (value, before) in row.iter_mut().zip(before) {
            *value = before + weight * (*value - before);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two windows whose masks disagree: all 0, then all 1.
    #[test]
    fn neighbours_fade_into_each_other() {
        let (bins, frames, from) = (2, 6, 1);
        let before = join(&[], &[0.0; 12], bins, 2, 3);
        assert_eq!(before, [0.0; 8]);
        let joined = join(&before, &[1.0; 12], bins, from, 3);
        assert_eq!(joined.len(), (frames - from) * bins);
        for (row, expected) in joined.chunks_exact(bins).zip([0.25, 0.5, 0.75, 1.0, 1.0]) {
            assert_eq!(row, [expected; 2]);
        }
    }

    #[test]
    fn windows_begin_on_the_grid_where_they_can() {
        for (frames, overlap, step) in [
            (1024, 256, 768),
            (1000, 300, 640),
            (128, 64, 64),
            (64, 16, 48),
            (1, 0, 1),
        ] {
            let layout = Layout::new(WindowOptions { frames, overlap });
            assert_eq!(layout.step, step);
            assert!(layout.step + 2 * layout.edge + layout.fade <= frames);
        }
    }
}
