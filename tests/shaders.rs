//! Every permutation of every shader: preprocessed, parsed, specialised, validated under WebGPU's default
//! capabilities and limits, and translated for Vulkan, Metal and Direct3D. No adapter is needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use naga::{
    AddressSpace, ShaderStage, back,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};
use stemwise::{
    kernel::{Dispatch, SHARED},
    measure::{Key, Size, permutations},
};

/// WebGPU's default limits.
const WORKGROUP_MEMORY: u32 = 16 << 10;
const INVOCATIONS: u32 = 256;
const INVOCATIONS_BY_AXIS: [u32; 3] = [256, 256, 64];
const STORAGE_BUFFERS: usize = 8;
const GROUPS: u32 = 65_535;

/// Shaders that need more than WebGPU's defaults, and are chosen only where a device has it.
const BEYOND_DEFAULTS: [(&str, Capabilities); 3] = [
    ("conv2d/channel_lanes/forward", Capabilities::SUBGROUP),
    ("conv2d/channel_lanes/transpose", Capabilities::SUBGROUP),
    ("conv2d/channel_lanes/weight_gradient", Capabilities::SUBGROUP),
];

/// What the separator sees: three seconds of audio in each item.
const SIZE: Size = Size {
    batch: 8,
    bins: 1025,
    frames: 259,
    width: 1.0,
};

/// Everything that can be wrong with one kernel.
fn check(dispatch: &Dispatch) -> Result<(), String> {
    let source = dispatch.source().map_err(|e| e.to_string())?;
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| e.emit_to_string(&source))?;
    let beyond = BEYOND_DEFAULTS
        .iter()
        .find(|(name, _)| *name == dispatch.shader.name);
    let mut beyond = beyond.map_or(Capabilities::empty(), |(_, capabilities)| *capabilities);
    if dispatch.narrowed != 0 {
        beyond |= Capabilities::SHADER_FLOAT16;
    }
    let matrices = dispatch.defines.contains_key("MATRIX");
    if matrices {
        beyond |= Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP;
    }
    let validator = || Validator::new(ValidationFlags::all(), Capabilities::default() | beyond);
    let info = validator()
        .validate(&module)
        .map_err(|e| e.emit_to_string(&source))?;

    // as WebGPU: a constant that the shader does not declare is an error
    let overrides: BTreeSet<&str> = module
        .overrides
        .iter()
        .filter_map(|(_, o)| o.name.as_deref())
        .collect();
    if let Some((unknown, _)) = dispatch
        .constants
        .iter()
        .find(|(name, _)| !overrides.contains(name))
    {
        return Err(format!("it has no override constant '{unknown}'"));
    }
    let constants = dispatch
        .constants
        .iter()
        .map(|(name, value)| (name.to_string(), *value))
        .collect();
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .map_err(|e| e.to_string())?;
    let info = {
        drop(info);
        // once more: sizes and divisors are known only now
        validator()
            .validate(&module)
            .map_err(|e| e.emit_to_string(&source))?
    };

    let main = module
        .entry_points
        .iter()
        .find(|e| e.name == "main")
        .ok_or("no entry point 'main'")?;
    let [x, y, z] = main.workgroup_size;
    if x * y * z > INVOCATIONS
        || main
            .workgroup_size
            .iter()
            .zip(INVOCATIONS_BY_AXIS)
            .any(|(&n, most)| n > most)
    {
        return Err(format!("{x} × {y} × {z} invocations are too many"));
    }
    if dispatch
        .groups
        .iter()
        .any(|&groups| groups == 0 || groups > GROUPS)
    {
        return Err(format!("a grid of {:?} workgroups", dispatch.groups));
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let (mut memory, mut storage, mut bound) = (0, 0, BTreeSet::new());
    for (_, variable) in module.global_variables.iter() {
        match variable.space {
            AddressSpace::WorkGroup => memory += layouter[variable.ty].size.next_multiple_of(16),
            AddressSpace::Storage { .. } => storage += 1,
            _ => {}
        }
        bound.extend(variable.binding.map(|b| (b.group, b.binding)));
    }
    if memory > WORKGROUP_MEMORY {
        return Err(format!("{memory} bytes of workgroup memory"));
    }
    if storage > STORAGE_BUFFERS {
        return Err(format!("{storage} storage buffers"));
    }
    let given = dispatch.bindings.len() + usize::from(!dispatch.params.is_empty());
    let expected: BTreeSet<_> = (0..given as u32).map(|binding| (0, binding)).collect();
    if bound != expected {
        return Err(format!("declares the bindings {bound:?}, but is given {given}"));
    }

    // as a release build compiles them, and as a debug build does
    for policy in [BoundsCheckPolicy::Unchecked, BoundsCheckPolicy::Restrict] {
        translate(&module, &info, policy, dispatch)?;
    }
    Ok(())
}

fn translate(
    module: &naga::Module,
    info: &naga::valid::ModuleInfo,
    policy: BoundsCheckPolicy,
    dispatch: &Dispatch,
) -> Result<(), String> {
    let bounds_check_policies = BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: policy,
    };
    let matrices = dispatch.defines.contains_key("MATRIX");
    let spirv = back::spv::Options {
        lang_version: if matrices { (1, 6) } else { (1, 3) },
        bounds_check_policies,
        ..Default::default()
    };
    let pipeline = back::spv::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: "main".to_string(),
    };
    back::spv::write_vec(module, info, &spirv, Some(&pipeline)).map_err(|e| format!("SPIR-V: {e}"))?;

    let metal = back::msl::Options {
        lang_version: if matrices { (2, 3) } else { (2, 0) },
        bounds_check_policies,
        ..Default::default()
    };
    back::msl::write_string(module, info, &metal, &Default::default()).map_err(|e| format!("MSL: {e}"))?;

    if matrices {
        // which Direct3D does not have yet
        return Ok(());
    }
    let direct3d = back::hlsl::Options {
        shader_model: match dispatch.narrowed {
            0 => back::hlsl::ShaderModel::V6_0,
            _ => back::hlsl::ShaderModel::V6_2,
        },
        restrict_indexing: policy == BoundsCheckPolicy::Restrict,
        ..Default::default()
    };
    let mut text = String::new();
    let pipeline = back::hlsl::PipelineOptions::default();
    let mut writer = back::hlsl::Writer::new(&mut text, &direct3d, &pipeline);
    writer
        .write(module, info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

#[test]
fn every_permutation_is_valid_everywhere() {
    let permutations = permutations(&SIZE).unwrap();
    let mut by_shader: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for (key, (dispatch, _)) in &permutations {
        let Key {
            shader,
            defines,
            constants,
            narrowed,
        } = key;
        *by_shader.entry(shader).or_default() += 1;
        if let Err(message) = check(dispatch) {
            let constants: Vec<_> = constants
                .iter()
                .map(|(name, v)| (name, f64::from_bits(*v)))
                .collect();
            failures.push(format!(
                "{shader} {defines:?} {constants:?} {narrowed:b}: {message}"
            ));
        }
    }
    for (shader, count) in &by_shader {
        println!("  {shader:<36} {count:>4}");
    }
    println!(
        "{} permutations of {} shaders",
        permutations.len(),
        by_shader.len()
    );
    assert!(
        failures.is_empty(),
        "{} do not compile:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_shader_file_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut on_disk = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().with_extension("");
                on_disk.insert(name.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let imports = |source: &str| -> Vec<String> {
        let names = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("#import "));
        names.map(|name| name.trim().to_string()).collect()
    };
    let mut used: BTreeSet<String> = BTreeSet::new();
    for (dispatch, _) in permutations(&SIZE).unwrap().into_values() {
        used.insert(dispatch.shader.name.to_string());
        used.extend(imports(dispatch.shader.source));
    }
    // shared files may import each other
    for shared in SHARED {
        if used.contains(shared.name) {
            used.extend(imports(shared.source));
        }
    }
    let unused: Vec<_> = on_disk.difference(&used).collect();
    assert!(unused.is_empty(), "no case and no model reaches {unused:?}");
}
