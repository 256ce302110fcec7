//! Runs that describe together.

use std::path::{Path, PathBuf};

use super::{DescribeError, identity, model::Model};
use crate::{
    corpus::Instrument,
    gpu::Device,
    train::{Recipe, recipe::FrontEnd},
};

/// One or several trained models that describe different instruments by one front end.
pub struct Describer {
    /// In the order of the instruments.
    models: Vec<Model>,
    instruments: Vec<Instrument>,
    identity: String,
}

/// A segment of a piece in 16 bits, at the models' rate.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// All that sounds, as one signal. Models that hear stems cannot describe it.
    Mix(&'a [i16]),
    /// Its stems, in the order of [`Instrument::ALL`]; `None` is silence. Models that hear mixes hear their sum.
    Stems([Option<&'a [i16]>; 5]),
}

/// What a [`Describer`] says of some items.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// `[items, sum of the instruments' dimensions]`
    pub vectors: Vec<f32>,
    /// The probability that each instrument sounds in an item, `[items, 5]`, in the order of [`Instrument::ALL`]; of a
    /// model that says so.
    pub presence: Option<Vec<f32>>,
}

impl Describer {
    /// Loads the best checkpoint (without one, the last) of one run of all instruments, or of several of one
    /// instrument each, in any order.
    ///
    /// # Errors
    /// [`DescribeError`] if a run cannot be used, or two do not go together.
    pub fn load(runs: &[PathBuf], device: &Device) -> Result<Self, DescribeError> {
        Self::open(runs, device, false)
    }

    /// The same networks with the weights that they started from: what is to be surpassed.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn untrained(runs: &[PathBuf], device: &Device) -> Result<Self, DescribeError> {
        Self::open(runs, device, true)
    }

    fn open(runs: &[PathBuf], device: &Device, untrained: bool) -> Result<Self, DescribeError> {
        let mut models = runs
            .iter()
            .map(|run| Model::load(run, device, untrained))
            .collect::<Result<Vec<_>, _>>()?;
        let first = models.first().ok_or(DescribeError::NoRun)?;
        for (i, model) in models.iter().enumerate().skip(1) {
            if let Some(difference) = difference(first, model) {
                return Err(DescribeError::Unlike {
                    first: first.trained.folder.clone(),
                    second: model.trained.folder.clone(),
                    difference,
                });
            }
            for instrument in model.instruments() {
                let same = models[..i].iter().find(|m| m.instruments().contains(&instrument));
                if let Some(other) = same {
                    return Err(DescribeError::SameInstrument {
                        first: other.trained.folder.clone(),
                        second: model.trained.folder.clone(),
                        instrument,
                    });
                }
            }
        }
        models.sort_by_key(Model::instruments);
        let instruments = models.iter().flat_map(Model::instruments).collect();
        let mut describer = Describer {
            models,
            instruments,
            identity: String::new(),
        };
        let weights = describer.models.iter().map(Model::weights);
        describer.identity = identity::identity(&describer.front_end(), weights);
        Ok(describer)
    }

    /// What is described, in the order of [`Instrument::ALL`].
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Numbers that describe an instrument; `None` if nothing describes it.
    pub fn dimensions(&self, instrument: Instrument) -> Option<usize> {
        let model = self
            .models
            .iter()
            .find(|m| m.instruments().contains(&instrument))?;
        Some(model.recipe().network.dimensions)
    }

    /// The spectrograms that all models share.
    pub fn front_end(&self) -> FrontEnd {
        self.recipe().front_end
    }

    /// The recipe of the first instrument's run.
    pub fn recipe(&self) -> &Recipe {
        // `open` refuses to have none
        self.models[0].recipe()
    }

    /// Folder, recipe and BLAKE3 hash of the weights of every run, in the order of the instruments.
    pub fn runs(&self) -> impl Iterator<Item = (&Path, &Recipe, &str)> {
        let models = self.models.iter();
        models.map(|model| (model.trained.folder.as_path(), model.recipe(), model.weights()))
    }

    /// Whether the models hear the stem that they describe, not a mix.
    pub fn hears_stems(&self) -> bool {
        self.recipe().model.hears_stems()
    }

    /// Whether one network describes all instruments.
    pub fn of_all(&self) -> bool {
        !self.recipe().model.of_one_instrument()
    }

    /// Whether simulated judgements went into a model.
    pub fn simulated(&self) -> bool {
        self.models.iter().any(|model| model.trained.simulated)
    }

    /// BLAKE3 over the front end's settings and all weights: vectors of unlike identities cannot be compared.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether the model says which instruments sound: one of all instruments.
    pub fn tells_presence(&self) -> bool {
        self.recipe().model.tells_presence()
    }

    /// The vectors of items of `samples` samples each, of all instruments in a row, in the order of
    /// [`instruments`](Self::instruments): `[items, sum of their dimensions]`.
    ///
    /// # Errors
    /// [`DescribeError`] for items of another length, or that the models cannot hear; a fault of the device.
    pub fn describe(&mut self, items: &[Heard<'_>], samples: usize) -> Result<Vec<f32>, DescribeError> {
        Ok(self.hear(items, samples)?.vectors)
    }

    /// The same vectors, and beside them how likely each instrument sounds, if the model
    /// [says so](Self::tells_presence).
    ///
    /// # Errors
    /// As [`describe`](Self::describe).
    pub fn hear(&mut self, items: &[Heard<'_>], samples: usize) -> Result<Description, DescribeError> {
        let (mut parts, mut presence) = (Vec::new(), Vec::new());
        for model in &mut self.models {
            let described = model.describe(items, samples)?;
            parts.push((described.vectors, model.recipe().dimensions()));
            presence = described.presence;
        }
        let row = |item: usize| {
            parts
                .iter()
                .flat_map(move |(values, d)| &values[item * d..(item + 1) * d])
        };
        Ok(Description {
            vectors: (0..items.len()).flat_map(row).copied().collect(),
            presence: self.tells_presence().then_some(presence),
        })
    }

    /// The vectors of one instrument, `[items, dimensions]`. Only its own model works.
    ///
    /// # Errors
    /// As [`describe`](Self::describe); [`DescribeError::NoInstrument`].
    pub fn describe_one(
        &mut self,
        instrument: Instrument,
        items: &[Heard<'_>],
        samples: usize,
    ) -> Result<Vec<f32>, DescribeError> {
        for model in &mut self.models {
            let instruments = model.instruments();
            if let Some(place) = instruments.iter().position(|&i| i == instrument) {
                let values = model.describe(items, samples)?.vectors;
                let (row, d) = (model.recipe().dimensions(), model.recipe().network.dimensions);
                let rows = values
                    .chunks_exact(row)
                    .flat_map(|row| &row[place * d..(place + 1) * d]);
                return Ok(rows.copied().collect());
            }
        }
        Err(DescribeError::NoInstrument { instrument })
    }
}

/// Why two runs cannot describe together.
fn difference(first: &Model, second: &Model) -> Option<&'static str> {
    let (a, b) = (first.recipe(), second.recipe());
    if !a.model.of_one_instrument() || !b.model.of_one_instrument() {
        return Some("a run of all instruments is given alone");
    }
    if a.model != b.model {
        return Some("one hears clean stems and the other mixes");
    }
    (a.front_end != b.front_end).then_some("they have other spectrograms (front_end in their config.toml)")
}
