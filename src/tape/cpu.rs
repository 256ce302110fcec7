//! Running a plan on the CPU.

use std::mem;

use half::f16;

use super::{
    Cpu, Flat, Input, MAX_INPUTS, Parameters, Place, Plan, Real, Var, input::check_inputs, parallel,
    plan::Content,
};
use crate::{
    error::{Error, Result},
    kernel::StepValues,
};

/// The flat buffers in host memory.
#[derive(Debug, Clone)]
pub struct CpuStore<T> {
    flats: [Vec<T>; Flat::ALL.len()],
}

impl<T: Real> CpuStore<T> {
    /// With every parameter at its initial value. Gradients and moments are allocated when a program
    /// first needs them.
    pub fn new(parameters: &Parameters) -> Self {
        CpuStore {
            flats: Flat::ALL.map(|flat| match Flat::INITIAL.contains(&flat) {
                true => parameters
                    .initial(flat)
                    .into_iter()
                    .map(|v| T::of(f64::from(v)))
                    .collect(),
                false => Vec::new(),
            }),
        }
    }

    /// The elements of a flat buffer; empty where none was needed.
    pub fn flat(&self, flat: Flat) -> &[T] {
        &self.flats[flat as usize]
    }

    /// The elements of a flat buffer, to be changed.
    pub fn flat_mut(&mut self, flat: Flat) -> &mut Vec<T> {
        &mut self.flats[flat as usize]
    }
}

/// A plan with its activation buffers in host memory.
pub struct CpuProgram<T> {
    plan: Plan,
    buffers: Vec<Vec<T>>,
}

impl<T: Real> CpuProgram<T> {
    /// Allocates all that the plan needs.
    pub fn new(plan: Plan, store: &mut CpuStore<T>) -> Self {
        let (flats, own) = plan.lengths.split_at(Flat::ALL.len());
        for (flat, &len) in store.flats.iter_mut().zip(flats) {
            if flat.len() < len {
                flat.resize(len, T::zero());
            }
        }
        let buffers = own
            .iter()
            .zip(&plan.contents)
            .map(|(&len, content)| match content {
                Content::Constant(values) => values.iter().map(|&v| T::of(f64::from(v))).collect(),
                _ => vec![T::zero(); len],
            })
            .collect();
        CpuProgram { plan, buffers }
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Writes the inputs, in the order they were recorded, and runs every step.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if an input is missing or of the wrong length,
    /// [`Error::Tape`](crate::Error::Tape) if it is of the wrong format.
    pub fn run<'a, I: Into<Input<'a, T>> + Copy>(
        &mut self,
        store: &mut CpuStore<T>,
        inputs: &[I],
        step: &StepValues,
    ) -> Result<()> {
        self.check(store)?;
        self.write(inputs)?;
        for index in 0..self.plan.steps.len() {
            self.run_step(store, index, step);
        }
        Ok(())
    }

    /// The same up to the first step that gives a number that is not finite, which it names.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn find_not_finite<'a, I: Into<Input<'a, T>> + Copy>(
        &mut self,
        store: &mut CpuStore<T>,
        inputs: &[I],
        step: &StepValues,
    ) -> Result<Option<String>> {
        self.check(store)?;
        self.write(inputs)?;
        for index in 0..self.plan.steps.len() {
            self.run_step(store, index, step);
            let step = &self.plan.steps[index];
            let mutated = step.op.mutates().iter().map(|&input| step.inputs[input]);
            let finite = |place: Place| self.values(store, place).iter().all(|value| value.is_finite());
            if !finite(step.output) || !mutated.into_iter().all(finite) {
                return Ok(Some(step.label.clone()));
            }
        }
        Ok(None)
    }

    /// An error for a plan that is not for the CPU, or a store that lacks what it needs.
    fn check(&self, store: &CpuStore<T>) -> Result<()> {
        if self.plan.packed {
            return Err(Error::Tape("a plan for a GPU cannot run on the CPU".to_string()));
        }
        let mut flats = store.flats.iter().zip(&self.plan.lengths);
        match flats.all(|(flat, &len)| flat.len() >= len) {
            true => Ok(()),
            false => Err(Error::Tape(
                "a program runs on the store that it was made with".to_string(),
            )),
        }
    }

    fn write<'a, I: Into<Input<'a, T>> + Copy>(&mut self, inputs: &[I]) -> Result<()> {
        let inputs: Vec<Input<T>> = inputs.iter().map(|&input| input.into()).collect();
        check_inputs(&self.plan.expected, &inputs)?;
        for (place, input) in self.plan.inputs.iter().zip(inputs) {
            let buffer = &mut self.buffers[place.buffer - Flat::ALL.len()];
            match input {
                Input::Real(values) => buffer.copy_from_slice(values),
                Input::Pcm16(samples) => parallel::for_chunks(buffer, |start, chunk| {
                    for (x, &sample) in chunk.iter_mut().zip(&samples[start..]) {
                        *x = T::of(f64::from(sample));
                    }
                }),
            }
        }
        Ok(())
    }

    fn run_step(&mut self, store: &mut CpuStore<T>, index: usize, values: &StepValues) {
        let step = &self.plan.steps[index];
        let mutates = step.op.mutates();
        // what is written is taken out of the tables, so that the rest can be read beside it
        let mut output = match mutates.is_empty() {
            true => mem::take(buffer(&mut store.flats, &mut self.buffers, step.output.buffer)),
            false => Vec::new(),
        };
        let mut taken: [Vec<T>; super::MAX_MUTATED] = Default::default();
        for (slot, &input) in taken.iter_mut().zip(mutates) {
            *slot = mem::take(buffer(
                &mut store.flats,
                &mut self.buffers,
                step.inputs[input].buffer,
            ));
        }

        let mut inputs: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        for (i, (slot, place)) in inputs.iter_mut().zip(&step.inputs).enumerate() {
            if !mutates.contains(&i) {
                let whole = match place.buffer.checked_sub(Flat::ALL.len()) {
                    Some(own) => &self.buffers[own],
                    None => &store.flats[place.buffer],
                };
                *slot = range(whole, *place);
            }
        }
        let mut mutated: [&mut [T]; super::MAX_MUTATED] = Default::default();
        for ((slot, whole), &input) in mutated.iter_mut().zip(&mut taken).zip(mutates) {
            let place = step.inputs[input];
            *slot = &mut whole[place.offset..place.offset + place.len];
        }
        let out = match mutates.is_empty() {
            true => &mut output[step.output.offset..step.output.offset + step.output.len],
            false => &mut [],
        };
        let io = Cpu {
            inputs,
            mutated,
            output: out,
            shapes: step.io(),
            step: values,
        };
        T::run(&*step.op, io);

        if step.output.half {
            let Place { offset, len, .. } = step.output;
            let rounded = |x: &mut T| *x = T::of(f16::from_f64(x.to_f64()).to_f64());
            parallel::for_chunks(&mut output[offset..offset + len], |_, chunk| {
                chunk.iter_mut().for_each(rounded)
            });
        }
        if mutates.is_empty() {
            *buffer(&mut store.flats, &mut self.buffers, step.output.buffer) = output;
        }
        for (whole, &input) in taken.iter_mut().zip(mutates) {
            let home = buffer(&mut store.flats, &mut self.buffers, step.inputs[input].buffer);
            *home = mem::take(whole);
        }
    }

    /// An output of the last run.
    ///
    /// # Errors
    /// [`Error::Tape`](crate::Error::Tape) if it was not named an output.
    pub fn read<'a>(&'a self, store: &'a CpuStore<T>, var: Var) -> Result<&'a [T]> {
        self.check(store)?;
        Ok(self.values(store, self.plan.output(var)?))
    }

    fn values<'a>(&'a self, store: &'a CpuStore<T>, place: Place) -> &'a [T] {
        match place.buffer.checked_sub(Flat::ALL.len()) {
            Some(own) => range(&self.buffers[own], place),
            None => range(&store.flats[place.buffer], place),
        }
    }
}

fn buffer<'a, T>(flats: &'a mut [Vec<T>], own: &'a mut [Vec<T>], index: usize) -> &'a mut Vec<T> {
    match index.checked_sub(flats.len()) {
        Some(index) => &mut own[index],
        None => &mut flats[index],
    }
}

fn range<T>(whole: &[T], place: Place) -> &[T] {
    &whole[place.offset..place.offset + place.len]
}
