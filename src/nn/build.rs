use std::{cell::RefCell, fmt::Display, rc::Rc};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    error::{Error, Result},
    shape::Shape,
    tape::{MAX_ELEMENTS, ParameterId, Parameters, Role},
};

/// What a layer is made with: the parameters that its tensors join, their role and the beginning of their names, and the
/// random numbers that they start from.
pub struct Build<'a> {
    parameters: &'a mut Parameters,
    random: Rc<RefCell<ChaCha8Rng>>,
    prefix: String,
    role: Role,
}

impl<'a> Build<'a> {
    /// Tensors without a prefix, to be trained, whose first values are a function of the seed and of the order in which
    /// they are made.
    pub fn new(parameters: &'a mut Parameters, seed: u64) -> Self {
        Build {
            parameters,
            random: Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(seed))),
            prefix: String::new(),
            role: Role::Trainable,
        }
    }

    /// The same for a part: `name.` comes before the names of its tensors.
    pub fn at(&mut self, name: impl Display) -> Build<'_> {
        let prefix = format!("{}{name}.", self.prefix);
        Build {
            prefix,
            ..self.with(self.role)
        }
    }

    /// The same for tensors of another role.
    pub fn with(&mut self, role: Role) -> Build<'_> {
        Build {
            parameters: self.parameters,
            random: self.random.clone(),
            prefix: self.prefix.clone(),
            role,
        }
    }

    /// Adds a tensor of given values.
    ///
    /// # Errors
    /// As [`Parameters::add`].
    pub fn add(&mut self, name: &str, shape: impl Into<Shape>, values: Vec<f32>) -> Result<ParameterId> {
        let name = format!("{}{name}", self.prefix);
        self.parameters.add(&name, shape.into(), self.role, values)
    }

    /// Adds a tensor of equal values.
    ///
    /// # Errors
    /// If the name is taken, or no tensor can be so large.
    pub fn fill(&mut self, name: &str, shape: impl Into<Shape>, value: f32) -> Result<ParameterId> {
        let shape = self.checked(name, shape.into())?;
        self.add(name, shape, vec![value; shape.len()])
    }

    /// Adds a tensor by PyTorch's default for weights and biases of convolutions and linear layers: uniform in
    /// ±1/√fan_in.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn uniform(&mut self, name: &str, shape: impl Into<Shape>, fan_in: usize) -> Result<ParameterId> {
        let shape = self.checked(name, shape.into())?;
        let bound = 1.0 / (fan_in as f32).sqrt();
        let mut random = self.random.borrow_mut();
        let values = (0..shape.len())
            .map(|_| random.random_range(-bound..bound))
            .collect();
        drop(random);
        self.add(name, shape, values)
    }

    /// An error for a tensor that no device takes, before it is filled.
    fn checked(&self, name: &str, shape: Shape) -> Result<Shape> {
        let fault = match shape.len() {
            0 => "is empty: use larger sizes",
            1..=MAX_ELEMENTS => return Ok(shape),
            _ => "is larger than any tensor can be: use a smaller width, or fewer dimensions",
        };
        Err(Error::Tape(format!("'{}{name}' of [{shape}] {fault}", self.prefix)))
    }
}
