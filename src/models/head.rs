//! The end of every network that embeds: mean over time, flatten, linear.

use crate::{
    error::{Error, Result},
    nn::{Build, LinearLayer, Record},
    ops::{MeanTime, Reshape},
    tape::Var,
};

/// Mean over time, channels and frequencies as one vector (channel-major), linear.
#[derive(Debug, Clone)]
pub struct Head {
    linear: LinearLayer,
}

impl Head {
    /// Adds `linear.weight [dimensions, channels · height]` and its bias.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new([channels, height]: [usize; 2], dimensions: usize, build: &mut Build<'_>) -> Result<Self> {
        let linear = LinearLayer::new(&mut build.at("linear"), [channels * height, dimensions])?;
        Ok(Head { linear })
    }

    /// `[N, channels, height, T] → [N, dimensions]`
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another shape.
    pub fn record(&self, at: &mut Record<'_>, x: Var) -> Result<Var> {
        let features = Self::features(at, x)?;
        self.of_features(at, features)
    }

    /// The mean over time as vectors: `[N, channels, height, T] → [N, channels · height]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another shape.
    pub fn features(at: &mut Record<'_>, x: Var) -> Result<Var> {
        at.tape.set_scope("embedding");
        let mean = at.push(MeanTime, &[x])?;
        let shape = at.tape.shape(mean)?;
        let &[batch, channels, height] = shape.dims() else {
            let message = format!("needs [N, C, F, T], but was given [{}]", at.tape.shape(x)?);
            return Err(Error::shape("embedding", message));
        };
        at.push(Reshape::to([batch, channels * height]), &[mean])
    }

    /// The linear layer on [`features`](Self::features).
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another shape.
    pub fn of_features(&self, at: &mut Record<'_>, features: Var) -> Result<Var> {
        self.linear.record(at, features)
    }
}

/// What is left of `size` after so many convolutions of stride 2: halves, rounded up.
pub fn halved(size: usize, times: usize) -> usize {
    (0..times).fold(size, |size, _| size.div_ceil(2))
}
