//! What the host writes before every replay.

use super::Var;
use crate::error::{Error, Result};

/// How the numbers of an input are stored, on their way to the device and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats: what operations compute with.
    F32,
    /// 16-bit samples, two to a word: for operations that unpack them.
    Pcm16,
}

impl Format {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Format::F32 => 4,
            Format::Pcm16 => 2,
        }
    }

    /// 32-bit words that `len` numbers fill.
    pub fn words(self, len: usize) -> usize {
        (len * self.bytes()).div_ceil(4)
    }
}

/// The values of one input.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, T = f32> {
    /// For [`Tape::input`](super::Tape::input).
    Real(&'a [T]),
    /// For [`Tape::pcm16`](super::Tape::pcm16).
    Pcm16(&'a [i16]),
}

impl<T> Input<'_, T> {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Input::Real(values) => values.len(),
            Input::Pcm16(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn format(&self) -> Format {
        match self {
            Input::Real(_) => Format::F32,
            Input::Pcm16(_) => Format::Pcm16,
        }
    }
}

impl<'a, T> From<&'a [T]> for Input<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Input::Real(values)
    }
}

impl<'a, T> From<&'a Vec<T>> for Input<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        Input::Real(values)
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Input<'a, T> {
    fn from(values: &'a [T; N]) -> Self {
        Input::Real(values)
    }
}

/// An input as the plan knows it.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub var: Var,
    pub name: String,
    pub format: Format,
    /// In numbers, not words.
    pub len: usize,
}

impl Expected {
    pub fn check<T>(&self, given: &Input<'_, T>) -> Result<()> {
        if given.format() != self.format {
            return Err(Error::Tape(format!(
                "input '{}' takes {:?}, not {:?}",
                self.name,
                self.format,
                given.format()
            )));
        }
        Error::check_len(given.len(), self.len, || format!("input '{}'", self.name))
    }
}

/// Checks the number, formats and lengths of a replay's inputs.
pub(super) fn check_inputs<T>(expected: &[Expected], given: &[Input<'_, T>]) -> Result<()> {
    Error::check_len(given.len(), expected.len(), || "inputs of the plan".to_string())?;
    expected.iter().zip(given).try_for_each(|(e, g)| e.check(g))
}
