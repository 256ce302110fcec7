//! Trained separators, ready to run.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use super::SeparateError;
use crate::{
    audio::Stft,
    corpus::Instrument,
    gpu::Device,
    kernel::StepValues,
    nn::LogMelConfig,
    tape::{Program, Var},
    train::{Recipe, Trained},
};

/// How a song is cut for the models. A song of one window or less is separated in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// Frames of a window, of which there should be a multiple of 64: the networks halve them six times.
    pub frames: usize,
    /// Frames that a window shares with the next, at most half of it. Their masks are cross-faded over the middle
    /// eighth; the rest is context: the networks see 252 frames on either side of one, the farther the less. More are
    /// taken where windows would not begin at a multiple of 64 frames.
    pub overlap: usize,
}

impl Default for WindowOptions {
    /// Windows of 18 s that overlap by 4.5 s, at the models' usual hop: a third more work than one pass, and the same
    /// stems to -90 dB.
    fn default() -> Self {
        WindowOptions {
            frames: 1536,
            overlap: 384,
        }
    }
}

/// One or several trained models that separate different instruments, and share a front end and a device.
pub struct Separators {
    models: Vec<Model>,
    stft: Stft,
    rate: u32,
    windows: WindowOptions,
    stop: Option<&'static AtomicBool>,
}

struct Model {
    trained: Trained,
    /// At most [`PROGRAMS`], the one used last at the end.
    programs: Vec<Prepared>,
}

/// Programs that a model keeps: that of whole windows, and that of the last window of the song in hand.
const PROGRAMS: usize = 2;

/// The network for windows of one length.
struct Prepared {
    frames: usize,
    program: Program,
    masks: Vec<Var>,
}

impl Separators {
    /// Loads the best checkpoint (without one, the last) of every run.
    ///
    /// # Errors
    /// [`SeparateError`] if a run cannot be used, or two do not go together.
    pub fn load(runs: &[PathBuf], device: &Device, windows: WindowOptions) -> Result<Self, SeparateError> {
        Self::open(runs, device, windows, false)
    }

    /// The same networks with the weights that they started from: what is to be surpassed.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn untrained(
        runs: &[PathBuf],
        device: &Device,
        windows: WindowOptions,
    ) -> Result<Self, SeparateError> {
        Self::open(runs, device, windows, true)
    }

    fn open(
        runs: &[PathBuf],
        device: &Device,
        windows: WindowOptions,
        untrained: bool,
    ) -> Result<Self, SeparateError> {
        if windows.frames == 0 || windows.overlap > windows.frames / 2 {
            return Err(SeparateError::Windows {
                frames: windows.frames,
                overlap: windows.overlap,
            });
        }
        let models = runs
            .iter()
            .map(|run| Model::load(run, device, untrained))
            .collect::<Result<Vec<_>, _>>()?;
        let first = models.first().ok_or(SeparateError::NoModel)?;
        for (i, model) in models.iter().enumerate() {
            let (first_folder, second) = (first.trained.folder.clone(), model.trained.folder.clone());
            if model.front_end() != first.front_end() {
                return Err(SeparateError::FrontEnd {
                    first: first_folder,
                    second,
                });
            }
            for instrument in model.recipe().separates() {
                let twice = |other: &&Model| other.recipe().separates().contains(&instrument);
                if let Some(other) = models[..i].iter().find(twice) {
                    return Err(SeparateError::SameInstrument {
                        first: other.trained.folder.clone(),
                        second,
                        instrument,
                    });
                }
            }
        }
        let front_end = &first.recipe().front_end;
        let (stft, rate) = (front_end.stft()?, front_end.sample_rate);
        Ok(Separators {
            models,
            stft,
            rate,
            windows,
            stop: None,
        })
    }

    /// Ends a separation with [`SeparateError::Interrupted`], before its next window, once `stop` is set.
    pub fn stop_at(&mut self, stop: &'static AtomicBool) {
        self.stop = Some(stop);
    }

    /// The instruments, in the order of the runs, and within a run in that of the instruments.
    pub fn instruments(&self) -> Vec<Instrument> {
        self.models
            .iter()
            .flat_map(|model| model.recipe().separates())
            .collect()
    }

    /// The transform that all models share.
    pub fn stft(&self) -> &Stft {
        &self.stft
    }

    /// The mel filters of the first model's recipe, which describers built on it hear through.
    pub(super) fn log_mel(&self) -> LogMelConfig {
        // `open` refuses to have no model
        self.models[0].recipe().front_end.log_mel()
    }

    /// The rate that all models work at, in Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How songs are cut.
    pub fn windows(&self) -> WindowOptions {
        self.windows
    }

    /// The masks of all instruments for the magnitude of one channel in a window, `[bins, frames]` all. One channel at a
    /// time: so a window needs the same memory whatever the song.
    ///
    /// # Errors
    /// What the device gives, and [`SeparateError::Interrupted`].
    pub(super) fn masks(&mut self, frames: usize, magnitude: &[f32]) -> Result<Vec<Vec<f32>>, SeparateError> {
        let mut all = Vec::new();
        for model in &mut self.models {
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SeparateError::Interrupted);
            }
            model.masks(frames, magnitude, &mut all)?;
        }
        Ok(all)
    }
}

impl Model {
    fn load(folder: &Path, device: &Device, untrained: bool) -> Result<Self, SeparateError> {
        let trained = Trained::load(folder, device, untrained, |network| {
            match network.recipe.separates().is_empty() {
                false => Ok(()),
                true => Err(SeparateError::NoSeparator {
                    folder: folder.into(),
                    recipe: network.recipe.name.clone(),
                }),
            }
        })?;
        Ok(Model {
            trained,
            programs: Vec::new(),
        })
    }

    fn recipe(&self) -> &Recipe {
        &self.trained.network.recipe
    }

    /// Appends the masks of all its instruments.
    fn masks(
        &mut self,
        frames: usize,
        magnitude: &[f32],
        all: &mut Vec<Vec<f32>>,
    ) -> Result<(), SeparateError> {
        let mut prepared = match self.programs.iter().position(|program| program.frames == frames) {
            Some(known) => self.programs.remove(known),
            None => {
                // before another takes memory
                let superfluous = (self.programs.len() + 1).saturating_sub(PROGRAMS);
                self.programs.drain(..superfluous);
                self.prepare(frames)?
            }
        };
        let session = &mut self.trained.session;
        session.run(&mut prepared.program, &[magnitude], &StepValues::default())?;
        for &mask in &prepared.masks {
            all.push(session.read(&mut prepared.program, mask)?);
        }
        self.programs.push(prepared);
        Ok(())
    }

    fn prepare(&mut self, frames: usize) -> Result<Prepared, SeparateError> {
        let (tape, masks) = self.trained.network.separation_step(1, frames)?;
        let program = self.trained.session.compile(&tape, &masks)?;
        Ok(Prepared {
            frames,
            program,
            masks,
        })
    }

    fn front_end(&self) -> (u32, usize, usize) {
        let front_end = &self.recipe().front_end;
        (front_end.sample_rate, front_end.stft_size, front_end.stft_hop)
    }
}
