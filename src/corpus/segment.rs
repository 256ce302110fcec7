//! Parts of a track's instruments, read from the disk.

use std::path::PathBuf;

use super::{CorpusError, Instrument, Track};
use crate::audio::{frames_at, read_mono_at, read_mono_range_at};

/// Longest track, in frames: 1.7 hours at 44.1 kHz. A file that promises more is broken, and would cost the memory
/// that it promises.
pub const MAX_FRAMES: u64 = 1 << 28;

/// The `len` samples from `start` on of one instrument of a track, at `rate` Hz: the plain sum of its
/// stems. An instrument that does not play is silence, and so is what lies beyond the end of a stem.
///
/// # Errors
/// As [`Track::stems`], or an audio file that cannot be read.
pub fn load_instrument(
    track: &Track,
    instrument: Instrument,
    start: u64,
    len: usize,
    rate: u32,
) -> Result<Vec<f32>, CorpusError> {
    StemFiles::of(track)?.range(instrument, start, len, rate)
}

/// [`load_instrument`] for all five, in the order of [`Instrument::ALL`]. Their sum is the mix.
///
/// # Errors
/// As [`load_instrument`].
pub fn load_all(track: &Track, start: u64, len: usize, rate: u32) -> Result<[Vec<f32>; 5], CorpusError> {
    let files = StemFiles::of(track)?;
    let mut all = <[Vec<f32>; 5]>::default();
    for (samples, instrument) in all.iter_mut().zip(Instrument::ALL) {
        *samples = files.range(instrument, start, len, rate)?;
    }
    Ok(all)
}

/// Length of a track at `rate` Hz, in frames: that of its longest stem, 0 if it has none.
///
/// # Errors
/// As [`load_instrument`]; [`CorpusError::Invalid`] for a stem of more than `MAX_FRAMES`.
pub fn track_frames(track: &Track, rate: u32) -> Result<u64, CorpusError> {
    StemFiles::of(track)?.frames(rate)
}

/// The stem files of a track by instrument, so that the metadata is read once for many segments.
#[derive(Clone, Debug)]
pub(super) struct StemFiles([Vec<PathBuf>; 5]);

impl StemFiles {
    /// Files by instrument.
    pub fn new(files: [Vec<PathBuf>; 5]) -> Self {
        Self(files)
    }

    pub fn of(track: &Track) -> Result<Self, CorpusError> {
        let mut files = <[Vec<PathBuf>; 5]>::default();
        for stem in track.stems()?.present {
            files[stem.instrument() as usize].push(stem.path);
        }
        Ok(Self(files))
    }

    pub fn plays(&self, instrument: Instrument) -> bool {
        !self.0[instrument as usize].is_empty()
    }

    /// Length of the longest stem, at most [`MAX_FRAMES`].
    pub fn frames(&self, rate: u32) -> Result<u64, CorpusError> {
        let mut longest = 0;
        for path in self.0.iter().flatten() {
            let frames = frames_at(path, rate)?;
            if frames > MAX_FRAMES {
                return Err(CorpusError::invalid(format!(
                    "{} promises {frames} samples, more than the {MAX_FRAMES} that a song can have: copy the track again",
                    path.display()
                )));
            }
            longest = longest.max(frames);
        }
        Ok(longest)
    }

    /// A part of an instrument; see [`load_instrument`].
    pub fn range(
        &self,
        instrument: Instrument,
        start: u64,
        len: usize,
        rate: u32,
    ) -> Result<Vec<f32>, CorpusError> {
        let mut sum = vec![0.0; len];
        for path in &self.0[instrument as usize] {
            add(&mut sum, &read_mono_range_at(path, start, len, rate)?);
        }
        Ok(sum)
    }

    /// The whole of an instrument, `frames` samples.
    pub fn whole(&self, instrument: Instrument, frames: u64, rate: u32) -> Result<Vec<f32>, CorpusError> {
        let mut sum = vec![0.0; frames as usize];
        for path in &self.0[instrument as usize] {
            add(&mut sum, &read_mono_at(path, rate)?);
        }
        Ok(sum)
    }
}

/// Full scale of a 16-bit sample.
pub(super) const SCALE: f32 = 32768.0;

/// Rounds samples to 16 bits; what exceeds full scale is cut to it. The samples themselves become what was kept of
/// them. Also counts those that were cut.
pub(super) fn to_pcm16(samples: &mut [f32]) -> (Vec<i16>, u64) {
    let mut cut = 0;
    let round = |x: &mut f32| {
        let wide = (*x * SCALE).round();
        let sample = wide as i16; // saturates
        cut += u64::from(f32::from(sample) != wide);
        *x = f32::from(sample) / SCALE;
        sample
    };
    let rounded = samples.iter_mut().map(round).collect();
    (rounded, cut)
}

pub(super) fn add(sum: &mut [f32], samples: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(samples) {
        *sum += x;
    }
}
