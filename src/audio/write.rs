//! Writing WAV files that appear only when they are finished.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, Write},
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

/// Streams a WAV file to a temporary name beside `path`; [`WavWriter::finish`] gives it its own. Dropped before
/// that, it leaves nothing behind.
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
    /// [`AudioError::Invalid`] for a part of a frame, or beyond the 4 GiB that a WAV file can hold.
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

/// The format itself, over anything that can be written to.
struct Encoder<W: Write + Seek> {
    inner: hound::WavWriter<W>,
    path: PathBuf,
    format: SampleFormat,
    channels: usize,
    frames: u64,
    max_frames: u64,
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
        let (bits_per_sample, sample_format) = match format {
            SampleFormat::Pcm16 => (16, hound::SampleFormat::Int),
            SampleFormat::Float32 => (32, hound::SampleFormat::Float),
        };
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample,
            sample_format,
        };
        let frame_bytes = u64::from(channels) * u64::from(bits_per_sample / 8);
        let inner = hound::WavWriter::new(writer, spec).map_err(|error| failed(path, error))?;
        Ok(Self {
            inner,
            path: path.into(),
            format,
            channels: channels.into(),
            frames: 0,
            // The header counts in 32 bits and includes itself.
            max_frames: (u64::from(u32::MAX) - 128) / frame_bytes,
        })
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
        if self.frames + frames > self.max_frames {
            let message = format!("{}: a WAV file cannot be longer than 4 GiB", self.path.display());
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
                SampleFormat::Pcm16 => self.inner.write_sample((sample * 32768.0).round() as i16),
                SampleFormat::Float32 => self.inner.write_sample(sample),
            }
            .map_err(|error| failed(&self.path, error))?;
        }
        self.frames += frames;
        Ok(())
    }

    fn finish(self) -> Result<(), AudioError> {
        self.inner.finalize().map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: hound::Error) -> AudioError {
    let source = match error {
        hound::Error::IoError(source) => source,
        other => io::Error::other(other),
    };
    FileError::Write {
        path: path.into(),
        source,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::io::SeekFrom;

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
        let whole = 44 + 100 * 1024;
        write_to(whole).unwrap();
        for space in [0, 20, 44, 5000, whole / 2, whole - 1] {
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
        encoder.frames = encoder.max_frames;
        assert!(
            encoder
                .write(&[0.0; 2])
                .unwrap_err()
                .to_string()
                .contains("4 GiB")
        );
    }
}
