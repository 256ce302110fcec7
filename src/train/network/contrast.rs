//! What our own recipe minimises: contrast in every sub-space, and what sounds.

use super::objective::Recording;
use crate::{
    models::SUBSPACES,
    ops::{BceWithLogitsLoss, ContrastLoss},
    train::TrainError,
};

impl Recording<'_> {
    /// Contrast of the vectors, by which piece each stem is of; binary cross entropy of presence, by whether there is one.
    pub(super) fn contrast(&mut self) -> Result<(), TrainError> {
        let network = self.network;
        let loss = network.recipe.loss;
        let described = network.describe(self.tape, self.heard, self.mode)?;
        let logits = described
            .presence
            .ok_or_else(|| TrainError::setting("task", "only the network 'contrast' learns from contrast"))?;
        self.tape.set_scope("loss");
        let shape = [self.examples, SUBSPACES];
        let labels = self.input("labels", shape, |batch| {
            let labels = batch.examples.iter().flat_map(|example| example.labels);
            labels.map(|label| label.map_or(-1.0, f32::from)).collect()
        });
        let sounding = self.input("sounding", shape, |batch| {
            let labels = batch.examples.iter().flat_map(|example| example.labels);
            labels.map(|label| f32::from(u8::from(label.is_some()))).collect()
        });
        let temperature = loss.temperature;
        let contrast = self
            .tape
            .push(ContrastLoss { temperature }, &[described.embedding, labels])?;
        self.add("contrast", 1.0, contrast);
        let presence = self.tape.push(BceWithLogitsLoss, &[logits, sounding])?;
        self.add("presence", loss.presence, presence);
        Ok(())
    }
}
