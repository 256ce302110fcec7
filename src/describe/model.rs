//! One run, ready to describe.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use super::{DescribeError, Heard, identity};
use crate::{
    corpus::Instrument,
    gpu::Device,
    kernel::StepValues,
    tape::{Program, Session, Slot, Var},
    train::{Checkpoint, Network, Run, TrainError},
};

/// Items that are described at once, always.
const BATCH: usize = 8;

pub(super) struct Model {
    pub folder: PathBuf,
    pub network: Network,
    pub session: Session,
    /// By number of samples.
    programs: BTreeMap<usize, (Program, Var, Var)>,
    weights: String,
    /// Whether judgements that nobody made went into it.
    pub simulated: bool,
}

impl Model {
    /// Loads the best checkpoint of a run (without one, the last); or, `untrained`, its initial weights.
    pub fn load(folder: &Path, device: &Device, untrained: bool) -> Result<Self, DescribeError> {
        let run = Run::open(folder)?;
        let network = Network::new(&run.config.recipe)?;
        if !network.recipe.model.embeds() {
            return Err(DescribeError::NoDescription {
                folder: folder.into(),
                recipe: network.recipe.name,
            });
        }
        let mut session = Session::new(device, &network.parameters)?;
        let mut simulated = false;
        if !untrained {
            let path = run.newest_best();
            if !path.is_file() {
                return Err(DescribeError::Untrained {
                    folder: folder.into(),
                });
            }
            let checkpoint = Checkpoint::read(&path)?;
            checkpoint.restore_weights(&mut session)?;
            simulated = checkpoint.state.simulated;
        }
        let mut model = Model {
            folder: folder.into(),
            network,
            session,
            programs: BTreeMap::new(),
            weights: String::new(),
            simulated,
        };
        model.weights = identity::weights(&mut model)?;
        Ok(model)
    }

    /// BLAKE3 of its weights.
    pub fn weights(&self) -> &str {
        &self.weights
    }

    /// The instruments that it describes.
    pub fn instruments(&self) -> Vec<Instrument> {
        match self.network.recipe.model.of_one_instrument() {
            true => self.network.recipe.instrument.into_iter().collect(),
            false => Instrument::ALL.to_vec(),
        }
    }

    /// The vectors of items of `samples` samples, one after another: of its instrument, or of all in a row.
    pub fn describe(&mut self, items: &[Heard<'_>], samples: usize) -> Result<Vec<f32>, DescribeError> {
        let least = self.network.recipe.front_end.stft_size / 2;
        if samples <= least {
            return Err(DescribeError::Short { samples, least });
        }
        let (program, heard, output) = match self.programs.entry(samples) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let step = match self.network.embedding_step(BATCH, samples) {
                    Err(TrainError::Engine(error @ crate::Error::Shape { .. })) => {
                        let rate = self.network.recipe.front_end.sample_rate;
                        return Err(DescribeError::Unfit {
                            seconds: samples as f64 / f64::from(rate),
                            message: error.to_string(),
                        });
                    }
                    step => step?,
                };
                let program = self.session.compile(&step.tape, &[step.embedding])?;
                entry.insert((program, step.heard, step.embedding))
            }
        };
        let sources = self.network.sources();
        let alone = self.network.recipe.instrument.filter(|_| sources == 1);
        let dimensions = self.network.recipe.dimensions();
        let mut values = Vec::with_capacity(items.len() * dimensions);
        for (first, batch) in (0..).step_by(BATCH).zip(items.chunks(BATCH)) {
            // a new slot is silent
            let mut slot = self.session.slot(program)?;
            for (i, item) in batch.iter().enumerate() {
                let mut write = |source: usize, signal: &[i16]| {
                    if signal.len() != samples {
                        return Err(DescribeError::Length {
                            item: first + i,
                            given: signal.len(),
                            expected: samples,
                        });
                    }
                    Ok(slot.write_pcm16(*heard, (i * sources + source) * samples, signal)?)
                };
                match (item, alone) {
                    // what the network hears is the sum of its sources
                    (Heard::Mix(mix), None) => write(0, mix)?,
                    (Heard::Mix(_), Some(instrument)) => {
                        return Err(DescribeError::NeedsStems {
                            folder: self.folder.clone(),
                            instrument,
                        });
                    }
                    (Heard::Stems(stems), Some(instrument)) => {
                        stems[instrument as usize].map_or(Ok(()), |stem| write(0, stem))?;
                    }
                    (Heard::Stems(stems), None) => {
                        for (source, stem) in stems.iter().enumerate() {
                            stem.map_or(Ok(()), |stem| write(source, stem))?;
                        }
                    }
                }
            }
            self.session
                .run_slot(program, slot, &StepValues::default(), |_: Slot| {})?;
            let rows = self.session.read(program, *output)?;
            values.extend_from_slice(&rows[..batch.len() * dimensions]);
        }
        Ok(values)
    }
}
