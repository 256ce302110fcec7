//! Fusion: where operations do the work of those before them in one pass over memory. A rewriting of a recorded and
//! differentiated tape, just before it is laid out; it knows no operation.

use std::{borrow::Cow, ops::Range, sync::Arc};

use super::{Flat, Node, Op, Tape, Var, liveness::live_entries, op::ErasedOp};
use crate::error::{Error, Result};

/// An operation that does the work of two.
#[derive(Debug, Clone)]
pub struct Fused {
    op: Arc<dyn ErasedOp>,
    inputs: Vec<Operand>,
}

/// Where an input of a [`Fused`] operation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// The n-th input of the operation that absorbs.
    Own(usize),
    /// The n-th input of the operation that is absorbed.
    Absorbed(usize),
}

impl Fused {
    /// The operation, and its inputs in order.
    pub fn new<O: Op>(op: O, inputs: impl Into<Vec<Operand>>) -> Self {
        Fused {
            op: Arc::new(op),
            inputs: inputs.into(),
        }
    }
}

impl Tape {
    /// Whether plans of this tape fuse operations, as they do unless told otherwise. Not fusing gives the same bits on
    /// the CPU and, but for how a driver rounds products that it adds, on a GPU; it takes more passes over memory. For
    /// comparisons, and to have a step for every operation that was recorded. A tape that [narrows](Self::narrow) rounds
    /// what was not fused.
    pub fn fuse(&mut self, fuse: bool) {
        self.fuses = fuse;
    }

    /// The range of a flat buffer that a tensor lies in, if it does.
    fn flat_range(&self, mut var: Var) -> Option<(Flat, Range<usize>)> {
        loop {
            let len = self.shape_of(var).len();
            if let Some(&(_, flat, offset)) = self.pinned.iter().find(|(pinned, ..)| *pinned == var) {
                return Some((flat, offset..offset + len));
            }
            match self.node(var) {
                Node::Flat { flat, offset, .. } => return Some((*flat, *offset..offset + len)),
                Node::Op { op, inputs } if op.is_view() || !op.mutates().is_empty() => var = inputs[0],
                _ => return None,
            }
        }
    }

    /// The ranges of flat buffers that an entry writes.
    fn writes(&self, entry: Var) -> Vec<(Flat, Range<usize>)> {
        let Node::Op { op, inputs } = self.node(entry) else {
            return Vec::new();
        };
        let mutated = op.mutates().iter().filter_map(|&i| self.flat_range(inputs[i]));
        let pinned = self.flat_range(entry).filter(|_| !op.is_view());
        mutated.chain(pinned).collect()
    }
}

/// The tape as it is to be laid out, and how many operations others do the work of.
///
/// An operation is absorbed if all that read its result absorb it, if it has no other use (it is no output and has no
/// lasting place), and if what it reads is still there when they run.
///
/// # Errors
/// [`Error::Tape`] or [`Error::Shape`] if an operation says that it fuses to what does not fit.
pub(super) fn fuse<'t>(tape: &'t Tape, outputs: &[Var]) -> Result<(Cow<'t, Tape>, usize)> {
    let mut fused = Cow::Borrowed(tape);
    let mut absorbed = 0;
    if !tape.fuses {
        return Ok((fused, absorbed));
    }
    let live = live_entries(tape, outputs);
    let mut readers: Vec<Vec<Var>> = vec![Vec::new(); tape.entries.len()];
    for index in (0..tape.entries.len()).filter(|&i| live[i]) {
        if let Node::Op { inputs, .. } = &tape.entries[index].node {
            let reader = tape.var(index);
            inputs
                .iter()
                .for_each(|input| add(&mut readers[input.index()], reader));
        }
    }
    for index in (0..tape.entries.len()).filter(|&i| live[i]) {
        let producer = tape.var(index);
        if outputs.contains(&producer) || tape.pinned.iter().any(|(pinned, ..)| *pinned == producer) {
            continue;
        }
        let Some(rewritten) = absorb(&fused, producer, &readers[index], &live)? else {
            continue;
        };
        if let Node::Op { inputs, .. } = &fused.entries[index].node {
            let absorbing = readers[index].clone();
            for input in inputs {
                let readers = &mut readers[input.index()];
                readers.retain(|reader| *reader != producer);
                absorbing.iter().for_each(|&reader| add(readers, reader));
            }
        }
        let entries = &mut fused.to_mut().entries;
        for (reader, node) in rewritten {
            entries[reader.index()].node = node;
        }
        absorbed += 1;
    }
    Ok((fused, absorbed))
}

fn add(readers: &mut Vec<Var>, reader: Var) {
    if !readers.contains(&reader) {
        readers.push(reader);
    }
}

/// What the readers of an operation's result become, if all of them can absorb it.
fn absorb(tape: &Tape, producer: Var, readers: &[Var], live: &[bool]) -> Result<Option<Vec<(Var, Node)>>> {
    let Node::Op { op, inputs: read } = tape.node(producer) else {
        return Ok(None);
    };
    if op.is_view() || !op.mutates().is_empty() || readers.is_empty() {
        return Ok(None);
    }
    let mut rewritten = Vec::with_capacity(readers.len());
    for &reader in readers {
        let Node::Op {
            op: absorbing,
            inputs: own,
        } = tape.node(reader)
        else {
            return Ok(None);
        };
        let mut places = own.iter().enumerate().filter(|(_, var)| **var == producer);
        let (Some((place, _)), None) = (places.next(), places.next()) else {
            return Ok(None);
        };
        let Some(fused) = absorbing.absorb(place, &**op) else {
            return Ok(None);
        };
        if !stays(tape, read, producer, reader, live) {
            return Ok(None);
        }
        let operand = |operand: &Operand| match *operand {
            Operand::Own(i) => own.get(i).copied(),
            Operand::Absorbed(i) => read.get(i).copied(),
        };
        let inputs: Option<Vec<Var>> = fused.inputs.iter().map(operand).collect();
        let inputs = inputs.filter(|inputs| !inputs.contains(&producer));
        let misfit = || {
            let (name, producer) = (absorbing.name(), op.name());
            Error::Tape(format!("{name} with {producer} is no {}", fused.op.name()))
        };
        let inputs = inputs.ok_or_else(misfit)?;
        if tape.check(&*fused.op, &inputs)? != tape.shape_of(reader)
            || fused.op.mutates() != absorbing.mutates()
        {
            return Err(misfit());
        }
        rewritten.push((reader, Node::Op { op: fused.op, inputs }));
    }
    Ok(Some(rewritten))
}

/// Whether what the producer reads holds the same values when the reader runs, which can read it beside what it writes.
fn stays(tape: &Tape, read: &[Var], producer: Var, reader: Var, live: &[bool]) -> bool {
    let read: Vec<_> = read.iter().filter_map(|&var| tape.flat_range(var)).collect();
    if read.is_empty() {
        return true;
    }
    let overlaps = |(flat, range): &(Flat, Range<usize>)| {
        let mut read = read.iter();
        read.any(|(other, r)| other == flat && r.start < range.end && range.start < r.end)
    };
    let mut between = (producer.index() + 1..reader.index()).filter(|&i| live[i]);
    let changed = between.any(|i| tape.writes(tape.var(i)).iter().any(overlaps));
    // no dispatch may read and write one buffer, not even different ranges
    let mut written = tape.writes(reader).into_iter();
    !changed && !written.any(|(flat, _)| read.iter().any(|(other, _)| *other == flat))
}
