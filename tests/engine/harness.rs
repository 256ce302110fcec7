//! Turns a [`Case`] into tapes: the operation alone, and in the middle of a graph with its gradients.

use stemwise::{
    Result,
    kernel::{Kernels, StepValues},
    ops::{Multiply, Scale, Sum},
    shape::Shape,
    tape::{
        Case, Copy, Cpu, CpuProgram, CpuStore, Flat, Gradient, Io, Op, Parameters, Plan, Real, Role, Tape,
        Values, Var,
    },
};

use super::{Engine, Target, noise, widen};

/// Where the k-th changed input of a case lives: one flat buffer each, because no dispatch may bind one
/// buffer twice.
const HOMES: [(Role, Flat); 3] = [
    (Role::Trainable, Flat::Parameters),
    (Role::Statistic, Flat::Statistics),
    (Role::Frozen, Flat::Frozen),
];

/// The factor in front of every differentiated input.
const FACTOR: f32 = 1.25;

/// A case on a tape.
pub struct Recorded {
    pub parameters: Parameters,
    pub tape: Tape,
    /// The case's inputs, in its order.
    pub leaves: Vec<Var>,
    /// Values of those of them that are inputs of the tape.
    pub inputs: Vec<Vec<f32>>,
    pub output: Var,
}

/// Step, seed and learning rate that no kernel can mistake for zeros.
pub fn step() -> StepValues {
    StepValues::new(0x0123_4567_89AB_CDEF, 3, 0.01, [0.9, 0.999])
}

/// Parameters, tape, leaves and values of [`Recorded`].
type Start = (Parameters, Tape, Vec<Var>, Vec<Vec<f32>>);

fn leaves(case: &Case) -> Result<Start> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let (mut leaves, mut inputs) = (Vec::new(), Vec::new());
    for (i, (shape, values)) in case.inputs.iter().enumerate() {
        let name = format!("input {i}");
        leaves.push(match case.mutates().iter().position(|&m| m == i) {
            Some(k) => {
                let id = parameters.add(&name, *shape, HOMES[k].0, case.values(i))?;
                tape.parameter(&parameters, id).unwrap()
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
    Ok((parameters, tape, leaves, inputs))
}

/// The operation alone.
pub fn alone(case: &Case) -> Result<Recorded> {
    let (parameters, mut tape, leaves, inputs) = leaves(case)?;
    let output = case.record(&mut tape, &leaves)?;
    Ok(Recorded {
        parameters,
        tape,
        leaves,
        inputs,
        output,
    })
}

/// The operation in the middle of a graph: `loss = Σ R · op(1.25 · x)` with a fixed random `R`, so that
/// what comes in and the gradient that comes back are neither leaves nor ones. The output is the loss.
pub fn in_a_graph(case: &Case) -> Result<Recorded> {
    let (parameters, mut tape, leaves, inputs) = leaves(case)?;
    let mut given = leaves.clone();
    for &input in &case.differentiable {
        given[input] = tape.push(Scale { factor: FACTOR }, &[leaves[input]])?;
    }
    let output = case.record(&mut tape, &given)?;
    let shape = tape.shape(output).unwrap();
    let weights = tape.constant(shape, &noise(23, shape.len()))?;
    let weighted = tape.push(Multiply, &[output, weights])?;
    let loss = tape.push(Sum, &[weighted])?;
    Ok(Recorded {
        parameters,
        tape,
        leaves,
        inputs,
        output: loss,
    })
}

/// The operation in the middle of a graph whose tensors are kept in 16 bits, as far as that may be: all that it reads,
/// and its result. The output is what it gives, copied, and the loss.
pub fn in_halves(case: &Case) -> Result<(Recorded, Var)> {
    let (parameters, mut tape, leaves, inputs) = leaves(case)?;
    tape.narrow(true);
    let kept = |i: usize| case.mutates().contains(&i) || matches!(case.inputs[i].1, Values::Pcm16);
    let mut given = leaves.clone();
    for input in (0..leaves.len()).filter(|&i| !kept(i)) {
        given[input] = tape.push(Round, &[leaves[input]])?;
    }
    let output = case.record(&mut tape, &given)?;
    let shape = tape.shape(output).unwrap();
    let weights = tape.constant(shape, &noise(23, shape.len()))?;
    let weighted = tape.push(Multiply, &[output, weights])?;
    let loss = tape.push(Sum, &[weighted])?;
    let output = tape.push(Copy, &[output])?;
    let recorded = Recorded {
        parameters,
        tape,
        leaves,
        inputs,
        output,
    };
    Ok((recorded, loss))
}

/// Rounds to 16 bits.
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

    fn halves(&self, _inputs: &[bool]) -> bool {
        true
    }
}

/// What a case computes on a target: the output, or what the changed inputs hold afterwards.
pub fn results(case: &Case, target: Target) -> Result<Vec<Vec<f64>>> {
    let recorded = alone(case)?;
    let mut engine = Engine::new(target, &recorded.parameters)?;
    let mut program = engine.compile(&recorded.tape, &[recorded.output])?;
    engine.run(&mut program, &recorded.inputs, &step())?;
    if case.mutates().is_empty() {
        return Ok(vec![engine.read(&mut program, recorded.output)?]);
    }
    // the whole buffer: its padding must still be 0
    HOMES[..case.mutates().len()]
        .iter()
        .map(|&(_, flat)| engine.flat(flat))
        .collect()
}

/// The gradients of a case's differentiable inputs on a target.
pub fn gradients(case: &Case, target: Target) -> Result<Vec<Vec<f64>>> {
    let Recorded {
        parameters,
        mut tape,
        leaves,
        inputs,
        output: loss,
    } = in_a_graph(case)?;
    let wanted: Vec<Var> = case.differentiable.iter().map(|&i| leaves[i]).collect();
    let gradients = tape.gradients(loss, &wanted)?;
    let gradients: Vec<Var> = gradients
        .into_iter()
        .map(|g| g.unwrap_or_else(|| panic!("{}: an input has no gradient", case.label())))
        .collect();
    super::evaluate(target, &parameters, &tape, &gradients, &inputs, &step())
}

/// The loss of [`in_a_graph`] in f64, as a function of the inputs.
pub struct Loss {
    store: CpuStore<f64>,
    program: CpuProgram<f64>,
    inputs: Vec<Vec<f64>>,
    loss: Var,
}

impl Loss {
    pub fn of(case: &Case) -> Result<Self> {
        let recorded = in_a_graph(case)?;
        let mut store = CpuStore::new(&recorded.parameters);
        let plan = Plan::for_cpu(&recorded.tape, &recorded.parameters, &[recorded.output])?;
        Ok(Loss {
            program: CpuProgram::new(plan, &mut store),
            inputs: recorded.inputs.iter().map(|values| widen(values)).collect(),
            loss: recorded.output,
            store,
        })
    }

    fn at(&mut self, input: usize, index: usize, value: f64) -> Result<f64> {
        let kept = std::mem::replace(&mut self.inputs[input][index], value);
        let inputs: Vec<&[f64]> = self.inputs.iter().map(Vec::as_slice).collect();
        self.program.run(&mut self.store, &inputs, &step())?;
        self.inputs[input][index] = kept;
        Ok(self.program.read(&self.store, self.loss)?[0])
    }

    /// The derivative by one element: five-point central differences, exact to order `h⁴`.
    pub fn derivative(&mut self, input: usize, index: usize, h: f64) -> Result<f64> {
        let x = self.inputs[input][index];
        let mut at = |offset: f64| self.at(input, index, x + offset * h);
        let (near, far) = (at(1.0)? - at(-1.0)?, at(2.0)? - at(-2.0)?);
        Ok((8.0 * near - far) / (12.0 * h))
    }
}
