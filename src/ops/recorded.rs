//! Turns a [`Case`] into tapes: the operation alone, in the middle of a graph, and with its tensors in 16 bits. What the
//! tests run, and what a dump of all kernels is made from.

use crate::{
    error::{Error, Result},
    kernel::{Kernels, uniform},
    ops::{Copy, Multiply, Scale, Sum},
    shape::Shape,
    tape::{Case, Cpu, Flat, Gradient, Io, Op, Parameters, Real, Role, Tape, Values, Var},
};

/// Where the k-th changed input of a case lives: one flat buffer each, because no dispatch may bind one buffer twice.
pub const HOMES: [(Role, Flat); 3] = [
    (Role::Trainable, Flat::Parameters),
    (Role::Statistic, Flat::Statistics),
    (Role::Frozen, Flat::Frozen),
];

/// The factor in front of every differentiated input.
const FACTOR: f32 = 1.25;

/// A case on a tape.
pub struct Recorded {
    /// What the operation changes in place.
    pub parameters: Parameters,
    /// The computation.
    pub tape: Tape,
    /// The case's inputs, in its order.
    pub leaves: Vec<Var>,
    /// Values of those of them that are inputs of the tape.
    pub inputs: Vec<Vec<f32>>,
    /// What is computed.
    pub output: Var,
}

impl Recorded {
    fn leaves(case: &Case) -> Result<Self> {
        let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
        let (mut leaves, mut inputs) = (Vec::new(), Vec::new());
        for (i, (shape, values)) in case.inputs.iter().enumerate() {
            let name = format!("input {i}");
            leaves.push(match case.mutates().iter().position(|&m| m == i) {
                Some(k) => {
                    let id = parameters.add(&name, *shape, HOMES[k].0, case.values(i))?;
                    tape.parameter(&parameters, id)?
                }
                None => {
                    inputs.push(case.values(i));
                    match values {
                        Values::Pcm16 => tape.pcm16(&name, *shape),
                        _ => tape.input(&name, *shape),
                    }
                }
            });
        }
        let output = *leaves
            .first()
            .ok_or_else(|| Error::Tape(format!("{} has no inputs", case.label())))?;
        Ok(Recorded {
            parameters,
            tape,
            leaves,
            inputs,
            output,
        })
    }

    /// Its output becomes `Σ R · output` with a fixed random `R`.
    fn weigh(&mut self) -> Result<()> {
        let shape = self.tape.shape(self.output)?;
        let weights = (0..shape.len()).map(|i| 2.0 * uniform([23, 17], 0, 0, i as u32) - 1.0);
        let weights = self.tape.constant(shape, &weights.collect::<Vec<_>>())?;
        let weighted = self.tape.push(Multiply, &[self.output, weights])?;
        self.output = self.tape.push(Sum, &[weighted])?;
        Ok(())
    }
}

/// The operation alone.
///
/// # Errors
/// As [`Tape::push`], here and below.
pub fn alone(case: &Case) -> Result<Recorded> {
    let mut recorded = Recorded::leaves(case)?;
    recorded.output = case.record(&mut recorded.tape, &recorded.leaves)?;
    Ok(recorded)
}

/// The operation in the middle of a graph: `loss = Σ R · op(1.25 · x)` with a fixed random `R`, so that what comes in and
/// the gradient that comes back are neither leaves nor ones. The output is the loss.
///
/// # Errors
/// As [`alone`].
pub fn in_a_graph(case: &Case) -> Result<Recorded> {
    let mut recorded = Recorded::leaves(case)?;
    let mut given = recorded.leaves.clone();
    for &input in &case.differentiable {
        given[input] = recorded.tape.push(Scale { factor: FACTOR }, &[given[input]])?;
    }
    recorded.output = case.record(&mut recorded.tape, &given)?;
    recorded.weigh()?;
    Ok(recorded)
}

/// The operation in the middle of a graph whose tensors are kept in 16 bits, as far as that may be: all that it reads,
/// and its result. The output is what it gives, copied; beside it the loss of [`in_a_graph`].
///
/// # Errors
/// As [`alone`].
pub fn in_halves(case: &Case) -> Result<(Recorded, Var)> {
    let mut recorded = Recorded::leaves(case)?;
    recorded.tape.narrow(true);
    let kept = |i: usize| case.mutates().contains(&i) || matches!(case.inputs[i].1, Values::Pcm16);
    let mut given = recorded.leaves.clone();
    for input in (0..given.len()).filter(|&i| !kept(i)) {
        given[input] = recorded.tape.push(Round, &[given[input]])?;
    }
    let output = case.record(&mut recorded.tape, &given)?;
    recorded.output = output;
    recorded.weigh()?;
    let loss = recorded.output;
    recorded.output = recorded.tape.push(Copy, &[output])?;
    Ok((recorded, loss))
}

/// Rounds to 16 bits on a tape that narrows: a copy that may be kept so.
#[derive(Debug, Clone)]
pub struct Round;

impl Op for Round {
    const NAME: &'static str = "round";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        Copy.shape(given)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        Copy.gradient(at)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        Copy.cpu(io);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        Copy.gpu(io)
    }

    fn cases() -> Vec<Case> {
        Vec::new()
    }

    fn may_narrow(&self, _inputs: &[bool]) -> bool {
        true
    }
}
