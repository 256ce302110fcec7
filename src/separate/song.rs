//! One file in, its stems out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustfft::num_complex::Complex32;

use super::{
    SeparateError, Separators,
    spectra::{Spectra, array_paths},
    windows::Windows,
};
use crate::{
    audio::{AudioReader, IstftStream, Resampler, SampleFormat, StftStream, WavWriter},
    corpus::Instrument,
    files::{IoError, remove_partials},
};

/// Channels of a file, at most.
const MAX_CHANNELS: usize = 8;

/// What became of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The files written, in the order of the models.
    pub stems: Vec<Stem>,
    /// Length of the file.
    pub seconds: f64,
    /// Channels of the file and of every stem.
    pub channels: usize,
    /// In Hz, of the file and of its stems.
    pub rate: u32,
    /// Energy of what the stems leave of the mix, relative to the mix, in dB. `None` for a silent file.
    pub remainder: Option<f64>,
}

/// A stem that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// Whose sound it is.
    pub instrument: Instrument,
    /// The WAV file.
    pub path: PathBuf,
    /// Its energy relative to the mix, in dB. `None` for a silent file.
    pub level: Option<f64>,
}

/// The names under which a song's stems are written: `<out>/<song>/<instrument>.wav`.
///
/// # Errors
/// [`SeparateError::NoName`] for a path that ends in no file name.
pub fn stem_paths(
    file: &Path,
    out: &Path,
    instruments: &[Instrument],
) -> Result<Vec<PathBuf>, SeparateError> {
    let name = file
        .file_stem()
        .ok_or_else(|| SeparateError::NoName { path: file.into() })?;
    let folder = out.join(name);
    Ok(instruments
        .iter()
        .map(|instrument| folder.join(format!("{instrument}.wav")))
        .collect())
}

/// Where what becomes of a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// Folder for its stems, `<stems>/<song>/<instrument>.wav`.
    pub stems: &'a Path,
    /// Folder for its spectra, if they are wanted. In `<spectra>/<song>` there will be `mix.npy`, complex, and
    /// `<instrument>.mask.npy`, both `[frames, channels, bins]`; and `log-mel.npy`, `[frames, channels, mels]` in decibels:
    /// all at the models' rate.
    pub spectra: Option<&'a Path>,
    /// Whether files that are there are replaced.
    pub overwrite: bool,
}

/// Separates the file `file` and writes its stems, 32-bit float WAV files of the file's own rate, length and
/// channels. All stems appear at the end, or none. `progress` is called with the seconds done, and
/// those of the file if its header tells. Removes what a killed process left half-written of the song's stems.
///
/// # Errors
/// [`SeparateError`]; [`SeparateError::Exists`] for a stem or an array that is there already, unless they are to be
/// replaced.
pub fn separate_file(
    separators: &mut Separators,
    file: &Path,
    outputs: Outputs<'_>,
    progress: &mut dyn FnMut(f64, Option<f64>),
) -> Result<Report, SeparateError> {
    let instruments = separators.instruments();
    let paths = stem_paths(file, outputs.stems, &instruments)?;
    let folder = paths
        .first()
        .and_then(|path| path.parent())
        .unwrap_or(outputs.stems);
    remove_partials(folder);
    let spectra = outputs.spectra.zip(file.file_stem());
    let spectra = spectra.map(|(folder, name)| folder.join(name));
    let arrays = spectra
        .iter()
        .flat_map(|folder| array_paths(folder, &instruments));
    if let Some(path) = paths
        .iter()
        .cloned()
        .chain(arrays)
        .find(|path| !outputs.overwrite && path.symlink_metadata().is_ok())
    {
        return Err(SeparateError::Exists { path });
    }
    let reader = AudioReader::open(file)?;
    if reader.channels() > MAX_CHANNELS {
        let channels = reader.channels();
        return Err(SeparateError::Channels {
            path: file.into(),
            channels,
            most: MAX_CHANNELS,
        });
    }
    fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
    let done = separate(separators, reader, &paths, spectra.as_deref(), progress);
    if done.is_err() {
        for folder in [Some(folder), spectra.as_deref()].into_iter().flatten() {
            let _ = fs::remove_dir(folder); // only if it is empty
        }
    }
    let (stems, spectra, mut report) = done?;
    spectra.map_or(Ok(()), Spectra::finish)?;
    for (stem, (instrument, path)) in stems.into_iter().zip(instruments.into_iter().zip(paths)) {
        let level = stem.level;
        stem.writer.finish()?;
        report.stems.push(Stem {
            instrument,
            path,
            level,
        });
    }
    Ok(report)
}

/// Removes what killed processes left half-written of any song below `out`. Processes that are at work are spared.
pub fn sweep(out: &Path) {
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let folder = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && remove_partials(&folder) {
            let _ = fs::remove_dir(&folder); // only if it is empty
        }
    }
}

struct Finished {
    writer: WavWriter,
    level: Option<f64>,
}

fn separate(
    separators: &mut Separators,
    mut reader: AudioReader,
    paths: &[PathBuf],
    spectra: Option<&Path>,
    progress: &mut dyn FnMut(f64, Option<f64>),
) -> Result<(Vec<Finished>, Option<Spectra>, Report), SeparateError> {
    let (rate, channels) = (reader.rate(), reader.channels());
    let total = reader.frames().map(|frames| frames as f64 / f64::from(rate));
    let mut input = Input::new(separators, rate, channels)?;
    let mut windows = Windows::new(separators, channels);
    let mut outputs = paths
        .iter()
        .map(|path| Output::new(separators, path, rate, channels))
        .collect::<Result<Vec<_>, _>>()?;
    let spectra = spectra.map(|folder| Spectra::create(separators, folder, channels));
    let mut spectra = spectra.transpose()?;
    // What no stem has of the mix: by linearity the inverse transform of what no mask has of the spectrum.
    let mut rest = Signal::new(separators, channels);
    let mut frames = 0;
    loop {
        let chunk = reader.next_chunk()?;
        let last = chunk.is_none();
        match chunk {
            Some(chunk) => {
                frames += (chunk.len() / channels) as u64;
                input.push(chunk, &mut windows)?;
            }
            None => input.finish(&mut windows)?,
        }
        let mut bins = Vec::new();
        windows.separate(separators, last, &mut |channel, mixture, masks| {
            for (output, mask) in outputs.iter_mut().zip(masks) {
                bins.clear();
                bins.extend(mixture.iter().zip(*mask).map(|(x, m)| x * m));
                output.signal.push(channel, &bins);
            }
            let left = |bin: usize| 1.0 - masks.iter().map(|mask| mask[bin]).sum::<f32>();
            bins.clear();
            bins.extend(mixture.iter().enumerate().map(|(bin, x)| x * left(bin)));
            rest.push(channel, &bins);
            if let Some(spectra) = &mut spectra {
                spectra.push(channel, mixture, masks);
            }
        })?;
        spectra.as_mut().map_or(Ok(()), Spectra::write)?;
        rest.count();
        for output in &mut outputs {
            output.write()?;
        }
        progress(frames as f64 / f64::from(rate), total);
        if last {
            break;
        }
    }
    let (energy, samples) = (input.energy, input.samples);
    rest.finish(samples)?;
    let decibels = |part: f64| (energy > 0.0).then(|| 10.0 * (part / energy).log10());
    let mut stems = Vec::new();
    for output in outputs {
        let (writer, part) = output.finish(samples, frames)?;
        stems.push(Finished {
            writer,
            level: decibels(part),
        });
    }
    let seconds = frames as f64 / f64::from(rate);
    let remainder = decibels(rest.energy);
    Ok((
        stems,
        spectra,
        Report {
            stems: Vec::new(),
            seconds,
            channels,
            rate,
            remainder,
        },
    ))
}

/// From interleaved samples at the file's rate to the spectra of every channel.
struct Input {
    resamplers: Vec<Resampler>,
    transforms: Vec<StftStream>,
    /// Per channel, at the models' rate.
    samples: u64,
    /// Σ x² over all channels.
    energy: f64,
    channel: Vec<f32>,
    resampled: Vec<f32>,
}

impl Input {
    fn new(separators: &Separators, rate: u32, channels: usize) -> Result<Self, SeparateError> {
        let resamplers = (0..channels).map(|_| Resampler::new(rate, separators.rate()));
        Ok(Input {
            resamplers: resamplers.collect::<Result<_, _>>()?,
            transforms: (0..channels)
                .map(|_| StftStream::new(separators.stft().clone()))
                .collect(),
            samples: 0,
            energy: 0.0,
            channel: Vec::new(),
            resampled: Vec::new(),
        })
    }

    fn push(&mut self, chunk: &[f32], windows: &mut Windows) -> Result<(), SeparateError> {
        let channels = self.resamplers.len();
        for channel in 0..channels {
            self.channel.clear();
            self.channel.extend(chunk.iter().skip(channel).step_by(channels));
            self.resampled.clear();
            self.resamplers[channel].push(&self.channel, &mut self.resampled)?;
            self.energy += energy(&self.resampled);
            self.transforms[channel].push(&self.resampled, |frame| windows.push(channel, frame));
        }
        Ok(())
    }

    fn finish(&mut self, windows: &mut Windows) -> Result<(), SeparateError> {
        let ends = self.resamplers.drain(..).zip(self.transforms.drain(..));
        for (channel, (resampler, mut transform)) in ends.enumerate() {
            self.resampled.clear();
            resampler.finish(&mut self.resampled)?;
            self.energy += energy(&self.resampled);
            transform.push(&self.resampled, |frame| windows.push(channel, frame));
            self.samples = transform.finish_closed(|frame| windows.push(channel, frame));
        }
        Ok(())
    }
}

/// From the spectra of every channel to samples at the models' rate.
struct Signal {
    inverses: Vec<IstftStream>,
    /// By channel: samples not taken yet.
    ready: Vec<Vec<f32>>,
    energy: f64,
}

impl Signal {
    fn new(separators: &Separators, channels: usize) -> Self {
        Signal {
            inverses: (0..channels)
                .map(|_| IstftStream::new(separators.stft().clone()))
                .collect(),
            ready: vec![Vec::new(); channels],
            energy: 0.0,
        }
    }

    fn push(&mut self, channel: usize, bins: &[Complex32]) {
        self.inverses[channel].push(bins, &mut self.ready[channel]);
    }

    fn finish(&mut self, samples: u64) -> Result<(), SeparateError> {
        for (inverse, ready) in self.inverses.drain(..).zip(&mut self.ready) {
            inverse.finish(samples, ready)?;
        }
        self.count();
        Ok(())
    }

    /// Adds up the energy of the samples that are ready, and drops them.
    fn count(&mut self) {
        for ready in &mut self.ready {
            self.energy += energy(ready);
            ready.clear();
        }
    }
}

/// From the spectra of every channel to a file.
struct Output {
    signal: Signal,
    resamplers: Vec<Resampler>,
    /// By channel: samples at the file's rate, not written yet.
    resampled: Vec<Vec<f32>>,
    interleaved: Vec<f32>,
    writer: WavWriter,
    /// Frames written.
    written: u64,
}

impl Output {
    fn new(separators: &Separators, path: &Path, rate: u32, channels: usize) -> Result<Self, SeparateError> {
        let resamplers = (0..channels).map(|_| Resampler::new(separators.rate(), rate));
        Ok(Output {
            signal: Signal::new(separators, channels),
            resamplers: resamplers.collect::<Result<_, _>>()?,
            resampled: vec![Vec::new(); channels],
            interleaved: Vec::new(),
            writer: WavWriter::create(path, rate, channels as u16, SampleFormat::Float32)?,
            written: 0,
        })
    }

    /// Writes what is ready.
    fn write(&mut self) -> Result<(), SeparateError> {
        let channels = self
            .resamplers
            .iter_mut()
            .zip(&self.signal.ready)
            .zip(&mut self.resampled);
        for ((resampler, ready), resampled) in channels {
            resampler.push(ready, resampled)?;
        }
        self.signal.count();
        self.flush(u64::MAX)
    }

    /// Writes the resampled frames up to frame number `limit`.
    fn flush(&mut self, limit: u64) -> Result<(), SeparateError> {
        let count = self.resampled.iter().map(Vec::len).min().unwrap_or(0) as u64;
        let count = count.min(limit - self.written.min(limit)) as usize;
        self.interleaved.clear();
        for frame in 0..count {
            self.interleaved
                .extend(self.resampled.iter().map(|samples| samples[frame]));
        }
        self.writer.write(&self.interleaved)?;
        self.written += count as u64;
        for samples in &mut self.resampled {
            samples.drain(..count);
        }
        Ok(())
    }

    /// Writes the rest, so that the file has `frames` frames: rates that do not divide may leave one too
    /// many or too few. Returns the stem's energy at the models' rate, too.
    fn finish(mut self, samples: u64, frames: u64) -> Result<(WavWriter, f64), SeparateError> {
        for (inverse, ready) in self.signal.inverses.drain(..).zip(&mut self.signal.ready) {
            inverse.finish(samples, ready)?;
        }
        let channels = self
            .resamplers
            .drain(..)
            .zip(&self.signal.ready)
            .zip(&mut self.resampled);
        for ((mut resampler, ready), resampled) in channels {
            resampler.push(ready, resampled)?;
            resampler.finish(resampled)?;
        }
        self.signal.count();
        self.flush(frames)?;
        let missing = frames.saturating_sub(self.written) as usize;
        self.writer.write(&vec![0.0; missing * self.resampled.len()])?;
        Ok((self.writer, self.signal.energy))
    }
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}
