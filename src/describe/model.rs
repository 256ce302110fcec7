//! One run, ready to describe.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use super::{DescribeError, Heard, identity};
use crate::{
    corpus::Instrument,
    gpu::Device,
    tape::{Session, Tape, Var},
    train::{Described, Embedding, Network, Recipe, TrainError, Trained},
};

/// Items that are described at once, always.
const BATCH: usize = 8;

pub(super) struct Model {
    pub trained: Trained,
    /// By number of samples.
    programs: BTreeMap<usize, Embedding>,
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

    /// The vectors of items of `samples` samples, of its instrument or of all in a row, and what it says of presence.
    pub fn describe(&mut self, items: &[Heard<'_>], samples: usize) -> Result<Described, DescribeError> {
        let Trained {
            folder,
            network,
            session,
            ..
        } = &mut self.trained;
        let embedding = match self.programs.entry(samples) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(program(network, session, samples)?),
        };
        let alone = network.recipe.instrument.filter(|_| network.sources() == 1);
        embedding.run(session, items.len(), |item, write| {
            let mut write = |source: usize, signal: &[i16]| match signal.len() == samples {
                true => Ok(write(source, signal)?),
                false => Err(DescribeError::Length {
                    item,
                    given: signal.len(),
                    expected: samples,
                }),
            };
            match (&items[item], alone) {
                // what the network hears is the sum of its sources
                (Heard::Mix(mix), None) => write(0, mix),
                (Heard::Mix(_), Some(instrument)) => Err(DescribeError::NeedsStems {
                    folder: folder.clone(),
                    instrument,
                }),
                (Heard::Stems(stems), Some(instrument)) => {
                    stems[instrument as usize].map_or(Ok(()), |stem| write(0, stem))
                }
                (Heard::Stems(stems), None) => {
                    let mut stems = stems.iter().enumerate();
                    stems.try_for_each(|(source, stem)| stem.map_or(Ok(()), |stem| write(source, stem)))
                }
            }
        })
    }
}

/// What describes [`BATCH`] items of `samples` samples.
fn program(network: &Network, session: &mut Session, samples: usize) -> Result<Embedding, DescribeError> {
    let front_end = &network.recipe.front_end;
    let least = front_end.stft_size / 2;
    if samples <= least {
        return Err(DescribeError::Short { samples, least });
    }
    let compile = |tape: &Tape, outputs: &[Var]| session.compile(tape, outputs);
    match Embedding::new(network, BATCH, samples, compile) {
        Err(TrainError::Engine(error @ crate::Error::Shape { .. })) => Err(DescribeError::Unfit {
            seconds: samples as f64 / f64::from(front_end.sample_rate),
            message: error.to_string(),
        }),
        embedding => Ok(embedding?),
    }
}
