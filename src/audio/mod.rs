//! Audio on the CPU: files in and out, resampling, and the short-time Fourier transform that the
//! kernels are checked against.
//!
//! Samples are `f32` with full scale ±1; a *frame* of a file is one sample of every channel.

mod adts;
mod blocks;
mod bytes;
mod coded;
mod error;
mod flac;
mod format;
mod load;
mod mp4;
mod mpeg;
mod names;
mod opus;
mod read;
mod resample;
mod stft;
mod stream;
mod tags;
mod wav;
mod write;

pub use error::AudioError;
pub use format::{EXTENSIONS, UNREAD_EXTENSIONS};
pub use load::{frames_at, read_mono_at, read_mono_range_at};
pub use read::{Audio, AudioReader, read_mono, read_mono_range};
pub use resample::{Resampler, resample, resampled_len};
pub use stft::{Spectrogram, Stft};
pub use stream::{IstftStream, StftStream};
pub use write::{SampleFormat, WavWriter};

/// The rate every model works at, in Hz.
pub const SAMPLE_RATE: u32 = 44_100;
