//! A run's folder: config, record, log and checkpoints, and weights that come from elsewhere or go there. It knows what
//! is written and read, and nothing of how it came about. Start reading at [`Run`].

mod authors;
mod built_in;
pub mod checkpoint;
mod config;
pub mod exchange;
mod log;
mod saved;
pub mod tensorboard;
mod trained;
mod weights;

pub use built_in::BuiltIn;
pub use checkpoint::Checkpoint;
pub use config::RunConfig;
pub(crate) use log::{Line, Log};
pub(crate) use saved::{Saved, real};
pub(crate) use trained::Trained;

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use crate::{
    files::{self, Lock, PARTIAL_PREFIX, write_atomically},
    gpu::{Gpu, VariantStore, Variants},
    train::{LessonCounts, Parent, TrainError},
    variants::VariantFolder,
};

/// Folder of the kernels' variants, on GPUs.
const VARIANTS: &str = "variants";

/// Held while a run is trained.
const LOCK: &str = "run.lock";

/// The folder of one training run:
///
/// | file | content |
/// |---|---|
/// | `config.toml` | the resolved config: every setting, defaults included |
/// | `run.json` | version, git commit, device and store of every start, seed, number of parameters |
/// | `variants/` | on a GPU: which variant of its kernels each operation takes |
/// | `metrics.jsonl` | one line a step, and one a validation |
/// | `last.safetensors` | the newest checkpoint |
/// | `events.out.tfevents.*` | the same losses and scores, for TensorBoard |
/// | `best.safetensors` | the best checkpoint, by what the recipe chooses |
/// | `run.lock` | empty; held while the run is trained |
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    /// What `config.toml` says.
    pub config: RunConfig,
}

/// `run.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Seed of everything random.
    pub seed: u64,
    /// Numbers that are trained.
    pub parameters: usize,
    /// The runs that it builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// What ran its steps, in order.
    pub starts: Vec<Start>,
}

/// What ran the steps from `step` on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Steps done before.
    pub step: u32,
    /// Version of this program.
    pub version: String,
    /// Of the working directory, which need not be that of the program.
    pub git_commit: Option<String>,
    /// Name of the device.
    pub device: String,
    /// Hash of the store that segments came from; none if they came from a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Hash of the file of judgements, for tasks that learn from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgements: Option<String>,
    /// Hash of the lists by which a folder's tracks were left out and assigned to splits; of a store, its own hash says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Licence of the corpus, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Hash of what another program separated, by names and sizes of its files, where its stems are heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stems: Option<String>,
    /// How many judgements are trained on, and held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<LessonCounts>,
}

impl Start {
    /// A start of this program.
    pub(crate) fn new(step: u32, device: &str, store: Option<&str>, judgements: Option<&str>) -> Self {
        Start {
            step,
            version: env!("CARGO_PKG_VERSION").to_string(),
            git_commit: git_commit(),
            device: device.to_string(),
            store: store.map(str::to_string),
            judgements: judgements.map(str::to_string),
            selection: None,
            licence: None,
            stems: None,
            judged: None,
        }
    }
}

impl Run {
    /// Makes a new run's folder.
    ///
    /// # Errors
    /// [`TrainError::Run`] if there is something in it already.
    pub fn create(folder: &Path, config: &RunConfig) -> Result<Self, TrainError> {
        config.recipe.check()?;
        check_empty(folder)?;
        fs::create_dir_all(folder).map_err(TrainError::io("create", folder))?;
        // another process may have begun here meanwhile
        let _lock = lock(folder)?;
        check_empty(folder)?;
        let mut config = config.clone();
        // so that the run can be resumed from anywhere
        let corpora = [&mut config.corpus].into_iter().chain(&mut config.renderings);
        let paths = corpora.chain(&mut config.from);
        let data = &mut config.recipe.data;
        for path in paths.chain(&mut data.judgements).chain(&mut data.separated) {
            *path = real(path);
        }
        let run = Run {
            folder: folder.into(),
            config,
        };
        run.write_config()?;
        Ok(run)
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// [`TrainError::Run`] if there is none, or its config cannot be used.
    pub fn open(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join("config.toml");
        if !path.is_file() {
            let message = "this is not the folder of a run (no config.toml in it)";
            return Err(TrainError::run(folder, message));
        }
        Ok(Run {
            folder: folder.into(),
            config: RunConfig::read(&path)?,
        })
    }

    /// Takes the run for training, and removes what a killed process left half-written.
    ///
    /// # Errors
    /// [`TrainError::Run`] while another process trains it.
    pub(crate) fn lock(&self) -> Result<Lock, TrainError> {
        let lock = lock(&self.folder)?;
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if is_partial(&entry.file_name()) {
                let path = entry.path();
                fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
            }
        }
        Ok(lock)
    }

    /// The folder that holds all of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest checkpoint.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The best checkpoint, by what the recipe chooses.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The best checkpoint; without one, the newest.
    pub fn newest_best(&self) -> PathBuf {
        let best = self.best();
        if best.is_file() { best } else { self.last() }
    }

    /// The log of losses.
    pub fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// Which variants of kernels the run takes on a GPU, if it began on one: those that were known when it did. What is
    /// measured later would change its last bits.
    pub(crate) fn variants(&self, gpu: &Gpu) -> Option<Variants> {
        let folder = self.folder.join(VARIANTS);
        folder.is_dir().then(|| VariantFolder::new(folder).load(gpu))
    }

    /// Keeps to these variants from now on, if it keeps to none yet.
    pub(crate) fn keep_variants(&self, gpu: &Gpu, variants: &Variants) -> Result<(), TrainError> {
        let folder = self.folder.join(VARIANTS);
        if !folder.is_dir() {
            VariantFolder::new(folder).store(gpu, variants)?;
        }
        Ok(())
    }

    /// Takes back [`create`](Self::create), for a run that could not begin.
    pub(crate) fn discard(&self) {
        let _ = fs::remove_dir_all(self.folder.join(VARIANTS));
        for name in ["config.toml", LOCK] {
            let _ = fs::remove_file(self.folder.join(name));
        }
        let _ = fs::remove_dir(&self.folder);
    }

    /// Asks for another number of epochs in all; the config says so from the next start on.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for none.
    pub fn set_epochs(&mut self, epochs: u32) -> Result<(), TrainError> {
        self.config.recipe.training.epochs = epochs;
        self.config.recipe.check()
    }

    fn write_config(&self) -> Result<(), TrainError> {
        let text = self.config.to_toml()?;
        Ok(write_atomically(&self.folder.join("config.toml"), |file| {
            file.write_all(text.as_bytes())
        })?)
    }

    /// Reads `run.json`; `None` if the run was never started.
    ///
    /// # Errors
    /// [`TrainError::Run`] if it cannot be read.
    pub fn record(&self) -> Result<Option<RunRecord>, TrainError> {
        let path = self.folder.join("run.json");
        match files::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|_| {
                let message =
                    "it is damaged: copy it again, or remove it, and what it says of earlier starts is lost";
                TrainError::run(&path, message)
            })?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TrainError::io("read", &path)(error)),
        }
    }

    /// Notes a start in `run.json`.
    ///
    /// # Errors
    /// [`TrainError::Run`] if the steps before were made with another store, other judgements or other stems.
    pub(crate) fn note_start(
        &self,
        start: Start,
        parameters: usize,
        parents: &[Parent],
    ) -> Result<(), TrainError> {
        let path = self.folder.join("run.json");
        let mut starts = self.record()?.map_or(Vec::new(), |record| record.starts);
        let changed = |what: &str, place: &Path, of: fn(&Start) -> Option<&str>| {
            let before = starts.iter().rev().find_map(of);
            match (before, of(&start)) {
                (Some(before), Some(now)) if before != now => {
                    let message = format!(
                        "its steps so far were made with the {what} {before}, but {} holds {now} now: go on with \
                         the former, or begin a new run",
                        place.display()
                    );
                    Err(TrainError::run(&path, message))
                }
                _ => Ok(()),
            }
        };
        changed("store", &self.config.corpus, |start| start.store.as_deref())?;
        changed("lists of tracks", &self.config.corpus, |start| {
            start.selection.as_deref()
        })?;
        let judgements = self.config.recipe.data.judgements.as_deref();
        changed("judgements", judgements.unwrap_or(&self.folder), |start| {
            start.judgements.as_deref()
        })?;
        let stems = self.config.recipe.data.separated.as_deref();
        changed("stems", stems.unwrap_or(&self.folder), |start| {
            start.stems.as_deref()
        })?;
        starts.push(start);
        let record = RunRecord {
            seed: self.config.recipe.seed,
            parameters,
            parents: parents.to_vec(),
            starts,
        };
        let text = serde_json::to_string_pretty(&record)
            .map_err(|error| TrainError::run(&path, error.to_string()))?;
        write_atomically(&path, |file| file.write_all(text.as_bytes()))?;
        // with the number of epochs of this start
        self.write_config()
    }
}

/// An error if there is more in a folder than what a killed start left there.
fn check_empty(folder: &Path) -> Result<(), TrainError> {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    if entries.all(|entry| is_left_over(&entry.file_name())) {
        return Ok(());
    }
    let message = match folder.join("config.toml").exists() {
        true => "there is a run already: continue it with --resume, or choose another folder",
        false => "the folder is not empty: choose a new one",
    };
    Err(TrainError::run(folder, message))
}

fn lock(folder: &Path) -> Result<Lock, TrainError> {
    let path = folder.join(LOCK);
    let lock = Lock::take(&path).map_err(TrainError::io("lock", &path))?;
    let message = "another process is training it: wait for it, or choose another folder";
    lock.ok_or_else(|| TrainError::run(folder, message))
}

/// What a killed start left is neither settings nor weights.
fn is_left_over(name: &OsStr) -> bool {
    name == LOCK || is_partial(name)
}

fn is_partial(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(PARTIAL_PREFIX)
}

fn git_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_string())
}
