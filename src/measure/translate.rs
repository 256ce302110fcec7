//! A kernel in other languages, as wgpu has it translated where a module is trusted: without checks of bounds, divisors
//! and loops, which would differ from driver to driver.

use naga::{
    AddressSpace, Module, ShaderStage,
    back::{hlsl, msl, pipeline_constants::process_overrides, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy, Layouter},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

use crate::{
    error::{Error, Result},
    kernel::Dispatch,
};

/// The name of every kernel's entry point.
pub const ENTRY: &str = "main";

/// A kernel, its override constants put in.
pub struct Translated {
    /// Before them.
    pub wgsl: String,
    /// SPIR-V, little endian.
    pub spirv: Vec<u8>,
    /// Metal's C++.
    pub msl: String,
    /// Direct3D's; none for units that multiply matrices, which its shaders do not reach.
    pub hlsl: Option<String>,
    /// Invocations of a workgroup.
    pub workgroup: [u32; 3],
    /// Of a workgroup's memory.
    pub workgroup_bytes: u32,
}

const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// Translates a dispatch's kernel.
///
/// # Errors
/// [`Error::Shader`] if one of the translators refuses it.
pub fn translate(dispatch: &Dispatch) -> Result<Translated> {
    let error = |message: String| Error::Shader {
        shader: format!("{}.wgsl", dispatch.shader.name),
        message,
    };
    let wgsl = dispatch.source()?;
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| error(e.emit_to_string(&wgsl)))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator
        .validate(&module)
        .map_err(|e| error(e.emit_to_string(&wgsl)))?;
    let constants = dispatch.constants.iter().map(|(name, v)| (name.to_string(), *v));
    let entry = Some((ShaderStage::Compute, ENTRY));
    let (module, info) =
        process_overrides(&module, &info, entry, &constants.collect()).map_err(|e| error(e.to_string()))?;
    let matrices = dispatch.defines.contains_key("MATRIX");
    let hlsl = match matrices {
        true => None,
        false => Some(hlsl(&module, &info, dispatch.narrowed != 0).map_err(&error)?),
    };
    Ok(Translated {
        spirv: spirv(&module, &info).map_err(&error)?,
        msl: msl(&module, &info).map_err(&error)?,
        hlsl,
        workgroup: workgroup(&module),
        workgroup_bytes: workgroup_bytes(&module).map_err(&error)?,
        wgsl,
    })
}

fn spirv(module: &Module, info: &ModuleInfo) -> Result<Vec<u8>, String> {
    let options = spv::Options {
        lang_version: (1, 6),
        // no names, which naga writes in a debug build of itself only
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: true,
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: ENTRY.to_string(),
    };
    let words =
        spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| format!("SPIR-V: {e}"))?;
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn msl(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = msl::Options {
        lang_version: (2, 3),
        fake_missing_bindings: true,
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let (text, _) =
        msl::write_string(module, info, &options, &Default::default()).map_err(|e| format!("MSL: {e}"))?;
    Ok(text)
}

fn hlsl(module: &Module, info: &ModuleInfo, narrow: bool) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model: match narrow {
            true => hlsl::ShaderModel::V6_2,
            false => hlsl::ShaderModel::V6_0,
        },
        restrict_indexing: false,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let mut text = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    Ok(text)
}

fn workgroup(module: &Module) -> [u32; 3] {
    let main = module.entry_points.iter().find(|e| e.name == ENTRY);
    main.map_or([0; 3], |main| main.workgroup_size)
}

fn workgroup_bytes(module: &Module) -> Result<u32, String> {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let variables = module.global_variables.iter().map(|(_, v)| v);
    let shared = variables.filter(|v| v.space == AddressSpace::WorkGroup);
    Ok(shared.map(|v| layouter[v.ty].size).sum())
}
