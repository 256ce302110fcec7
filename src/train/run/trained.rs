//! The network of a run, to be used and not trained.

use std::path::{Path, PathBuf};

use super::Saved;
use crate::{
    gpu::Device,
    tape::Session,
    train::{Network, TrainError},
};

/// A trained network on a device, with its weights.
pub(crate) struct Trained {
    /// The run's folder, or what else [names it](Saved).
    pub folder: PathBuf,
    pub network: Network,
    pub session: Session,
    /// Whether simulated judgements went into its weights.
    pub simulated: bool,
}

impl Trained {
    /// Loads the best checkpoint of the run in `folder` (without one, the newest), or what else it names; or,
    /// `untrained`, the weights that it started from. `fits` refuses a network that is of no use.
    ///
    /// # Errors
    /// What `fits` gives; [`TrainError::Untrained`] without a checkpoint; what reading and the device give.
    pub fn load<E: From<TrainError>>(
        folder: &Path,
        device: &Device,
        untrained: bool,
        fits: impl FnOnce(&Network) -> Result<(), E>,
    ) -> Result<Self, E> {
        let saved = Saved::open(folder)?;
        let recipe = &saved.recipe;
        fits(&Network::outline(recipe)?)?;
        let checkpoint = match untrained {
            true => None,
            false => Some(saved.checkpoint()?),
        };
        let network = match &checkpoint {
            Some(checkpoint) => Network::of(recipe, checkpoint)?,
            None => Network::new(recipe)?,
        };
        let mut session = Session::new(device, &network.parameters).map_err(TrainError::from)?;
        let mut simulated = false;
        if let Some(checkpoint) = checkpoint {
            checkpoint.restore_weights(&mut session)?;
            simulated = checkpoint.state.simulated;
        }
        Ok(Trained {
            folder: folder.into(),
            network,
            session,
            simulated,
        })
    }
}
