//! A file read forwards, with a look ahead of any length: memory holds what is looked at.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::io::MediaSource;

/// Bytes read from the file at a time.
const PIECE: usize = 1 << 16;

/// A range of a file. Positions are those in the file.
pub(super) struct Bytes {
    file: File,
    end: u64,
    /// What has been read and not yet passed over begins at `used`.
    held: Vec<u8>,
    used: usize,
    /// Position of the byte after those held.
    next: u64,
}

impl Bytes {
    pub fn new(mut file: File, range: Range<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Bytes {
            file,
            end: range.end,
            held: Vec::new(),
            used: 0,
            next: range.start,
        })
    }

    pub fn position(&self) -> u64 {
        self.next - (self.held.len() - self.used) as u64
    }

    pub fn end(&self) -> u64 {
        self.end
    }

    /// The next `count` bytes; fewer only at the end.
    pub fn ahead(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.held.len() - self.used < count && self.next < self.end {
            self.held.drain(..self.used);
            self.used = 0;
            let missing = (count - self.held.len()).next_multiple_of(PIECE) as u64;
            let missing = missing.min(self.end - self.next);
            let read = self.file.by_ref().take(missing).read_to_end(&mut self.held)?;
            self.next += read as u64;
            if (read as u64) < missing {
                self.end = self.next; // the file has become shorter
            }
        }
        let held = &self.held[self.used..];
        Ok(&held[..count.min(held.len())])
    }

    /// Passes over `count` bytes, or over all that are left.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        let held = (self.held.len() - self.used) as u64;
        match count <= held {
            true => self.used += count as usize,
            false => self.seek(self.position().saturating_add(count).min(self.end))?,
        }
        Ok(())
    }

    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        self.held.clear();
        self.used = 0;
        self.next = position;
        self.file.seek(SeekFrom::Start(position)).map(drop)
    }
}

/// A range of a file that a library reads as if it were the whole.
pub(super) struct Window {
    file: File,
    range: Range<u64>,
}

impl Window {
    pub fn new(mut file: File, range: Range<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Window { file, range })
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.file.stream_position()?);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.file.read(&mut buffer[..most])
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let start = self.range.start;
        let from = |base: u64, by: i64| {
            let position = base.checked_add_signed(by).filter(|&position| position >= start);
            position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
        };
        let position = match to {
            SeekFrom::Start(offset) => start.saturating_add(offset),
            SeekFrom::End(by) => from(self.range.end, by)?,
            SeekFrom::Current(by) => from(self.file.stream_position()?, by)?,
        };
        self.file
            .seek(SeekFrom::Start(position))
            .map(|position| position - start)
    }
}

impl MediaSource for Window {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.range.end - self.range.start)
    }
}
