//! Checkpoints: safetensors files that PyTorch reads, too.
//!
//! Weights and running statistics have the names that [`Parameters`] gives them; Adam's moments are
//! `optimizer.first_moment.NAME` and `optimizer.second_moment.NAME`. What else is needed to continue is in
//! the metadata, as JSON under the key `stemwise`: see [`State`].

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    path::Path,
};

use half::f16;
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::weights::{Weights, is_float, kind};
use crate::{
    files::write_atomically,
    ops::UpdateLossScale,
    shape::Shape,
    tape::{Flat, Parameter, Parameters, Role, Session},
    train::{
        Parent, Schedule, TrainError,
        network::TARGETS,
        recipe::{Precision, Recipe},
    },
};

/// Counts incompatible changes of the format.
const FORMAT: u32 = 2;
const METADATA_KEY: &str = "stemwise";
const OPTIMIZER: &str = "optimizer.";
const MOMENTS: [(Flat, &str); 2] = [
    (Flat::FirstMoment, "optimizer.first_moment."),
    (Flat::SecondMoment, "optimizer.second_moment."),
];
/// Problems that a message lists.
const LISTED: usize = 4;

/// What a checkpoint holds besides tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    format: u32,
    /// Updates made.
    pub step: u32,
    /// The run's seed.
    pub seed: u64,
    /// Epochs, learning rate and the best so far.
    pub schedule: Schedule,
    /// The runs that this one builds on.
    pub parents: Vec<Parent>,
    /// The [scaler](crate::ops::UpdateLossScale), of a run that keeps activations in 16 bits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaler: Vec<f32>,
    /// Whether simulated judgements went into it, or into a run that it builds on.
    #[serde(default)]
    pub simulated: bool,
    /// How the network was built and trained.
    pub recipe: Recipe,
}

impl State {
    /// The state of a run of `recipe` after `step` updates.
    pub fn new(recipe: &Recipe, step: u32, schedule: &Schedule, parents: &[Parent]) -> Self {
        let mut recipe = recipe.clone();
        // where files were: the run's record has their hashes
        recipe.data.judgements = None;
        recipe.data.separated = None;
        State {
            format: FORMAT,
            step,
            seed: recipe.seed,
            schedule: schedule.clone(),
            parents: parents.to_vec(),
            scaler: Vec::new(),
            simulated: parents.iter().any(|parent| parent.simulated),
            recipe,
        }
    }
}

/// A session's lasting values, copied to the host to be written.
pub struct Snapshot {
    tensors: Vec<(String, Tensor)>,
    state: State,
}

struct Tensor {
    layout: Flat,
    shape: Vec<usize>,
    values: Vec<f32>,
    /// Whether it is written in 16 bits.
    half: bool,
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self.half {
            true => Dtype::F16,
            false => Dtype::F32,
        }
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.values.iter();
        Cow::Owned(match self.half {
            true => values
                .flat_map(|&value| f16::from_f32(value).to_le_bytes())
                .collect(),
            false => values.flat_map(|value| value.to_le_bytes()).collect(),
        })
    }
    fn data_len(&self) -> usize {
        self.values.len() * if self.half { 2 } else { 4 }
    }
}

impl Snapshot {
    /// Copies weights, statistics and the optimizer's moments from the device. Waits for it.
    ///
    /// # Errors
    /// A fault of the device.
    pub fn take(session: &mut Session, mut state: State) -> Result<Self, TrainError> {
        if state.recipe.training.precision == Precision::F16 {
            state.scaler = session.flat(Flat::Scaler)?;
        }
        let mut tensors = Vec::new();
        for flat in [Flat::Parameters, Flat::Frozen, Flat::Statistics] {
            copy(session, flat, flat, "", &mut tensors)?;
        }
        for (flat, prefix) in MOMENTS {
            copy(session, flat, Flat::Parameters, prefix, &mut tensors)?;
        }
        Ok(Snapshot { tensors, state })
    }

    /// The first tensor with a value that is not finite, and that value. Gradients that overflow even at the least loss
    /// scale count as one: nothing is learned any more.
    pub fn find_not_finite(&self) -> Option<(&str, f32)> {
        if let [scale, factor, ..] = self.state.scaler[..]
            && scale <= UpdateLossScale::LEAST
            && factor == 0.0
            && self.state.step > 0
        {
            return Some(("gradient", f32::INFINITY));
        }
        self.tensors.iter().find_map(|(name, tensor)| {
            let value = tensor.values.iter().find(|value| !value.is_finite());
            value.map(|&value| (name.as_str(), value))
        })
    }

    /// Leaves out what only training needs: the optimizer's moments, and the networks that gave targets.
    pub fn weights_only(mut self) -> Self {
        let lasting = |name: &str| !name.starts_with(OPTIMIZER) && !name.starts_with(TARGETS);
        self.tensors.retain(|(name, _)| lasting(name));
        self
    }

    /// Rounds weights to 16-bit floats. Running statistics stay as they are, since a variance may be too small or too
    /// large for these; so does a tensor with a weight that is too large.
    pub fn halved(mut self) -> Self {
        let fits = |value: &f32| f16::from_f32(*value).is_finite();
        for (_, tensor) in &mut self.tensors {
            tensor.half = tensor.layout != Flat::Statistics && tensor.values.iter().all(fits);
        }
        self
    }

    /// Writes a checkpoint, whole or not at all.
    ///
    /// # Errors
    /// [`TrainError::File`]; the file that was there before is intact then.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let failed = |message: String| TrainError::checkpoint(path, message);
        let state = serde_json::to_string(&self.state).map_err(|error| failed(error.to_string()))?;
        // a single key: the order of several would differ from one writing to the next
        let metadata = HashMap::from([(METADATA_KEY.to_string(), state)]);
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| failed(e.to_string()))?;
        Ok(write_atomically(path, |file| file.write_all(&bytes))?)
    }
}

/// Copies the tensors of `flat`, laid out as those of `layout`, under their names after `prefix`.
fn copy(
    session: &mut Session,
    flat: Flat,
    layout: Flat,
    prefix: &str,
    tensors: &mut Vec<(String, Tensor)>,
) -> Result<(), TrainError> {
    let values = session.flat(flat)?;
    for parameter in session.parameters().iter().filter(|p| p.flat() == layout) {
        // a buffer that no program used yet has no values: zeros, where moments start
        let len = parameter.shape.len();
        let values = match values.get(parameter.offset..parameter.offset + len) {
            Some(values) => values.to_vec(),
            None => vec![0.0; len],
        };
        let shape = parameter.shape.dims().to_vec();
        let tensor = Tensor {
            layout,
            shape,
            values,
            half: false,
        };
        tensors.push((format!("{prefix}{}", parameter.name), tensor));
    }
    Ok(())
}

/// A checkpoint that was read and found intact.
pub struct Checkpoint {
    file: Weights,
    /// Where training stood when it was written.
    pub state: State,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::Checkpoint`] for a file that is cut short, is not a safetensors file, or
    /// was not written by stemwise, or by a version with another format.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        Self::of(Weights::read(path)?)
    }

    /// The same of bytes that are part of the program; `place` is what errors call them.
    pub(super) fn built_in(place: &Path, bytes: &'static [u8]) -> Result<Self, TrainError> {
        Self::of(Weights::of(place, bytes.into())?)
    }

    fn of(file: Weights) -> Result<Self, TrainError> {
        let failed = |message: String| file.refused(message);
        let state = file.metadata(METADATA_KEY).ok_or_else(|| {
            failed(format!(
                "it is not a checkpoint of a stemwise run (no '{METADATA_KEY}' in its metadata)"
            ))
        })?;
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |_| failed("its metadata is damaged. Copy it again".to_string());
        match serde_json::from_str::<Format>(&state) {
            Ok(Format { format: FORMAT }) => {}
            Ok(Format { format }) => {
                let message = format!(
                    "it has format {format}, this version reads {FORMAT}. Use the version that wrote it"
                );
                return Err(failed(message));
            }
            Err(error) => return Err(damaged(error)),
        }
        let state = serde_json::from_str(&state).map_err(damaged)?;
        Ok(Checkpoint { file, state })
    }

    /// BLAKE3 hash of the file.
    pub fn hash(&self) -> String {
        blake3::hash(self.file.bytes()).to_hex().to_string()
    }

    /// Whether it has all that training goes on with. What was [exported](super::exchange::export) is of weights alone.
    fn is_whole(file: &SafeTensors<'_>) -> bool {
        file.names().into_iter().any(|name| name.starts_with(OPTIMIZER))
    }

    /// Names of the weights and running statistics in it, sorted.
    pub fn weights(&self) -> Vec<String> {
        let names = self.file.tensors().map(|file| {
            let names = file
                .names()
                .into_iter()
                .filter(|name| !name.starts_with(OPTIMIZER));
            names.map(str::to_string).collect::<Vec<_>>()
        });
        let mut names = names.unwrap_or_default();
        names.sort_unstable();
        names
    }

    /// The values of a tensor.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if it is not there, or of another shape.
    pub fn tensor(&self, name: &str, shape: &Shape) -> Result<Vec<f32>, TrainError> {
        let file = self.file.tensors()?;
        let tensor = file.tensor(name);
        let tensor = tensor.map_err(|_| self.file.refused(format!("'{name}' is missing")))?;
        if tensor.shape() != shape.dims() {
            let there = tensor.shape();
            return Err(self
                .file
                .refused(format!("'{name}' is {there:?} instead of [{shape}]")));
        }
        self.file.values(name, &tensor)
    }

    /// Puts everything into a session: weights, statistics and the optimizer's moments.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`], naming the tensors that are missing, surplus or of another shape; nothing
    /// was changed then. A fault of the device.
    pub fn restore(&self, session: &mut Session) -> Result<(), TrainError> {
        self.put(session, true)
    }

    /// Puts weights and statistics into a session, for a model that only runs.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn restore_weights(&self, session: &mut Session) -> Result<(), TrainError> {
        self.put(session, false)
    }

    /// An error if its tensors are not those of these parameters.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`], naming some that are missing, surplus or of another shape.
    pub(crate) fn check(&self, parameters: &Parameters) -> Result<(), TrainError> {
        let file = self.file.tensors()?;
        self.check_architecture(&file, parameters, Self::is_whole(&file))
    }

    fn put(&self, session: &mut Session, moments: bool) -> Result<(), TrainError> {
        let file = self.file.tensors()?;
        let parameters = session.parameters();
        self.check_architecture(&file, parameters, moments || Self::is_whole(&file))?;

        let mut flats: Vec<(Flat, Flat, &str)> = [Flat::Parameters, Flat::Frozen, Flat::Statistics]
            .map(|flat| (flat, flat, ""))
            .to_vec();
        if moments {
            flats.extend(MOMENTS.map(|(flat, prefix)| (flat, Flat::Parameters, prefix)));
        }
        let mut contents = Vec::new();
        for (flat, layout, prefix) in flats {
            let mut values = vec![0.0; parameters.flat_len(flat)];
            for parameter in parameters.iter().filter(|p| p.flat() == layout) {
                let name = format!("{prefix}{}", parameter.name);
                let Ok(tensor) = file.tensor(&name) else {
                    continue;
                };
                values[parameter.offset..][..parameter.shape.len()]
                    .copy_from_slice(&self.file.values(&name, &tensor)?);
            }
            contents.push((flat, values));
        }
        if moments && !self.state.scaler.is_empty() {
            contents.push((Flat::Scaler, self.state.scaler.clone()));
        }
        for (flat, values) in contents {
            session.set_flat(flat, &values)?;
        }
        Ok(())
    }

    /// Compares names and shapes: of a `whole` checkpoint, those too that only training needs.
    fn check_architecture(
        &self,
        file: &SafeTensors<'_>,
        parameters: &Parameters,
        whole: bool,
    ) -> Result<(), TrainError> {
        let lasting = parameters
            .iter()
            .filter(|p| whole || !p.name.starts_with(TARGETS));
        let mut expected: Vec<(String, &Parameter)> = lasting.map(|p| (p.name.clone(), p)).collect();
        for (_, prefix) in MOMENTS.into_iter().filter(|_| whole) {
            let trainable = parameters.iter().filter(|p| p.role == Role::Trainable);
            expected.extend(trainable.map(|p| (format!("{prefix}{}", p.name), p)));
        }
        match mismatch(file, &expected, &[]) {
            None => Ok(()),
            Some(problems) => Err(self
                .file
                .refused(format!("it is of another architecture: {problems}"))),
        }
    }
}

/// In what a file's tensors differ from those that are expected: the first few that are missing, of another type or
/// shape, or unknown but not `spare`.
pub(crate) fn mismatch(
    file: &SafeTensors<'_>,
    expected: &[(String, &Parameter)],
    spare: &[&str],
) -> Option<String> {
    let mut problems = Vec::new();
    for (name, parameter) in expected {
        match file.tensor(name) {
            Err(_) => problems.push(format!("'{name}' is missing")),
            Ok(tensor) if !is_float(tensor.dtype()) => {
                let kind = kind(tensor.dtype());
                problems.push(format!("'{name}' is of {kind}, no weights: save it as float32"));
            }
            Ok(tensor) if tensor.shape() != parameter.shape.dims() => problems.push(format!(
                "'{name}' is {:?} instead of {:?}",
                tensor.shape(),
                parameter.shape.dims()
            )),
            Ok(_) => {}
        }
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    // PyTorch's batch norm counts batches, which nothing depends on
    let counts = |name: &str| name.ends_with(".num_batches_tracked");
    let names = file.names().into_iter();
    let mut surplus: Vec<_> = names
        .filter(|name| !known.contains(*name) && !spare.contains(name) && !counts(name))
        .collect();
    surplus.sort_unstable();
    problems.extend(surplus.into_iter().map(|name| format!("'{name}' is unknown")));
    let count = problems.len();
    problems.truncate(LISTED);
    let more = match count.saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (count > 0).then(|| format!("{}{more}", problems.join(", ")))
}
