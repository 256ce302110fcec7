//! The tape: a flat list of operations with static shapes, recorded once, differentiated by appending,
//! laid out by a [`Plan`], and replayed on a device by a [`Session`].

mod case;
mod choices;
mod cpu;
mod differentiate;
mod fuse;
mod input;
mod layout;
mod limits;
mod liveness;
mod op;
pub(crate) mod parallel;
mod parameters;
mod plan;
mod primitives;
mod real;
mod replay;
mod session;
mod slot;
mod table;
mod timing;
mod tune;

use std::{fmt, sync::Arc};

pub use case::{Case, Class, Values};
pub use choices::Choices;
pub use cpu::{CpuProgram, CpuStore};
pub use fuse::{Fused, Operand};
pub use input::{Format, Input};
pub use op::{Cpu, Gradient, Io, MAX_INPUTS, MAX_MUTATED, Op};
pub(crate) use op::{inputs, same};
pub use parameters::{
    Flat, HISTORY_SLOTS, HISTORY_STEPS, Parameter, ParameterId, Parameters, Role, SCALER_LEN,
};
pub use plan::{Place, Plan};
pub(crate) use primitives::odd_cases;
pub use primitives::{Add, Copy};
pub use real::{Real, with_scratch};
pub use session::{Program, Session};
pub use slot::Slot;
pub use table::Planned;
pub use timing::Effort;
pub use tune::{Thoroughness, Tunable, Tuned};

use self::op::ErasedOp;
use crate::{
    error::{Error, Result},
    shape::Shape,
};

/// A tensor on a tape. Only meaningful with the tape that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(u32);

impl Var {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a tensor's value is.
#[derive(Clone)]
enum Node {
    /// Written by the host before every replay.
    Input {
        name: String,
        format: Format,
    },
    /// Written once.
    Constant {
        values: Arc<[f32]>,
    },
    /// A range of a buffer that outlives the replay.
    Flat {
        flat: Flat,
        offset: usize,
        name: String,
    },
    Op {
        op: Arc<dyn ErasedOp>,
        inputs: Vec<Var>,
    },
}

#[derive(Clone)]
struct Entry {
    node: Node,
    shape: Shape,
    scope: Arc<str>,
}

/// A recorded computation.
#[derive(Clone)]
pub struct Tape {
    entries: Vec<Entry>,
    inputs: Vec<Var>,
    /// Values that live in a flat buffer instead of one of the plan's.
    pinned: Vec<(Var, Flat, usize)>,
    scope: Arc<str>,
    fuses: bool,
    narrows: bool,
}

impl Default for Tape {
    fn default() -> Self {
        Tape {
            entries: Vec::new(),
            inputs: Vec::new(),
            pinned: Vec::new(),
            scope: Arc::from(""),
            fuses: true,
            narrows: false,
        }
    }
}

impl Tape {
    /// A tape with nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shape of a tensor of this tape.
    pub fn shape(&self, var: Var) -> Shape {
        self.entries[var.index()].shape
    }

    /// Whether activations and their gradients are kept in 16-bit floats, where [their operations](Op::halves) allow it:
    /// half the memory and half of its traffic. Arithmetic stays in 32 bits, as do parameters, their gradients, and what
    /// the host reads. [`backward`](Self::backward) then scales the loss, so that small gradients do not vanish, which the
    /// optimizer takes back. The CPU rounds alike, but saves nothing.
    ///
    /// What is too large becomes infinite, or 65,504 on a driver that rounds toward zero. Results depend in their last
    /// bits on what is an output and what is fused: neither is rounded.
    pub fn narrow(&mut self, narrows: bool) {
        self.narrows = narrows;
    }

    /// Names what is recorded from here on, for tables and messages.
    pub fn set_scope(&mut self, scope: &str) {
        self.scope = Arc::from(scope);
    }

    /// A tensor that the host writes before every replay, in the order in which inputs are recorded.
    /// Must not be empty.
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> Var {
        self.add_input(name, Format::F32, shape.into())
    }

    /// The same as 16-bit samples, whole numbers from −32768 to 32767. Only operations that unpack them take it
    /// ([`Op::unpacks_pcm16`]).
    pub fn pcm16(&mut self, name: &str, shape: impl Into<Shape>) -> Var {
        self.add_input(name, Format::Pcm16, shape.into())
    }

    fn add_input(&mut self, name: &str, format: Format, shape: Shape) -> Var {
        let name = name.to_string();
        let var = self.add(Node::Input { name, format }, shape);
        self.inputs.push(var);
        var
    }

    /// A tensor that never changes.
    ///
    /// # Errors
    /// [`Error::Length`] if `values` do not fill the shape.
    pub fn constant(&mut self, shape: impl Into<Shape>, values: &[f32]) -> Result<Var> {
        let shape = shape.into();
        if values.len() != shape.len() {
            return Err(Error::Length {
                what: format!("constant [{shape}]"),
                given: values.len(),
                expected: shape.len(),
            });
        }
        Ok(self.add(
            Node::Constant {
                values: values.into(),
            },
            shape,
        ))
    }

    /// A named tensor of a model.
    pub fn parameter(&mut self, parameters: &Parameters, id: ParameterId) -> Var {
        let parameter = parameters.get(id);
        let node = Node::Flat {
            flat: parameter.flat(),
            offset: parameter.offset,
            name: parameter.name.clone(),
        };
        self.add(node, parameter.shape)
    }

    /// A whole flat buffer as one vector, padding included.
    pub fn flat(&mut self, parameters: &Parameters, flat: Flat) -> Var {
        let shape = Shape::from([parameters.flat_len(flat)]);
        self.add(
            Node::Flat {
                flat,
                offset: 0,
                name: format!("all {}", flat.name()),
            },
            shape,
        )
    }

    /// What the loss is multiplied by where the tape [narrows](Self::narrow): the first number of [`Flat::Scaler`].
    pub fn loss_scale(&mut self) -> Var {
        let node = Node::Flat {
            flat: Flat::Scaler,
            offset: 0,
            name: "loss scale".to_string(),
        };
        self.add(node, Shape::SCALAR)
    }

    /// Records an operation.
    ///
    /// # Errors
    /// [`Error::Shape`] if the inputs do not fit it, or the output would be empty.
    pub fn push<O: Op>(&mut self, op: O, inputs: &[Var]) -> Result<Var> {
        self.push_erased(Arc::new(op), inputs)
    }

    fn push_erased(&mut self, op: Arc<dyn ErasedOp>, inputs: &[Var]) -> Result<Var> {
        let shape = self.check(&*op, inputs)?;
        Ok(self.add(
            Node::Op {
                op,
                inputs: inputs.to_vec(),
            },
            shape,
        ))
    }

    /// The shape of what an operation gives, if it can be recorded with these inputs.
    fn check(&self, op: &dyn ErasedOp, inputs: &[Var]) -> Result<Shape> {
        if inputs.len() > MAX_INPUTS || op.mutates().len() > MAX_MUTATED {
            return Err(Error::shape(
                op.name(),
                format!("takes at most {MAX_INPUTS} inputs"),
            ));
        }
        if let Some(foreign) = inputs.iter().find(|var| var.index() >= self.entries.len()) {
            return Err(Error::shape(
                op.name(),
                format!("{foreign:?} is not of this tape"),
            ));
        }
        for &index in op.mutates() {
            if !matches!(inputs.get(index).map(|v| self.node(*v)), Some(Node::Flat { .. })) {
                return Err(Error::shape(
                    op.name(),
                    "changes tensors that outlive the replay, and those only",
                ));
            }
        }
        for &var in inputs {
            if self.is_pcm16(var) != op.unpacks_pcm16() {
                let message = match op.unpacks_pcm16() {
                    true => format!("takes 16-bit samples, not {}", self.describe(var)),
                    false => format!("{} is 16-bit samples: unpack it first", self.describe(var)),
                };
                return Err(Error::shape(op.name(), message));
            }
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&var| self.shape(var)).collect();
        let shape = op.shape(&shapes)?;
        if shape.is_empty() || shape.len() > u32::MAX as usize / 4 {
            return Err(Error::shape(
                op.name(),
                format!("an output of [{shape}] is empty or too large"),
            ));
        }
        Ok(shape)
    }

    fn add(&mut self, node: Node, shape: Shape) -> Var {
        self.entries.push(Entry {
            node,
            shape,
            scope: self.scope.clone(),
        });
        Var(self.entries.len() as u32 - 1)
    }

    fn node(&self, var: Var) -> &Node {
        &self.entries[var.index()].node
    }

    fn is_pcm16(&self, var: Var) -> bool {
        matches!(
            self.node(var),
            Node::Input {
                format: Format::Pcm16,
                ..
            }
        )
    }

    /// The tensor whose memory `var` is a view of; most are their own.
    fn root(&self, mut var: Var) -> Var {
        while let Node::Op { op, inputs } = self.node(var) {
            if !op.is_view() {
                break;
            }
            var = inputs[0];
        }
        var
    }

    /// Whether it [keeps](Self::narrow) what it may in 16-bit floats.
    pub fn narrows(&self) -> bool {
        self.narrows
    }

    /// For every tensor, whether it is kept in 16-bit floats: never what outlives the replay or is read by the host.
    fn halves(&self, outputs: &[Var]) -> Vec<bool> {
        let mut halves = vec![false; self.entries.len()];
        let kept = outputs.iter().chain(self.pinned.iter().map(|(var, ..)| var));
        let kept: Vec<Var> = kept.map(|&var| self.root(var)).collect();
        for (index, entry) in self.entries.iter().enumerate().filter(|_| self.narrows) {
            let Node::Op { op, inputs } = &entry.node else {
                continue;
            };
            let of: Vec<bool> = inputs.iter().map(|var| halves[var.index()]).collect();
            halves[index] = match op.is_view() {
                true => of[0],
                false => op.halves(&of) && op.mutates().is_empty() && !kept.contains(&Var(index as u32)),
            };
        }
        halves
    }

    /// A name for messages: what it is, where, and its shape.
    fn describe(&self, var: Var) -> String {
        let entry = &self.entries[var.index()];
        let what = match &entry.node {
            Node::Input { name, .. } => format!("input '{name}'"),
            Node::Constant { .. } => "constant".to_string(),
            Node::Flat { name, .. } => format!("'{name}'"),
            Node::Op { op, .. } => op.name().to_string(),
        };
        let scope = if entry.scope.is_empty() {
            String::new()
        } else {
            format!("{} ", entry.scope)
        };
        format!("{scope}{what} [{}]", entry.shape)
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            let var = Var(index as u32);
            write!(f, "%{index} = {}", self.describe(var))?;
            if let Node::Op { inputs, .. } = &entry.node {
                let inputs: Vec<String> = inputs.iter().map(|v| format!("%{}", v.0)).collect();
                write!(f, " ({})", inputs.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
