//! The runs that a stage builds on: what it takes from them, and whether they fit.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Home, home};
use crate::{
    corpus::Instrument,
    models::Last,
    tape::Parameter,
    train::{
        Checkpoint, Network, Saved, TrainError, real,
        recipe::{Model, Part, Recipe, Task, of},
    },
};

/// A run that another builds on. Not where it is: that is for `config.toml` to say, so that the same training gives
/// the same checkpoint in any folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Name of its recipe.
    pub recipe: String,
    /// The instrument, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Instrument>,
    /// BLAKE3 hash of the checkpoint that was taken.
    pub hash: String,
    /// Whether simulated judgements went into it.
    #[serde(default)]
    pub simulated: bool,
}

impl Parent {
    /// Its recipe and instrument, as `cascade of drums`.
    pub fn title(&self) -> String {
        format!("{}{}", self.recipe, of(self.instrument))
    }
}

struct Opened {
    folder: PathBuf,
    checkpoint: Checkpoint,
}

/// What parents give: for a tensor, by where it belongs and its name there, whose it is and its name there.
type Given<'a> = BTreeMap<(Home, String), (&'a Opened, String)>;

impl Network {
    /// The recipe's network for the weights of a checkpoint: compared before memory is taken for a network of that size.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`TrainError::Checkpoint`] for weights of another.
    pub(crate) fn of(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<Self, TrainError> {
        checkpoint.check(&Self::outline(recipe)?.parameters)?;
        Self::new(recipe)
    }

    /// Starts the network from the best checkpoints of earlier runs instead of random weights.
    ///
    /// # Errors
    /// [`TrainError::Parent`] if a run does not fit, gives nothing, gives what another gives, or if what the stage
    /// cannot do without is missing; what reading them gives.
    pub fn adopt(&mut self, folders: &[PathBuf]) -> Result<Vec<Parent>, TrainError> {
        let opened = folders
            .iter()
            .map(|folder| Opened::new(folder))
            .collect::<Result<Vec<_>, _>>()?;
        let mut given = Given::new();
        for parent in &opened {
            self.take(parent, &mut given)?;
        }
        self.require(&given)?;
        let wanted: Vec<Parameter> = self.parameters.iter().cloned().collect();
        for parameter in wanted {
            let (place, local) = home(self.recipe.model, &parameter.name);
            if !has(&given, place) {
                continue; // starts from random weights
            }
            let Some((parent, name)) = given.get(&(place, local.to_string())) else {
                return Err(no_tensor(&given, place, &parameter));
            };
            let values = parent.checkpoint.tensor(name, &parameter.shape)?;
            self.parameters.set_initial(&parameter.name, values)?;
        }
        Ok(opened.iter().map(Opened::parent).collect())
    }

    /// Adds what a parent gives.
    fn take<'a>(&self, parent: &'a Opened, given: &mut Given<'a>) -> Result<(), TrainError> {
        let theirs = &parent.checkpoint.state.recipe;
        let mut gives = false;
        let before: Vec<Home> = given.keys().map(|(place, _)| *place).collect();
        for name in parent.checkpoint.weights() {
            let (Home::Part(part), local) = home(theirs.model, &name) else {
                continue;
            };
            let Some(place) = self.home_for(part, theirs) else {
                continue;
            };
            if before.contains(&place) {
                let what = match place {
                    Home::Part(part) => format!("{part:?}"),
                    place => format!("{place:?}"),
                };
                let message = format!("another run gives its {what} already: leave one out");
                return Err(parent.unfit(message));
            }
            given.insert((place, local.to_string()), (parent, name.clone()));
            gives = true;
        }
        if !gives {
            let quoted = |recipe: &Recipe| format!("'{}'{}", recipe.name, of(recipe.instrument));
            let (theirs, ours) = (quoted(theirs), quoted(&self.recipe));
            let message = format!("it is a run of {theirs}, which has nothing that {ours} builds on");
            return Err(parent.unfit(message));
        }
        parent.check(&self.recipe)
    }

    /// Where another network's part would be here.
    fn home_for(&self, part: Part, theirs: &Recipe) -> Option<Home> {
        let ours = &self.recipe;
        let same_instrument = theirs.instrument == ours.instrument;
        let here = match part {
            Part::Extractor if ours.task == Task::Targets && theirs.model == Model::Extractor => {
                return theirs.instrument.map(Home::Target);
            }
            Part::Separator if ours.model == Model::JointSeparator => theirs.model == ours.model,
            Part::Separator => same_instrument && matches!(ours.model, Model::Separator | Model::Cascade),
            Part::Extractor => same_instrument && matches!(ours.model, Model::Extractor | Model::Cascade),
            Part::Encoder => theirs.model == ours.model,
            Part::Decoders => ours.model == Model::Direct && ours.network.decoders,
        };
        here.then_some(Home::Part(part))
    }

    /// Whether the recipe goes on with what the runs that it builds on have made of a part.
    fn continues(&self, part: Part) -> bool {
        let Recipe { from, task, .. } = &self.recipe;
        match part {
            Part::Separator => !from.is_empty(),
            Part::Extractor => from.iter().any(|recipe| recipe != "separator"),
            Part::Encoder => !from.is_empty() && *task != Task::Targets,
            Part::Decoders => false,
        }
    }

    /// Checks that what makes no sense at random is given.
    fn require(&self, given: &Given<'_>) -> Result<(), TrainError> {
        let recipe = &self.recipe;
        let mut missing = Vec::new();
        for parameter in self.parameters.iter() {
            let (place, _) = home(recipe.model, &parameter.name);
            let needed = match place {
                // one instrument may be missing in the corpus, not all
                Home::Target(_) => !Instrument::ALL.iter().any(|&i| has(given, Home::Target(i))),
                Home::Part(part) => {
                    recipe.freezes(part) || recipe.task == Task::Judgements || self.continues(part)
                }
                Home::Own => false,
            };
            let what = match place {
                Home::Target(instrument) => format!("'clean' of {instrument}"),
                Home::Part(Part::Separator) => "a trained separator".into(),
                Home::Part(Part::Extractor) => "a trained extractor".into(),
                Home::Part(Part::Encoder) => "a trained encoder".into(),
                Home::Part(Part::Decoders) => "trained decoders".into(),
                Home::Own => continue,
            };
            if needed && !has(given, place) && !missing.contains(&what) {
                missing.push(what);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(TrainError::recipe(format!(
            "'{}' builds on {}: name the run of each with --from RUN",
            recipe.name,
            missing.join(", ")
        )))
    }
}

fn has(given: &Given<'_>, place: Home) -> bool {
    given.keys().any(|(other, _)| *other == place)
}

fn no_tensor(given: &Given<'_>, place: Home, parameter: &Parameter) -> TrainError {
    let parent = given
        .iter()
        .find(|((other, _), _)| *other == place)
        .map(|(_, (parent, _))| *parent);
    let path = parent.map_or(PathBuf::new(), |parent| parent.folder.clone());
    let message = format!(
        "it has no tensor for '{}': its network is another",
        parameter.name
    );
    TrainError::Parent { path, message }
}

impl Opened {
    fn new(folder: &Path) -> Result<Self, TrainError> {
        Ok(Opened {
            folder: real(folder),
            checkpoint: Saved::open(folder)?.checkpoint()?,
        })
    }

    fn parent(&self) -> Parent {
        let recipe = &self.checkpoint.state.recipe;
        Parent {
            recipe: recipe.name.clone(),
            instrument: recipe.instrument,
            hash: self.checkpoint.hash(),
            simulated: self.checkpoint.state.simulated,
        }
    }

    fn unfit(&self, message: String) -> TrainError {
        TrainError::Parent {
            path: self.folder.clone(),
            message,
        }
    }

    /// Whether networks of the two recipes hear the same and are of the same size.
    fn check(&self, ours: &Recipe) -> Result<(), TrainError> {
        let theirs = &self.checkpoint.state.recipe;
        let (a, b) = (&theirs.front_end, &ours.front_end);
        let mels = |recipe: &Recipe| {
            let without = [Model::Separator, Model::JointSeparator, Model::Direct];
            !without.contains(&recipe.model)
        };
        let pairs = [
            (
                "front_end.sample_rate",
                f64::from(a.sample_rate),
                f64::from(b.sample_rate),
                true,
            ),
            (
                "front_end.stft_size",
                a.stft_size as f64,
                b.stft_size as f64,
                true,
            ),
            ("front_end.stft_hop", a.stft_hop as f64, b.stft_hop as f64, true),
            ("front_end.mels", a.mels as f64, b.mels as f64, mels(theirs)),
            ("network.width", theirs.network.width, ours.network.width, true),
            (
                "network.dimensions",
                theirs.network.dimensions as f64,
                ours.network.dimensions as f64,
                theirs.model.embeds(),
            ),
        ];
        let bare = |recipe: &Recipe| f64::from(u8::from(recipe.network.last == Last::Bare));
        let both_direct = theirs.model == Model::Direct && ours.model == Model::Direct;
        let last = ("network.last = bare", bare(theirs), bare(ours), both_direct);
        let differing: Vec<String> = pairs
            .into_iter()
            .chain([last])
            .filter(|(_, theirs, ours, matters)| *matters && theirs != ours)
            .map(|(key, theirs, ours, _)| format!("{key} = {theirs} (here {ours})"))
            .collect();
        match differing.is_empty() {
            true => Ok(()),
            false => Err(self.unfit(format!(
                "it was trained with {}: use the same preset, or --set these",
                differing.join(", ")
            ))),
        }
    }
}
