//! Runs a [`Case`]: the operation alone, and in the middle of a graph with its gradients.

#[allow(unused_imports, reason = "every test binary uses its own part")]
pub use stemwise::ops::recorded::{Recorded, Round, alone, in_a_graph, in_halves};
use stemwise::{
    Result,
    kernel::StepValues,
    ops::recorded::HOMES,
    tape::{Case, CpuProgram, CpuStore, Plan, Var},
};

use super::{Engine, Target, widen};

/// Step, seed and learning rate that no kernel can mistake for zeros.
pub fn step() -> StepValues {
    StepValues::new(0x0123_4567_89AB_CDEF, 3, 0.01, [0.9, 0.999])
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
