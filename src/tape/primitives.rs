//! The two operations that the tape itself records: sums of gradients, and copies into flat buffers.

use super::{
    Case, Class, Gradient, Op,
    pointwise::{By, pointwise},
};
use crate::{error::Result, shape::Shape};

/// `a + b`. `[…], […] → […]`
#[derive(Debug, Clone)]
pub struct Add;

/// `a`, in memory of its own. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Copy;

/// Cases of `arity` equal shapes, odd ones among them.
pub(crate) fn odd_cases<O: Op + Clone>(op: &O, arity: usize) -> Vec<Case> {
    [
        Shape::from([3, 5, 7, 11]),
        Shape::from([1]),
        Shape::from([13, 77]),
        Shape::from([3, 7, 4]),
        Shape::from([2, 3, 65, 37]),
    ]
    .into_iter()
    .map(|shape| Case::new(Class::Elementwise, op.clone(), vec![shape; arity]))
    .collect()
}

pointwise! {
    Add, "add", By::Four,
    |a, b| a + b,
    "a + b";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.set(0, at.upstream());
        at.set(1, at.upstream());
        Ok(())
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Add, 2)
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|&half| half)
    }
}

pointwise! {
    Copy, "copy", By::One,
    |a| a,
    "a";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.set(0, at.upstream());
        Ok(())
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Copy, 1)
    }
}
