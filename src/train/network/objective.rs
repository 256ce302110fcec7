//! What a stage minimises, recorded on a tape: what all stages share, from samples to the sum of a loss's terms. The terms
//! are those of `separation`, `targets`, `triplets` and `contrast`.

use crate::{
    corpus::Instrument,
    nn::{self, Mode},
    ops::{L1Loss, Mixdown, Scale, StftOutput, stft},
    shape::Shape,
    tape::{Add, Tape, Var},
    train::{
        Network, TrainError,
        data::Batch,
        recipe::{Recipe, Task},
    },
};

/// Items of a triplet.
pub(crate) const TRIPLET: usize = 3;

/// A recorded step.
pub struct LossStep {
    /// The computation.
    pub tape: Tape,
    /// What a batch gives it.
    pub(crate) inputs: Inputs,
    /// What is minimised.
    pub loss: Var,
    /// What it is the sum of.
    pub parts: Vec<LossPart>,
}

/// One of the terms of a loss.
#[derive(Clone, Copy, Debug)]
pub struct LossPart {
    /// Its name in the log.
    pub name: &'static str,
    /// What it is multiplied by: the setting of that name.
    pub weight: f32,
    /// The term, before weighting.
    pub value: Var,
}

/// The inputs of a step, and where their values come from.
#[derive(Clone)]
pub(crate) struct Inputs {
    /// What is heard, in 16 bits, `[items, sources, samples]` ([`Tape::pcm16`]). The items are one block for each role:
    /// all anchors, all positives, all negatives.
    pub heard: Var,
    /// Samples of an item.
    pub samples: usize,
    /// The others.
    pub fed: Vec<(Var, Feed)>,
    /// Whether one of them needs [`Batch::sounding`].
    pub listens: bool,
}

/// Computes the values of an input from a batch.
pub(crate) type Feed = fn(&Batch<'_>) -> Vec<f32>;

/// Inputs of a network for every example.
pub(crate) fn items_per_example(recipe: &Recipe) -> usize {
    match recipe.task {
        Task::Separation | Task::Targets | Task::Contrast => 1,
        Task::Triplets | Task::Judgements => TRIPLET,
    }
}

impl Network {
    pub(super) fn loss(&self, mode: Mode, examples: usize) -> Result<LossStep, TrainError> {
        let recipe = &self.recipe;
        let items = items_per_example(recipe) * examples;
        let mut tape = self.tape(mode);
        let samples = match mode {
            Mode::Train => recipe.segment_samples(),
            Mode::Evaluate => recipe.validation_samples(),
        };
        let sources = tape.pcm16("instruments", [items, self.sources(), samples]);
        let mut inputs = Inputs {
            heard: sources,
            samples,
            fed: Vec::new(),
            listens: false,
        };
        let mut sources = vec![sources];
        if recipe.changes_gains() {
            let gains = tape.input("gains", [items, self.sources()]);
            inputs.fed.push((gains, |batch| batch.gains()));
            sources.push(gains);
        }
        let heard = self.mix(&mut tape, &sources)?;
        let mut record = Recording {
            network: self,
            tape: &mut tape,
            mode,
            examples,
            sources,
            heard,
            inputs,
            terms: Vec::new(),
        };
        match recipe.task {
            Task::Separation => record.separation()?,
            Task::Triplets | Task::Judgements => record.triplets()?,
            Task::Targets => record.targets()?,
            Task::Contrast => record.contrast()?,
        }
        let (inputs, parts) = (record.inputs, record.terms);
        tape.set_scope("loss");
        let mut loss = None;
        for &LossPart { weight, value, .. } in &parts {
            let weighted = match weight == 1.0 {
                true => value,
                false => tape.push(Scale { factor: weight }, &[value])?,
            };
            loss = Some(match loss {
                None => weighted,
                Some(sum) => tape.push(Add, &[sum, weighted])?,
            });
        }
        let loss =
            loss.ok_or_else(|| TrainError::setting("loss", "all weights are 0: nothing is learned"))?;
        Ok(LossStep {
            tape,
            inputs,
            loss,
            parts,
        })
    }

    /// The magnitude of what an item's stems, of which gains may follow, sound like together. `[items, 1, bins, frames]`
    pub(super) fn mix(&self, tape: &mut Tape, sources: &[Var]) -> Result<Var, TrainError> {
        let count = self.sources();
        tape.set_scope("front end");
        let samples = tape.push(Mixdown { first: 0, count }, sources)?;
        self.magnitude(tape, samples)
    }

    /// `[items, 1, samples] → [items, 1, bins, frames]`
    pub(super) fn magnitude(&self, tape: &mut Tape, samples: Var) -> Result<Var, TrainError> {
        let front_end = &self.recipe.front_end;
        let (size, hop) = (front_end.stft_size, front_end.stft_hop);
        Ok(stft(tape, samples, size, hop, StftOutput::Magnitude)?)
    }
}

pub(super) struct Recording<'a> {
    pub network: &'a Network,
    pub tape: &'a mut Tape,
    pub mode: Mode,
    pub examples: usize,
    /// What is heard, and its gains, if they change.
    pub sources: Vec<Var>,
    /// Magnitude of the mix, or of the stem. `[items, 1, bins, frames]`
    pub heard: Var,
    pub inputs: Inputs,
    pub terms: Vec<LossPart>,
}

impl Recording<'_> {
    pub(super) fn stem(&mut self, instrument: usize) -> Result<Var, TrainError> {
        let one = Mixdown {
            first: instrument,
            count: 1,
        };
        self.tape.set_scope("front end");
        let samples = self.tape.push(one, &self.sources)?;
        self.network.magnitude(self.tape, samples)
    }

    /// Where a network is recorded that trains, or not.
    pub(super) fn at(&mut self, mode: Mode) -> nn::Record<'_> {
        nn::Record::new(self.tape, &self.network.parameters, mode)
    }

    /// Records an input that every batch fills anew.
    pub(super) fn input(&mut self, name: &str, shape: impl Into<Shape>, feed: Feed) -> Var {
        let var = self.tape.input(name, shape);
        self.inputs.fed.push((var, feed));
        var
    }

    /// Adds the L1 between an estimate and an instrument's stem.
    pub(super) fn l1(
        &mut self,
        estimate: Var,
        instrument: Option<Instrument>,
        weight: f32,
    ) -> Result<(), TrainError> {
        let stem = self.stem(instrument.map_or(0, |instrument| instrument as usize))?;
        self.l1_between(estimate, stem, weight)
    }

    /// Adds the L1 between two magnitudes.
    pub(super) fn l1_between(&mut self, estimate: Var, stem: Var, weight: f32) -> Result<(), TrainError> {
        self.tape.set_scope("loss");
        let l1 = self.tape.push(L1Loss, &[estimate, stem])?;
        match self.terms.iter_mut().find(|part| part.name == "l1") {
            Some(part) => part.value = self.tape.push(Add, &[part.value, l1])?,
            None => self.add("l1", weight, l1),
        }
        Ok(())
    }

    pub(super) fn add(&mut self, name: &'static str, weight: f32, value: Var) {
        self.terms.push(LossPart { name, weight, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::Device,
        kernel::{StepValues, uniform},
        tape::Session,
        train::recipe::{Overrides, RECIPES, resolve},
    };

    const TINY: [&str; 10] = [
        "front_end.stft_size=256",
        "front_end.stft_hop=128",
        "front_end.mels=40",
        "network.width=0.0625",
        "network.dimensions=4",
        "data.segment_seconds=0.2",
        "training.batch=2",
        "separator-joint:network.bands=40",
        "loss.triplet=0.5",
        "data.judgements=a.csv",
    ];

    fn tiny(name: &str) -> Recipe {
        let tiny = Overrides::set(&TINY);
        resolve(name, &tiny)
            .or_else(|_| resolve(name, &tiny.clone().of(Some(Instrument::Bass))))
            .unwrap()
    }

    /// The loss of a recipe on noise, and its parts, each with its weight.
    fn values(recipe: &Recipe) -> (f32, Vec<(&'static str, f32, f32)>) {
        let network = Network::new(recipe).unwrap();
        let step = network.forward_step(2).unwrap();
        let outputs: Vec<Var> = std::iter::once(step.loss)
            .chain(step.parts.iter().map(|part| part.value))
            .collect();
        let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
        let mut program = session.compile(&step.tape, &outputs).unwrap();
        let mut slot = session.slot(&program).unwrap();
        let noise = |input: usize, j: usize| uniform([1, 2], 0, input as u32, j as u32);
        let len = |var| step.tape.shape(var).unwrap().len();
        let heard = step.inputs.heard;
        let samples = (0..len(heard)).map(|j| (20_000.0 * (noise(0, j) - 0.5)) as i16);
        slot.write_pcm16(heard, 0, &samples.collect::<Vec<_>>()).unwrap();
        for (i, &(input, _)) in (1..).zip(&step.inputs.fed) {
            let values: Vec<f32> = (0..len(input)).map(|j| noise(i, j)).collect();
            slot.write(input, 0, &values).unwrap();
        }
        session
            .run_slot(&mut program, slot, &StepValues::default(), drop)
            .unwrap();
        let mut read = |var| session.read(&mut program, var).unwrap()[0];
        let loss = read(step.loss);
        let parts = step
            .parts
            .iter()
            .map(|part| (part.name, part.weight, read(part.value)));
        (loss, parts.collect())
    }

    /// What `metrics.jsonl` says: the parts, times the settings of their names, add up to the loss.
    #[test]
    fn the_parts_of_every_recipes_loss_add_up_to_it() {
        for (name, _) in RECIPES {
            let recipe = tiny(name);
            let (loss, parts) = values(&recipe);
            let sum: f32 = parts
                .iter()
                .map(|&(part, weight, value)| {
                    let setting = match part {
                        "triplet" => recipe.loss.triplet,
                        "norm" => recipe.loss.norm,
                        "presence" => recipe.loss.presence,
                        "l1" if recipe.task != Task::Separation => recipe.loss.l1,
                        _ => 1.0,
                    };
                    assert_eq!(weight, setting, "{name}: {part}");
                    setting * value
                })
                .sum();
            // three roundings of 32-bit floats
            assert!(
                (sum - loss).abs() <= 4.0 * f32::EPSILON * loss.abs(),
                "{name}: {sum} of {parts:?}, not {loss}"
            );
        }
    }
}
