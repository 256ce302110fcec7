//! The contract of an operation.

use std::{any::Any, fmt::Debug, marker::PhantomData};

use super::{Case, Fused, Real, Tape, Var};
use crate::{
    error::{Error, Result},
    gpu::Checks,
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, StepValues, Traits, flat_grid},
    shape::Shape,
};

/// The most tensors that an operation takes.
pub const MAX_INPUTS: usize = 6;
/// The most inputs that an operation changes in place.
pub const MAX_MUTATED: usize = 3;

/// An operation: everything that a tape, a plan and a device need to know of it. An operation has one
/// output tensor; what needs several is several operations.
pub trait Op: Debug + Send + Sync + Sized + 'static {
    /// For messages and tables.
    const NAME: &'static str;

    /// Whether its kernels run without checks of their indices and loops: only for the crate's own, as nobody else can
    /// make a [`Trusted`].
    const TRUSTED: Option<Trusted<Self>> = None;

    /// The output's shape.
    ///
    /// # Errors
    /// [`Error::Shape`], naming the operation and the shapes that do not fit.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape>;

    /// Emits the gradient of the inputs that [`Gradient::wants`] names. An operation that does not say how has none.
    ///
    /// # Errors
    /// What recording the emitted operations gives, or [`Gradient::none`].
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    /// Computes the output, as the formula reads.
    fn cpu<T: Real>(&self, io: Cpu<'_, T>);

    /// The dispatches that compute the output.
    fn gpu(&self, io: &Io<'_>) -> Kernels;

    /// Names of the ways to compute the output that this device has, the default first: each of them can be
    /// [pinned](Traits::pinned). Empty where there is one way only.
    fn variants(&self, _io: &Io<'_>) -> Vec<&'static str> {
        Vec::new()
    }

    /// The operation that does this one's work and that of the producer of its n-th input, a concrete operation to be
    /// downcast, in one pass. On the CPU it must give the same bits as both. Asked only where nothing else needs the
    /// producer's result, after differentiation: it needs no gradient of its own.
    fn absorb(&self, _input: usize, _producer: &dyn Any) -> Option<Fused> {
        None
    }

    /// What the tests and benches run it on.
    fn cases() -> Vec<Case>
    where
        Self: Sized;

    /// Inputs that are changed in place. Such an operation has no output of its own: its value is the
    /// first of them.
    fn mutates(&self) -> &'static [usize] {
        &[]
    }

    /// Whether the output is the first input under another shape. Such an operation runs nothing.
    fn is_view(&self) -> bool {
        false
    }

    /// Whether its first input is 16-bit samples: on the GPU, two of them in each word; on the CPU, whole numbers.
    fn unpacks_pcm16(&self) -> bool {
        false
    }

    /// Whether the result may be kept in 16-bit floats where the [tape](Tape::narrow) does that, given which inputs are.
    /// For activations and their gradients; sums, statistics and what is near the loss need more.
    fn may_narrow(&self, _inputs: &[bool]) -> bool {
        false
    }

    /// Floating-point operations, two per multiply-add; 0 where memory traffic is what counts.
    fn flops(&self, _io: &Io<'_>) -> u64 {
        0
    }
}

/// Says that no kernel of the operation `O` needs checks where it runs: under all shapes that its rule accepts and
/// whatever its tensors hold, no index leaves its tensor, nothing is divided by 0, and every loop ends. It is of one
/// type of operation, and the plan alone goes by it, with the shapes that the tape checked: who calls another
/// operation's [`gpu`](Op::gpu), or changes what that gives, has no part in it.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<O>(PhantomData<O>);

impl<O> Trusted<O> {
    /// The value of [`Op::TRUSTED`] for operations of this crate.
    pub(crate) const OWN: Option<Self> = Some(Trusted(PhantomData));
}

/// The shapes that an operation works on, and what is known of the device.
#[derive(Debug, Clone, Copy)]
pub struct Io<'a> {
    /// Shapes of the inputs, in order.
    pub inputs: &'a [Shape],
    /// Shape of the result.
    pub output: Shape,
    /// What is known of the device.
    pub traits: Traits,
}

impl Io<'_> {
    /// The inputs to be read, in order, then what is written.
    pub fn bindings(&self, written: Slot) -> Vec<Binding> {
        let inputs = (0..self.inputs.len()).map(|i| Binding::Read(Slot::Input(i)));
        inputs.chain([Binding::Write(written)]).collect()
    }

    /// A dispatch with one invocation per output element: it binds the inputs, then the output, and its
    /// first parameter is the output's length.
    pub fn flat(&self, shader: Shader) -> Dispatch {
        let len = self.output.len();
        Dispatch::new(shader, self.bindings(Slot::Output), flat_grid(len)).params([len])
    }

    /// The same with one invocation per so many output elements, for shaders of `shared/elements`.
    pub fn flat_by(&self, shader: Shader, at_once: usize) -> Dispatch {
        let mut dispatch = self.flat(shader).elements(at_once);
        let len = self.output.len() / at_once;
        dispatch.groups = flat_grid(len);
        dispatch.params = vec![len as u32];
        dispatch
    }
}

/// Everything that an operation's CPU implementation may touch.
pub struct Cpu<'a, T> {
    /// The inputs; empty where an input is changed in place.
    pub inputs: [&'a [T]; MAX_INPUTS],
    /// The inputs that [`Op::mutates`] names, in its order.
    pub mutated: [&'a mut [T]; MAX_MUTATED],
    /// Holds anything on entry. Empty for an operation that mutates.
    pub output: &'a mut [T],
    /// The shapes of all these.
    pub shapes: Io<'a>,
    /// The values that change from step to step.
    pub step: &'a StepValues,
}

impl<T> Cpu<'_, T> {
    /// Shape of the n-th input, from 0.
    pub fn shape(&self, input: usize) -> Shape {
        self.shapes.inputs[input]
    }
}

/// Where a gradient rule is asked: the operation's place on the tape.
pub struct Gradient<'t> {
    pub(super) tape: &'t mut Tape,
    pub(super) inputs: Vec<Var>,
    pub(super) output: Var,
    pub(super) upstream: Var,
    pub(super) wanted: Vec<bool>,
    pub(super) given: Vec<Option<Var>>,
    pub(super) name: &'static str,
}

impl Gradient<'_> {
    /// The n-th input, from 0.
    pub fn input(&self, index: usize) -> Var {
        self.inputs[index]
    }

    /// Number of inputs; operations with optional inputs ask.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// The operation's result.
    pub fn output(&self) -> Var {
        self.output
    }

    /// The gradient of the loss with respect to the output.
    pub fn upstream(&self) -> Var {
        self.upstream
    }

    /// Shape of any tensor of the tape.
    ///
    /// # Errors
    /// As [`Tape::shape`].
    pub fn shape(&self, var: Var) -> Result<Shape> {
        self.tape.shape(var)
    }

    /// Whether anything asks for this input's gradient.
    pub fn wants(&self, input: usize) -> bool {
        self.wanted[input]
    }

    /// Records an operation.
    ///
    /// # Errors
    /// As [`Tape::push`].
    pub fn push<O: Op>(&mut self, op: O, inputs: &[Var]) -> Result<Var> {
        self.tape.push(op, inputs)
    }

    /// Records a tensor that never changes.
    ///
    /// # Errors
    /// As [`Tape::constant`].
    pub fn constant(&mut self, shape: impl Into<Shape>, values: &[f32]) -> Result<Var> {
        self.tape.constant(shape, values)
    }

    /// Records an operation that gives the gradient of an input, if anything asks for it.
    ///
    /// # Errors
    /// As [`Tape::push`].
    pub fn give<O: Op>(&mut self, input: usize, op: O, inputs: &[Var]) -> Result<()> {
        if self.wants(input) {
            let gradient = self.push(op, inputs)?;
            self.set(input, gradient);
        }
        Ok(())
    }

    /// Sets the gradient of an input.
    pub fn set(&mut self, input: usize, gradient: Var) {
        self.given[input] = Some(gradient);
    }

    /// For an operation without a gradient rule.
    ///
    /// # Errors
    /// Always: [`Error::Shape`] that names the operation.
    pub fn none(&self) -> Result<()> {
        Err(Error::shape(
            self.name,
            "has no gradient; nothing that is trained may depend on it",
        ))
    }
}

/// The `N` inputs of an operation, or an error that counts them.
pub(crate) fn inputs<const N: usize>(op: &'static str, given: &[Shape]) -> Result<[Shape; N]> {
    given
        .try_into()
        .map_err(|_| Error::shape(op, format!("takes {N} inputs, not {}", given.len())))
}

/// An error unless all shapes are equal.
pub(crate) fn same(op: &'static str, a: Shape, b: Shape) -> Result<()> {
    match a == b {
        true => Ok(()),
        false => Err(Error::shape(op, format!("[{a}] and [{b}] must be equal"))),
    }
}

/// Makes [`ErasedOp`] of what it has as [`Op`] has it, and of what generics and constants keep from being behind a
/// pointer.
macro_rules! erased {
    ($(fn $same:ident(&self $(, $argument:ident: $type:ty)?) -> $out:ty;)*) => {
        /// [`Op`] behind a pointer.
        pub(super) trait ErasedOp: Debug + Send + Sync {
            $(fn $same(&self $(, $argument: $type)?) -> $out;)*
            fn name(&self) -> &'static str;
            fn checks(&self) -> Checks;
            fn absorb(&self, input: usize, producer: &dyn ErasedOp) -> Option<Fused>;
            fn as_any(&self) -> &dyn Any;
            fn cpu_f32(&self, io: Cpu<'_, f32>);
            fn cpu_f64(&self, io: Cpu<'_, f64>);
        }

        impl<O: Op> ErasedOp for O {
            $(fn $same(&self $(, $argument: $type)?) -> $out {
                Op::$same(self $(, $argument)?)
            })*

            fn name(&self) -> &'static str {
                O::NAME
            }

            fn checks(&self) -> Checks {
                match O::TRUSTED {
                    Some(_) => Checks::Off,
                    None => Checks::On,
                }
            }

            fn absorb(&self, input: usize, producer: &dyn ErasedOp) -> Option<Fused> {
                Op::absorb(self, input, producer.as_any())
            }

            fn as_any(&self) -> &dyn Any {
                self
            }

            fn cpu_f32(&self, io: Cpu<'_, f32>) {
                self.cpu(io);
            }

            fn cpu_f64(&self, io: Cpu<'_, f64>) {
                self.cpu(io);
            }
        }
    };
}

erased! {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape>;
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()>;
    fn gpu(&self, io: &Io<'_>) -> Kernels;
    fn variants(&self, io: &Io<'_>) -> Vec<&'static str>;
    fn mutates(&self) -> &'static [usize];
    fn is_view(&self) -> bool;
    fn unpacks_pcm16(&self) -> bool;
    fn may_narrow(&self, inputs: &[bool]) -> bool;
    fn flops(&self, io: &Io<'_>) -> u64;
}
