//! The same numbers under another shape.

use super::inputs;
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// The input under another shape of as many elements; flattening is one. Runs nothing. `[…] → shape`
#[derive(Debug, Clone)]
pub struct Reshape {
    /// Shape of the output, of the input's length.
    pub shape: Shape,
}

impl Reshape {
    /// To this shape.
    pub fn to(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Reshape { shape }
    }
}

impl Op for Reshape {
    const NAME: &'static str = "reshape";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        match x.len() == self.shape.len() {
            true => Ok(self.shape),
            false => Err(Error::shape(
                Self::NAME,
                format!("[{x}] does not fill [{}]", self.shape),
            )),
        }
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let shape = at.shape(at.input(0))?;
        at.give(0, Reshape { shape }, &[at.upstream()])
    }

    fn cpu<T: Real>(&self, _io: Cpu<'_, T>) {}

    fn gpu(&self, _io: &Io<'_>) -> Kernels {
        Kernels::default()
    }

    fn cases() -> Vec<Case> {
        let case = |from: [usize; 4], to: Shape| Case::new(Class::Elementwise, Reshape { shape: to }, [from]);
        vec![
            case([3, 5, 7, 2], Shape::from([3, 70])),
            case([1, 5, 33, 1], Shape::from([165])),
        ]
    }

    fn is_view(&self) -> bool {
        true
    }
}
