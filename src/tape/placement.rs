//! How a [`Plan`] is made: a place for every tensor of a tape, and a step for every operation.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Flat, Node, Parameters, Place, Plan, Tape, Var,
    colouring::Colouring,
    fuse::fuse,
    input::Expected,
    liveness::{last_uses, live_entries},
    op::ErasedOp,
    plan::{Content, Step, Target},
};
use crate::{
    error::{Error, Result},
    gpu::Variants,
    kernel::{Kernels, Traits},
    shape::Shape,
};

/// A plan in the making.
struct Placement<'t> {
    tape: &'t Tape,
    parameters: &'t Parameters,
    target: Target<'t>,
    traits: Traits,
    live: Vec<bool>,
    last_use: Vec<Option<usize>>,
    narrowed: Vec<bool>,
    plan: Plan,
    /// Of every tensor that has one by now.
    places: Vec<Option<Place>>,
    colouring: Colouring,
    /// Length, name and shape of what is coloured. Until all is known, each has a buffer of its own, from
    /// `first_shared` on.
    coloured: Vec<(usize, String, Shape)>,
    first_shared: usize,
}

impl Plan {
    /// Lays out what `outputs` and the operations that change lasting tensors need; the rest of the tape
    /// is left out, and operations are fused unless the tape [says otherwise](Tape::fuse).
    ///
    /// # Errors
    /// [`Error::Tape`] for outputs of another tape, other parameters than the tape's, or an operation that would read
    /// and write one buffer.
    pub fn for_cpu(tape: &Tape, parameters: &Parameters, outputs: &[Var]) -> Result<Self> {
        Self::new(tape, parameters, outputs, Target::Cpu)
    }

    /// The same for a GPU of these traits.
    ///
    /// # Errors
    /// As [`for_cpu`](Self::for_cpu).
    pub fn for_gpu(tape: &Tape, parameters: &Parameters, outputs: &[Var], traits: Traits) -> Result<Self> {
        let none = Variants::default();
        Self::new(tape, parameters, outputs, Target::Gpu(traits, &none))
    }

    pub(super) fn new(
        tape: &Tape,
        parameters: &Parameters,
        outputs: &[Var],
        target: Target<'_>,
    ) -> Result<Self> {
        tape.verify(parameters, outputs)?;
        let (tape, fused) = fuse(tape, outputs)?;
        let live = live_entries(&tape, outputs);
        let mut placement = Placement {
            tape: &tape,
            parameters,
            target,
            traits: match target {
                Target::Cpu => Traits::default(),
                Target::Gpu(traits, _) => traits.for_tape(tape.narrows()),
            },
            last_use: last_uses(&tape, &live, outputs),
            live,
            narrowed: tape.narrowed(outputs),
            plan: Plan {
                steps: Vec::new(),
                lengths: vec![0; Flat::ALL.len()],
                contents: Vec::new(),
                inputs: Vec::new(),
                expected: Vec::new(),
                outputs: BTreeMap::new(),
                largest: Vec::new(),
                fused,
                packed: matches!(target, Target::Gpu(..)),
            },
            places: vec![None; tape.entries.len()],
            colouring: Colouring::default(),
            coloured: Vec::new(),
            first_shared: 0,
        };
        placement.lasting()?;
        for (index, entry) in tape.entries.iter().enumerate() {
            if let (Node::Op { op, inputs }, true) = (&entry.node, placement.live[index]) {
                placement.operation(index, op, inputs)?;
            }
        }
        placement.finish(outputs)
    }
}

impl Placement<'_> {
    fn placed(&self, var: Var) -> Result<Place> {
        self.places[var.index()]
            .ok_or_else(|| Error::Tape(format!("{} is used before it is made", self.tape.describe(var))))
    }

    /// Places what outlives a step: flat buffers, inputs, constants.
    fn lasting(&mut self) -> Result<()> {
        for (index, entry) in self.tape.entries.iter().enumerate() {
            let len = entry.shape.len();
            self.places[index] = match &entry.node {
                Node::Flat { flat, offset, .. } if self.live[index] => Some(self.flat(*flat, *offset, len)),
                Node::Input { name, format } => {
                    self.plan.expected.push(Expected {
                        var: self.tape.var(index),
                        name: name.clone(),
                        format: *format,
                        len,
                    });
                    // only a GPU keeps samples packed
                    let words = if self.plan.packed { format.words(len) } else { len };
                    Some(self.own_buffer(Content::Input, words))
                }
                Node::Constant { values } if self.live[index] => {
                    Some(self.own_buffer(Content::Constant(values.clone()), len))
                }
                _ => None,
            };
        }
        for &(var, flat, offset) in &self.tape.pinned {
            if self.live[var.index()] {
                let place = self.flat(flat, offset, self.tape.shape_of(var).len());
                self.places[var.index()] = Some(place);
            }
        }
        let inputs = self.tape.inputs.iter().map(|&input| self.placed(input));
        self.plan.inputs = inputs.collect::<Result<_>>()?;
        self.first_shared = self.plan.lengths.len();
        Ok(())
    }

    fn flat(&mut self, flat: Flat, offset: usize, len: usize) -> Place {
        self.plan.lengths[flat as usize] = self.parameters.flat_len(flat);
        Place {
            offset,
            ..Place::whole(flat as usize, len)
        }
    }

    fn own_buffer(&mut self, content: Content, len: usize) -> Place {
        self.plan.lengths.push(len);
        self.plan.contents.push(content);
        Place::whole(self.plan.lengths.len() - 1, len)
    }

    /// Places the result of an operation, and adds the step that computes it.
    fn operation(&mut self, index: usize, op: &Arc<dyn ErasedOp>, inputs: &[Var]) -> Result<()> {
        let var = self.tape.var(index);
        let shape = self.tape.shape_of(var);
        if op.is_view() || !op.mutates().is_empty() {
            self.places[index] = Some(self.of_another(var, inputs[0])?);
        }
        if op.is_view() {
            return Ok(());
        }
        let label = self.tape.describe(var);
        let shared = self.places[index].is_none();
        if shared {
            let place = Place {
                half: self.narrowed[index],
                ..Place::whole(0, shape.len())
            };
            self.places[index] = Some(self.share(place, label.clone(), shape, index));
        }
        let mut step = Step {
            op: op.clone(),
            inputs: inputs.iter().map(|&v| self.placed(v)).collect::<Result<_>>()?,
            shapes: inputs.iter().map(|&v| self.tape.shape_of(v)).collect(),
            output: self.placed(var)?,
            output_shape: shape,
            kernels: Kernels::default(),
            scratch: Vec::new(),
            label,
            traits: self.traits,
        };
        if let Target::Gpu(_, variants) = self.target {
            self.dispatch(&mut step, variants, index)?;
        }
        for &input in inputs {
            self.end(self.tape.root(input), index)?;
        }
        if shared {
            self.end(var, index)?;
        }
        self.plan.steps.push(step);
        Ok(())
    }

    /// The place of a tensor whose memory is another's.
    fn of_another(&self, var: Var, other: Var) -> Result<Place> {
        let place = self.placed(other)?;
        if place.len != self.tape.shape_of(var).len() {
            let (one, other) = (self.tape.describe(var), self.tape.describe(other));
            let message = format!("{one} has not as many elements as {other}, whose it is");
            return Err(Error::Tape(message));
        }
        Ok(place)
    }

    /// Chooses a step's kernels, and places what they have for scratch.
    fn dispatch(&mut self, step: &mut Step, variants: &Variants, index: usize) -> Result<()> {
        step.choose(variants);
        step.kernels = step.op.gpu(&step.io());
        step.verify()?;
        step.narrow();
        for &len in &step.kernels.scratch {
            let name = format!("scratch of {}", step.label);
            let place = self.share(Place::whole(0, len), name, step.output_shape, index);
            self.colouring.end(place.buffer - self.first_shared, index);
            step.scratch.push(place);
        }
        Ok(())
    }

    /// Gives a tensor that is made in a step memory that it may share with others.
    fn share(&mut self, mut place: Place, name: String, shape: Shape, index: usize) -> Place {
        // only a GPU packs 16-bit floats
        let len = if self.plan.packed {
            place.words()
        } else {
            place.len
        };
        place.buffer = self.first_shared + self.colouring.begin(len, index);
        self.coloured.push((len, name, shape));
        place
    }

    /// Gives it back, if this step is the last that uses the tensor.
    fn end(&mut self, var: Var, index: usize) -> Result<()> {
        let tensor = self.placed(var)?.buffer.checked_sub(self.first_shared);
        if let (Some(tensor), true) = (tensor, self.last_use[var.index()] == Some(index)) {
            self.colouring.end(tensor, index);
        }
        Ok(())
    }

    /// Moves what is coloured to the buffers that it shares.
    fn finish(mut self, outputs: &[Var]) -> Result<Plan> {
        for &output in outputs {
            let place = self.placed(output)?;
            self.plan.outputs.insert(output, place);
        }
        let (mut plan, first_shared) = (self.plan, self.first_shared);
        let buffers = self.colouring.buffers();
        let steps = plan.steps.iter_mut();
        let places = steps.flat_map(|s| s.inputs.iter_mut().chain(&mut s.scratch).chain([&mut s.output]));
        for place in places.chain(plan.outputs.values_mut()) {
            if let Some(tensor) = place.buffer.checked_sub(first_shared) {
                place.buffer = first_shared + buffers.of[tensor];
            }
        }
        plan.largest = vec![(0, String::new(), Shape::SCALAR); buffers.lengths.len()];
        for (tensor, &buffer) in self.coloured.into_iter().zip(&buffers.of) {
            if plan.largest[buffer].0 < tensor.0 {
                plan.largest[buffer] = tensor;
            }
        }
        plan.contents
            .extend(buffers.lengths.iter().map(|_| Content::Shared));
        plan.lengths.extend(&buffers.lengths);
        plan.steps.iter().try_for_each(Step::verify_buffers)?;
        Ok(plan)
    }
}
