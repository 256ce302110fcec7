//! What a batch holds, and how it is written into the memory that the device takes it from.

use super::{
    Network, TrainError,
    objective::{TRIPLET, items_per_example},
    recipe::Task,
};
use crate::{
    corpus::{Excerpt, Instrument, Mix, Pieces, has_power},
    models::SUBSPACES,
    tape::Slot,
};

/// An excerpt, and which of a run's sets of pieces it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stem {
    pub set: usize,
    pub excerpt: Excerpt,
}

/// What one input of the network hears: a stem or silence of each instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub stems: [Option<Stem>; 5],
}

impl Item {
    /// A mix of pieces of one set.
    pub fn of_mix(mix: Mix, set: usize) -> Self {
        let stems = mix
            .sources
            .map(|source| source.map(|excerpt| Stem { set, excerpt }));
        Item { stems }
    }
}

/// One example: a single input, or anchor, positive and negative, and what follows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub items: Vec<Item>,
    /// The instrument that a triplet holds for.
    pub condition: Instrument,
    /// The instrument for which anchor, negative and positive are a triplet.
    pub additional: Option<Instrument>,
}

/// Writes examples for the steps that a [`Network`] records.
#[derive(Clone)]
pub(super) struct Writer<'a> {
    sets: &'a [Pieces],
    /// The instrument that is heard alone, if the network hears stems.
    alone: Option<Instrument>,
    items: usize,
    len: usize,
    dimensions: usize,
    masks: Masks,
    norm: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Masks {
    None,
    Triplets,
    Sounding,
}

impl<'a> Writer<'a> {
    pub fn new(network: &Network, sets: &'a [Pieces]) -> Self {
        let recipe = &network.recipe;
        let masks = match recipe.task {
            Task::Targets => Masks::Sounding,
            Task::Triplets | Task::Judgements
                if !recipe.model.of_one_instrument() && recipe.loss.triplet > 0.0 =>
            {
                Masks::Triplets
            }
            _ => Masks::None,
        };
        Writer {
            sets,
            alone: recipe.instrument.filter(|_| recipe.model.hears_stems()),
            items: items_per_example(recipe),
            len: recipe.segment_samples(),
            dimensions: recipe.dimensions(),
            masks,
            norm: recipe.loss.norm > 0.0,
        }
    }

    /// Fills all inputs of a step for so many examples.
    pub fn write(&self, examples: &[Example], slot: &mut Slot) -> Result<(), TrainError> {
        let sources = if self.alone.is_some() {
            1
        } else {
            Instrument::ALL.len()
        };
        let mut samples = vec![0; self.len];
        let mut sounding = vec![0.0; self.items * examples.len() * SUBSPACES];
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
                    if self.norm && has_power(&samples) {
                        sounding[place * SUBSPACES + instrument as usize] = 1.0;
                    }
                    slot.write_pcm16(0, (place * sources + source) * self.len, &samples)?;
                }
            }
        }
        let mut next = 1;
        match self.masks {
            Masks::None => {}
            Masks::Sounding => {
                let heard = |e: &Example| {
                    e.items
                        .first()
                        .map_or([false; 5], |item| item.stems.map(|s| s.is_some()))
                };
                let rows: Vec<f32> = examples.iter().flat_map(|e| self.mask(heard(e))).collect();
                slot.write(next, 0, &rows)?;
                next += 1;
            }
            Masks::Triplets => {
                let one = |instrument: Option<Instrument>| {
                    self.mask(Instrument::ALL.map(|other| Some(other) == instrument))
                };
                let basic = examples.iter().map(|e| Some(e.condition));
                let both = basic.chain(examples.iter().map(|e| e.additional));
                let both: Vec<Option<Instrument>> = both.collect();
                let rows: Vec<f32> = both.iter().flat_map(|&instrument| one(instrument)).collect();
                let weights: Vec<f32> = both.iter().map(|i| f32::from(u8::from(i.is_some()))).collect();
                slot.write(next, 0, &rows)?;
                slot.write(next + 1, 0, &weights)?;
                next += 2;
            }
        }
        if self.norm {
            slot.write(next, 0, &sounding)?;
        }
        Ok(())
    }

    /// Ones in the sub-spaces of the instruments that are `kept`.
    fn mask(&self, kept: [bool; SUBSPACES]) -> Vec<f32> {
        let each = self.dimensions / SUBSPACES;
        let rows = kept
            .into_iter()
            .flat_map(|kept| vec![f32::from(u8::from(kept)); each]);
        rows.collect()
    }

    fn read(&self, Stem { set, excerpt }: Stem, samples: &mut [i16]) -> Result<(), TrainError> {
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
pub(super) fn triplet_items(mixes: [Mix; TRIPLET], set: usize) -> Vec<Item> {
    mixes.into_iter().map(|mix| Item::of_mix(mix, set)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corpus::{
            Corpus, PieceOptions, Source, Split,
            synth::{SynthOptions, synthesise},
        },
        gpu::Device,
        kernel::StepValues,
        ops::Mixdown,
        tape::{Copy, Parameters, Session, Tape},
        train::recipe::{Choices, resolve},
    };

    /// Roles lie one block behind the other, instruments in their order; masks, weights and what sounds beside them.
    #[test]
    fn every_input_is_where_the_step_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions {
            seed: 2,
            train: 2,
            validation: 1,
            test: 1,
            seconds: 6.0,
        };
        synthesise(folder.path(), &options, &|_, _| {}).unwrap();
        let source = Source::Folder(Corpus::open(folder.path()).unwrap());
        let options = PieceOptions {
            segment_len: 11_025,
            rate: 44_100,
            memory: 1 << 30,
        };
        let classes = source.tempo_classes().unwrap();
        let sets = [source
            .pieces(Split::Train, &options, &classes, &|_, _| {})
            .unwrap()];
        let set = [
            "network.dimensions=2",
            "network.width=0.05",
            "data.segment_seconds=0.25",
            "training.batch=2",
        ];
        let choices = Choices {
            set: set.map(String::from).to_vec(),
            ..Choices::default()
        };
        let network = Network::new(&resolve("direct-norm", &choices).unwrap()).unwrap();
        let (b, d, len) = (2, 10, 11_025);
        let items = (TRIPLET + 1) * b;

        let item = |piece: u32, start| Item::of_mix(Mix::of_piece(piece, start), 0);
        let mut partial = item(1, 30_000);
        partial.stems[2] = None;
        let example = |condition, additional, at: u64| Example {
            items: vec![item(0, at), item(1, at), item(1, at + 5_000), partial],
            condition,
            additional,
        };
        let examples = [
            example(Instrument::Bass, Some(Instrument::Residuals), 10_000),
            example(Instrument::Drums, None, 40_000),
        ];

        let mut tape = Tape::new();
        let sounds = tape.pcm16("instruments", [items, 5, len]);
        let masks = tape.input("masks", [2 * b, d]);
        let weights = tape.input("weights", [2 * b]);
        let sounding = tape.input("sounding", [items, 5]);
        let mut outputs: Vec<_> = (0..5)
            .map(|first| tape.push(Mixdown { first, count: 1 }, &[sounds]).unwrap())
            .collect();
        outputs.extend([masks, weights, sounding].map(|input| tape.push(Copy, &[input]).unwrap()));
        let mut session = Session::new(&Device::Cpu, &Parameters::default()).unwrap();
        let mut program = session.compile(&tape, &outputs).unwrap();
        let mut slot = session.slot(&program).unwrap();
        Writer::new(&network, &sets).write(&examples, &mut slot).unwrap();
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
