//! Mono audio from files of any rate at the rate one works at.

use std::path::Path;

use super::{
    Audio, AudioError, AudioReader, read_mono, read_mono_range,
    resample::{resample, resampled_len, resampling_block},
};

/// The whole file `path` as the mean of its channels, at `rate` Hz.
///
/// # Errors
/// As [`read_mono`] and [`resample`].
pub fn read_mono_at(path: &Path, rate: u32) -> Result<Vec<f32>, AudioError> {
    let Audio { rate: own, samples } = read_mono(path)?;
    if own == rate {
        Ok(samples)
    } else {
        resample(&samples, own, rate)
    }
}

/// Length of the file `path` at `rate` Hz, in frames. Decodes the file if its header does not tell.
///
/// # Errors
/// As [`AudioReader::open`] and [`AudioReader::next_chunk`].
pub fn frames_at(path: &Path, rate: u32) -> Result<u64, AudioError> {
    let (own, frames) = own_frames(path)?;
    Ok(resampled_len(frames, own, rate))
}

/// The `len` samples from `start` on of [`read_mono_at`], followed by silence where the file has ended. Reads
/// only that part of the file.
///
/// # Errors
/// As [`read_mono_range`] and [`resample`].
pub fn read_mono_range_at(path: &Path, start: u64, len: usize, rate: u32) -> Result<Vec<f32>, AudioError> {
    let (own, frames) = own_frames(path)?;
    let mut samples = if own == rate {
        let end = start.saturating_add(len as u64).min(frames);
        read_mono_range(path, start.min(end), end.saturating_sub(start) as usize)?.samples
    } else {
        resampled_range(path, start, len, (own, frames), rate)?
    };
    samples.resize(len, 0.0);
    Ok(samples)
}

/// A range of the resampled file. It begins and ends at the resampler's own blocks, one further than needed
/// on either side for the filter, and so gives the numbers that the whole file would.
fn resampled_range(
    path: &Path,
    start: u64,
    len: usize,
    (own, frames): (u32, u64),
    rate: u32,
) -> Result<Vec<f32>, AudioError> {
    let (block_in, block_out) = resampling_block(own, rate);
    let (block_in, block_out) = (block_in as u64, block_out as u64);
    let total = resampled_len(frames, own, rate);
    let end = start.saturating_add(len as u64).min(total);
    if start >= end {
        return Ok(Vec::new());
    }
    let first = (start / block_out).saturating_sub(1);
    let last = end.div_ceil(block_out) + 1;
    let from = first * block_in;
    let source = read_mono_range(path, from, ((last * block_in).min(frames) - from) as usize)?;
    let resampled = resample(&source.samples, own, rate)?;
    let skipped = (start - first * block_out) as usize;
    let wanted = skipped..resampled.len().min(skipped + (end - start) as usize);
    Ok(resampled.get(wanted).map(<[f32]>::to_vec).unwrap_or_default())
}

/// Rate in Hz and length in frames of the file.
fn own_frames(path: &Path) -> Result<(u32, u64), AudioError> {
    let mut reader = AudioReader::open(path)?;
    let (rate, channels) = (reader.rate(), reader.channels());
    let frames = match reader.exact_frames() {
        Some(frames) => frames,
        None => {
            let mut frames = 0;
            while let Some(chunk) = reader.next_chunk()? {
                frames += (chunk.len() / channels) as u64;
            }
            frames
        }
    };
    Ok((rate, frames))
}
