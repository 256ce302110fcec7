//! The plan: where every tensor lives and what runs in which order. Made without a device.

use std::{collections::BTreeMap, sync::Arc};

use super::{Flat, Format, Io, Tunable, Var, input::Expected, op::ErasedOp, tune};
use crate::{
    error::{Error, Result},
    gpu::{Checks, Variants},
    kernel::{Binding, Dispatch, Kernels, Slot, Traits},
    shape::Shape,
};

/// A range of one of the plan's buffers. The first [`Flat::ALL`] buffers are the flat ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index among the plan's buffers.
    pub buffer: usize,
    /// In elements.
    pub offset: usize,
    /// In elements.
    pub len: usize,
    /// Whether the elements are 16-bit floats, two to a word.
    pub half: bool,
}

impl Place {
    /// The whole of a buffer.
    pub(super) fn whole(buffer: usize, len: usize) -> Self {
        Place {
            buffer,
            offset: 0,
            len,
            half: false,
        }
    }

    /// Words of 32 bits that it takes on a GPU.
    pub(super) fn words(&self) -> usize {
        match self.half {
            true => self.len.div_ceil(2),
            false => self.len,
        }
    }
}

/// One operation, placed.
#[derive(Clone)]
pub(super) struct Step {
    pub op: Arc<dyn ErasedOp>,
    pub inputs: Vec<Place>,
    pub shapes: Vec<Shape>,
    pub output: Place,
    pub output_shape: Shape,
    /// Empty in a plan for the CPU.
    pub kernels: Kernels,
    /// Buffers of [`Kernels::scratch`].
    pub scratch: Vec<Place>,
    pub label: String,
    /// The device's, with the variant that is pinned for this step.
    pub traits: Traits,
}

impl Step {
    pub fn io(&self) -> Io<'_> {
        Io {
            inputs: &self.shapes,
            output: self.output_shape,
            traits: self.traits,
        }
    }

    /// Where one of its tensors is.
    pub fn place(&self, slot: Slot) -> Place {
        match slot {
            Slot::Input(i) => self.inputs[i],
            Slot::Output => self.output,
            Slot::Scratch(i) => self.scratch[i],
        }
    }

    /// Tells its dispatches which of their bindings are in 16 bits.
    pub fn narrow(&mut self) {
        for dispatch in &mut self.kernels.dispatches {
            let half = |binding: &Binding| match *binding {
                Binding::Read(Slot::Input(i)) | Binding::Write(Slot::Input(i)) => self.inputs[i].half,
                Binding::Read(Slot::Output) | Binding::Write(Slot::Output) => self.output.half,
                _ => false,
            };
            let bits = dispatch.bindings.iter().enumerate();
            dispatch.narrowed = bits.map(|(bit, binding)| u32::from(half(binding)) << bit).sum();
        }
    }

    /// Pins the variant that was chosen for it.
    pub fn choose(&mut self, choices: &Variants) {
        if self.traits.pinned.is_some() || choices.is_empty() {
            return;
        }
        let chosen = choices.get(&tune::key(&*self.op, &self.shapes, self.traits));
        let mut variants = self.op.variants(&self.io()).into_iter();
        self.traits.pinned = variants.find(|&name| Some(name) == chosen);
    }
}

/// What a buffer beyond the flat ones is for.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Input,
    Constant(Arc<[f32]>),
    /// Activations and scratch, shared by liveness.
    Shared,
}

/// A laid-out tape.
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// Length of each buffer in elements; flat buffers that are not used have length 0.
    pub(super) lengths: Vec<usize>,
    /// Of the buffers after the flat ones.
    pub(super) contents: Vec<Content>,
    /// In the order in which they were recorded.
    pub(super) inputs: Vec<Place>,
    /// What each of them takes.
    pub(super) expected: Vec<Expected>,
    pub(super) outputs: BTreeMap<Var, Place>,
    /// The largest tensor of each shared buffer, to name it when the buffer is too large.
    pub(super) largest: Vec<(usize, String, Shape)>,
    pub(super) fused: usize,
    /// Whether it is for a GPU, where samples and 16-bit floats lie two to a word.
    pub(super) packed: bool,
}

/// Where a plan will run: only a GPU's plan has dispatches and scratch buffers.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Cpu,
    Gpu(Traits, &'a Variants),
}

impl Plan {
    /// Where an output is.
    ///
    /// # Errors
    /// [`Error::Tape`] if it was not named an output.
    pub fn output(&self, var: Var) -> Result<Place> {
        let place = self.outputs.get(&var).copied();
        place.ok_or_else(|| Error::Tape(format!("{var:?} is no output of this plan")))
    }

    /// How the inputs are stored, in the order in which they were recorded.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        self.expected.iter().map(|expected| expected.format)
    }

    /// Bytes of all buffers, before anything is allocated.
    pub fn bytes(&self) -> u64 {
        self.lengths.iter().map(|&len| 4 * len as u64).sum()
    }

    /// Bytes of a flat buffer; 0 if the plan does not use it. Programs of one session share them.
    pub fn flat_bytes(&self, flat: Flat) -> u64 {
        4 * self.lengths[flat as usize] as u64
    }

    /// Bytes of the inputs of one replay, as a [`Slot`](super::Slot) holds them.
    pub fn slot_bytes(&self) -> u64 {
        super::slot::Layout::new(&self.expected).bytes as u64
    }

    /// Number of buffers that hold something.
    pub fn buffers(&self) -> usize {
        self.lengths.iter().filter(|&&len| len > 0).count()
    }

    /// Number of operations that run.
    pub fn operations(&self) -> usize {
        self.steps.len()
    }

    /// Number of operations that have no pass of their own: those that read their result
    /// [do their work](super::Op::absorb).
    pub fn fused(&self) -> usize {
        self.fused
    }

    /// Number of operations whose result is kept in 16-bit floats.
    pub fn narrowed(&self) -> usize {
        self.steps.iter().filter(|step| step.output.half).count()
    }

    /// Number of dispatches of one replay; 0 in a plan for the CPU.
    pub fn dispatches(&self) -> usize {
        self.steps.iter().map(|s| s.kernels.dispatches.len()).sum()
    }

    /// Every dispatch, in order, and whether it is checked where it runs.
    pub(super) fn kernels_to_compile(&self) -> impl Iterator<Item = (&Dispatch, Checks)> {
        let of = |step: &'_ Step| step.op.checks();
        self.steps
            .iter()
            .flat_map(move |s| s.kernels.dispatches.iter().map(move |d| (d, of(s))))
    }

    /// Every dispatch, in order.
    pub fn kernels(&self) -> impl Iterator<Item = &Dispatch> {
        self.steps.iter().flat_map(|s| &s.kernels.dispatches)
    }

    /// Names of the variants that an operation of the plan has on this device, those that are taken first; none in a
    /// plan for the CPU.
    pub fn variants(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for step in self.steps.iter().filter(|s| !s.kernels.dispatches.is_empty()) {
            for name in step.op.variants(&step.io()) {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// The operations that there are several ways to compute on this device, each at each of its sizes once.
    pub fn tunable(&self) -> Vec<Tunable> {
        let mut found: Vec<Tunable> = Vec::new();
        for step in self.steps.iter().filter(|s| !s.kernels.dispatches.is_empty()) {
            let tunable = Tunable {
                key: tune::key(&*step.op, &step.shapes, step.traits),
                narrows: step.traits.half_matrices.is_some(),
                op: step.op.clone(),
                shapes: step.shapes.clone(),
                output: step.output_shape,
            };
            if tunable.variants(step.traits).len() > 1 && found.iter().all(|f| f.key != tunable.key) {
                found.push(tunable);
            }
        }
        found
    }

    /// Floating-point operations of convolutions and matrix products in one replay.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|s| s.op.flops(&s.io())).sum()
    }
}
