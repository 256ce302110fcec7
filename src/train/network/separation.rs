//! What separators minimise: the L1 of magnitudes, of one instrument or of all.

use super::{Nets, objective::Recording};
use crate::{
    models::SUBSPACES,
    ops::{L1Loss, Reshape, Scale, Sources},
    tape::Var,
    train::{TrainError, recipe::Part},
};

impl Recording<'_> {
    /// `mean |estimate − stem|`, for all instruments the sum of it, as five separators have it together.
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
        let mean = self.tape.push(L1Loss, &[estimates, stems])?;
        let factor = SUBSPACES as f32;
        let sum = self.tape.push(Scale { factor }, &[mean])?;
        self.add("l1", 1.0, sum);
        Ok(())
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
