//! From 16-bit samples to the signals that models see.

use super::{inputs, parallel};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, Trusted, Values},
};

/// The sum of consecutive sources of a mix, in full scale: `Σ x / 32768`. Exact, and so the same on every device.
/// Takes a [`Tape::pcm16`](crate::tape::Tape::pcm16) input. `[batch, sources, samples] → [batch, 1, samples]`
#[derive(Debug, Clone)]
pub struct Mixdown {
    /// The first source that sounds.
    pub first: usize,
    /// How many do, at most 256: their sum must be a number that f32 holds.
    pub count: usize,
}

const MOST_SOURCES: usize = 256;

impl Op for Mixdown {
    const NAME: &'static str = "mixdown";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let Ok([batch, sources, len]) = <[usize; 3]>::try_from(x.dims()) else {
            let message = format!("needs batch × sources × samples, but was given [{x}]");
            return Err(Error::shape(Self::NAME, message));
        };
        let end = self.first.saturating_add(self.count);
        if !(1..=MOST_SOURCES).contains(&self.count) || end > sources {
            let message = format!(
                "cannot take {} sources from {} on of [{x}]",
                self.count, self.first
            );
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(Shape::from([batch, 1, len]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [sources, len] = [io.shape(0)[1], io.shape(0)[2]];
        let x = io.inputs[0];
        parallel::for_chunks(io.output, |start, chunk| {
            for (i, out) in (start..).zip(chunk) {
                let row = i / len * sources + self.first;
                let sum: T = (row..row + self.count).map(|row| x[row * len + i % len]).sum();
                *out = sum / T::of(32768.0);
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let [sources, len] = [io.inputs[0][1], io.inputs[0][2]];
        io.flat(shader!("mixdown/mixdown"))
            .params([len, sources, self.first, self.count])
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |first, count, shape: [usize; 3]| {
            Case::new(Class::Elementwise, Mixdown { first, count }, [shape])
                .fill(0, Values::Pcm16)
                .differentiable(&[])
        };
        vec![
            case(0, 5, [3, 5, 129]),
            case(2, 1, [2, 5, 64]),
            case(1, 3, [1, 5, 67]),
            case(0, 1, [1, 1, 1]),
        ]
    }

    fn unpacks_pcm16(&self) -> bool {
        true
    }
}
