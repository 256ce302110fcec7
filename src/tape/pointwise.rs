//! Operations that treat all elements alike, as rows of a table: a formula for the CPU, the same in WGSL, and what no row
//! can say by itself, its gradient and its cases. All else follows.

use std::array;

use super::{Cpu, Io, Real, inputs, parallel::for_chunks, same};
use crate::{
    error::{Error, Result},
    kernel::{Dispatch, at_once},
    shader,
    shape::Shape,
};

/// Whether an expression in WGSL is also right for vectors of four elements, in which they are then taken where their
/// number is a multiple of four.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    One,
    Four,
}

/// A row: `Type.number, "name", By::One, |inputs| formula, "formula in WGSL";` and the rest of its `impl Op`.
///
/// The inputs have one shape, which is the output's. WGSL calls them by the same names; they are of type `Elements`. The
/// number is a field of the type, if it needs one, in WGSL `params.number`; a condition on it may follow after `where`.
macro_rules! pointwise {
    (
        $op:ident $(. $number:ident $(where $valid:expr)?)?, $name:literal, $by:expr,
        |$($input:ident),+| $formula:expr,
        $wgsl:literal;
        $($rest:tt)*
    ) => {
        impl $crate::tape::Op for $op {
            const NAME: &'static str = $name;
            const TRUSTED: Option<$crate::tape::Trusted<Self>> = $crate::tape::Trusted::OWN;

            fn shape(&self, given: &[$crate::shape::Shape]) -> $crate::error::Result<$crate::shape::Shape> {
                $(
                    let $number = self.$number;
                    let valid = $number.is_finite() $(&& $valid)?;
                    $crate::tape::pointwise::check($name, stringify!($number), $number, valid)?;
                )?
                $crate::tape::pointwise::shape::<{ [$(stringify!($input)),+].len() }>($name, given)
            }

            fn cpu<T: $crate::tape::Real>(&self, io: $crate::tape::Cpu<'_, T>) {
                $(let $number = T::of(f64::from(self.$number));)?
                $crate::tape::pointwise::map(io, |[$($input),+]: [T; _]| $formula);
            }

            fn gpu(&self, io: &$crate::tape::Io<'_>) -> $crate::kernel::Kernels {
                let dispatch = $crate::tape::pointwise::dispatch(io, &[$(stringify!($input)),+], $wgsl, $by);
                $(let dispatch = dispatch.define("NUMBER", stringify!($number)).param_f32(self.$number);)?
                dispatch.into()
            }

            $($rest)*
        }
    };
}

pub(crate) use pointwise;

pub fn check(op: &'static str, name: &str, number: f32, valid: bool) -> Result<()> {
    match valid {
        true => Ok(()),
        false => Err(Error::shape(op, format!("a {name} of {number} cannot be used"))),
    }
}

pub fn shape<const N: usize>(op: &'static str, given: &[Shape]) -> Result<Shape> {
    let shapes = inputs::<N>(op, given)?;
    shapes[1..]
        .iter()
        .try_for_each(|&other| same(op, shapes[0], other))?;
    Ok(shapes[0])
}

/// Elements of a block.
const BLOCK: usize = 16;

pub fn map<T: Real, const N: usize>(io: Cpu<'_, T>, f: impl Fn([T; N]) -> T + Sync) {
    for_chunks(io.output, |start, chunk| {
        let inputs: [&[T]; N] = array::from_fn(|n| &io.inputs[n][start..start + chunk.len()]);
        // blocks of a length that the compiler knows become vectors
        let (blocks, rest) = chunk.as_chunks_mut::<BLOCK>();
        let first = blocks.len() * BLOCK;
        for (b, block) in blocks.iter_mut().enumerate() {
            let inputs: [&[T; BLOCK]; N] = inputs.map(|input| &input.as_chunks().0[b]);
            for (i, out) in block.iter_mut().enumerate() {
                *out = f(inputs.map(|input| input[i]));
            }
        }
        for (i, out) in rest.iter_mut().enumerate() {
            *out = f(inputs.map(|input| input[first + i]));
        }
    });
}

pub fn dispatch(io: &Io<'_>, names: &[&str], formula: &str, by: By) -> Dispatch {
    let each = if by == By::Four {
        at_once(&[io.output.len()])
    } else {
        1
    };
    let loads = names.iter().enumerate();
    let loads: Vec<String> = loads
        .map(|(n, name)| format!("let {name} = input{n}[i];"))
        .collect();
    io.flat_by(shader!("pointwise"), each)
        .define("INPUTS", names.len())
        .define("PARAMS", names.len() + 1)
        .define("LOADS", loads.join(" "))
        .define("FORMULA", formula)
}
