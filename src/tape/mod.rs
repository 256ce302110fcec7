//! The tape: a flat list of operations with static shapes, recorded once, differentiated by appending,
//! laid out by a [`Plan`], and replayed on a device by a [`Session`].

mod case;
mod colouring;
mod cpu;
mod differentiate;
mod fuse;
mod input;
mod limits;
mod liveness;
mod op;
pub(crate) mod parallel;
mod parameters;
mod placement;
mod plan;
mod planner;
pub(crate) mod pointwise;
mod primitives;
mod real;
mod replay;
mod session;
mod slot;
mod table;
mod timing;
mod tune;
mod verify;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use case::{Case, Class, Values};
pub use cpu::{CpuProgram, CpuStore};
pub use fuse::{Fused, Operand};
pub use input::{Format, Input};
pub use op::{Cpu, Gradient, Io, MAX_INPUTS, MAX_MUTATED, Op, Trusted};
pub(crate) use op::{inputs, same};
pub use parameters::{
    Flat, HISTORY_SLOTS, HISTORY_STEPS, Parameter, ParameterId, Parameters, Role, SCALER_LEN,
};
pub use plan::{Place, Plan};
pub use planner::Planner;
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

/// A tensor on a tape. Every other tape refuses it, but a clone of the tape that was made after the tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var {
    index: u32,
    serial: Serial,
}

impl Var {
    fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.index)
    }
}

/// Tells what was recorded or added from everything else that ever was: two things at the same place of two tapes, or
/// of clones that went on differently, have different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Serial(u64);

impl Serial {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Serial(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The most elements of a tensor: kernels count in 32 bits, and bytes, too.
pub(crate) const MAX_ELEMENTS: usize = u32::MAX as usize / 4;

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
        /// Whether it is (the beginning of) all of it, not a named tensor.
        whole: bool,
    },
    Op {
        op: Arc<dyn ErasedOp>,
        inputs: Vec<Var>,
    },
}

#[derive(Clone)]
struct Entry {
    serial: Serial,
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
    ///
    /// # Errors
    /// [`Error::Tape`] for a tensor of another tape.
    pub fn shape(&self, var: Var) -> Result<Shape> {
        self.own(var)?;
        Ok(self.shape_of(var))
    }

    /// The same for one that is known to be of this tape.
    fn shape_of(&self, var: Var) -> Shape {
        self.entries[var.index()].shape
    }

    /// Where every tensor is looked at that comes from outside.
    fn own(&self, var: Var) -> Result<()> {
        match self.entries.get(var.index()) {
            Some(entry) if entry.serial == var.serial => Ok(()),
            _ => Err(Error::Tape(format!(
                "the tensor {var:?} is not of this tape: record it here, too"
            ))),
        }
    }

    /// The tensor at a place of this tape.
    fn var(&self, index: usize) -> Var {
        Var {
            index: index as u32,
            serial: self.entries[index].serial,
        }
    }

    /// Whether activations and their gradients are kept in 16-bit floats, where [their operations](Op::may_narrow) allow it:
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
        Error::check_len(values.len(), shape.len(), || format!("constant [{shape}]"))?;
        let values = values.into();
        Ok(self.add(Node::Constant { values }, shape))
    }

    /// A named tensor of a model.
    ///
    /// # Errors
    /// [`Error::Tape`] for the id of a tensor that is not among these.
    pub fn parameter(&mut self, parameters: &Parameters, id: ParameterId) -> Result<Var> {
        let parameter = parameters.get(id)?;
        let node = Node::Flat {
            flat: parameter.flat(),
            offset: parameter.offset,
            name: parameter.name.clone(),
            whole: false,
        };
        Ok(self.add(node, parameter.shape))
    }

    /// A whole flat buffer as one vector, padding included.
    pub fn flat(&mut self, parameters: &Parameters, flat: Flat) -> Var {
        let shape = Shape::from([parameters.flat_len(flat)]);
        self.add_whole(flat, format!("all {}", flat.name()), shape)
    }

    /// All of a flat buffer, or its beginning.
    fn add_whole(&mut self, flat: Flat, name: String, shape: Shape) -> Var {
        let node = Node::Flat {
            flat,
            offset: 0,
            name,
            whole: true,
        };
        self.add(node, shape)
    }

    /// What the loss is multiplied by where the tape [narrows](Self::narrow): the first number of [`Flat::Scaler`].
    pub fn loss_scale(&mut self) -> Var {
        self.add_whole(Flat::Scaler, "loss scale".to_string(), Shape::SCALAR)
    }

    /// Records an operation.
    ///
    /// # Errors
    /// [`Error::Shape`] if the inputs do not fit it, or the output would be empty; [`Error::Tape`] for a tensor of
    /// another tape.
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
        inputs.iter().try_for_each(|&var| self.own(var))?;
        if op.is_view() && inputs.is_empty() {
            return Err(Error::shape(
                op.name(),
                "a view is of something: give it an input",
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
        for (index, &var) in inputs.iter().enumerate() {
            let unpacks = op.unpacks_pcm16() && index == 0;
            if self.is_pcm16(var) != unpacks {
                let message = match unpacks {
                    true => format!("takes 16-bit samples, not {}", self.describe(var)),
                    false => format!("{} is 16-bit samples: unpack it first", self.describe(var)),
                };
                return Err(Error::shape(op.name(), message));
            }
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&var| self.shape_of(var)).collect();
        let fits = |what: &str, shape: Shape| match (1..=MAX_ELEMENTS).contains(&shape.len()) {
            true => Ok(shape),
            false => {
                let message = format!("an {what} of [{shape}] is empty or too large");
                Err(Error::shape(op.name(), message))
            }
        };
        shapes
            .iter()
            .try_for_each(|&shape| fits("input", shape).map(drop))?;
        fits("output", op.shape(&shapes)?)
    }

    fn add(&mut self, node: Node, shape: Shape) -> Var {
        self.entries.push(Entry {
            serial: Serial::next(),
            node,
            shape,
            scope: self.scope.clone(),
        });
        self.var(self.entries.len() - 1)
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
    fn narrowed(&self, outputs: &[Var]) -> Vec<bool> {
        let mut narrowed = vec![false; self.entries.len()];
        let kept = outputs.iter().chain(self.pinned.iter().map(|(var, ..)| var));
        let kept: Vec<Var> = kept.map(|&var| self.root(var)).collect();
        for (index, entry) in self.entries.iter().enumerate().filter(|_| self.narrows) {
            let Node::Op { op, inputs } = &entry.node else {
                continue;
            };
            let of: Vec<bool> = inputs.iter().map(|var| narrowed[var.index()]).collect();
            narrowed[index] = match op.is_view() {
                true => of[0],
                false => op.may_narrow(&of) && op.mutates().is_empty() && !kept.contains(&self.var(index)),
            };
        }
        narrowed
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
            write!(f, "%{index} = {}", self.describe(self.var(index)))?;
            if let Node::Op { inputs, .. } = &entry.node {
                let inputs: Vec<String> = inputs.iter().map(|v| format!("{v:?}")).collect();
                write!(f, " ({})", inputs.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
