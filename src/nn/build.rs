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
    /// None where tensors get no values.
    random: Option<Rc<RefCell<ChaCha8Rng>>>,
    prefix: String,
    role: Role,
}

impl<'a> Build<'a> {
    /// Tensors without a prefix, to be trained, whose first values are a function of the seed and of the order in which
    /// they are made.
    pub fn new(parameters: &'a mut Parameters, seed: u64) -> Self {
        Build {
            parameters,
            random: Some(Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))),
            prefix: String::new(),
            role: Role::Trainable,
        }
    }

    /// Tensors that have names and shapes and no values: what a network would be, before memory is taken for it.
    pub fn outline(parameters: &'a mut Parameters) -> Self {
        Build {
            random: None,
            ..Build::new(parameters, 0)
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
        self.made(name, shape.into(), |_, len| vec![value; len])
    }

    /// Adds a tensor by PyTorch's default for weights and biases of convolutions and linear layers: uniform in
    /// ±1/√fan_in.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn uniform(&mut self, name: &str, shape: impl Into<Shape>, fan_in: usize) -> Result<ParameterId> {
        let bound = 1.0 / (fan_in as f32).sqrt();
        self.made(name, shape.into(), |random, len| {
            (0..len).map(|_| random.random_range(-bound..bound)).collect()
        })
    }

    fn made(
        &mut self,
        name: &str,
        shape: Shape,
        values: impl FnOnce(&mut ChaCha8Rng, usize) -> Vec<f32>,
    ) -> Result<ParameterId> {
        let shape = self.checked(name, shape)?;
        let values = match &self.random {
            Some(random) => values(&mut random.borrow_mut(), shape.len()),
            None => Vec::new(),
        };
        let name = format!("{}{name}", self.prefix);
        self.parameters.declare(&name, shape, self.role, values)
    }

    /// An error for a tensor that no device takes, before it is filled.
    fn checked(&self, name: &str, shape: Shape) -> Result<Shape> {
        let fault = match shape.len() {
            0 => "is empty: use larger sizes",
            1..=MAX_ELEMENTS => return Ok(shape),
            _ => "is larger than any tensor can be: use a smaller width, or fewer dimensions",
        };
        Err(Error::Tape(format!(
            "'{}{name}' of [{shape}] {fault}",
            self.prefix
        )))
    }
}
