//! From 16-bit samples to the signals that models see.

use super::{inputs, parallel, same};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, Trusted, Values},
};

/// The sum of consecutive sources of a mix, in full scale: `Σ x / 32768`. Exact, and so the same on every device.
/// Takes a [`Tape::pcm16`](crate::tape::Tape::pcm16) input. With gains, `Σ gain · x / 32768`, which is rounded to floats,
/// not to 16 bits, and never clipped. `[batch, sources, samples], gains [batch, sources] (if any) → [batch, 1, samples]`
#[derive(Debug, Clone)]
pub struct Mixdown {
    /// The first source that sounds.
    pub first: usize,
    /// How many do, at most 256: their sum must be a number that f32 holds.
    pub count: usize,
}

/// Each source of a mix by itself, in full scale, as [`Mixdown`] adds them up: `x / 32768`, with gains
/// `gain · x / 32768`. `[batch, sources, samples], gains [batch, sources] (if any) → [batch, sources, samples]`
#[derive(Debug, Clone)]
pub struct Sources;

const MOST_SOURCES: usize = 256;

/// Which rows every row of the output is the sum of: so many, from `first` on, of the `sources` of its item.
struct Rows {
    sources: usize,
    first: usize,
    count: usize,
}

impl Rows {
    /// Every row as it is.
    const EACH: Rows = Rows {
        sources: 1,
        first: 0,
        count: 1,
    };

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let len = io.shape(0)[2];
        let [x, gains, ..] = io.inputs;
        parallel::for_chunks(io.output, |start, chunk| {
            let mut at = start;
            while at < start + chunk.len() {
                let (item, from) = (at / len, at % len);
                let end = chunk.len().min(at - start + len - from);
                let out = &mut chunk[at - start..end];
                out.fill(T::zero());
                let row = item * self.sources + self.first;
                for source in row..row + self.count {
                    let x = &x[source * len + from..][..out.len()];
                    match gains.get(source) {
                        None => out.iter_mut().zip(x).for_each(|(out, &x)| *out += x),
                        Some(&gain) => out.iter_mut().zip(x).for_each(|(out, &x)| *out += gain * x),
                    }
                }
                out.iter_mut().for_each(|out| *out /= T::of(32768.0));
                at = start + end;
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let dispatch = io.flat(shader!("mixdown/mixdown"));
        let dispatch = match io.inputs {
            [_, _] => dispatch.define("GAINS", ""),
            _ => dispatch,
        };
        let len = io.inputs[0][2];
        dispatch
            .params([len, self.sources, self.first, self.count])
            .into()
    }
}

/// Batch, sources and samples of what is heard, if its gains fit it.
fn heard(op: &'static str, given: &[Shape]) -> Result<[usize; 3]> {
    let (x, gains) = match *given {
        [x, gains] => (x, Some(gains)),
        _ => {
            let [x] = inputs(op, given)?;
            (x, None)
        }
    };
    let Ok(sizes @ [batch, sources, _]) = <[usize; 3]>::try_from(x.dims()) else {
        let message = format!("needs batch × sources × samples, but was given [{x}]");
        return Err(Error::shape(op, message));
    };
    if let Some(gains) = gains {
        same(op, gains, Shape::from([batch, sources]))?;
    }
    Ok(sizes)
}

impl Op for Mixdown {
    const NAME: &'static str = "mixdown";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [batch, sources, len] = heard(Self::NAME, given)?;
        let end = self.first.saturating_add(self.count);
        if !(1..=MOST_SOURCES).contains(&self.count) || end > sources {
            let message = format!(
                "cannot take {} sources from {} on of [{}]",
                self.count, self.first, given[0]
            );
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(Shape::from([batch, 1, len]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        self.rows(&io.shapes).cpu(io);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        self.rows(io).gpu(io)
    }

    fn cases() -> Vec<Case> {
        let case = |first, count, shape: [usize; 3]| {
            Case::new(Class::Elementwise, Mixdown { first, count }, [shape])
                .fill(0, Values::Pcm16)
                .differentiable(&[])
        };
        let with_gains = |first, count, shape: [usize; 3]| {
            let gains = Shape::from([shape[0], shape[1]]);
            Case::new(
                Class::Elementwise,
                Mixdown { first, count },
                [shape.into(), gains],
            )
            .fill(0, Values::Pcm16)
            .fill(1, Values::Uniform(0.5, 2.0))
            .differentiable(&[])
        };
        vec![
            case(0, 5, [3, 5, 129]),
            case(2, 1, [2, 5, 64]),
            case(1, 3, [1, 5, 67]),
            case(0, 1, [1, 1, 1]),
            with_gains(0, 5, [3, 5, 129]),
            with_gains(1, 3, [2, 5, 33]),
            // rows that end within a task
            with_gains(0, 2, [5, 2, 4097]),
        ]
    }

    fn unpacks_pcm16(&self) -> bool {
        true
    }
}

impl Mixdown {
    fn rows(&self, io: &Io<'_>) -> Rows {
        Rows {
            sources: io.inputs[0][1],
            first: self.first,
            count: self.count,
        }
    }
}

impl Op for Sources {
    const NAME: &'static str = "sources";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        Ok(Shape::from(heard(Self::NAME, given)?))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        Rows::EACH.cpu(io);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        Rows::EACH.gpu(io)
    }

    fn cases() -> Vec<Case> {
        let case = |shapes: &[Shape]| {
            Case::new(Class::Elementwise, Sources, shapes.iter().copied())
                .fill(0, Values::Pcm16)
                .differentiable(&[])
        };
        let with_gains = |shape: [usize; 3]| {
            let gains = Shape::from([shape[0], shape[1]]);
            case(&[shape.into(), gains]).fill(1, Values::Uniform(0.5, 2.0))
        };
        vec![
            case(&[Shape::from([3, 5, 33])]),
            with_gains([2, 5, 129]),
            with_gains([5, 2, 4097]),
        ]
    }

    fn unpacks_pcm16(&self) -> bool {
        true
    }
}
