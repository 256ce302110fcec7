//! Kernels as files: WGSL, SPIR-V, MSL and HLSL, and `manifest.json`, which says how they are bound and dispatched. Made
//! without a device, and the same bytes each time, so that two states of the crate can be compared by `diff -r`.

use std::{fs, io, path::Path};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Found, Key, Usage, add,
    translate::{ENTRY, Translated, translate},
};
use crate::{
    error::Error,
    files::{FileError, write_atomically},
    kernel::{Binding, Dispatch, Slot},
    tape::{Plan, Planned},
};

/// Why nothing was dumped.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The folder holds something, which a comparison would show, too.
    #[error("{0} is not empty: name a folder that is not there yet")]
    NotEmpty(String),
    /// The folder cannot be made or read.
    #[error("cannot use {0} as a folder: {1}")]
    Folder(String, io::Error),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A kernel cannot be translated, or a plan not be made.
    #[error(transparent)]
    Engine(#[from] Error),
}

#[derive(Serialize)]
struct Manifest<'a> {
    kernels: Vec<Kernel<'a>>,
    /// What runs, in order.
    plans: Vec<Steps<'a>>,
}

/// One kernel. Its files have its name.
#[derive(Serialize)]
struct Kernel<'a> {
    name: String,
    shader: &'a str,
    entry: &'a str,
    defines: &'a crate::kernel::Defines,
    /// Values of the override constants: part of all files but the WGSL.
    constants: std::collections::BTreeMap<&'a str, f64>,
    workgroup: [u32; 3],
    workgroup_bytes: u32,
    bindings: Vec<Bound>,
    /// One that runs it.
    dispatch: Launch<'a>,
}

/// A binding, numbered in order from 0, in group 0.
#[derive(Serialize)]
struct Bound {
    access: &'static str,
    /// `f16` or `f32`; `u32` for the parameters.
    words: &'static str,
}

/// One dispatch.
#[derive(Serialize)]
struct Launch<'a> {
    kernel: String,
    operation: &'a str,
    workgroups: [u32; 3],
    /// The uniform after all bindings, 32-bit words.
    parameters: &'a [u32],
    /// What is bound, in order, each with its number of elements.
    tensors: Vec<(String, usize)>,
    /// Of the tensors that are bound to be read, each element once.
    floats_read: usize,
    floats_written: usize,
    /// Of the whole operation.
    multiply_adds: u64,
}

#[derive(Serialize)]
struct Steps<'a> {
    plan: &'a str,
    operations: Vec<Step<'a>>,
}

/// One operation of a plan.
#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    operation: &'a str,
    /// Of several ways, the one that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    inputs: Vec<&'a [usize]>,
    output: Vec<usize>,
    multiply_adds: u64,
    dispatches: Vec<Launch<'a>>,
}

/// How many kernels and plans were written.
pub struct Dumped {
    /// Kernels.
    pub kernels: usize,
    /// Plans.
    pub plans: usize,
}

/// Writes the kernels of `found` and of the plans, which have names, into a folder of their own.
///
/// # Errors
/// [`DumpError`].
pub fn dump(folder: &Path, mut found: Found, plans: &[(&str, Plan)]) -> Result<Dumped, DumpError> {
    make_empty(folder)?;
    for (_, plan) in plans {
        add(&mut found, plan);
    }
    let kernels = found.par_iter().map(|(key, (dispatch, usage))| {
        let translated = translate(dispatch)?;
        write_kernel(folder, &key.name(), &translated)?;
        Ok(describe(key, dispatch, usage, &translated))
    });
    let manifest = Manifest {
        kernels: kernels.collect::<Result<_, DumpError>>()?,
        plans: plans.iter().map(|(name, plan)| steps(name, plan)).collect(),
    };
    write_atomically(&folder.join("manifest.json"), |out| {
        serde_json::to_writer_pretty(&mut *out, &manifest)?;
        out.write_all(b"\n")
    })?;
    Ok(Dumped {
        kernels: found.len(),
        plans: plans.len(),
    })
}

/// Makes the folder, which may be there but must be empty.
///
/// # Errors
/// [`DumpError::NotEmpty`], [`DumpError::Folder`].
pub fn make_empty(folder: &Path) -> Result<(), DumpError> {
    let failed = |error| DumpError::Folder(folder.display().to_string(), error);
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(DumpError::NotEmpty(folder.display().to_string())),
    }
}

fn write_kernel(folder: &Path, name: &str, translated: &Translated) -> Result<(), FileError> {
    let hlsl = translated.hlsl.as_ref().map(|text| ("hlsl", text.as_bytes()));
    let files = [
        ("wgsl", translated.wgsl.as_bytes()),
        ("spv", &translated.spirv),
        ("metal", translated.msl.as_bytes()),
    ];
    for (ending, bytes) in files.into_iter().chain(hlsl) {
        write_atomically(&folder.join(format!("{name}.{ending}")), |out| {
            out.write_all(bytes)
        })?;
    }
    Ok(())
}

fn describe<'a>(
    key: &'a Key,
    dispatch: &'a Dispatch,
    usage: &'a Usage,
    translated: &Translated,
) -> Kernel<'a> {
    let words = |number: usize| match dispatch.narrowed >> number & 1 {
        0 => "f32",
        _ => "f16",
    };
    let bound = |(number, binding): (usize, &Binding)| {
        let (access, words) = match binding {
            Binding::Read(_) => ("read", words(number)),
            Binding::Write(_) => ("read and write", words(number)),
            Binding::Step => ("uniform", "f32"),
        };
        Bound { access, words }
    };
    let parameters = (!dispatch.params.is_empty()).then_some(Bound {
        access: "uniform",
        words: "u32",
    });
    Kernel {
        name: key.name(),
        shader: key.shader,
        entry: ENTRY,
        defines: &key.defines,
        constants: dispatch.constants.iter().copied().collect(),
        workgroup: translated.workgroup,
        workgroup_bytes: translated.workgroup_bytes,
        bindings: dispatch
            .bindings
            .iter()
            .enumerate()
            .map(bound)
            .chain(parameters)
            .collect(),
        dispatch: launch(dispatch, &usage.operation, usage),
    }
}

fn launch<'a>(dispatch: &'a Dispatch, operation: &'a str, usage: &Usage) -> Launch<'a> {
    let bound = || dispatch.bindings.iter().zip(&usage.elements);
    let name = |slot: &Slot| match slot {
        Slot::Input(i) => format!("input {i}"),
        Slot::Output => "output".to_string(),
        Slot::Scratch(i) => format!("scratch {i}"),
    };
    let tensor = |(binding, &elements): (&Binding, &usize)| match binding {
        Binding::Read(slot) | Binding::Write(slot) => (name(slot), elements),
        Binding::Step => ("step".to_string(), elements),
    };
    let read = bound().filter(|(binding, _)| matches!(binding, Binding::Read(_)));
    let written = bound().filter(|(binding, _)| matches!(binding, Binding::Write(_)));
    // what is changed in place is read, too
    let changed = written
        .clone()
        .filter(|(binding, _)| matches!(binding, Binding::Write(Slot::Input(_))));
    Launch {
        kernel: Key::of(dispatch).name(),
        operation,
        workgroups: dispatch.groups,
        parameters: &dispatch.params,
        tensors: bound().map(tensor).collect(),
        floats_read: read.chain(changed).map(|(_, elements)| elements).sum(),
        floats_written: written.map(|(_, elements)| elements).sum(),
        multiply_adds: usage.multiply_adds,
    }
}

fn steps<'a>(name: &'a str, plan: &'a Plan) -> Steps<'a> {
    let step = |operation: Planned<'a>| Step {
        name: operation.name(),
        operation: operation.label(),
        variant: operation.variant(),
        inputs: operation.inputs().iter().map(|shape| shape.dims()).collect(),
        output: operation.output().dims().to_vec(),
        multiply_adds: operation.flops() / 2,
        dispatches: operation
            .dispatches()
            .iter()
            .map(|dispatch| launch(dispatch, operation.label(), &Usage::of(operation, dispatch)))
            .collect(),
    };
    Steps {
        plan: name,
        operations: plan.planned().map(step).collect(),
    }
}
