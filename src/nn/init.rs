use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{
    error::{Error, Result},
    shape::Shape,
    tape::MAX_ELEMENTS,
};

/// An error for a tensor that no device takes, before it is filled.
pub(super) fn fits(name: &str, shape: Shape) -> Result<()> {
    match shape.len() <= MAX_ELEMENTS {
        true => Ok(()),
        false => Err(Error::Tape(format!(
            "'{name}' of [{shape}] is larger than any tensor can be: use a smaller width, or fewer dimensions"
        ))),
    }
}

/// PyTorch's default for weights and biases of convolutions and linear layers: uniform in ±1/√fan_in.
pub fn uniform_init(len: usize, fan_in: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    (0..len).map(|_| rng.random_range(-bound..bound)).collect()
}
