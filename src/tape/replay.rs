//! Running a plan on a GPU.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Flat, Input, Parameters, Place, Plan,
    input::check_inputs,
    plan::{Content, Step},
};
use crate::{
    error::Result,
    gpu::{Access, Bound, Buffer, Dispatchable, Gpu, Readback, Staging, Submission},
    kernel::{Binding, Dispatch, StepValues},
};

/// The longest that one submission should keep the GPU: well under the two seconds after which a
/// desktop's watchdog resets it.
const SUBMISSION_TIME: Duration = Duration::from_millis(200);

/// Dispatches per submission of the first replay, which measures.
const FIRST_SUBMISSION: usize = 8;

/// Uniform buffers start at multiples of 256 bytes.
const UNIFORM_ALIGNMENT: usize = 64;

/// The flat buffers in GPU memory.
#[derive(Debug)]
pub(super) struct GpuStore {
    pub gpu: Arc<Gpu>,
    flats: [Option<Buffer>; Flat::ALL.len()],
    readback: Option<Readback>,
}

impl GpuStore {
    pub fn new(gpu: Arc<Gpu>, parameters: &Parameters) -> Result<Self> {
        let mut store = GpuStore {
            gpu,
            flats: Default::default(),
            readback: None,
        };
        for flat in Flat::INITIAL {
            let values = parameters.initial(flat);
            store.allocate(flat, values.len())?;
            store.write(flat, &values)?;
        }
        Ok(store)
    }

    fn allocate(&mut self, flat: Flat, len: usize) -> Result<()> {
        if len > 0 && self.flats[flat as usize].is_none() {
            self.flats[flat as usize] = Some(self.gpu.buffer(flat.name(), len)?);
        }
        Ok(())
    }

    pub fn write(&mut self, flat: Flat, values: &[f32]) -> Result<()> {
        self.allocate(flat, values.len())?;
        if let Some(buffer) = &self.flats[flat as usize] {
            self.gpu.write(buffer, 0, values);
        }
        self.gpu.check()
    }

    /// Empty if nothing used it yet.
    pub fn read(&mut self, flat: Flat) -> Result<Vec<f32>> {
        let Some(buffer) = &self.flats[flat as usize] else {
            return Ok(Vec::new());
        };
        let mut values = vec![0.0; buffer.len()];
        read(&self.gpu, &mut self.readback, buffer, 0, &mut values)?;
        Ok(values)
    }
}

/// Reads through a buffer that is kept and only grows.
fn read(
    gpu: &Gpu,
    readback: &mut Option<Readback>,
    buffer: &Buffer,
    offset: usize,
    out: &mut [f32],
) -> Result<()> {
    if readback.as_ref().is_none_or(|r| r.len() < out.len()) {
        *readback = Some(gpu.readback(out.len())?);
    }
    match readback {
        Some(through) => gpu.read(buffer, offset, through, out),
        None => Ok(()),
    }
}

/// A plan with its buffers, pipelines and bind groups, all made once.
#[derive(Debug)]
pub(super) struct GpuProgram {
    buffers: Vec<Buffer>,
    step: Buffer,
    dispatches: Vec<Dispatchable>,
    /// Dispatches of each submission.
    submissions: Vec<Range<usize>>,
    measured: bool,
    /// The last submission of the replay before: one replay may be in flight while the next is written.
    in_flight: Option<Submission>,
}

impl GpuProgram {
    pub fn new(plan: &Plan, store: &mut GpuStore) -> Result<Self> {
        let gpu = store.gpu.clone();
        plan.check_limits(gpu.name(), gpu.limits().buffer, gpu.limits().binding)?;
        let (flats, own) = plan.lengths.split_at(Flat::ALL.len());
        for (flat, &len) in Flat::ALL.into_iter().zip(flats) {
            store.allocate(flat, len)?;
        }
        let mut buffers = Vec::with_capacity(own.len());
        for (&len, content) in own.iter().zip(&plan.contents) {
            let label = match content {
                Content::Input => "input",
                Content::Constant(_) => "constant",
                Content::Shared => "activations",
            };
            let buffer = gpu.buffer(label, len)?;
            if let Content::Constant(values) = content {
                gpu.write(&buffer, 0, values);
            }
            buffers.push(buffer);
        }

        let mut program = GpuProgram {
            buffers,
            step: gpu.uniform_buffer("step", size_of::<StepValues>() / 4)?,
            dispatches: Vec::with_capacity(plan.dispatches()),
            submissions: Vec::new(),
            measured: false,
            in_flight: None,
        };
        let params = uniform_params(&gpu, plan)?;
        gpu.compile_by(plan.kernels_to_compile());
        let mut offset = 0;
        for step in &plan.steps {
            for dispatch in &step.kernels.dispatches {
                let mut bound = program.bind(store, step, dispatch);
                if let (false, Some(buffer)) = (dispatch.params.is_empty(), &params) {
                    let len = dispatch.params.len().next_multiple_of(4);
                    let access = Access::Uniform;
                    bound.push(Bound {
                        buffer,
                        offset,
                        len,
                        access,
                    });
                    offset += len.next_multiple_of(UNIFORM_ALIGNMENT);
                }
                // SAFETY: unchecked are only kernels of operations that are trusted to need no checks, on tensors of the
                // very shapes that they were made for: the plan gave each its place by its shape
                let made = unsafe { gpu.prepare_by(dispatch, &bound, step.op.checks()) }?;
                program.dispatches.push(made);
            }
        }
        let count = program.dispatches.len();
        let starts = (0..count).step_by(FIRST_SUBMISSION);
        program.submissions = starts
            .map(|start| start..count.min(start + FIRST_SUBMISSION))
            .collect();
        Ok(program)
    }

    /// What a dispatch of a step binds, but for its parameters.
    fn bind<'a>(&'a self, store: &'a GpuStore, step: &Step, dispatch: &Dispatch) -> Vec<Bound<'a>> {
        let mut bound = Vec::with_capacity(8);
        for binding in &dispatch.bindings {
            let (slot, access) = match *binding {
                Binding::Read(slot) => (slot, Access::Read),
                Binding::Write(slot) => (slot, Access::Write),
                Binding::Step => {
                    bound.push(Bound {
                        buffer: &self.step,
                        offset: 0,
                        len: self.step.len(),
                        access: Access::Uniform,
                    });
                    continue;
                }
            };
            let place = step.place(slot);
            if let Some(buffer) = buffer(&store.flats, &self.buffers, place) {
                bound.push(Bound {
                    buffer,
                    offset: place.offset,
                    len: place.words(),
                    access,
                });
            }
        }
        bound
    }

    pub fn run(&mut self, plan: &Plan, gpu: &Gpu, inputs: &[Input<'_>], step: &StepValues) -> Result<()> {
        check_inputs(&plan.expected, inputs)?;
        self.wait(gpu)?;
        for (place, input) in plan.inputs.iter().zip(inputs) {
            let buffer = &self.buffers[place.buffer - Flat::ALL.len()];
            match input {
                Input::Real(values) => gpu.write(buffer, 0, values),
                Input::Pcm16(samples) => write_pcm16(gpu, buffer, samples),
            }
        }
        self.replay(gpu, step)
    }

    /// The same with inputs from a staging buffer, where they begin at these elements; `done` gets it back.
    pub fn run_staged(
        &mut self,
        plan: &Plan,
        gpu: &Gpu,
        staging: Staging,
        starts: impl Iterator<Item = usize>,
        done: impl FnOnce(Staging) + Send + 'static,
        step: &StepValues,
    ) -> Result<()> {
        self.wait(gpu)?;
        let buffers = plan
            .inputs
            .iter()
            .map(|place| &self.buffers[place.buffer - Flat::ALL.len()]);
        gpu.upload(staging, starts.zip(buffers), done)?;
        self.replay(gpu, step)
    }

    /// How long the dispatches of so many replays take, after those in flight.
    pub fn time(&mut self, gpu: &Gpu, step: &StepValues, times: usize) -> Result<Duration> {
        self.wait(gpu)?;
        gpu.write(&self.step, 0, std::slice::from_ref(step));
        gpu.time(&self.dispatches, times)
    }

    fn wait(&mut self, gpu: &Gpu) -> Result<()> {
        match self.in_flight.take() {
            Some(before) => gpu.wait(&before),
            None => Ok(()),
        }
    }

    fn replay(&mut self, gpu: &Gpu, step: &StepValues) -> Result<()> {
        gpu.write(&self.step, 0, std::slice::from_ref(step));
        if !self.measured {
            return self.run_measuring(gpu);
        }
        for range in &self.submissions {
            self.in_flight = Some(gpu.submit(&self.dispatches[range.clone()])?);
        }
        Ok(())
    }

    /// Runs piece by piece, then joins pieces up to [`SUBMISSION_TIME`].
    fn run_measuring(&mut self, gpu: &Gpu) -> Result<()> {
        let mut joined: Vec<(Range<usize>, Duration)> = Vec::new();
        for range in &self.submissions {
            let started = Instant::now();
            let submission = gpu.submit(&self.dispatches[range.clone()])?;
            gpu.wait(&submission)?;
            let took = started.elapsed();
            match joined.last_mut() {
                Some((last, time)) if *time + took <= SUBMISSION_TIME => {
                    last.end = range.end;
                    *time += took;
                }
                _ => joined.push((range.clone(), took)),
            }
        }
        self.submissions = joined.into_iter().map(|(range, _)| range).collect();
        self.measured = true;
        Ok(())
    }

    pub fn read(&mut self, store: &mut GpuStore, place: Place) -> Result<Vec<f32>> {
        let GpuStore { gpu, flats, readback } = store;
        let mut values = vec![0.0; place.len];
        if let Some(buffer) = buffer(flats, &self.buffers, place) {
            read(gpu, readback, buffer, place.offset, &mut values)?;
        }
        Ok(values)
    }
}

/// Two samples to a word; the last word of an odd number is filled up with 0.
fn write_pcm16(gpu: &Gpu, buffer: &Buffer, samples: &[i16]) {
    let (pairs, rest) = samples.split_at(samples.len() / 2 * 2);
    gpu.write(buffer, 0, pairs);
    if let [last] = rest {
        gpu.write(buffer, pairs.len() / 2, &[*last, 0]);
    }
}

/// The buffer of a place: a flat one, or one of a program's own.
fn buffer<'a>(flats: &'a [Option<Buffer>], own: &'a [Buffer], place: Place) -> Option<&'a Buffer> {
    match place.buffer.checked_sub(flats.len()) {
        Some(index) => Some(&own[index]),
        None => flats[place.buffer].as_ref(),
    }
}

/// The parameters of every dispatch in one uniform buffer.
fn uniform_params(gpu: &Gpu, plan: &Plan) -> Result<Option<Buffer>> {
    let mut words: Vec<u32> = Vec::new();
    for dispatch in plan.kernels() {
        if !dispatch.params.is_empty() {
            words.extend(&dispatch.params);
            words.resize(words.len().next_multiple_of(UNIFORM_ALIGNMENT), 0);
        }
    }
    if words.is_empty() {
        return Ok(None);
    }
    let buffer = gpu.uniform_buffer("parameters of dispatches", words.len())?;
    gpu.write(&buffer, 0, &words);
    Ok(Some(buffer))
}
