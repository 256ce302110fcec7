//! Kernels by everything that shapes them: those of plans, and every permutation that the crate holds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Size, ceiling_kernels};
use crate::{
    error::Result,
    kernel::{Binding, Defines, Dispatch, Matrices, Traits},
    models::{Separator, SeparatorConfig},
    nn::{Build, Mode, Record},
    ops::{self, L1Loss, recorded},
    optim::Adam,
    tape::{Parameters, Plan, Planned, Tape},
};

/// A card as NVIDIA's and AMD's are seen through wgpu.
pub fn card() -> Traits {
    Traits {
        subgroups: true,
        half_matrices: Some(Matrices {
            size: 16,
            subgroup: 32,
        }),
        ..Traits::default()
    }
}

/// All that shapes a kernel: two dispatches of one key run the same code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The shader's name.
    pub shader: &'static str,
    /// What the preprocessor sees.
    pub defines: Defines,
    /// Names and bits of the override constants.
    pub constants: Vec<(&'static str, u64)>,
    /// The bindings, one bit for each, that are in 16-bit floats.
    pub narrowed: u32,
}

impl Key {
    /// Of a dispatch.
    pub fn of(dispatch: &Dispatch) -> Self {
        let constants = dispatch.constants.iter().map(|(name, v)| (*name, v.to_bits()));
        Key {
            shader: dispatch.shader.name,
            defines: dispatch.defines.clone(),
            constants: constants.collect(),
            narrowed: dispatch.narrowed,
        }
    }

    /// The shader's name, and a digest of the rest: the same as long as the kernel is shaped so, whichever others there
    /// are. Fits a file's name.
    pub fn name(&self) -> String {
        let shape = format!("{:?} {:?} {}", self.defines, self.constants, self.narrowed);
        let digest = blake3::hash(shape.as_bytes()).to_hex();
        format!("{}.{}", self.shader.replace('/', "-"), &digest[..8])
    }
}

/// How a dispatch is used.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// The operation and the shape of its result.
    pub operation: String,
    /// Elements of each of the dispatch's bindings; 0 for the step's values.
    pub elements: Vec<usize>,
    /// Multiply-adds of the operation, of which the dispatch may do a part.
    pub multiply_adds: u64,
}

impl Usage {
    /// Of a dispatch of a planned operation.
    pub fn of(operation: Planned<'_>, dispatch: &Dispatch) -> Self {
        let elements = |binding: &Binding| match *binding {
            Binding::Read(slot) | Binding::Write(slot) => operation.elements(slot),
            Binding::Step => 0,
        };
        Usage {
            operation: operation.label().to_string(),
            elements: dispatch.bindings.iter().map(elements).collect(),
            multiply_adds: operation.flops() / 2,
        }
    }
}

/// Each kernel with one dispatch and how that is used.
pub type Found = BTreeMap<Key, (Dispatch, Usage)>;

/// Adds the kernels of a plan that are not there yet.
pub fn add(found: &mut Found, plan: &Plan) {
    for operation in plan.planned() {
        for dispatch in operation.dispatches() {
            let example = || (dispatch.clone(), Usage::of(operation, dispatch));
            found.entry(Key::of(dispatch)).or_insert_with(example);
        }
    }
}

/// Every kernel that a case of an operation, its gradients, or the separator's training uses, on every kind of device and
/// in every variant; and those that measure a device.
///
/// # Errors
/// What recording and planning give.
pub fn permutations(size: &Size) -> Result<Found> {
    let mut found = Found::new();
    for traits in all_traits() {
        for case in ops::cases() {
            let alone = recorded::alone(&case)?;
            add(
                &mut found,
                &Plan::for_gpu(&alone.tape, &alone.parameters, &[alone.output], traits)?,
            );
            let (narrow, _) = recorded::in_halves(&case)?;
            add(
                &mut found,
                &Plan::for_gpu(&narrow.tape, &narrow.parameters, &[narrow.output], traits)?,
            );
            if !case.differentiable.is_empty() {
                let mut graph = recorded::in_a_graph(&case)?;
                let wanted: Vec<_> = case.differentiable.iter().map(|&i| graph.leaves[i]).collect();
                let gradients = graph.tape.gradients(graph.output, &wanted)?;
                let gradients: Vec<_> = gradients.into_iter().flatten().collect();
                add(
                    &mut found,
                    &Plan::for_gpu(&graph.tape, &graph.parameters, &gradients, traits)?,
                );
            }
        }
        let adam = Adam {
            max_norm: Some(1.0),
            ..Adam::default()
        };
        for narrow in [false, true] {
            add(&mut found, &separator_step(size, &adam, traits, narrow)?);
        }
    }
    for (dispatch, elements, multiply_adds) in ceiling_kernels() {
        let usage = Usage {
            operation: "ceiling".to_string(),
            elements: vec![elements; dispatch.bindings.len()],
            multiply_adds,
        };
        found.insert(Key::of(&dispatch), (dispatch, usage));
    }
    Ok(found)
}

/// Devices with what WebGPU promises, a software driver, a card; and for each variant of an operation one that has it.
fn all_traits() -> Vec<Traits> {
    let plain = Traits::default();
    let capable = Traits {
        matrices: Some(Matrices {
            size: 8,
            subgroup: 32,
        }),
        ..card()
    };
    let software = Traits {
        software: true,
        ..plain
    };
    let cases = ops::cases();
    let variants: BTreeSet<_> = cases.iter().flat_map(|case| case.variants(capable)).collect();
    let pinned = variants.into_iter().map(|name| Traits {
        pinned: Some(name),
        ..capable
    });
    [plain, software].into_iter().chain(pinned).collect()
}

/// The plan of a training step of the separator, from magnitudes to Adam.
///
/// # Errors
/// What recording and planning give.
pub fn separator_step(size: &Size, adam: &Adam, traits: Traits, narrow: bool) -> Result<Plan> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    tape.narrow(narrow);
    let config = SeparatorConfig::of_width(size.width);
    let separator = Separator::new(&config, &mut Build::new(&mut parameters, 0))?;
    let shape = [size.batch, 1, size.bins, size.frames];
    let (mix, target) = (tape.input("mix", shape), tape.input("target", shape));
    let separated = separator.record(&mut Record::new(&mut tape, &parameters, Mode::Train), mix)?;
    let loss = tape.push(L1Loss, &[separated.estimate, target])?;
    tape.backward(loss)?;
    adam.record(&mut tape, &parameters)?;
    Plan::for_gpu(&tape, &parameters, &[loss], traits)
}
