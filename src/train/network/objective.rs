//! What a stage minimises, recorded on a tape.

use super::Nets;
use crate::{
    corpus::Instrument,
    models::SUBSPACES,
    nn::{self, Mode},
    ops::{
        ConcatChannels, L1Loss, L2Normalise, Mixdown, MseLoss, Multiply, Record, Scale, Sigmoid, StftOutput,
        TripletLoss, concat_batch, norm_loss, slice_batch, stft,
    },
    optim::Adam,
    shape::Shape,
    tape::{Add, Flat, HISTORY_SLOTS, Parameters, Tape, Var},
    train::{
        Network, TrainError,
        data::{Batch, Example},
        recipe::{Part, Precision, Recipe, Task},
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

/// A recorded description.
pub struct EmbeddingStep {
    /// The computation.
    pub tape: Tape,
    /// Its input: what is heard, in 16 bits. `[items, sources, samples]`
    pub heard: Var,
    /// `[items, dimensions]`
    pub embedding: Var,
    /// The probability that each instrument sounds, from a network that says so. `[items, 5]`
    pub presence: Option<Var>,
}

/// The inputs of a step, and where their values come from.
#[derive(Clone)]
pub(crate) struct Inputs {
    /// What is heard, in 16 bits, `[items, sources, samples]` ([`Tape::pcm16`]). The items are one block for each role:
    /// all anchors, all positives, all negatives.
    pub heard: Var,
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

/// History ring of the loss; those of its parts follow.
pub(crate) const LOSS_SLOT: usize = 0;

/// History ring of what the loss was multiplied by, where the tape narrows.
pub(crate) const SCALE_SLOT: usize = HISTORY_SLOTS - 1;

impl LossStep {
    /// The names of the losses in the history, the sum first.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let parts = self.parts.iter().map(|part| part.name);
        // a single part is the loss
        let parts = parts.filter(|_| self.parts.len() > 1);
        std::iter::once("loss").chain(parts).collect()
    }

    fn record_history(&mut self, parameters: &Parameters) -> Result<(), TrainError> {
        let history = self.tape.flat(parameters, Flat::History);
        let losses = std::iter::once(self.loss).chain(self.parts.iter().map(|part| part.value));
        for (slot, loss) in losses.take(self.names().len()).enumerate().collect::<Vec<_>>() {
            let slot = LOSS_SLOT + slot;
            self.tape.push(Record { slot }, &[history, loss])?;
        }
        if self.tape.narrows() {
            let scale = self.tape.loss_scale();
            self.tape.push(Record { slot: SCALE_SLOT }, &[history, scale])?;
        }
        Ok(())
    }
}

impl Network {
    /// Front end, forward, loss, backward and update of a batch of `examples`, in one tape.
    ///
    /// # Errors
    /// What recording gives.
    pub fn training_step(&self, adam: &Adam, examples: usize) -> Result<LossStep, TrainError> {
        let mut step = self.gradient(examples)?;
        adam.record(&mut step.tape, &self.parameters)?;
        Ok(step)
    }

    /// The same for one of `count` micro-batches of `examples` each: its gradients are added up. The second tape
    /// updates the parameters by their mean.
    ///
    /// # Errors
    /// What recording gives.
    pub fn micro_steps(
        &self,
        adam: &Adam,
        examples: usize,
        count: usize,
    ) -> Result<(LossStep, Tape), TrainError> {
        let mut step = self.gradient(examples)?;
        adam.accumulate(&mut step.tape, &self.parameters, count)?;
        let mut update = self.tape(Mode::Train);
        adam.record_accumulated(&mut update, &self.parameters)?;
        Ok((step, update))
    }

    /// What runs for every one of `count` micro-batches of `examples`, and, if they are several, what then runs once.
    ///
    /// # Errors
    /// What recording gives.
    pub fn update_steps(
        &self,
        adam: &Adam,
        examples: usize,
        count: usize,
    ) -> Result<(LossStep, Option<Tape>), TrainError> {
        if count == 1 {
            return Ok((self.training_step(adam, examples)?, None));
        }
        let (step, update) = self.micro_steps(adam, examples, count)?;
        Ok((step, Some(update)))
    }

    /// The loss of a batch of `examples` as training has it, alone.
    pub(crate) fn forward_step(&self, examples: usize) -> Result<LossStep, TrainError> {
        self.loss(Mode::Train, examples)
    }

    fn tape(&self, mode: Mode) -> Tape {
        let mut tape = Tape::new();
        tape.narrow(mode == Mode::Train && self.recipe.training.precision == Precision::F16);
        tape
    }

    fn gradient(&self, examples: usize) -> Result<LossStep, TrainError> {
        let mut step = self.loss(Mode::Train, examples)?;
        step.record_history(&self.parameters)?;
        step.tape.backward(step.loss)?;
        Ok(step)
    }

    /// The same loss without dropout and with running statistics, for a batch of `examples`.
    ///
    /// # Errors
    /// What recording gives.
    pub fn evaluation_step(&self, examples: usize) -> Result<LossStep, TrainError> {
        self.loss(Mode::Evaluate, examples)
    }

    /// The descriptions of `items` inputs of `samples` samples.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network that does not describe; what recording gives.
    pub fn embedding_step(&self, items: usize, samples: usize) -> Result<EmbeddingStep, TrainError> {
        let mut tape = Tape::new();
        let heard = tape.pcm16("instruments", [items, self.sources(), samples]);
        let magnitude = self.mix(&mut tape, &[heard])?;
        let described = self.describe(&mut tape, magnitude, Mode::Evaluate)?;
        let presence = described.presence.map(|logits| tape.push(Sigmoid, &[logits]));
        Ok(EmbeddingStep {
            embedding: described.embedding,
            presence: presence.transpose()?,
            tape,
            heard,
        })
    }

    fn loss(&self, mode: Mode, examples: usize) -> Result<LossStep, TrainError> {
        let recipe = &self.recipe;
        let items = items_per_example(recipe) * examples;
        let mut tape = self.tape(mode);
        let sources = tape.pcm16("instruments", [items, self.sources(), recipe.segment_samples()]);
        let mut inputs = Inputs {
            heard: sources,
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
    fn mix(&self, tape: &mut Tape, sources: &[Var]) -> Result<Var, TrainError> {
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
    inputs: Inputs,
    terms: Vec<LossPart>,
}

impl Recording<'_> {
    fn stem(&mut self, instrument: usize) -> Result<Var, TrainError> {
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

    /// The squared error to the normalised vectors of Clean, those of silent stems zeroed.
    fn targets(&mut self) -> Result<(), TrainError> {
        let network = self.network;
        let embedding = network.embed(self.tape, self.heard, self.mode)?;
        let mut vectors = None;
        for (i, extractor) in network.targets.iter().enumerate() {
            let stem = self.stem(i)?;
            let vector = extractor.record(&mut self.at(Mode::Evaluate), stem)?;
            vectors = Some(match vectors {
                None => vector,
                Some(before) => self.tape.push(ConcatChannels, &[before, vector])?,
            });
        }
        let vectors = vectors.ok_or_else(|| TrainError::setting("task", "there are no targets"))?;
        self.tape.set_scope("loss");
        // the instruments that are heard
        let mask = self.input("sounding", self.tape.shape(vectors)?, |batch| {
            let heard = |e: &Example| {
                e.items
                    .first()
                    .map_or([false; SUBSPACES], |i| i.stems.map(|s| s.is_some()))
            };
            batch.examples.iter().flat_map(|e| batch.mask(heard(e))).collect()
        });
        let vectors = self.tape.push(Multiply, &[vectors, mask])?;
        let target = self.tape.push(L2Normalise, &[vectors])?;
        let error = self.tape.push(MseLoss, &[embedding, target])?;
        self.add("mse", 1.0, error);
        Ok(())
    }

    /// Triplet loss, L1 of what is separated or reconstructed, norm loss.
    fn triplets(&mut self) -> Result<(), TrainError> {
        let network = self.network;
        let (heard, loss) = (self.heard, network.recipe.loss);
        let embedding = match &network.nets {
            Nets::Cascade(separator, extractor) => {
                let mode = network.mode(Part::Separator, self.mode);
                let separated = separator.record(&mut self.at(mode), heard)?;
                if loss.l1 > 0.0 {
                    self.l1(separated.estimate, network.recipe.instrument, loss.l1)?;
                }
                let mode = network.mode(Part::Extractor, self.mode);
                extractor.record(&mut self.at(mode), separated.estimate)?
            }
            Nets::Direct(net) if loss.l1 > 0.0 => {
                let mode = network.mode(Part::Encoder, self.mode);
                let described = net.record(&mut self.at(mode), heard)?;
                let mode = network.mode(Part::Decoders, self.mode);
                for instrument in Instrument::ALL {
                    let i = instrument as usize;
                    let separated = net.reconstruct(&mut self.at(mode), &described, heard, i)?;
                    self.l1(separated.estimate, Some(instrument), loss.l1)?;
                }
                described.embedding
            }
            _ => network.embed(self.tape, self.heard, self.mode)?,
        };
        self.tape.set_scope("loss");
        for part in &mut self.terms {
            // the L1 is summed over the inputs of a triplet, not averaged
            let factor = TRIPLET as f32;
            part.value = self.tape.push(Scale { factor }, &[part.value])?;
        }
        if loss.triplet > 0.0 {
            let triplet = match network.recipe.model.of_one_instrument() {
                true => self.triplets_of_one(embedding)?,
                false => self.triplets_of_all(embedding)?,
            };
            self.add("triplet", loss.triplet, triplet);
            self.terms.rotate_right(1);
        }
        if let Some(bias) = network.norm_bias {
            let items = items_per_example(&network.recipe) * self.examples;
            let sounding = self.input("sounding", [items, SUBSPACES], |batch| {
                let sounds = batch.sounding.iter().flatten();
                sounds.map(|&sounds| f32::from(u8::from(sounds))).collect()
            });
            self.inputs.listens = true;
            let bias = self.tape.parameter(&network.parameters, bias)?;
            let norm = norm_loss(self.tape, embedding, bias, sounding)?;
            self.add("norm", loss.norm, norm);
        }
        Ok(())
    }

    fn triplets_of_one(&mut self, embedding: Var) -> Result<Var, TrainError> {
        let (b, d) = (self.examples, self.network.recipe.dimensions());
        let mask = self.tape.constant([b, d], &vec![1.0; b * d])?;
        let weight = self.tape.constant([b], &vec![1.0; b])?;
        let margin = self.network.recipe.loss.margin;
        Ok(self
            .tape
            .push(TripletLoss { margin }, &[embedding, mask, weight])?)
    }

    /// Basic and additional triplets as one batch: (a, p, n) and (a, n, p).
    fn triplets_of_all(&mut self, embedding: Var) -> Result<Var, TrainError> {
        let (b, d) = (self.examples, self.network.recipe.dimensions());
        // the sub-spaces in which they hold
        let mask = self.input("masks", [2 * b, d], |batch| {
            let one = |held| batch.mask(Instrument::ALL.map(|instrument| Some(instrument) == held));
            held(batch).flat_map(one).collect()
        });
        let weight = self.input("weights", [2 * b], |batch| {
            held(batch)
                .map(|held| f32::from(u8::from(held.is_some())))
                .collect()
        });
        let mut role = |i: usize| slice_batch(self.tape, embedding, i * b, b);
        let [anchor, positive, negative] = [role(0)?, role(1)?, role(2)?];
        let mut rows = anchor;
        for role in [anchor, positive, negative, negative, positive] {
            rows = concat_batch(self.tape, rows, role)?;
        }
        let margin = self.network.recipe.loss.margin;
        Ok(self.tape.push(TripletLoss { margin }, &[rows, mask, weight])?)
    }
}

/// The instrument for which each triplet holds, of the basic ones before the additional ones, of which there may be none.
fn held<'a>(batch: &'a Batch<'_>) -> impl Iterator<Item = Option<Instrument>> + 'a {
    let basic = batch.examples.iter().map(|e| Some(e.condition));
    basic.chain(batch.examples.iter().map(|e| e.additional))
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

    const TINY: [&str; 9] = [
        "front_end.stft_size=256",
        "front_end.stft_hop=128",
        "front_end.mels=40",
        "network.width=0.0625",
        "network.dimensions=4",
        "data.segment_seconds=0.2",
        "training.batch=2",
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

    #[test]
    fn triplets_that_keep_their_margin_cost_nothing_and_that_has_no_sign() {
        let mut tape = Tape::new();
        let (x, mask, weight) = (
            tape.input("x", [3, 1]),
            tape.input("mask", [1, 1]),
            tape.input("weight", [1]),
        );
        let none = tape
            .push(TripletLoss { margin: 0.0 }, &[x, mask, weight])
            .unwrap();
        let mut session = Session::new(&Device::Cpu, &Parameters::default()).unwrap();
        let mut program = session.compile(&tape, &[none]).unwrap();
        let inputs: [&[f32]; 3] = [&[0.0, 0.0, 1.0], &[1.0], &[1.0]];
        session
            .run(&mut program, &inputs, &StepValues::default())
            .unwrap();
        assert_eq!(
            session.read(&mut program, none).unwrap()[0].to_bits(),
            0f32.to_bits()
        );
    }
}
