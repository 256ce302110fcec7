//! Items of a batch. They lie one behind the other, as the channels of a single item do: so these are
//! functions of the channels' operations.

use super::{ConcatChannels, Reshape, SliceChannels};
use crate::{
    error::{Error, Result},
    shape::Shape,
    tape::{Case, Class, Tape, Var},
};

/// Records items `start .. start + count` of a batch, as the anchors of `[3B, D]`.
/// `[N, …] → [count, …]`
///
/// # Errors
/// [`Error::Shape`] if they are not there.
pub fn slice_batch(tape: &mut Tape, x: Var, start: usize, count: usize) -> Result<Var> {
    const NAME: &str = "slice_batch";
    let items = as_channels(tape, NAME, x)?;
    let (end, there) = (start.saturating_add(count), tape.shape(x)?[0]);
    if end > there {
        let message = format!("items {start}..{end} of [{}] are not there", tape.shape(x)?);
        return Err(Error::shape(NAME, message));
    }
    let slice = tape.push(SliceChannels { start, count }, &[items])?;
    let shape = tape.shape(x)?.with_batch(count);
    tape.push(Reshape { shape }, &[slice])
}

/// Records the items of `a`, then those of `b`. `[A, …], [B, …] → [A + B, …]`
///
/// # Errors
/// [`Error::Shape`] if their items differ in shape.
pub fn concat_batch(tape: &mut Tape, a: Var, b: Var) -> Result<Var> {
    const NAME: &str = "concat_batch";
    let [x, y] = [tape.shape(a)?, tape.shape(b)?];
    let [a, b] = [as_channels(tape, NAME, a)?, as_channels(tape, NAME, b)?];
    if x.rank() != y.rank() || x.with_batch(1) != y.with_batch(1) {
        let message = format!("[{x}] and [{y}] may differ in their number of items only");
        return Err(Error::shape(NAME, message));
    }
    let both = tape.push(ConcatChannels, &[a, b])?;
    let shape = x.with_batch(x[0] + y[0]);
    tape.push(Reshape { shape }, &[both])
}

/// `[N, …]` as `[1, N, …]`, where all else is one axis.
fn as_channels(tape: &mut Tape, name: &'static str, x: Var) -> Result<Var> {
    let shape = match tape.shape(x)?.dims() {
        [items, inner @ ..] => Shape::from([1, *items, inner.iter().product()]),
        [] => return Err(Error::shape(name, "needs a batch, but was given a scalar")),
    };
    tape.push(Reshape { shape }, &[x])
}

pub(super) fn cases() -> Vec<Case> {
    let slice = |function, shape| Case::function(Class::Elementwise, "slice_batch", function, [shape]);
    let both = |a, b| {
        let function = |tape: &mut Tape, x: &[Var]| concat_batch(tape, x[0], x[1]);
        Case::function(Class::Elementwise, "concat_batch", function, [a, b])
    };
    vec![
        slice(|tape, x| slice_batch(tape, x[0], 3, 3), Shape::from([9, 5])),
        slice(|tape, x| slice_batch(tape, x[0], 2, 1), Shape::from([3, 2, 5, 7])),
        slice(|tape, x| slice_batch(tape, x[0], 0, 5), Shape::from([7])),
        both(Shape::from([3, 5]), Shape::from([1, 5])),
        both(Shape::from([1, 3, 5, 7]), Shape::from([2, 3, 5, 7])),
    ]
}
