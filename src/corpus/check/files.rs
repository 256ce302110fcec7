//! Files that are listened to, and what is said of those that cannot be read.

use std::{
    io::ErrorKind,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use rustfft::FftPlanner;

use super::{
    Defect,
    listen::{Heard, Listener},
};
use crate::{
    audio::{AudioError, AudioReader},
    corpus::{CorpusError, segment::MAX_FRAMES},
};

/// Listens to the mean of the channels of a file; `also` gets its rate in Hz and the same samples. Ends early if
/// stopped, and where there is more than any song has.
pub(super) fn hear(
    path: &Path,
    planner: &mut FftPlanner<f32>,
    stop: &AtomicBool,
    mut also: impl FnMut(u32, &[f32]),
) -> Result<Heard, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let (rate, channels) = (reader.rate(), reader.channels());
    let promised = reader.frames();
    let mut listener = Listener::new(rate, planner);
    let mut frames = 0;
    let mut mono = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        let samples = match channels {
            1 => chunk,
            _ => {
                let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
                mono.clear();
                mono.extend(chunk.chunks_exact(channels).map(mean));
                &mono
            }
        };
        frames += samples.len() as u64;
        if promised.unwrap_or(frames) > MAX_FRAMES {
            return Err(AudioError::Damaged {
                path: path.into(),
                frame: MAX_FRAMES,
                reason: "no song goes on for so long".into(),
            });
        }
        listener.push(samples);
        also(rate, samples);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(listener.finish())
}

/// What is wrong with an audio file.
pub(super) fn damaged(error: &AudioError, path: &Path) -> Defect {
    match *error {
        AudioError::Truncated { found, promised, .. } => Defect::Truncated { found, promised },
        _ => Defect::Unreadable {
            reason: without_folder(&error.to_string(), path),
        },
    }
}

/// What is wrong with any other file.
pub(super) fn unreadable(error: &CorpusError, path: &Path) -> Defect {
    match error {
        CorpusError::Missing { .. } => Defect::Missing,
        CorpusError::Io(error) if error.source.kind() == ErrorKind::NotFound => Defect::Missing,
        _ => Defect::Unreadable {
            reason: without_folder(&error.to_string(), path),
        },
    }
}

/// A message on one line that names the file alone: where it is, the report says.
fn without_folder(message: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let message = message.replace(&path.display().to_string(), &name);
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
