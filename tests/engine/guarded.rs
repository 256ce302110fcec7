//! Runs a case's dispatches without a session, in buffers that end in a guard, to see what a kernel touches.

use std::collections::{BTreeMap, btree_map::Entry};

use stemwise::{
    Result,
    gpu::{Access, Bound, Buffer, Gpu},
    kernel::{Binding, Slot, Traits},
    tape::{Case, Plan, Values},
};

use super::{
    harness::{self, Recorded},
    whole, widen,
};

/// Elements behind every tensor.
const GUARD: usize = 64;

/// Stands where nothing was written yet, and behind every tensor: whatever reads it, shows it.
/// Unlike in inputs and elsewhere, so that one copied to the other shows, too.
const IN_INPUT: f32 = 1e30;
const ELSEWHERE: f32 = -2e30;

/// More elements than any case's scratch buffer has.
const SCRATCH: usize = 1 << 19;

/// Whether a case is one operation with kernels: no view, no function of several.
pub fn has_kernels(case: &Case) -> bool {
    let alone = harness::alone(case).and_then(|recorded| {
        Plan::for_gpu(
            &recorded.tape,
            &recorded.parameters,
            &[recorded.output],
            Traits::default(),
        )
    });
    alone.is_ok_and(|plan| plan.operations() == 1)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// An input as it lies in the GPU's memory.
fn words(case: &Case, input: usize) -> Vec<f32> {
    let values = case.values(input);
    if case.inputs[input].1 != Values::Pcm16 {
        return values;
    }
    let mut samples = whole(&values);
    samples.resize(samples.len().next_multiple_of(2), 0);
    let pairs = samples.chunks_exact(2);
    pairs
        .map(|pair| f32::from_bits(u32::from(pair[0] as u16) | u32::from(pair[1] as u16) << 16))
        .collect()
}

/// Computes a case with the kernels for devices of these traits, whatever the device's own are.
/// Returns the values of the output, or of the first changed input, and what was touched that must not be.
pub fn run(gpu: &Gpu, case: &Case, traits: Traits) -> Result<(Vec<f64>, Vec<String>)> {
    let Recorded {
        parameters,
        mut tape,
        output,
        ..
    } = harness::alone(case)?;
    // the tensors stay in 32 bits, but kernels may be taken that round
    tape.narrow(true);
    let plan = Plan::for_gpu(&tape, &parameters, &[output], traits)?;
    let fill = |mut values: Vec<f32>, guard: f32| -> Result<Buffer> {
        values.resize(values.len() + GUARD, guard);
        let buffer = gpu.buffer("guarded", values.len())?;
        gpu.write(&buffer, 0, &values);
        Ok(buffer)
    };
    let inputs = (0..case.inputs.len()).map(|i| fill(words(case, i), IN_INPUT));
    let inputs: Vec<Buffer> = inputs.collect::<Result<_>>()?;
    let made = fill(vec![ELSEWHERE; tape.shape(output).unwrap().len()], ELSEWHERE)?;
    // an operation that changes its inputs has no other output
    let written = case.mutates().first().map_or(&made, |&first| &inputs[first]);
    let step = gpu.uniform_buffer("step", 8)?;
    gpu.write(&step, 0, &[harness::step()]);

    let scratches = plan
        .kernels()
        .flat_map(|d| &d.bindings)
        .filter_map(|binding| match binding {
            Binding::Read(Slot::Scratch(i)) | Binding::Write(Slot::Scratch(i)) => Some(*i),
            _ => None,
        });
    let mut scratch: BTreeMap<usize, Buffer> = BTreeMap::new();
    for index in scratches {
        if let Entry::Vacant(vacant) = scratch.entry(index) {
            vacant.insert(fill(vec![ELSEWHERE; SCRATCH], ELSEWHERE)?);
        }
    }
    for dispatch in plan.kernels() {
        let whole = |buffer, access| {
            let len = Buffer::len(buffer);
            Bound {
                buffer,
                offset: 0,
                len,
                access,
            }
        };
        let at = |slot: Slot| match slot {
            Slot::Input(i) => &inputs[i],
            Slot::Output => written,
            Slot::Scratch(i) => &scratch[&i],
        };
        let mut bound: Vec<Bound> = dispatch
            .bindings
            .iter()
            .map(|binding| match *binding {
                Binding::Read(slot) => whole(at(slot), Access::Read),
                Binding::Write(slot) => whole(at(slot), Access::Write),
                Binding::Step => whole(&step, Access::Uniform),
            })
            .collect();
        let params = gpu.uniform_buffer("params", dispatch.params.len().next_multiple_of(4).max(4))?;
        if !dispatch.params.is_empty() {
            gpu.write(&params, 0, &dispatch.params);
            bound.push(whole(&params, Access::Uniform));
        }
        // SAFETY: the cases' kernels, on the shapes that they were made for; in a debug build, which tests are, checked
        let ready = unsafe { gpu.prepare_unchecked(dispatch, &bound) }?;
        gpu.wait(&gpu.submit([&ready])?)?;
    }

    let read = |buffer: &Buffer| -> Result<Vec<f32>> {
        let mut values = vec![0.0; buffer.len()];
        gpu.read(buffer, 0, &gpu.readback(values.len())?, &mut values)?;
        Ok(values)
    };
    let mut touched = Vec::new();
    for (i, buffer) in inputs.iter().enumerate() {
        let (values, before) = (read(buffer)?, words(case, i));
        let (inside, guard) = values.split_at(before.len());
        if !case.mutates().contains(&i) && bits(inside) != bits(&before) {
            touched.push(format!("input {i}"));
        }
        if guard.iter().any(|&v| v != IN_INPUT) {
            touched.push(format!("what lies behind input {i}"));
        }
    }
    let mut values = read(written)?;
    let guard = values.split_off(values.len() - GUARD);
    if case.mutates().is_empty() && guard.iter().any(|&v| v != ELSEWHERE) {
        touched.push("what lies behind the output".to_string());
    }
    Ok((widen(&values), touched))
}
