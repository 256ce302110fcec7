//! Writing WAV files that appear only when they are finished; RF64 beyond 4 GiB.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::AudioError;
use crate::files::{FileError, create_temporary, persist};

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// 16-bit integers: `round(32768 x)`, clipped. What was read from 16 bits is written back bit for bit.
    Pcm16,
    /// 32-bit floats, as they are.
    Float32,
}

/// Streams a WAV file, or an RF64 file if it passes 4 GiB, to a temporary name beside `path`; [`WavWriter::finish`]
/// gives it its own. Dropped before that, it leaves nothing behind.
pub struct WavWriter {
    path: PathBuf,
    // Declared before the file, so that it is dropped while the file is still there.
    encoder: Encoder<BufWriter<File>>,
    file: NamedTempFile,
}

impl WavWriter {
    /// Begins a file of `channels` channels at `rate` Hz.
    ///
    /// # Errors
    /// [`AudioError::File`] if the folder takes no new files, [`AudioError::Invalid`] for zero channels or rate.
    pub fn create(path: &Path, rate: u32, channels: u16, format: SampleFormat) -> Result<Self, AudioError> {
        let file = create_temporary(path)?;
        let handle = file.as_file().try_clone().map_err(|source| FileError::Write {
            path: path.into(),
            source,
        })?;
        let encoder = Encoder::new(BufWriter::new(handle), path, rate, channels, format)?;
        Ok(Self {
            path: path.into(),
            encoder,
            file,
        })
    }

    /// Appends interleaved samples (full scale ±1).
    ///
    /// # Errors
    /// [`AudioError::File`] if the disk takes no more, [`AudioError::NotFinite`] for NaN or infinity,
    /// [`AudioError::Invalid`] for a part of a frame.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.encoder.write(samples)
    }

    /// Completes the header, flushes the file to the disk and gives it its name.
    ///
    /// # Errors
    /// [`AudioError::File`].
    pub fn finish(self) -> Result<(), AudioError> {
        self.encoder.finish()?;
        Ok(persist(self.file, &self.path)?)
    }
}

/// Bytes of a `ds64` chunk without a table, less its own header.
const DS64: usize = 28;

/// The largest sizes that the header of a WAV file holds; one that says so has its sizes elsewhere.
const MOST: u64 = u32::MAX as u64 - 1;

/// The format itself, over anything that can be written to: RIFF with room for 64-bit sizes, which are filled in (and
/// make an RF64 of it, EBU Tech 3306) only if 32 bits do not do.
struct Encoder<W: Write + Seek> {
    inner: W,
    path: PathBuf,
    format: SampleFormat,
    channels: usize,
    frames: u64,
    /// Bytes before the samples.
    head: u64,
    most: u64,
}

impl<W: Write + Seek> Encoder<W> {
    fn new(
        writer: W,
        path: &Path,
        rate: u32,
        channels: u16,
        format: SampleFormat,
    ) -> Result<Self, AudioError> {
        if channels == 0 || rate == 0 {
            let message = format!("a WAV file of {channels} channels at {rate} Hz cannot be written");
            return Err(AudioError::Invalid { message });
        }
        let described = format.described(rate, channels).map_err(|error| match error {
            hound::Error::IoError(source) => failed(path, source),
            other => failed(path, io::Error::other(other)),
        })?;
        let size = (DS64 as u32).to_le_bytes();
        let head = [b"RIFF\0\0\0\0WAVEJUNK", size.as_slice(), &[0; DS64], &described].concat();
        let mut encoder = Self {
            inner: writer,
            path: path.into(),
            format,
            channels: channels.into(),
            frames: 0,
            head: head.len() as u64,
            most: MOST,
        };
        encoder.bytes(&head)?;
        Ok(encoder)
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let frames = (samples.len() / self.channels) as u64;
        if !samples.len().is_multiple_of(self.channels) {
            let message = format!(
                "{} samples are no whole frames of {} channels",
                samples.len(),
                self.channels
            );
            return Err(AudioError::Invalid { message });
        }
        if let Some(i) = samples.iter().position(|x| !x.is_finite()) {
            return Err(AudioError::NotFinite {
                path: self.path.clone(),
                frame: self.frames + (i / self.channels) as u64,
                channel: i % self.channels,
                value: samples[i],
            });
        }
        for &sample in samples {
            match self.format {
                SampleFormat::Pcm16 => self.bytes(&((sample * 32768.0).round() as i16).to_le_bytes()),
                SampleFormat::Float32 => self.bytes(&sample.to_le_bytes()),
            }?;
        }
        self.frames += frames;
        Ok(())
    }

    fn finish(mut self) -> Result<(), AudioError> {
        // an even number: no byte has to be added
        let data = self.frames * self.channels as u64 * self.format.bytes();
        let whole = self.head - 8 + data;
        let unknown = u32::MAX.to_le_bytes();
        if whole <= self.most {
            self.at(4, &(whole as u32).to_le_bytes())?;
            self.at(self.head - 4, &(data as u32).to_le_bytes())?;
        } else {
            self.at(0, &[b"RF64".as_slice(), &unknown].concat())?;
            self.at(12, b"ds64")?;
            self.at(20, &[whole, data, self.frames].map(u64::to_le_bytes).concat())?;
            self.at(self.head - 4, &unknown)?;
        }
        self.inner.flush().map_err(|error| failed(&self.path, error))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), AudioError> {
        let written = self.inner.write_all(bytes);
        written.map_err(|error| failed(&self.path, error))
    }

    fn at(&mut self, position: u64, bytes: &[u8]) -> Result<(), AudioError> {
        let moved = self.inner.seek(SeekFrom::Start(position));
        moved.map_err(|error| failed(&self.path, error))?;
        self.bytes(bytes)
    }
}

impl SampleFormat {
    /// Bytes of a sample.
    fn bytes(self) -> u64 {
        match self {
            SampleFormat::Pcm16 => 2,
            SampleFormat::Float32 => 4,
        }
    }

    /// The `fmt ` chunk, and the header of a `data` chunk.
    fn described(self, rate: u32, channels: u16) -> hound::Result<Vec<u8>> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 8 * self.bytes() as u16,
            sample_format: match self {
                SampleFormat::Pcm16 => hound::SampleFormat::Int,
                SampleFormat::Float32 => hound::SampleFormat::Float,
            },
        };
        let mut empty = io::Cursor::new(Vec::new());
        hound::WavWriter::new(&mut empty, spec)?.finalize()?;
        // behind RIFF, size and WAVE
        Ok(empty.into_inner().split_off(12))
    }
}

fn failed(path: &Path, source: io::Error) -> AudioError {
    FileError::Write {
        path: path.into(),
        source,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of limited size.
    struct Disk {
        content: io::Cursor<Vec<u8>>,
        space: u64,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.content.position() + bytes.len() as u64 > self.space {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.content.seek(to)
        }
    }

    fn write_to(space: u64) -> Result<(), AudioError> {
        let disk = Disk {
            content: io::Cursor::default(),
            space,
        };
        // A buffer, as in the real writer: the error may only show up when it is flushed.
        let mut encoder = Encoder::new(
            BufWriter::new(disk),
            Path::new("x.wav"),
            44_100,
            2,
            SampleFormat::Pcm16,
        )?;
        for _ in 0..100 {
            encoder.write(&[0.25; 512])?;
        }
        encoder.finish()
    }

    #[test]
    fn a_full_disk_is_an_error_wherever_it_strikes() {
        let whole = 80 + 100 * 1024;
        write_to(whole).unwrap();
        for space in [0, 20, 80, 5000, whole / 2, whole - 1] {
            let error = write_to(space).unwrap_err();
            let full = |source: &io::Error| source.kind() == io::ErrorKind::StorageFull;
            assert!(
                matches!(&error, AudioError::File(FileError::Write { source, .. }) if full(source)),
                "{space}: {error}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_the_format_is_refused() {
        let disk = || Disk {
            content: io::Cursor::default(),
            space: u64::MAX,
        };
        let path = Path::new("x.wav");
        assert!(Encoder::new(disk(), path, 44_100, 0, SampleFormat::Pcm16).is_err());
        let mut encoder = Encoder::new(disk(), path, 44_100, 2, SampleFormat::Float32).unwrap();
        assert!(matches!(
            encoder.write(&[0.0; 3]),
            Err(AudioError::Invalid { .. })
        ));
        encoder.write(&[0.0; 4]).unwrap();
        let error = encoder.write(&[0.0, 0.0, 0.0, f32::NAN]).unwrap_err();
        assert!(
            matches!(
                error,
                AudioError::NotFinite {
                    frame: 3,
                    channel: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    /// What a reader finds in a file of 3 frames of two 16-bit channels, if 32-bit sizes reach up to `most`: the first
    /// chunk and its content, the sizes in the header, and the samples.
    fn written(most: u64) -> (Vec<u8>, Vec<u8>, [u32; 2], Vec<u8>) {
        let mut content = io::Cursor::new(Vec::new());
        let path = Path::new("x.wav");
        let mut encoder = Encoder::new(&mut content, path, 8_000, 2, SampleFormat::Pcm16).unwrap();
        encoder.most = most;
        encoder.write(&[0.0, 0.5, -0.5, 1.0, -1.0, 0.25]).unwrap();
        encoder.finish().unwrap();
        let bytes = content.into_inner();
        assert_eq!(bytes.len(), 92);
        assert_eq!(
            (&bytes[8..12], &bytes[16..20]),
            (&b"WAVE"[..], &[28, 0, 0, 0][..])
        );
        assert_eq!(
            (&bytes[48..56], &bytes[72..76]),
            (&b"fmt \x10\0\0\0"[..], &b"data"[..])
        );
        let size = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let names = [&bytes[..4], &bytes[12..16]].concat();
        (
            names,
            bytes[20..48].to_vec(),
            [size(4), size(76)],
            bytes[80..].to_vec(),
        )
    }

    #[test]
    fn sizes_beyond_32_bits_make_it_an_rf64_file() {
        let (names, room, sizes, samples) = written(84);
        assert_eq!(names, b"RIFFJUNK");
        assert_eq!((room, sizes), (vec![0; 28], [84, 12]));
        let (names, room, sizes, same) = written(83);
        assert_eq!(names, b"RF64ds64");
        assert_eq!(sizes, [u32::MAX; 2]);
        // sizes of all but the first eight bytes and of the samples, frames, and no table
        let expected = [84u64, 12, 3].map(u64::to_le_bytes).concat();
        assert_eq!((&room[..24], &room[24..]), (&expected[..], &[0; 4][..]));
        assert_eq!(same, samples);
    }
}
