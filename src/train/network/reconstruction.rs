//! What the decoders of Direct-Reconst minimise: the L1 of all stems, or of that of each triplet's condition.

use super::{
    objective::{Recording, TRIPLET},
    triplets::held,
};
use crate::{
    corpus::Instrument,
    models::{Direct, SUBSPACES},
    ops::{Mixdown, MultiplyChannels, Reshape, SliceChannels},
    tape::Var,
    train::{
        TrainError,
        data::Example,
        recipe::{Part, Reconstruct},
    },
};

impl Recording<'_> {
    /// The embedding of what is heard, beside the L1 of what is reconstructed of it. `[items, dimensions]`
    pub(super) fn reconstruction(&mut self, net: &Direct) -> Result<Var, TrainError> {
        let (network, heard) = (self.network, self.heard);
        let loss = network.recipe.loss;
        let shares = (loss.reconstruct == Reconstruct::Condition).then(|| {
            let items = TRIPLET * self.examples;
            self.input("reconstructed", [items, SUBSPACES], |batch| {
                shares(batch.examples)
            })
        });
        let mode = network.mode(Part::Encoder, self.mode);
        let described = net.record(&mut self.at(mode), heard)?;
        let mode = network.mode(Part::Decoders, self.mode);
        for instrument in Instrument::ALL {
            let separated = net.reconstruct(&mut self.at(mode), &described, heard, instrument as usize)?;
            match shares {
                None => self.l1(separated.estimate, Some(instrument), loss.l1)?,
                Some(shares) => self.l1_of_some(separated.estimate, instrument, shares, loss.l1)?,
            }
        }
        Ok(described.embedding)
    }

    /// The L1 of an instrument's stem, each item's times its share: `|sx − sy| = s |x − y|`. Every item passes every
    /// decoder, as in the published code, whose batch norms see them all.
    fn l1_of_some(
        &mut self,
        estimate: Var,
        instrument: Instrument,
        shares: Var,
        weight: f32,
    ) -> Result<(), TrainError> {
        let (start, count) = (instrument as usize, 1);
        self.tape.set_scope("front end");
        // what is multiplied by 0 here is silent
        let one = Mixdown { first: start, count };
        let samples = self.tape.push(one, &[self.inputs.heard, shares])?;
        let stem = self.network.magnitude(self.tape, samples)?;
        self.tape.set_scope("loss");
        let share = self.tape.push(SliceChannels { start, count }, &[shares])?;
        let image = self.tape.shape(estimate)?;
        let flat = Reshape::to([image[0], image.len() / image[0]]);
        let estimate = self.tape.push(flat.clone(), &[estimate])?;
        let estimate = self.tape.push(MultiplyChannels, &[estimate, share])?;
        let stem = self.tape.push(flat, &[stem])?;
        self.l1_between(estimate, stem, weight)
    }
}

/// What the L1 of every item's every stem counts for, beside that of a mean over items: each triplet, basic or additional,
/// has the stem of its own condition, and the mean is over triplets.
fn shares(examples: &[Example]) -> Vec<f32> {
    let triplets = held(examples).flatten().count();
    let share = examples.len() as f32 / triplets.max(1) as f32;
    let of = |example: &Example| {
        let conditions = [Some(example.condition), example.additional];
        Instrument::ALL.map(|instrument| match conditions.contains(&Some(instrument)) {
            true => share,
            false => 0.0,
        })
    };
    let role: Vec<f32> = examples.iter().flat_map(of).collect();
    role.repeat(TRIPLET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_triplet_counts_for_its_own_condition_in_all_its_members() {
        let example = |condition, additional| Example {
            additional,
            ..Example::of(condition, Vec::new())
        };
        let examples = [
            example(Instrument::Bass, Some(Instrument::Drums)),
            example(Instrument::Residuals, None),
        ];
        let (none, two_thirds) = (0.0, 2.0 / 3.0);
        let member = [
            [two_thirds, two_thirds, none, none, none],
            [none, none, none, none, two_thirds],
        ];
        assert_eq!(shares(&examples), member.concat().repeat(3));
        // a mean over items where each is one triplet
        assert_eq!(shares(&examples[1..])[..SUBSPACES], [0.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
