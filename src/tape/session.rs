//! A model's lasting state on a device, and programs that run on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    CpuProgram, CpuStore, Flat, HISTORY_STEPS, Input, Parameters, Plan, Planner, Slot, Tape, Var,
    replay::{GpuProgram, GpuStore},
    slot::{Layout, Memory},
};
use crate::{
    error::{Error, Result},
    gpu::Device,
    kernel::StepValues,
};

/// Parameters, optimizer state and statistics on one device. Several programs may share it: one that
/// trains, one that evaluates.
pub struct Session {
    /// Which session a program belongs to.
    id: u64,
    planner: Planner,
    parameters: Parameters,
    store: Store,
}

#[expect(clippy::large_enum_variant, reason = "there is one a session")]
enum Store {
    Cpu(CpuStore<f32>),
    Gpu(GpuStore),
}

/// A tape made ready for one session's device.
pub struct Program {
    session: u64,
    layout: Arc<Layout>,
    body: Body,
}

enum Body {
    Cpu(CpuProgram<f32>),
    Gpu { plan: Plan, program: GpuProgram },
}

impl Program {
    /// Where the program's tensors lie and what it dispatches.
    pub fn plan(&self) -> &Plan {
        match &self.body {
            Body::Cpu(program) => program.plan(),
            Body::Gpu { plan, .. } => plan,
        }
    }
}

impl Session {
    /// Puts the initial parameters on the device.
    ///
    /// # Errors
    /// What allocating on the device gives.
    pub fn new(device: &Device, parameters: &Parameters) -> Result<Self> {
        Self::with(Planner::new(device), parameters)
    }

    /// The same, with a planner that was used before.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(planner: Planner, parameters: &Parameters) -> Result<Self> {
        let store = match planner.device() {
            Device::Cpu => Store::Cpu(CpuStore::new(parameters)),
            Device::Gpu(gpu) => Store::Gpu(GpuStore::new(gpu.clone(), parameters)?),
        };
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        let id = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Session {
            id,
            planner,
            parameters: parameters.clone(),
            store,
        })
    }

    /// What the session runs on.
    pub fn device(&self) -> &Device {
        self.planner.device()
    }

    /// What lays out its programs.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// What lays out the programs that are compiled from now on.
    pub fn planner_mut(&mut self) -> &mut Planner {
        &mut self.planner
    }

    /// The model's tensors: their names, shapes and places.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Plans a tape and makes everything that its replay needs.
    ///
    /// # Errors
    /// As [`Planner::plan`] and [`load`](Self::load).
    pub fn compile(&mut self, tape: &Tape, outputs: &[Var]) -> Result<Program> {
        let plan = self.planner.plan(tape, &self.parameters, outputs)?;
        self.load(plan)
    }

    /// Makes everything that the replay of a plan needs. The plan must be of the session's planner and parameters.
    ///
    /// # Errors
    /// [`Error::TensorTooLarge`] before anything is allocated; what allocating gives.
    pub fn load(&mut self, plan: Plan) -> Result<Program> {
        let layout = Arc::new(Layout::new(&plan.expected));
        let body = match &mut self.store {
            Store::Cpu(store) => Body::Cpu(CpuProgram::new(plan, store)),
            Store::Gpu(store) => {
                let program = GpuProgram::new(&plan, store)?;
                Body::Gpu { plan, program }
            }
        };
        Ok(Program {
            session: self.id,
            layout,
            body,
        })
    }

    /// The session's store and the program's body, if they belong together.
    fn own<'a>(&'a mut self, program: &'a mut Program) -> Result<(&'a mut Store, &'a mut Body)> {
        match program.session == self.id {
            true => Ok((&mut self.store, &mut program.body)),
            false => Err(Error::Tape(
                "a program runs only in the session that compiled it".to_string(),
            )),
        }
    }

    /// Replays a program once. `inputs` come in the order in which the tape recorded them. Does not wait
    /// for the GPU.
    ///
    /// # Errors
    /// [`Error::Length`] for inputs that do not fit; [`Error::Tape`] for
    /// those of another format, or a program of another session; a fault of the device.
    pub fn run<'a, I: Into<Input<'a>> + Copy>(
        &mut self,
        program: &mut Program,
        inputs: &[I],
        step: &StepValues,
    ) -> Result<()> {
        let inputs: Vec<Input> = inputs.iter().map(|&input| input.into()).collect();
        match self.own(program)? {
            (Store::Cpu(store), Body::Cpu(program)) => program.run(store, &inputs, step),
            (Store::Gpu(store), Body::Gpu { plan, program }) => program.run(plan, &store.gpu, &inputs, step),
            _ => Err(mixed()),
        }
    }

    /// The same for a program without inputs.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn replay(&mut self, program: &mut Program, step: &StepValues) -> Result<()> {
        self.run::<Input>(program, &[], step)
    }

    /// How long so many replays of a program without inputs take, one after the other: by the GPU's own clock, as
    /// [`Gpu::time`](crate::gpu::Gpu::time).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn time(&mut self, program: &mut Program, step: &StepValues, times: usize) -> Result<Duration> {
        match self.own(program)? {
            (Store::Cpu(store), Body::Cpu(program)) => {
                let start = Instant::now();
                for _ in 0..times {
                    program.run(store, &[] as &[Input], step)?;
                }
                Ok(start.elapsed())
            }
            (Store::Gpu(store), Body::Gpu { program, .. }) => program.time(&store.gpu, step, times),
            _ => Err(mixed()),
        }
    }

    /// Memory for the inputs of one replay of a program, from which the device takes them without a further copy.
    ///
    /// # Errors
    /// What allocating on the device gives.
    pub fn slot(&self, program: &Program) -> Result<Slot> {
        let layout = program.layout.clone();
        match self.device() {
            Device::Cpu => Ok(Slot::host(layout)),
            Device::Gpu(gpu) => {
                let memory = Memory::Staging(gpu.staging(layout.bytes / 4)?);
                Ok(Slot { layout, memory })
            }
        }
    }

    /// Replays a program once with the inputs of a slot. `done` gets the slot back when it may be written again:
    /// before this returns, or from a later call that waits for the GPU; not at all if the device fails or this
    /// returns an error.
    ///
    /// # Errors
    /// [`Error::Tape`] for a slot of another program, or a program of another session; a fault
    /// of the device.
    pub fn run_slot(
        &mut self,
        program: &mut Program,
        slot: Slot,
        step: &StepValues,
        done: impl FnOnce(Slot) + Send + 'static,
    ) -> Result<()> {
        let Slot { layout, memory } = slot;
        if !Arc::ptr_eq(&layout, &program.layout) {
            let message = "a slot holds the inputs of the program that it was made for, and no other's";
            return Err(Error::Tape(message.to_string()));
        }
        match (self.own(program)?, memory) {
            ((Store::Cpu(store), Body::Cpu(program)), Memory::Host(words)) => {
                let inputs: Vec<Input> = layout.inputs_in(&words).collect();
                program.run(store, &inputs, step)?;
                let memory = Memory::Host(words);
                done(Slot { layout, memory });
                Ok(())
            }
            ((Store::Gpu(store), Body::Gpu { plan, program }), Memory::Staging(staging)) => {
                let starts: Vec<usize> = layout.inputs.iter().map(|(_, start)| start / 4).collect();
                let done = move |staging| {
                    let memory = Memory::Staging(staging);
                    done(Slot { layout, memory });
                };
                program.run_staged(plan, &store.gpu, staging, starts.into_iter(), done, step)
            }
            _ => Err(mixed()),
        }
    }

    /// Replays a program once on the CPU with the inputs of a slot, if it has any, and names the first operation that
    /// gives a number that is not finite. What comes after it is not run.
    ///
    /// # Errors
    /// [`Error::Tape`] on another device, or for a slot or a program of another session.
    pub fn find_not_finite(
        &mut self,
        program: &mut Program,
        slot: Option<Slot>,
        step: &StepValues,
    ) -> Result<Option<String>> {
        let memory = match slot {
            Some(slot) if !Arc::ptr_eq(&slot.layout, &program.layout) => return Err(mixed()),
            Some(slot) => slot.memory,
            None => Memory::Host(Vec::new()),
        };
        let layout = program.layout.clone();
        match (self.own(program)?, memory) {
            ((Store::Cpu(store), Body::Cpu(program)), Memory::Host(words)) => {
                let inputs: Vec<Input> = layout.inputs_in(&words).collect();
                program.find_not_finite(store, &inputs, step)
            }
            _ => Err(mixed()),
        }
    }

    /// Whether the device has done all that it was given. Does not wait.
    pub fn is_idle(&self) -> bool {
        match self.device() {
            Device::Cpu => true,
            Device::Gpu(gpu) => gpu.is_idle(),
        }
    }

    /// The error that broke the device, if one did.
    ///
    /// # Errors
    /// That error.
    pub fn check(&self) -> Result<()> {
        match self.device() {
            Device::Cpu => Ok(()),
            Device::Gpu(gpu) => gpu.check(),
        }
    }

    /// An output of a program's last replay. Waits for the GPU.
    ///
    /// # Errors
    /// [`Error::Tape`] if `var` was not named an output; a fault of the device.
    pub fn read(&mut self, program: &mut Program, var: Var) -> Result<Vec<f32>> {
        match self.own(program)? {
            (Store::Cpu(store), Body::Cpu(program)) => Ok(program.read(store, var)?.to_vec()),
            (Store::Gpu(store), Body::Gpu { plan, program }) => program.read(store, plan.output(var)?),
            _ => Err(mixed()),
        }
    }

    /// A flat buffer's values; empty if no program uses it.
    ///
    /// # Errors
    /// A fault of the device.
    pub fn flat(&mut self, flat: Flat) -> Result<Vec<f32>> {
        match &mut self.store {
            Store::Cpu(store) => Ok(store.flat(flat).to_vec()),
            Store::Gpu(store) => store.read(flat),
        }
    }

    /// Replaces a flat buffer's values.
    ///
    /// # Errors
    /// [`Error::Length`]; a fault of the device.
    pub fn set_flat(&mut self, flat: Flat, values: &[f32]) -> Result<()> {
        let expected = self.parameters.flat_len(flat);
        Error::check_len(values.len(), expected, || flat.name().to_string())?;
        match &mut self.store {
            Store::Cpu(store) => {
                *store.flat_mut(flat) = values.to_vec();
                Ok(())
            }
            Store::Gpu(store) => store.write(flat, values),
        }
    }

    /// The values recorded under `slot` in the last `count` replays up to and including `step`, oldest
    /// first; at most [`HISTORY_STEPS`]. Waits for the GPU.
    ///
    /// # Errors
    /// A fault of the device.
    pub fn history(&mut self, slot: usize, step: u32, count: usize) -> Result<Vec<f32>> {
        let flat = self.flat(Flat::History)?;
        let ring = flat.chunks_exact(HISTORY_STEPS).nth(slot).unwrap_or_default();
        let end = u64::from(step) + 1;
        let steps = end.saturating_sub(count.min(HISTORY_STEPS) as u64)..end;
        let at = |s: u64| ring.get((s % HISTORY_STEPS as u64) as usize).copied();
        Ok(steps.filter_map(at).collect())
    }
}

/// Of what is never met: a session's programs and slots are all of its device's kind.
fn mixed() -> Error {
    Error::Tape("a program of one device cannot run on another".to_string())
}
