//! Audio on the CPU: files in and out, resampling, and the short-time Fourier transform that the
//! kernels are checked against.
//!
//! Samples are `f32` with full scale ±1; a *frame* of a file is one sample of every channel.

mod error;
mod load;
mod music;
mod read;
mod resample;
mod sniff;
mod stft;
mod stream;
mod write;

pub use error::AudioError;
pub use load::{frames_at, read_mono_at, read_mono_range_at};
pub use music::MusicReader;
pub use read::{Audio, AudioReader, read_mono, read_mono_range};
pub use resample::{Resampler, resample, resampled_len};
pub use stft::{Spectrogram, Stft};
pub use stream::{IstftStream, StftStream};
pub use write::{SampleFormat, WavWriter};

/// How the names of files of sound end, in small letters, that nothing here reads.
pub const UNREAD_EXTENSIONS: [&str; 30] = [
    "3ga", "3gp", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "dff", "dsf", "dts", "m4p", "m4r",
    "mka", "mp2", "mp4", "mpc", "ofr", "opus", "ra", "shn", "snd", "spx", "tak", "tta", "weba", "wma", "wv",
];

/// The rate every model works at, in Hz.
pub const SAMPLE_RATE: u32 = 44_100;
