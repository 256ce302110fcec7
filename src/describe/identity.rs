//! What two sets of vectors must share to be compared.

use super::DescribeError;
use crate::{
    tape::{Flat, Session},
    train::{
        Network,
        recipe::{FrontEnd, Model as Kind},
    },
};

/// Counts changes by which the same weights would describe the same sound by other numbers.
const VERSION: u32 = 1;
/// In front of the names of tensors that only training needs.
const TARGETS: &str = "clean.";

/// BLAKE3 over the front end, and over the [`weights`] of every model, in the order of the instruments.
pub(super) fn identity<'a>(front_end: &FrontEnd, weights: impl Iterator<Item = &'a str>) -> String {
    let mut hash = blake3::Hasher::new();
    let FrontEnd {
        sample_rate,
        stft_size,
        stft_hop,
        mels,
    } = front_end;
    let settings = format!("{VERSION} {sample_rate} {stft_size} {stft_hop} {mels}");
    hash.update(settings.as_bytes());
    for weights in weights {
        hash.update(weights.as_bytes());
    }
    hash.finalize().to_hex().to_string()
}

/// BLAKE3 over kind, instrument and weights, all that a network computes with: a checkpoint and its export have the same, though not as files.
pub(super) fn weights(network: &Network, session: &mut Session) -> Result<String, DescribeError> {
    let mut hash = blake3::Hasher::new();
    let recipe = &network.recipe;
    let kind: Kind = recipe.model;
    let instrument = recipe.instrument.map_or("all", |instrument| instrument.name());
    let settings = format!("{kind:?} {instrument} {:?}", recipe.network.last);
    hash.update(settings.as_bytes());
    let flats = [Flat::Parameters, Flat::Frozen, Flat::Statistics];
    let mut tensors = Vec::new();
    for flat in flats {
        let values = session.flat(flat)?;
        for parameter in network.parameters.iter().filter(|p| p.flat() == flat) {
            let range = parameter.offset..parameter.offset + parameter.shape.len();
            // a buffer without tensors is not there
            let values = values.get(range).unwrap_or_default().to_vec();
            tensors.push((parameter.name.clone(), parameter.shape.dims().to_vec(), values));
        }
    }
    tensors.retain(|(name, ..)| !name.starts_with(TARGETS));
    // by name: what was frozen in training makes no difference
    tensors.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
    for (name, shape, values) in tensors {
        hash.update(format!("{name} {shape:?}").as_bytes());
        for value in values {
            hash.update(&value.to_le_bytes());
        }
    }
    Ok(hash.finalize().to_hex().to_string())
}
