//! Separation: trained models on audio files of any length, rate and number of channels.
//!
//! A file is decoded, resampled to the models' rate and transformed as it is read. A model sees windows of
//! a fixed number of frames, one channel after another, and gives masks. Windows overlap by so much that the masks
//! are those of one pass over the whole file. Masked bins keep the mixture's phase; the inverse transform goes back
//! to the file's rate and to a WAV file. Memory does not grow with the length of the file.
//!
//! It may know audio, corpora's instruments and trained runs. Start reading at `model.rs`, then `windows.rs`; `song.rs` and
//! `signal.rs` are the two ways in.

mod error;
mod model;
mod signal;
mod song;
mod spectra;
mod windows;

pub use error::SeparateError;
pub use model::{Separators, WindowOptions};
pub use signal::separate_signal;
pub use song::{Outputs, Report, Stem, separate_file, stem_paths, sweep};
