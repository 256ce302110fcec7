//! One run, ready to describe.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use super::{DescribeError, Heard, identity};
use crate::{
    corpus::Instrument,
    gpu::Device,
    kernel::StepValues,
    tape::{Program, Slot, Var},
    train::{EmbeddingStep, Network, Recipe, TrainError, Trained},
};

/// Items that are described at once, always.
const BATCH: usize = 8;

pub(super) struct Model {
    pub trained: Trained,
    /// By number of samples.
    programs: BTreeMap<usize, (Program, Var, Var)>,
    weights: String,
}

impl Model {
    /// Loads the best checkpoint of a run (without one, the last); or, `untrained`, its initial weights.
    pub fn load(folder: &Path, device: &Device, untrained: bool) -> Result<Self, DescribeError> {
        let mut trained = Trained::load(folder, device, untrained, |network| {
            match network.recipe.model.embeds() {
                true => Ok(()),
                false => Err(DescribeError::NoDescription {
                    folder: folder.into(),
                    recipe: network.recipe.name.clone(),
                }),
            }
        })?;
        Ok(Model {
            weights: identity::weights(&trained.network, &mut trained.session)?,
            trained,
            programs: BTreeMap::new(),
        })
    }

    pub fn recipe(&self) -> &Recipe {
        &self.trained.network.recipe
    }

    /// BLAKE3 of its weights.
    pub fn weights(&self) -> &str {
        &self.weights
    }

    /// The instruments that it describes.
    pub fn instruments(&self) -> Vec<Instrument> {
        match self.recipe().model.of_one_instrument() {
            true => self.recipe().instrument.into_iter().collect(),
            false => Instrument::ALL.to_vec(),
        }
    }

    /// The vectors of items of `samples` samples, `[items, dimensions]`: of its instrument, or of all in a row.
    pub fn describe(&mut self, items: &[Heard<'_>], samples: usize) -> Result<Vec<f32>, DescribeError> {
        let Trained {
            folder,
            network,
            session,
            ..
        } = &mut self.trained;
        let (program, heard, output) = match self.programs.entry(samples) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let step = step(network, samples)?;
                let program = session.compile(&step.tape, &[step.embedding])?;
                entry.insert((program, step.heard, step.embedding))
            }
        };
        let sources = network.sources();
        let alone = network.recipe.instrument.filter(|_| sources == 1);
        let dimensions = network.recipe.dimensions();
        let mut values = Vec::with_capacity(items.len() * dimensions);
        for (first, batch) in (0..).step_by(BATCH).zip(items.chunks(BATCH)) {
            // a new slot is silent
            let mut slot = session.slot(program)?;
            for (i, item) in batch.iter().enumerate() {
                let mut write = |source: usize, signal: &[i16]| match signal.len() == samples {
                    true => Ok(slot.write_pcm16(*heard, (i * sources + source) * samples, signal)?),
                    false => Err(DescribeError::Length {
                        item: first + i,
                        given: signal.len(),
                        expected: samples,
                    }),
                };
                match (item, alone) {
                    // what the network hears is the sum of its sources
                    (Heard::Mix(mix), None) => write(0, mix)?,
                    (Heard::Mix(_), Some(instrument)) => {
                        return Err(DescribeError::NeedsStems {
                            folder: folder.clone(),
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
            session.run_slot(program, slot, &StepValues::default(), |_: Slot| {})?;
            let rows = session.read(program, *output)?;
            values.extend_from_slice(&rows[..batch.len() * dimensions]);
        }
        Ok(values)
    }
}

/// What describes [`BATCH`] items of `samples` samples.
fn step(network: &Network, samples: usize) -> Result<EmbeddingStep, DescribeError> {
    let front_end = &network.recipe.front_end;
    let least = front_end.stft_size / 2;
    if samples <= least {
        return Err(DescribeError::Short { samples, least });
    }
    match network.embedding_step(BATCH, samples) {
        Err(TrainError::Engine(error @ crate::Error::Shape { .. })) => Err(DescribeError::Unfit {
            seconds: samples as f64 / f64::from(front_end.sample_rate),
            message: error.to_string(),
        }),
        step => Ok(step?),
    }
}
