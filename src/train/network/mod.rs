//! A recipe's network: its tensors, and which of its parts they belong to; what is minimised (`objective`), the tapes of
//! that (`steps`), and what it takes from earlier runs (`parents`). Nothing here is on a device. Start reading at
//! [`Network::new`].

mod contrast;
mod objective;
mod parents;
mod reconstruction;
mod separation;
mod steps;
mod targets;
mod triplets;

pub(crate) use objective::{Inputs, TRIPLET, items_per_example};
pub use objective::{LossPart, LossStep};
pub use parents::Parent;
pub use steps::EmbeddingStep;
pub(crate) use steps::{LOSS_SLOT, SCALE_SLOT};

use crate::{
    corpus::Instrument,
    models::{ContrastNetwork, Direct, Extractor, HashizumeNetwork, JointSeparator, SUBSPACES, Separator},
    nn::{Build, Mode, Record},
    ops::SliceChannels,
    tape::{ParameterId, Parameters, Role, Tape, Var},
    train::{
        TrainError,
        recipe::{Model, Part, Recipe, Task},
    },
};

/// The bias of the norm loss: one number for each instrument, learnt.
const NORM_BIAS: &str = "norm_loss.bias";
/// In front of the names of the extractors whose vectors are targets: `clean.bass.encoder.0.conv.weight`.
pub(crate) const TARGETS: &str = "clean.";

/// A recipe's network; nothing is on a device yet.
pub struct Network {
    /// The network's tensors, at their initial values.
    pub parameters: Parameters,
    /// What it was made of.
    pub recipe: Recipe,
    pub(crate) nets: Nets,
    /// The extractors of Clean whose vectors are targets, in the order of the instruments.
    pub(crate) targets: Vec<Extractor>,
    pub(crate) norm_bias: Option<ParameterId>,
}

pub(crate) enum Nets {
    Separator(Separator),
    JointSeparator(JointSeparator),
    Extractor(Extractor),
    Cascade(Separator, Extractor),
    Direct(Direct),
    Hashizume(HashizumeNetwork),
    Contrast(ContrastNetwork),
}

/// What a network says of what it hears.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The vectors of all instruments in a row, or of the only one. `[N, dimensions]`
    pub embedding: Var,
    /// The logit of the probability that each instrument sounds, from a network that says so. `[N, 5]`
    pub presence: Option<Var>,
}

/// Where a tensor of a network belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Home {
    /// A part of the network.
    Part(Part),
    /// The extractor of Clean whose vectors are an instrument's targets.
    Target(Instrument),
    /// What a stage has for itself.
    Own,
}

impl Network {
    /// Draws the initial weights of the recipe's network.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a recipe that cannot be used.
    pub fn new(recipe: &Recipe) -> Result<Self, TrainError> {
        Self::made(recipe, |parameters| Build::new(parameters, recipe.seed))
    }

    /// The recipe's network without weights: the names and shapes of all tensors, for little memory.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn outline(recipe: &Recipe) -> Result<Self, TrainError> {
        Self::made(recipe, |parameters| Build::outline(parameters))
    }

    fn made(recipe: &Recipe, build: impl FnOnce(&mut Parameters) -> Build<'_>) -> Result<Self, TrainError> {
        recipe.check()?;
        let mut parameters = Parameters::default();
        let (nets, targets) = Self::nets(recipe, build(&mut parameters))?;
        let norm_bias = match recipe.loss.norm > 0.0 {
            true => {
                let zeros = vec![0.0; SUBSPACES];
                Some(parameters.add(NORM_BIAS, [SUBSPACES].into(), Role::Trainable, zeros)?)
            }
            false => None,
        };
        Ok(Network {
            parameters,
            recipe: recipe.clone(),
            nets,
            targets,
            norm_bias,
        })
    }

    fn nets(recipe: &Recipe, mut build: Build<'_>) -> Result<(Nets, Vec<Extractor>), TrainError> {
        let role = |part| match recipe.freezes(part) {
            true => Role::Frozen,
            false => Role::Trainable,
        };
        let nets = match recipe.model {
            Model::Separator => {
                let build = &mut build.with(role(Part::Separator));
                Nets::Separator(Separator::new(&recipe.separator(), build)?)
            }
            Model::JointSeparator => {
                let build = &mut build.with(role(Part::Separator));
                Nets::JointSeparator(JointSeparator::new(&recipe.joint_separator(), build)?)
            }
            Model::Extractor => {
                let build = &mut build.with(role(Part::Extractor));
                Nets::Extractor(Extractor::new(&recipe.extractor(), build)?)
            }
            Model::Cascade => Nets::Cascade(
                Separator::new(
                    &recipe.separator(),
                    &mut build.with(role(Part::Separator)).at("separator"),
                )?,
                Extractor::new(
                    &recipe.extractor(),
                    &mut build.with(role(Part::Extractor)).at("extractor"),
                )?,
            ),
            Model::Direct => {
                let build = &mut build.with(role(Part::Encoder));
                Nets::Direct(Direct::new(&recipe.direct(), build, role(Part::Decoders))?)
            }
            Model::Hashizume => {
                let build = &mut build.with(role(Part::Encoder));
                Nets::Hashizume(HashizumeNetwork::new(&recipe.hashizume(), build)?)
            }
            Model::Contrast => {
                let build = &mut build.with(role(Part::Encoder));
                Nets::Contrast(ContrastNetwork::new(&recipe.contrast(), build)?)
            }
        };
        let targets = match recipe.task {
            Task::Targets => Instrument::ALL.to_vec(),
            _ => Vec::new(),
        };
        let mut frozen = build.with(Role::Frozen);
        let target = |instrument: Instrument| {
            let build = &mut frozen.at(format_args!("{TARGETS}{instrument}"));
            Extractor::new(&recipe.extractor(), build)
        };
        let targets = targets.into_iter().map(target).collect::<crate::Result<_>>()?;
        Ok((nets, targets))
    }

    /// Values that training changes by gradient.
    pub fn parameter_count(&self) -> usize {
        self.parameters.count(Role::Trainable)
    }

    /// The parts of the network, and how many values each has that gradients are for, frozen or not.
    pub fn parts(&self) -> Vec<(String, usize)> {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for parameter in self.parameters.iter().filter(|p| p.role != Role::Statistic) {
            let name = match home(self.recipe.model, &parameter.name).0 {
                Home::Part(part) => format!("{part:?}").to_lowercase(),
                Home::Target(_) => "targets".into(),
                Home::Own => "norm loss".into(),
            };
            match parts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => *values += parameter.shape.len(),
                None => parts.push((name, parameter.shape.len())),
            }
        }
        parts
    }

    /// Stems of an input: the one that is described, or all five of a mix.
    pub fn sources(&self) -> usize {
        match self.recipe.model.hears_stems() {
            true => 1,
            false => Instrument::ALL.len(),
        }
    }

    /// In training, a part that is frozen behaves as when it only runs.
    pub(crate) fn mode(&self, part: Part, mode: Mode) -> Mode {
        match self.recipe.freezes(part) {
            true => Mode::Evaluate,
            false => mode,
        }
    }

    /// Records the description of a magnitude spectrogram `[N, 1, F, T]`: of a mix, or for Clean of a stem.
    /// `[N, dimensions]`
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network that does not describe; what recording gives.
    pub fn embed(&self, tape: &mut Tape, magnitude: Var, mode: Mode) -> Result<Var, TrainError> {
        Ok(self.describe(tape, magnitude, mode)?.embedding)
    }

    /// The same with what the network says of presence.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn describe(&self, tape: &mut Tape, magnitude: Var, mode: Mode) -> Result<Description, TrainError> {
        let at = &mut Record::new(tape, &self.parameters, mode);
        let mut presence = None;
        let embedding = match &self.nets {
            Nets::Separator(_) | Nets::JointSeparator(_) => {
                return Err(TrainError::setting(
                    "model",
                    "a separator does not describe what it hears",
                ));
            }
            Nets::Extractor(net) => net.record(at, magnitude)?,
            Nets::Cascade(separator, extractor) => {
                at.mode = self.mode(Part::Separator, mode);
                let separated = separator.record(at, magnitude)?;
                at.mode = self.mode(Part::Extractor, mode);
                extractor.record(at, separated.estimate)?
            }
            Nets::Direct(net) => {
                at.mode = self.mode(Part::Encoder, mode);
                net.record(at, magnitude)?.embedding
            }
            Nets::Hashizume(net) => {
                at.mode = self.mode(Part::Encoder, mode);
                net.record(at, magnitude)?
            }
            Nets::Contrast(net) => {
                at.mode = self.mode(Part::Encoder, mode);
                let described = net.record(at, magnitude)?;
                presence = Some(described.presence);
                described.embedding
            }
        };
        Ok(Description { embedding, presence })
    }

    /// The model alone on `batch` windows of `frames` frames: its input is a magnitude, and the variables the masks of
    /// the instruments that it [`separates`](Recipe::separates), `[batch, 1, bins, frames]` all.
    ///
    /// # Errors
    /// What recording gives.
    pub fn separation_step(&self, batch: usize, frames: usize) -> Result<(Tape, Vec<Var>), TrainError> {
        let mut tape = Tape::new();
        let mix = tape.input("mix", [batch, 1, self.recipe.front_end.bins(), frames]);
        let at = &mut Record::new(&mut tape, &self.parameters, Mode::Evaluate);
        let masks = match &self.nets {
            Nets::Separator(net) | Nets::Cascade(net, _) => {
                vec![net.record(at, mix)?.mask]
            }
            Nets::JointSeparator(net) => {
                let masks = net.record(at, mix)?.masks;
                let mask = |start| at.push(SliceChannels { start, count: 1 }, &[masks]);
                (0..SUBSPACES).map(mask).collect::<crate::Result<_>>()?
            }
            Nets::Direct(net) if self.recipe.network.decoders => {
                let described = net.record(at, mix)?;
                let mask = |i| Ok(net.reconstruct(at, &described, mix, i)?.mask);
                (0..SUBSPACES).map(mask).collect::<crate::Result<_>>()?
            }
            _ => Vec::new(),
        };
        Ok((tape, masks))
    }
}

/// Where a tensor belongs, and its name there.
pub(crate) fn home(model: Model, name: &str) -> (Home, &str) {
    if let Some((instrument, rest)) = name.strip_prefix(TARGETS).and_then(|rest| rest.split_once('.'))
        && let Ok(instrument) = instrument.parse()
    {
        return (Home::Target(instrument), rest);
    }
    if name == NORM_BIAS {
        return (Home::Own, name);
    }
    let part = match model {
        Model::Separator | Model::JointSeparator => Part::Separator,
        Model::Extractor => Part::Extractor,
        Model::Cascade => match (name.strip_prefix("separator."), name.strip_prefix("extractor.")) {
            (Some(rest), _) => return (Home::Part(Part::Separator), rest),
            (_, Some(rest)) => return (Home::Part(Part::Extractor), rest),
            _ => return (Home::Own, name),
        },
        Model::Direct if name.starts_with("decoders.") => Part::Decoders,
        Model::Direct | Model::Hashizume | Model::Contrast => Part::Encoder,
    };
    (Home::Part(part), name)
}
