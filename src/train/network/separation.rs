//! What separators minimise: the L1 of magnitudes, of one instrument or of all, or for all the root of mean squares.

use super::{Nets, objective::Recording};
use crate::{
    models::SUBSPACES,
    ops::{L1Loss, Reshape, Scale, Sources, root_error},
    tape::Var,
    train::{
        TrainError,
        recipe::{ErrorOf, Part},
    },
};

/// What is added to a mean square, against roots of 0: as much as hiss 100 dB below a sine of full scale.
const EPSILON: f32 = 1e-6;

impl Recording<'_> {
    /// `mean |estimate − stem|`, for all instruments the sum of it, as five separators have it together, or of
    /// `√(mean (estimate − stem)²)`.
    pub(super) fn separation(&mut self) -> Result<(), TrainError> {
        let (heard, mode) = (self.heard, self.network.mode(Part::Separator, self.mode));
        match &self.network.nets {
            Nets::Separator(net) => {
                let separated = net.record(&mut self.at(mode), heard)?;
                self.l1(separated.estimate, self.network.recipe.instrument, 1.0)
            }
            Nets::JointSeparator(net) => {
                let estimates = net.record(&mut self.at(mode), heard)?.estimates;
                self.l1_of_all(estimates)
            }
            _ => Err(TrainError::setting(
                "task",
                "only a separator learns from separation",
            )),
        }
    }

    /// All five at once, of which the operation takes the mean. `estimates [items, 5, bins, frames]`
    fn l1_of_all(&mut self, estimates: Var) -> Result<(), TrainError> {
        let stems = self.stems()?;
        self.tape.set_scope("loss");
        let (name, mean) = match self.network.recipe.loss.error {
            ErrorOf::Absolute => ("l1", self.tape.push(L1Loss, &[estimates, stems])?),
            ErrorOf::Root => ("rms", self.root_errors(estimates, stems)?),
        };
        let factor = SUBSPACES as f32;
        let sum = self.tape.push(Scale { factor }, &[mean])?;
        self.add(name, 1.0, sum);
        Ok(())
    }

    /// The mean over segments and stems. `[items, 5, bins, frames], the same → scalar`
    fn root_errors(&mut self, estimates: Var, stems: Var) -> Result<Var, TrainError> {
        let image = self.tape.shape(stems)?;
        let rows = Reshape::to([image[0] * image[1], image[2] * image[3]]);
        let estimates = self.tape.push(rows.clone(), &[estimates])?;
        let stems = self.tape.push(rows, &[stems])?;
        Ok(root_error(self.tape, estimates, stems, EPSILON)?)
    }

    /// The magnitudes of all stems, each as loud as in the mix. `[items, 5, bins, frames]`
    fn stems(&mut self) -> Result<Var, TrainError> {
        self.tape.set_scope("front end");
        let samples = self.tape.push(Sources, &self.sources)?;
        let given = self.tape.shape(samples)?;
        let each = Reshape::to([given[0] * given[1], 1, given[2]]);
        let each = self.tape.push(each, &[samples])?;
        let magnitude = self.network.magnitude(self.tape, each)?;
        let image = self.tape.shape(magnitude)?;
        let together = Reshape::to([given[0], given[1], image[2], image[3]]);
        Ok(self.tape.push(together, &[magnitude])?)
    }
}
