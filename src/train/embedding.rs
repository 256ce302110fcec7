//! What describes segments, on a device.

use crate::{
    kernel::StepValues,
    models::SUBSPACES,
    tape::{Plan, Program, Session, Slot, Tape, Var},
    train::{Network, TrainError},
};

/// Describes `items` items of `samples` samples at a time.
pub(crate) struct Embedding<P = Program> {
    pub program: P,
    /// Stems of an item, and numbers that describe it.
    sources: usize,
    dimensions: usize,
    heard: Var,
    output: Var,
    presence: Option<Var>,
    items: usize,
    samples: usize,
}

/// What items are described by.
pub(crate) struct Described {
    /// `[items, dimensions]`
    pub vectors: Vec<f32>,
    /// The probability that each instrument sounds, `[items, 5]`; empty from a network that does not say so.
    pub presence: Vec<f32>,
}

impl<P> Embedding<P> {
    /// Records the network for `items` items, of which `make` makes a plan or a program.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network that does not describe; what recording and `make` give.
    pub fn new(
        network: &Network,
        items: usize,
        samples: usize,
        make: impl FnOnce(&Tape, &[Var]) -> crate::Result<P>,
    ) -> Result<Self, TrainError> {
        let step = network.embedding_step(items, samples)?;
        let outputs: Vec<Var> = [step.embedding].into_iter().chain(step.presence).collect();
        Ok(Embedding {
            program: make(&step.tape, &outputs)?,
            sources: network.sources(),
            dimensions: network.recipe.dimensions(),
            heard: step.heard,
            output: step.embedding,
            presence: step.presence,
            items,
            samples,
        })
    }

    /// Samples of an item.
    pub fn samples(&self) -> usize {
        self.samples
    }
}

impl Embedding<Plan> {
    pub fn load(self, session: &mut Session) -> crate::Result<Embedding> {
        Ok(Embedding {
            program: session.load(self.program)?,
            sources: self.sources,
            dimensions: self.dimensions,
            heard: self.heard,
            output: self.output,
            presence: self.presence,
            items: self.items,
            samples: self.samples,
        })
    }
}

impl Embedding {
    /// The descriptions of `count` items. `hear` is called for one after another, with what writes
    /// the samples of a source; sources that it does not write are silent.
    ///
    /// # Errors
    /// What `hear` gives; a fault of the device.
    pub fn run<E: From<crate::Error>>(
        &mut self,
        session: &mut Session,
        count: usize,
        mut hear: impl FnMut(usize, &mut dyn FnMut(usize, &[i16]) -> crate::Result<()>) -> Result<(), E>,
    ) -> Result<Described, E> {
        let mut described = Described {
            vectors: Vec::with_capacity(count * self.dimensions),
            presence: Vec::new(),
        };
        for first in (0..count).step_by(self.items) {
            let batch = self.items.min(count - first);
            // a new slot is silent
            let mut slot = session.slot(&self.program)?;
            for item in 0..batch {
                hear(first + item, &mut |source, samples| {
                    slot.write_pcm16(self.heard, (item * self.sources + source) * self.samples, samples)
                })?;
            }
            session.run_slot(&mut self.program, slot, &StepValues::default(), |_: Slot| {})?;
            let rows = session.read(&mut self.program, self.output)?;
            described
                .vectors
                .extend_from_slice(&rows[..batch * self.dimensions]);
            if let Some(presence) = self.presence {
                let rows = session.read(&mut self.program, presence)?;
                described.presence.extend_from_slice(&rows[..batch * SUBSPACES]);
            }
        }
        Ok(described)
    }
}
