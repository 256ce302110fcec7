use super::Mode;
use crate::{
    error::Result,
    tape::{Op, ParameterId, Parameters, Tape, Var},
};

/// What a layer is recorded on: a tape, the parameters that it was made with, and what the tape is for.
pub struct Record<'a> {
    /// The tape.
    pub tape: &'a mut Tape,
    /// The parameters.
    pub parameters: &'a Parameters,
    /// Training, or not.
    pub mode: Mode,
}

impl<'a> Record<'a> {
    /// All of it.
    pub fn new(tape: &'a mut Tape, parameters: &'a Parameters, mode: Mode) -> Self {
        Record {
            tape,
            parameters,
            mode,
        }
    }

    /// A tensor of the parameters.
    ///
    /// # Errors
    /// As [`Tape::parameter`].
    pub fn parameter(&mut self, id: ParameterId) -> Result<Var> {
        self.tape.parameter(self.parameters, id)
    }

    /// Records an operation.
    ///
    /// # Errors
    /// As [`Tape::push`].
    pub fn push<O: Op>(&mut self, op: O, inputs: &[Var]) -> Result<Var> {
        self.tape.push(op, inputs)
    }
}
