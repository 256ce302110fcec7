//! Curves for TensorBoard: a run's scalars as event files.
//!
//! A file `events.out.tfevents.…` is a sequence of TFRecords, each a length, the protocol buffer `tensorflow.Event`,
//! and a checksum of either. Of this, scalars take nine fields, which are written here by hand: no crate for such
//! files has been kept up.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crc::{CRC_32_ISCSI, Crc};

use crate::train::TrainError;

/// How the names of event files begin, by which TensorBoard finds them. It reads those of a folder in the order of
/// their names.
pub const PREFIX: &str = "events.out.tfevents.";
/// What a file begins with: since this version, TensorBoard looks for restarts.
const FILE_VERSION: &str = "brain.Event:2";

/// CRC-32C.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// An event file that is being written.
pub struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Events {
    /// Makes a new event file in `folder` for a run that is at `step`, 0 at its beginning. If earlier event files are
    /// there, TensorBoard drops what they say of steps beyond it, which will be done once more.
    ///
    /// # Errors
    /// [`TrainError::Io`] if the folder cannot be listed or the file cannot be created.
    pub fn open(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::open_at(folder, step, since.as_secs_f64())
    }

    /// As [`Events::open`], at a time in seconds since 1970: on it depends the file's name, and the time of what the
    /// file begins with.
    ///
    /// # Errors
    /// As [`Events::open`].
    pub fn open_at(folder: &Path, step: u64, wall_time: f64) -> Result<Self, TrainError> {
        let earlier = last_file(folder)?;
        // names ascend even if the clock was set back, or two files are of one second
        let (second, number) = match earlier {
            Some((second, number)) => (second.max(wall_time as u64), number.saturating_add(1)),
            None => (wall_time as u64, 0),
        };
        let path = folder.join(format!("{PREFIX}{second:010}.stemwise.{number:05}"));
        let mut new = OpenOptions::new();
        let file = new.write(true).create_new(true).open(&path);
        let file = BufWriter::new(file.map_err(TrainError::io("create", &path))?);
        let mut events = Events { path, file };
        let mut version = Message::event(wall_time, 0);
        version.bytes(3, FILE_VERSION.as_bytes());
        events.write(&version)?;
        if earlier.is_some() {
            let mut start = Message::default();
            start.number(1, 1); // SessionLog.START
            let mut restart = Message::event(wall_time, step.saturating_add(1));
            restart.bytes(7, &start.0);
            events.write(&restart)?;
        }
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a point to the curve `tag`, as `loss/train`; curves with the same beginning up to a slash are shown
    /// together. `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn scalar(&mut self, step: u64, tag: &str, value: f32, wall_time: f64) -> Result<(), TrainError> {
        let mut point = Message::default();
        point.bytes(1, tag.as_bytes());
        point.float(2, value);
        let mut summary = Message::default();
        summary.bytes(1, &point.0);
        let mut event = Message::event(wall_time, step);
        event.bytes(5, &summary.0);
        self.write(&event)
    }

    /// Makes what was added visible to TensorBoard. Otherwise it is when a few kilobytes are full, or the writer is
    /// dropped.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn flush(&mut self) -> Result<(), TrainError> {
        self.file.flush().map_err(TrainError::io("write", &self.path))
    }

    /// Writes a TFRecord.
    fn write(&mut self, event: &Message) -> Result<(), TrainError> {
        let length = (event.0.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [
            &length,
            &masked_checksum(&length).to_le_bytes(),
            &event.0,
            &masked_checksum(&event.0).to_le_bytes(),
        ];
        self.file
            .write_all(&parts.concat())
            .map_err(TrainError::io("write", &self.path))
    }
}

/// TFRecord's checksum, disguised: that of data which hold checksums themselves would be weak.
fn masked_checksum(bytes: &[u8]) -> u32 {
    CHECKSUM
        .checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Second and number of the last event file in a folder.
fn last_file(folder: &Path) -> Result<Option<(u64, u64)>, TrainError> {
    let list = || TrainError::io("list", folder);
    let mut last = None;
    for entry in fs::read_dir(folder).map_err(list())? {
        let name = entry.map_err(list())?.file_name();
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        // a file of another program counts as one, too
        let mut numbers = rest.split('.').map(str::parse);
        let second = numbers.next().and_then(Result::ok).unwrap_or(0);
        let number = numbers.next_back().and_then(Result::ok).unwrap_or(0);
        last = last.max(Some((second, number)));
    }
    Ok(last)
}

/// A protocol buffer, field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// An event begins with its time and its step.
    fn event(wall_time: f64, step: u64) -> Self {
        let mut event = Message::default();
        event.key(1, 1);
        event.0.extend(wall_time.to_le_bytes());
        event.number(2, step);
        event
    }

    /// A field's number and how it is written: 0 as a number, 1 and 5 as 8 and 4 bytes, 2 as a length and bytes.
    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    /// Seven bits a byte, the lowest first; the eighth says whether more follow.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }
}
