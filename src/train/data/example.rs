//! What a batch holds, and how it is written into the memory that the device takes it from.

use crate::{
    corpus::{Excerpt, Instrument, Mix, Pieces, has_power},
    models::SUBSPACES,
    tape::Slot,
    train::{
        Network, TrainError,
        network::{Inputs, TRIPLET, items_per_example},
    },
};

/// An excerpt, which of a run's sets of pieces it is of, and how loud it is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stem {
    pub set: usize,
    pub excerpt: Excerpt,
    /// What contrast multiplies its samples by; 1 for all others.
    pub gain: f32,
}

impl Stem {
    /// As it is.
    pub fn new(set: usize, excerpt: Excerpt) -> Self {
        let gain = 1.0;
        Stem { set, excerpt, gain }
    }
}

/// What one input of the network hears: a stem or silence of each instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Item {
    pub stems: [Option<Stem>; 5],
}

impl Item {
    /// A mix of pieces of one set.
    pub fn of_mix(mix: Mix, set: usize) -> Self {
        let stems = mix
            .sources
            .map(|source| source.map(|excerpt| Stem::new(set, excerpt)));
        Item { stems }
    }
}

/// One example: a single input, or anchor, positive and negative, and what follows them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    pub items: Vec<Item>,
    /// The instrument that a triplet holds for.
    pub condition: Instrument,
    /// The instrument for which anchor, negative and positive are a triplet.
    pub additional: Option<Instrument>,
    /// For contrast: which of the batch's pieces the stem of each instrument is of, if there is one.
    pub labels: [Option<u16>; SUBSPACES],
}

impl Example {
    /// For one instrument alone.
    pub fn of(condition: Instrument, items: Vec<Item>) -> Self {
        Example {
            items,
            condition,
            additional: None,
            labels: [None; SUBSPACES],
        }
    }
}

/// A batch, as the [inputs](crate::train::network::Inputs) of a step see it.
pub(crate) struct Batch<'a> {
    pub examples: &'a [Example],
    /// For every item, in their order: the instruments that are louder than silence. Empty where nothing asks for it.
    pub sounding: Vec<[bool; SUBSPACES]>,
    /// Numbers of a description.
    dimensions: usize,
}

impl Batch<'_> {
    /// What the samples of every stem of every example's first item are multiplied by.
    pub fn gains(&self) -> Vec<f32> {
        let items = self.examples.iter().filter_map(|example| example.items.first());
        let stems = items.flat_map(|item| item.stems);
        stems.map(|stem| stem.map_or(1.0, |stem| stem.gain)).collect()
    }

    /// Ones in the sub-spaces of the instruments that are `kept`.
    pub fn mask(&self, kept: [bool; SUBSPACES]) -> Vec<f32> {
        let each = self.dimensions / SUBSPACES;
        let rows = kept
            .into_iter()
            .flat_map(|kept| vec![f32::from(u8::from(kept)); each]);
        rows.collect()
    }
}

/// Writes examples for a step that a [`Network`] recorded.
#[derive(Clone)]
pub(crate) struct Writer<'a> {
    sets: &'a [Pieces],
    inputs: Inputs,
    /// The instrument that is heard alone, if the network hears stems.
    alone: Option<Instrument>,
    /// Of an example.
    items: usize,
    len: usize,
    dimensions: usize,
}

impl<'a> Writer<'a> {
    pub fn new(network: &Network, inputs: &Inputs, sets: &'a [Pieces]) -> Self {
        let recipe = &network.recipe;
        Writer {
            sets,
            inputs: inputs.clone(),
            alone: recipe.instrument.filter(|_| recipe.model.hears_stems()),
            items: items_per_example(recipe),
            len: inputs.samples,
            dimensions: recipe.dimensions(),
        }
    }

    /// Fills all inputs of the step.
    pub fn write(&self, examples: &[Example], slot: &mut Slot) -> Result<(), TrainError> {
        let batch = Batch {
            examples,
            sounding: self.write_heard(examples, slot)?,
            dimensions: self.dimensions,
        };
        for (input, feed) in &self.inputs.fed {
            slot.write(*input, 0, &feed(&batch))?;
        }
        Ok(())
    }

    /// Writes what is heard, and says what sounds in it.
    fn write_heard(
        &self,
        examples: &[Example],
        slot: &mut Slot,
    ) -> Result<Vec<[bool; SUBSPACES]>, TrainError> {
        let sources = if self.alone.is_some() {
            1
        } else {
            Instrument::ALL.len()
        };
        let mut samples = vec![0; self.len];
        let items = self.items * examples.len();
        let mut sounding = vec![[false; SUBSPACES]; if self.inputs.listens { items } else { 0 }];
        for (e, example) in examples.iter().enumerate() {
            for (role, item) in example.items.iter().take(self.items).enumerate() {
                let place = role * examples.len() + e;
                for instrument in Instrument::ALL {
                    let source = match self.alone {
                        None => instrument as usize,
                        Some(alone) if alone == instrument => 0,
                        Some(_) => continue,
                    };
                    match item.stems[instrument as usize] {
                        Some(stem) => self.read(stem, &mut samples)?,
                        None => samples.fill(0),
                    }
                    if let Some(sounding) = sounding.get_mut(place) {
                        sounding[instrument as usize] = has_power(&samples);
                    }
                    slot.write_pcm16(self.inputs.heard, (place * sources + source) * self.len, &samples)?;
                }
            }
        }
        Ok(sounding)
    }

    fn read(&self, Stem { set, excerpt, .. }: Stem, samples: &mut [i16]) -> Result<(), TrainError> {
        match self.sets.get(set) {
            Some(pieces) => Ok(pieces.read(excerpt, samples)?),
            None => {
                samples.fill(0);
                Ok(())
            }
        }
    }
}

/// Anchor, positive and negative as inputs.
pub(crate) fn triplet_items(mixes: [Mix; TRIPLET], set: usize) -> Vec<Item> {
    mixes.into_iter().map(|mix| Item::of_mix(mix, set)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corpus::Split,
        gpu::Device,
        kernel::StepValues,
        ops::Mixdown,
        tape::{Copy, Session},
        train::{
            data::tests::synthesised,
            recipe::{Overrides, resolve},
        },
    };

    /// Roles lie one block behind the other, instruments in their order; masks, weights and what sounds beside them.
    #[test]
    fn every_input_is_where_the_step_reads_it() {
        let sets = synthesised([2, 1, 1], 11_025, &[Split::Train]);
        let set = [
            "network.dimensions=2",
            "network.width=0.05",
            "data.segment_seconds=0.25",
            "training.batch=2",
        ];
        let network = Network::new(&resolve("direct-norm", &Overrides::set(&set)).unwrap()).unwrap();
        let (b, d, len) = (2, 10, 11_025);

        let item = |piece: u32, start| Item::of_mix(Mix::of_piece(piece, start), 0);
        // members of some stems only
        let mut partial = item(1, 30_000);
        partial.stems[2] = None;
        let example = |condition, additional, at: u64| Example {
            additional,
            ..Example::of(condition, vec![item(0, at), partial, item(1, at + 5_000)])
        };
        let examples = [
            example(Instrument::Bass, Some(Instrument::Residuals), 10_000),
            example(Instrument::Drums, None, 40_000),
        ];

        let mut step = network.evaluation_step(b).unwrap();
        let sounds = step.inputs.heard;
        let [masks, weights, sounding] = [0, 1, 2].map(|i| step.inputs.fed[i].0);
        let tape = &mut step.tape;
        let mut outputs: Vec<_> = (0..5)
            .map(|first| tape.push(Mixdown { first, count: 1 }, &[sounds]).unwrap())
            .collect();
        outputs.extend([masks, weights, sounding].map(|input| tape.push(Copy, &[input]).unwrap()));
        let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
        let mut program = session.compile(tape, &outputs).unwrap();
        let mut slot = session.slot(&program).unwrap();
        Writer::new(&network, &step.inputs, &sets)
            .write(&examples, &mut slot)
            .unwrap();
        session
            .run_slot(&mut program, slot, &StepValues::default(), |_| {})
            .unwrap();
        let read: Vec<Vec<f32>> = outputs
            .iter()
            .map(|&var| session.read(&mut program, var).unwrap())
            .collect();

        let mut heard = vec![0; len];
        for (e, example) in examples.iter().enumerate() {
            for (role, item) in example.items.iter().enumerate() {
                let place = role * b + e;
                for (source, stem) in item.stems.iter().enumerate() {
                    heard.fill(0);
                    if let Some(stem) = stem {
                        sets[0].read(stem.excerpt, &mut heard).unwrap();
                    }
                    let there = &read[source][place * len..][..len];
                    assert!(
                        there
                            .iter()
                            .zip(&heard)
                            .all(|(x, &y)| x * 32768.0 == f32::from(y)),
                        "{place} {source}"
                    );
                    let sounds = read[7][place * 5 + source];
                    assert_eq!(sounds == 1.0, has_power(&heard), "{place} {source}");
                }
            }
        }
        let row = |instrument: usize| -> Vec<f32> {
            (0..d).map(|i| f32::from(u8::from(i / 2 == instrument))).collect()
        };
        assert_eq!(read[5], [row(1), row(0), row(4), vec![0.0; d]].concat());
        assert_eq!(read[6], [1.0, 1.0, 1.0, 0.0]);
        assert!(read[7].contains(&1.0) && read[7].contains(&0.0));
    }
}
