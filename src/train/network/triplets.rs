//! What triplets minimise: the triplet loss, the L1 of what is separated or reconstructed of their members, the norm loss.

use super::{
    Nets,
    objective::{Recording, TRIPLET, items_per_example},
};
use crate::{
    corpus::Instrument,
    models::SUBSPACES,
    ops::{Scale, TripletLoss, concat_batch, norm_loss, slice_batch},
    tape::Var,
    train::{TrainError, data::Example, recipe::Part},
};

impl Recording<'_> {
    /// Triplet loss, L1 of what is separated or reconstructed, norm loss.
    pub(super) fn triplets(&mut self) -> Result<(), TrainError> {
        let network = self.network;
        let (heard, loss) = (self.heard, network.recipe.loss);
        let embedding = match &network.nets {
            Nets::Cascade(separator, extractor) => {
                let mode = network.mode(Part::Separator, self.mode);
                let separated = separator.record(&mut self.at(mode), heard)?;
                if loss.l1 > 0.0 {
                    self.l1(separated.estimate, network.recipe.instrument, loss.l1)?;
                }
                let mode = network.mode(Part::Extractor, self.mode);
                extractor.record(&mut self.at(mode), separated.estimate)?
            }
            Nets::Direct(net) if loss.l1 > 0.0 => self.reconstruction(net)?,
            _ => network.embed(self.tape, self.heard, self.mode)?,
        };
        self.tape.set_scope("loss");
        for part in &mut self.terms {
            // the L1 is summed over the inputs of a triplet, not averaged
            let factor = TRIPLET as f32;
            part.value = self.tape.push(Scale { factor }, &[part.value])?;
        }
        if loss.triplet > 0.0 {
            let triplet = match network.recipe.model.of_one_instrument() {
                true => self.triplets_of_one(embedding)?,
                false => self.triplets_of_all(embedding)?,
            };
            self.add("triplet", loss.triplet, triplet);
            self.terms.rotate_right(1);
        }
        if let Some(bias) = network.norm_bias {
            let items = items_per_example(&network.recipe) * self.examples;
            let sounding = self.input("sounding", [items, SUBSPACES], |batch| {
                let sounds = batch.sounding.iter().flatten();
                sounds.map(|&sounds| f32::from(u8::from(sounds))).collect()
            });
            self.inputs.listens = true;
            let bias = self.tape.parameter(&network.parameters, bias)?;
            let norm = norm_loss(self.tape, embedding, bias, sounding)?;
            self.add("norm", loss.norm, norm);
        }
        Ok(())
    }

    fn triplets_of_one(&mut self, embedding: Var) -> Result<Var, TrainError> {
        let (b, d) = (self.examples, self.network.recipe.dimensions());
        let mask = self.tape.constant([b, d], &vec![1.0; b * d])?;
        let weight = self.tape.constant([b], &vec![1.0; b])?;
        let margin = self.network.recipe.loss.margin;
        Ok(self
            .tape
            .push(TripletLoss { margin }, &[embedding, mask, weight])?)
    }

    /// Basic and additional triplets as one batch: (a, p, n) and (a, n, p).
    fn triplets_of_all(&mut self, embedding: Var) -> Result<Var, TrainError> {
        let (b, d) = (self.examples, self.network.recipe.dimensions());
        // the sub-spaces in which they hold
        let mask = self.input("masks", [2 * b, d], |batch| {
            let one = |held| batch.mask(Instrument::ALL.map(|instrument| Some(instrument) == held));
            held(batch.examples).flat_map(one).collect()
        });
        let weight = self.input("weights", [2 * b], |batch| {
            held(batch.examples)
                .map(|held| f32::from(u8::from(held.is_some())))
                .collect()
        });
        let mut role = |i: usize| slice_batch(self.tape, embedding, i * b, b);
        let [anchor, positive, negative] = [role(0)?, role(1)?, role(2)?];
        let mut rows = anchor;
        for role in [anchor, positive, negative, negative, positive] {
            rows = concat_batch(self.tape, rows, role)?;
        }
        let margin = self.network.recipe.loss.margin;
        Ok(self.tape.push(TripletLoss { margin }, &[rows, mask, weight])?)
    }
}

/// The instrument for which each triplet holds, of the basic ones before the additional ones, of which there may be none.
pub(super) fn held(examples: &[Example]) -> impl Iterator<Item = Option<Instrument>> {
    let basic = examples.iter().map(|e| Some(e.condition));
    basic.chain(examples.iter().map(|e| e.additional))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::Device,
        kernel::StepValues,
        tape::{Parameters, Session, Tape},
    };

    #[test]
    fn triplets_that_keep_their_margin_cost_nothing_and_that_has_no_sign() {
        let mut tape = Tape::new();
        let (x, mask, weight) = (
            tape.input("x", [3, 1]),
            tape.input("mask", [1, 1]),
            tape.input("weight", [1]),
        );
        let none = tape
            .push(TripletLoss { margin: 0.0 }, &[x, mask, weight])
            .unwrap();
        let mut session = Session::new(&Device::Cpu, &Parameters::default()).unwrap();
        let mut program = session.compile(&tape, &[none]).unwrap();
        let inputs: [&[f32]; 3] = [&[0.0, 0.0, 1.0], &[1.0], &[1.0]];
        session
            .run(&mut program, &inputs, &StepValues::default())
            .unwrap();
        assert_eq!(
            session.read(&mut program, none).unwrap()[0].to_bits(),
            0f32.to_bits()
        );
    }
}
