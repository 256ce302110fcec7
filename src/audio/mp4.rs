//! What an MP4 file says of its music that its demuxer leaves out: the codec's name, and the edit list, which cuts off
//! what an encoder added.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// Boxes looked at within one.
const BOXES: usize = 10_000;

/// The first sound track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sound {
    /// Four letters that name the codec.
    pub codec: [u8; 4],
    /// Samples of a channel before the music, in units of the track's time scale.
    pub skipped: u64,
    /// Where the music ends, in the same units, if there is one piece of it.
    pub end: Option<u64>,
    /// Units in a second.
    pub scale: u32,
}

/// Reads what the file says of its first sound track, nothing if it has none; `None` if it has no table of tracks.
pub(super) fn sound(file: &mut File, whole: Range<u64>) -> io::Result<Option<Sound>> {
    let Some(movie) = child(file, whole, b"moov")? else {
        return Ok(None);
    };
    let movie_scale = match child(file, movie.clone(), b"mvhd")? {
        Some(header) => scale(file, &header)?,
        None => 0,
    };
    for (name, track) in boxes(file, movie)? {
        if name != *b"trak" {
            continue;
        }
        let Some(media) = child(file, track.clone(), b"mdia")? else {
            continue;
        };
        let handler = match child(file, media.clone(), b"hdlr")? {
            Some(handler) => bytes::<12>(file, &handler)?,
            None => continue,
        };
        if handler[8..] != *b"soun" {
            continue;
        }
        let mut sound = Sound::default();
        if let Some(header) = child(file, media.clone(), b"mdhd")? {
            sound.scale = scale(file, &header)?;
        }
        let mut within = Some(media);
        for name in [b"minf", b"stbl", b"stsd"] {
            within = match within {
                Some(range) => child(file, range, name)?,
                None => None,
            };
        }
        if let Some(entries) = within {
            let entry = bytes::<16>(file, &entries)?;
            sound.codec.copy_from_slice(&entry[12..]);
        }
        let list = match child(file, track, b"edts")? {
            Some(edits) => child(file, edits, b"elst")?,
            None => None,
        };
        if let Some(list) = list {
            edit(file, &list, movie_scale, &mut sound)?;
        }
        return Ok(Some(sound));
    }
    Ok(Some(Sound::default()))
}

/// Takes the edit list over if it names one piece of the track; several are played one after another, uncut.
fn edit(file: &mut File, list: &Range<u64>, movie_scale: u32, sound: &mut Sound) -> io::Result<()> {
    let head = bytes::<8>(file, list)?;
    let wide = head[0] == 1;
    let size = if wide { 20 } else { 12 };
    let count = u64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
    let mut pieces = Vec::new();
    for i in 0..count.min(8) {
        let from = list.start + 8 + i * size;
        if from + size > list.end {
            break;
        }
        let entry = bytes::<16>(file, &(from..list.end))?;
        let four = |at: usize| u32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        let eight = |at: usize| u64::from(four(at)) << 32 | u64::from(four(at + 4));
        let (length, start) = match wide {
            true => (eight(0), eight(8) as i64),
            false => (u64::from(four(0)), i64::from(four(4) as i32)),
        };
        // An edit without a start is a pause.
        if let Ok(start) = u64::try_from(start) {
            pieces.push((start, length));
        }
    }
    if let ([(start, length)], true) = (pieces.as_slice(), count <= 8) {
        sound.skipped = *start;
        // The length is rounded to the film's units, which may be coarse: none of the music is cut off with them.
        let length = (u128::from(*length) + 1) * u128::from(sound.scale);
        let length = length.checked_div(u128::from(movie_scale)).unwrap_or(0);
        let end = u64::try_from(length)
            .ok()
            .and_then(|length| start.checked_add(length));
        sound.end = end.filter(|_| pieces[0].1 > 0);
    }
    Ok(())
}

/// Units in a second, of a box with a date of making and one of change.
fn scale(file: &mut File, header: &Range<u64>) -> io::Result<u32> {
    let head = bytes::<24>(file, header)?;
    let at = if head[0] == 1 { 20 } else { 12 };
    Ok(u32::from_be_bytes([
        head[at],
        head[at + 1],
        head[at + 2],
        head[at + 3],
    ]))
}

fn child(file: &mut File, within: Range<u64>, wanted: &[u8; 4]) -> io::Result<Option<Range<u64>>> {
    let found = boxes(file, within)?;
    Ok(found
        .into_iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, range)| range))
}

/// The boxes in a range, by their names, each without its head.
fn boxes(file: &mut File, within: Range<u64>) -> io::Result<Vec<([u8; 4], Range<u64>)>> {
    let (mut found, mut at) = (Vec::new(), within.start);
    while at + 8 <= within.end && found.len() < BOXES {
        let head = bytes::<16>(file, &(at..within.end))?;
        let size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let (size, length) = match size {
            0 => (within.end - at, 8),
            1 => (<[u8; 8]>::try_from(&head[8..]).map_or(0, u64::from_be_bytes), 16),
            size => (size, 8),
        };
        let end = at.saturating_add(size).min(within.end);
        if size < length || at + length > end {
            break;
        }
        found.push(([head[4], head[5], head[6], head[7]], at + length..end));
        at = end;
    }
    Ok(found)
}

/// The first `N` bytes of a range, zeros behind its end.
fn bytes<const N: usize>(file: &mut File, range: &Range<u64>) -> io::Result<[u8; N]> {
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(range.start))?;
    let room = range.end.saturating_sub(range.start).min(N as u64);
    file.take(room).read_to_end(&mut read)?;
    let mut bytes = [0; N];
    bytes[..read.len()].copy_from_slice(&read);
    Ok(bytes)
}
