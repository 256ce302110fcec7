//! Decoding music, chunk by chunk.

use std::path::{Path, PathBuf};

use super::{
    AudioError,
    blocks::{Blocks, Fault, Spec},
    format,
};
use crate::{files, guard};

/// Sample rates that are taken for a rate rather than for a damaged header, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// A mono signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// In Hz.
    pub rate: u32,
    /// Full scale is ±1.
    pub samples: Vec<f32>,
}

/// A file of music, decoded in chunks: memory does not grow with its length.
///
/// WAV (with RF64, BW64 and Wave64), FLAC and AIFF are read as strictly as they promise: not one sample less than the
/// header says, and no broken block. Coded music (MP3, Ogg Vorbis, Opus, AAC and ALAC in MP4, CAF) promises little, and a
/// block that cannot be decoded is passed over, as long as there are few. All are read to the end of the file.
pub struct AudioReader {
    path: PathBuf,
    blocks: Box<dyn Blocks>,
    spec: Spec,
    /// The frame after the last one decoded.
    position: u64,
    /// Frames before this one are decoded and dropped: a seek lands on a block, not on a frame.
    target: u64,
    chunk: Vec<f32>,
}

impl AudioReader {
    /// Opens the file `path`. The content decides what it is, not the name.
    ///
    /// # Errors
    /// A missing, empty or unsupported file, or one that is no audio; [`AudioError::NoFrames`] if its header
    /// says that it holds nothing.
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let opened = guarded(|| {
            let blocks = format::open(files::open(path)?)?;
            let spec = blocks.spec();
            Ok((blocks, spec))
        });
        let (blocks, spec) = opened.map_err(|fault| fault.of(path, 0))?;
        let unsupported = |what: String| Fault::Unsupported(what).of(path, 0);
        if spec.channels == 0 || spec.frames == Some(0) {
            return Err(AudioError::NoFrames { path: path.into() });
        }
        if !RATES.contains(&spec.rate) {
            return Err(unsupported(format!("a sample rate of {} Hz", spec.rate)));
        }
        Ok(Self {
            path: path.into(),
            blocks,
            spec,
            position: 0,
            target: 0,
            chunk: Vec::new(),
        })
    }

    /// Sample rate in Hz.
    pub fn rate(&self) -> u32 {
        self.spec.rate
    }

    /// Number of channels, at least 1.
    pub fn channels(&self) -> usize {
        self.spec.channels
    }

    /// Number of frames that the header promises, if it does. Coded music may have more.
    pub fn frames(&self) -> Option<u64> {
        self.spec.frames
    }

    /// Number of frames that the header promises, if that promise is kept to the frame.
    pub(super) fn exact_frames(&self) -> Option<u64> {
        self.spec.frames.filter(|_| self.spec.exact)
    }

    /// The next frames, interleaved, a few thousand at most a time; `None` after the last one.
    ///
    /// # Errors
    /// [`AudioError::Truncated`] where the file ends before the promised number of frames (of coded music, by more than
    /// a second), [`AudioError::Damaged`] for a broken block (of coded music, for more than one in ten),
    /// [`AudioError::Unsupported`] where rate, channels or codec change on the way, [`AudioError::NotFinite`] for NaN or
    /// infinity, [`AudioError::NoFrames`] if there was nothing at all.
    pub fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        loop {
            let Self { blocks, chunk, .. } = self;
            let more =
                guarded(|| blocks.decode(chunk)).map_err(|fault| fault.of(&self.path, self.position))?;
            if !more {
                return self.end().map(|()| None);
            }
            let start = self.position;
            self.position += (self.chunk.len() / self.spec.channels) as u64;
            let skipped = self.target.saturating_sub(start) as usize * self.spec.channels;
            if skipped < self.chunk.len() {
                self.check_finite(start)?;
                return Ok(Some(&self.chunk[skipped..]));
            }
        }
    }

    /// Makes `frame` the next one to be read, exactly. Of coded music everything before it is decoded.
    ///
    /// # Errors
    /// [`AudioError::OutOfRange`] past the end, or what opening and reading can give.
    pub fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        if let Some(frames) = self.exact_frames().filter(|&frames| frame >= frames) {
            return Err(AudioError::OutOfRange {
                path: self.path.clone(),
                start: frame,
                end: frame,
                frames,
            });
        }
        self.target = frame;
        if frame >= self.position && frame - self.position < u64::from(self.spec.rate) {
            return Ok(()); // Near enough to decode up to it.
        }
        let blocks = &mut self.blocks;
        match guarded(|| blocks.seek(frame)) {
            Ok(Some(start)) => self.position = start,
            _ => {
                let fresh = Self::open(&self.path)?;
                *self = Self {
                    target: frame,
                    ..fresh
                };
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), AudioError> {
        match self.exact_frames() {
            Some(promised) if self.position < promised => Err(AudioError::Truncated {
                path: self.path.clone(),
                found: self.position,
                promised,
            }),
            _ if self.position == 0 => Err(AudioError::NoFrames {
                path: self.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn check_finite(&self, start: u64) -> Result<(), AudioError> {
        let Some(i) = self.chunk.iter().position(|x| !x.is_finite()) else {
            return Ok(());
        };
        Err(AudioError::NotFinite {
            path: self.path.clone(),
            frame: start + (i / self.spec.channels) as u64,
            channel: i % self.spec.channels,
            value: self.chunk[i],
        })
    }
}

/// A decoder that panics at some file is an error of that file: it must not end the work on a thousand others.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    guard::guarded(decode).unwrap_or_else(|| Err(Fault::Damaged("its decoder failed".into())))
}

/// The whole file `path` as the mean of its channels, at its own rate.
///
/// # Errors
/// As [`AudioReader::open`] and [`AudioReader::next_chunk`].
pub fn read_mono(path: &Path) -> Result<Audio, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let Spec { rate, channels, .. } = reader.spec;
    // A header may promise anything; what it says is only a hint for the first allocation.
    let mut samples = Vec::with_capacity(reader.frames().unwrap_or(0).min(1 << 26) as usize);
    while let Some(chunk) = reader.next_chunk()? {
        append_mono(&mut samples, chunk, channels);
    }
    Ok(Audio { rate, samples })
}

/// The `len` frames from `start` on of the file `path`, as the mean of its channels, at its own rate; the same
/// numbers as that part of [`read_mono`].
///
/// # Errors
/// [`AudioError::OutOfRange`] if the file is shorter, else as [`read_mono`], of which only the defects
/// within the range are noticed.
pub fn read_mono_range(path: &Path, start: u64, len: usize) -> Result<Audio, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let Spec { rate, channels, .. } = reader.spec;
    let end = start.saturating_add(len as u64);
    let out_of_range = |frames| AudioError::OutOfRange {
        path: path.into(),
        start,
        end,
        frames,
    };
    if let Some(frames) = reader.exact_frames().filter(|&frames| end > frames) {
        return Err(out_of_range(frames));
    }
    let mut samples = Vec::new();
    if len > 0 {
        reader.seek(start)?;
    }
    while samples.len() < len {
        match reader.next_chunk()? {
            Some(chunk) => append_mono(&mut samples, chunk, channels),
            None => return Err(out_of_range(reader.position)),
        }
    }
    samples.truncate(len);
    Ok(Audio { rate, samples })
}

fn append_mono(samples: &mut Vec<f32>, chunk: &[f32], channels: usize) {
    if channels == 1 {
        samples.extend_from_slice(chunk);
    } else {
        let scale = 1.0 / channels as f32;
        samples.extend(
            chunk
                .chunks_exact(channels)
                .map(|frame| frame.iter().sum::<f32>() * scale),
        );
    }
}
