//! Audio files whose headers lie.
#![allow(dead_code)] // not every test uses everything

use std::fs;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio");

/// A FLAC file of 400 frames at 44,100 Hz that promises as many as given, below 2³⁶.
pub fn flac_promising(frames: u64) -> Vec<u8> {
    let mut flac = fs::read(format!("{FIXTURES}/s16.flac")).unwrap();
    let total = u64::from_be_bytes(flac[18..26].try_into().unwrap()) >> 36 << 36 | frames;
    flac[18..26].copy_from_slice(&total.to_be_bytes());
    flac
}

/// A mono 16-bit WAV file of 400 frames at 44,100 Hz that promises as many as given, in a size that no pipe writes.
pub fn wav_promising(frames: u32) -> Vec<u8> {
    let mut wav = fs::read(format!("{FIXTURES}/s16.wav")).unwrap();
    assert_eq!(&wav[36..40], b"data");
    wav[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    wav[40..44].copy_from_slice(&(2 * frames).to_le_bytes());
    wav
}
