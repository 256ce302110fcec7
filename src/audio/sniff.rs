//! What a file is, by its first bytes, and what is wrong with it if it cannot be opened.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use symphonia::core::errors::Error;

use super::AudioError;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Wav,
    Flac,
}

/// What the first bytes say the file is.
pub(super) fn sniff(file: &mut File, path: &Path) -> Result<Kind, AudioError> {
    let mut head = Vec::new();
    let failed = |source| AudioError::Read {
        path: path.into(),
        source,
    };
    file.by_ref().take(12).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let not_audio = |reason: &str| AudioError::NotAudio {
        path: path.into(),
        reason: reason.into(),
    };
    match head.as_slice() {
        [] => Err(AudioError::Empty { path: path.into() }),
        [b'f', b'L', b'a', b'C', ..] => Ok(Kind::Flac),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => Ok(Kind::Wav),
        [b'R', b'F' | b'I', b'6' | b'F', b'4' | b'X', ..] => Err(AudioError::Unsupported {
            path: path.into(),
            what: "RF64 or RIFX".into(),
        }),
        [b'I', b'D', b'3', ..] => Err(not_audio("it begins with an ID3 tag, as an MP3 does")),
        head if head
            .iter()
            .all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace()) =>
        {
            Err(not_audio("it begins like a text file"))
        }
        _ => Err(not_audio("its first bytes are neither 'RIFF....WAVE' nor 'fLaC'")),
    }
}

/// Refuses the channel layouts that the decoder's arithmetic overflows on: more than 31 channels, or an extensible
/// header whose speaker mask leaves no room for the channels it does not name.
pub(super) fn check_wav_channels(file: &mut File, path: &Path) -> Result<(), AudioError> {
    let unsupported = |what: String| AudioError::Unsupported {
        path: path.into(),
        what,
    };
    let format = wav_format(file).and_then(|format| file.rewind().map(|()| format));
    let format = format.map_err(|source| AudioError::Read {
        path: path.into(),
        source,
    })?;
    let Some(format) = format else { return Ok(()) };
    let channels = u32::from(u16::from_le_bytes([format[2], format[3]]));
    if channels > 31 {
        return Err(unsupported(format!("audio of {channels} channels")));
    }
    let extensible = format[..2] == [0xFE, 0xFF];
    let mask = u32::from_le_bytes([format[20], format[21], format[22], format[23]]);
    let unnamed = channels.saturating_sub(mask.count_ones());
    if extensible && unnamed > mask.leading_zeros() {
        return Err(unsupported(format!(
            "a speaker mask of {mask:#x} for {channels} channels"
        )));
    }
    Ok(())
}

/// The first 24 bytes from the start of a WAV file's format chunk on; `None` if the file ends before.
fn wav_format(file: &mut File) -> io::Result<Option<[u8; 24]>> {
    file.seek(SeekFrom::Start(12))?;
    let (mut header, mut format) = ([0; 8], [0; 24]);
    loop {
        if !filled(file.read_exact(&mut header))? {
            return Ok(None);
        }
        if header[..4] == *b"fmt " {
            return Ok(filled(file.read_exact(&mut format))?.then_some(format));
        }
        let length = i64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]));
        file.seek(SeekFrom::Current(length + length % 2))?;
    }
}

/// Whether a read was complete: the end of the file is an answer here, not a failure.
fn filled(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// The number of frames in a FLAC file's STREAMINFO block; `None` stands for unknown, which is written 0.
pub(super) fn flac_frames(file: &mut File, path: &Path) -> Result<Option<u64>, AudioError> {
    let mut head = [0; 26];
    let read = file
        .read_exact(&mut head)
        .and_then(|()| file.seek(SeekFrom::Start(0)));
    read.map_err(|error| open_error(path, Error::IoError(error)))?;
    let low = u32::from_be_bytes([head[22], head[23], head[24], head[25]]);
    let frames = u64::from(head[21] & 0x0F) << 32 | u64::from(low);
    Ok((frames > 0).then_some(frames))
}

pub(super) fn is_end(error: &Error) -> bool {
    matches!(error, Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}

pub(super) fn open_error(path: &Path, error: Error) -> AudioError {
    let path = path.into();
    match error {
        error if is_end(&error) => AudioError::Damaged {
            path,
            frame: 0,
            reason: "the file ends inside its header".into(),
        },
        Error::IoError(source) => AudioError::Read { path, source },
        Error::Unsupported(what) => AudioError::Unsupported {
            path,
            what: what.into(),
        },
        error => AudioError::Damaged {
            path,
            frame: 0,
            reason: error.to_string(),
        },
    }
}
