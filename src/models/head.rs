//! The end of every network that embeds: mean over time, flatten, linear.

use rand_chacha::ChaCha8Rng;

use crate::{
    error::{Error, Result},
    nn::LinearLayer,
    ops::{MeanTime, Reshape},
    tape::{Parameters, Role, Tape, Var},
};

/// Mean over time, channels and frequencies as one vector (channel-major), linear.
#[derive(Debug, Clone)]
pub struct Head {
    linear: LinearLayer,
}

impl Head {
    /// Adds `<prefix>linear.weight [dimensions, channels · height]` and its bias.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        [channels, height]: [usize; 2],
        dimensions: usize,
        parameters: &mut Parameters,
        role: Role,
        prefix: &str,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (name, pair) = (format!("{prefix}linear"), [channels * height, dimensions]);
        let linear = LinearLayer::new(parameters, &name, pair, role, rng)?;
        Ok(Head { linear })
    }

    /// `[N, channels, height, T] → [N, dimensions]`
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another shape.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var) -> Result<Var> {
        tape.set_scope("embedding");
        let mean = tape.push(MeanTime, &[x])?;
        let shape = tape.shape(mean)?;
        let &[batch, channels, height] = shape.dims() else {
            let message = format!("needs [N, C, F, T], but was given [{}]", tape.shape(x)?);
            return Err(Error::shape("embedding", message));
        };
        let flat = [batch, channels * height].into();
        let flat = tape.push(Reshape { shape: flat }, &[mean])?;
        self.linear.record(tape, parameters, flat)
    }
}

/// What is left of `size` after so many convolutions of stride 2: halves, rounded up.
pub fn halved(size: usize, times: usize) -> usize {
    (0..times).fold(size, |size, _| size.div_ceil(2))
}
