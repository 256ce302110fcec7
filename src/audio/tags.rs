//! Tags that players put before and behind music of any format.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// What lies between the ID3v2 tags in front and the ID3, APE and Lyrics3 tags behind.
pub(super) fn between(file: &mut File) -> io::Result<Range<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut start = 0;
    while let Some(tag) = in_front(&at::<10>(file, start)?) {
        start = length.min(start + tag);
    }
    let mut end = length;
    while let Some(tag) = behind(file, start, end)? {
        end -= tag;
    }
    Ok(start..end)
}

/// Length of the tag that begins with these bytes, if one does.
pub(super) fn in_front(head: &[u8]) -> Option<u64> {
    match head {
        [b'I', b'D', b'3', major, minor, flags, size @ ..] if size.len() >= 4 => {
            let size = &size[..4];
            let valid = *major < 0xFF && *minor < 0xFF && size.iter().all(|&b| b < 0x80);
            let footer = if flags & 0x10 > 0 { 10 } else { 0 };
            valid.then(|| 10 + footer + size.iter().fold(0, |sum, &b| sum << 7 | u64::from(b)))
        }
        [
            b'A',
            b'P',
            b'E',
            b'T',
            b'A',
            b'G',
            b'E',
            b'X',
            _,
            _,
            _,
            _,
            size @ ..,
        ] if size.len() >= 4 => {
            Some(32 + u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]])))
        }
        [b'T', b'A', b'G', ..] => Some(128),
        _ => None,
    }
}

/// Length of the tag that ends at `end`, if it lies behind `start`.
fn behind(file: &mut File, start: u64, end: u64) -> io::Result<Option<u64>> {
    let room = end - start;
    let mut last = |count: u64| -> io::Result<[u8; 32]> {
        match count <= room {
            true => at(file, end - count),
            false => Ok([0; 32]),
        }
    };
    let tag = if last(128)?.starts_with(b"TAG") {
        Some(128)
    } else {
        let foot = last(32)?;
        if foot.starts_with(b"APETAGEX") {
            let size = u64::from(u32::from_le_bytes([foot[12], foot[13], foot[14], foot[15]]));
            let header = if foot[23] & 0x80 > 0 { 32 } else { 0 };
            Some(size + header)
        } else if foot[22..25] == *b"3DI" {
            let size = foot[28..32]
                .iter()
                .fold(0, |sum, &b| sum << 7 | u64::from(b & 0x7F));
            Some(size + 20)
        } else if foot[23..] == *b"LYRICS200" {
            let digits = std::str::from_utf8(&foot[17..23]).ok();
            digits
                .and_then(|digits| digits.parse::<u64>().ok())
                .map(|size| size + 15)
        } else {
            None
        }
    };
    Ok(tag.filter(|&tag| (1..=room).contains(&tag)))
}

/// The `N` bytes from `position` on, zeros where the file has ended.
fn at<const N: usize>(file: &mut File, position: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(position))?;
    let mut filled = 0;
    while filled < N {
        match file.read(&mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(bytes)
}
