//! Keeping a scalar of every step on the device, to be read many steps later.

use super::inputs;
use crate::{
    error::{Error, Result},
    kernel::{Binding, Dispatch, Kernels, Slot},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, HISTORY_SLOTS, HISTORY_STEPS, Io, Op, Real, Trusted},
};

/// Writes a scalar into the ring `slot` of the history at this step's place. `history (changed), scalar`
#[derive(Debug, Clone)]
pub struct Record {
    /// Which ring, below [`HISTORY_SLOTS`].
    pub slot: usize,
}

impl Op for Record {
    const NAME: &'static str = "record";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [history, scalar] = inputs(Self::NAME, given)?;
        super::same(Self::NAME, scalar, Shape::SCALAR)?;
        if self.slot >= HISTORY_SLOTS || history.len() != HISTORY_SLOTS * HISTORY_STEPS {
            let message = format!("the history has {HISTORY_SLOTS} slots; {} is not one", self.slot);
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(history)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let place = self.slot * HISTORY_STEPS + io.step.step as usize % HISTORY_STEPS;
        let [history, ..] = io.mutated;
        history[place] = io.inputs[1][0];
    }

    fn gpu(&self, _io: &Io<'_>) -> Kernels {
        let bindings = [
            Binding::Write(Slot::Input(0)),
            Binding::Read(Slot::Input(1)),
            Binding::Step,
        ];
        Dispatch::new(shader!("record/record"), bindings, [1, 1, 1])
            .params([self.slot * HISTORY_STEPS, HISTORY_STEPS])
            .into()
    }

    fn cases() -> Vec<Case> {
        let history = Shape::from([HISTORY_SLOTS * HISTORY_STEPS]);
        let case = |slot| {
            Case::new(Class::Elementwise, Record { slot }, [history, Shape::SCALAR]).differentiable(&[])
        };
        vec![case(0), case(7)]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}
