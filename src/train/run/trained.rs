//! The network of a run, to be used and not trained.

use std::path::{Path, PathBuf};

use super::{Checkpoint, Run};
use crate::{
    gpu::Device,
    tape::Session,
    train::{Network, TrainError},
};

/// A run's network on a device, with its weights.
pub(crate) struct Trained {
    pub folder: PathBuf,
    pub network: Network,
    pub session: Session,
    /// Whether simulated judgements went into its weights.
    pub simulated: bool,
}

impl Trained {
    /// Loads the best checkpoint of the run in `folder` (without one, the newest); or, `untrained`, the weights that it
    /// started from. `fits` refuses a network that is of no use.
    ///
    /// # Errors
    /// What `fits` gives; [`TrainError::Untrained`] without a checkpoint; what reading and the device give.
    pub fn load<E: From<TrainError>>(
        folder: &Path,
        device: &Device,
        untrained: bool,
        fits: impl FnOnce(&Network) -> Result<(), E>,
    ) -> Result<Self, E> {
        let run = Run::open(folder)?;
        let recipe = &run.config.recipe;
        fits(&Network::outline(recipe)?)?;
        let path = run.newest_best();
        let checkpoint = match (untrained, path.is_file()) {
            (true, _) => None,
            (false, true) => Some(Checkpoint::read(&path)?),
            (false, false) => {
                let folder = folder.into();
                return Err(TrainError::Untrained { folder }.into());
            }
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
