//! What pre-training minimises: the distance from the vectors of Clean.

use super::objective::Recording;
use crate::{
    models::SUBSPACES,
    nn::Mode,
    ops::{ConcatChannels, L2Normalise, MseLoss, Multiply},
    train::{TrainError, data::Example},
};

impl Recording<'_> {
    /// The squared error to the normalised vectors of Clean, those of silent stems zeroed.
    pub(super) fn targets(&mut self) -> Result<(), TrainError> {
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
}
