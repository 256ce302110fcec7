//! What the models hear of a file and the masks that they give, for other programs: `np.load("mix.npy")`.

use std::{
    collections::VecDeque,
    fs, mem,
    path::{Path, PathBuf},
};

use rustfft::num_complex::Complex32;

use super::{SeparateError, Separators};
use crate::{
    arrays::NpyWriter,
    corpus::Instrument,
    files::{IoError, remove_partials},
    signal::BandedMatrix,
};

/// Names of the arrays below `folder`: the mix, its log-mel spectrogram, and a mask an instrument.
pub(super) fn array_paths(folder: &Path, instruments: &[Instrument]) -> Vec<PathBuf> {
    let masks = instruments
        .iter()
        .map(|instrument| format!("{instrument}.mask.npy"));
    let names = ["mix.npy".to_string(), "log-mel.npy".to_string()]
        .into_iter()
        .chain(masks);
    names.map(|name| folder.join(name)).collect()
}

/// The arrays of one file: `[frames, channels, bins]`, the frames being those of a transform whose windows are centred on
/// every hop (`1 + samples / hop`).
pub(super) struct Spectra {
    /// The mix's complex spectrum.
    mix: NpyWriter<Complex32>,
    /// `[frames, channels, mels]`: in decibels, `20 log₁₀ max(W |X|, floor)`, before it is standardised.
    log_mel: NpyWriter<f32>,
    masks: Vec<NpyWriter<f32>>,
    filters: BandedMatrix,
    floor: f32,
    /// By channel: frames that wait for the other channels'; the last waits until it is known not to be the closing one,
    /// which the models do not see.
    waiting: Vec<VecDeque<Frame>>,
}

struct Frame {
    mix: Vec<Complex32>,
    masks: Vec<Vec<f32>>,
}

impl Spectra {
    /// Begins the arrays in `folder`, which is made if it is not there.
    pub fn create(separators: &Separators, folder: &Path, channels: usize) -> Result<Self, SeparateError> {
        fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
        remove_partials(folder);
        let log_mel = separators.log_mel();
        let filters = log_mel.filters.matrix()?;
        let bins = [channels, separators.stft().bins()];
        let paths = array_paths(folder, &separators.instruments());
        let masks = paths[2..].iter().map(|path| NpyWriter::create(path, &bins));
        Ok(Spectra {
            mix: NpyWriter::create(&paths[0], &bins)?,
            log_mel: NpyWriter::create(&paths[1], &[channels, filters.rows()])?,
            masks: masks.collect::<Result<_, _>>()?,
            filters,
            floor: log_mel.floor,
            waiting: (0..channels).map(|_| VecDeque::new()).collect(),
        })
    }

    /// Takes a frame of one channel.
    pub fn push(&mut self, channel: usize, mix: &[Complex32], masks: &[&[f32]]) {
        self.waiting[channel].push_back(Frame {
            mix: mix.to_vec(),
            masks: masks.iter().map(|mask| mask.to_vec()).collect(),
        });
    }

    /// Writes the frames that all channels have.
    pub fn write(&mut self) -> Result<(), SeparateError> {
        while self.waiting.iter().all(|waiting| waiting.len() > 1) {
            for channel in 0..self.waiting.len() {
                let Some(frame) = self.waiting[channel].pop_front() else {
                    continue;
                };
                self.log_mel
                    .write(decibels(&self.filters, self.floor, &frame.mix))?;
                self.mix.write(frame.mix)?;
                for (writer, mask) in self.masks.iter_mut().zip(frame.masks) {
                    writer.write(mask)?;
                }
            }
        }
        Ok(())
    }

    /// Gives the arrays their names.
    pub fn finish(mut self) -> Result<(), SeparateError> {
        self.write()?;
        self.mix.finish()?;
        self.log_mel.finish()?;
        for mask in mem::take(&mut self.masks) {
            mask.finish()?;
        }
        Ok(())
    }
}

fn decibels(filters: &BandedMatrix, floor: f32, spectrum: &[Complex32]) -> Vec<f32> {
    let magnitude: Vec<f32> = spectrum.iter().map(|x| x.norm()).collect();
    let row = |row: usize| {
        let (start, weights) = filters.row(row);
        let products = weights.iter().zip(&magnitude[start..]).map(|(w, x)| w * x);
        20.0 * products.sum::<f32>().max(floor).log10()
    };
    (0..filters.rows()).map(row).collect()
}
