//! Compute pipelines and bind groups, each made once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Instant,
};

use rayon::prelude::*;

use super::{Buffer, Gpu};
use crate::{
    error::{Error, Result},
    kernel::{Binding, Defines, Dispatch, Shader},
};

/// How a kernel sees a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Storage that is only read.
    Read,
    /// Storage that is read and written.
    Write,
    /// A uniform block.
    Uniform,
}

/// A range of a buffer, bound to a kernel. Offset and length in 32-bit elements.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The buffer that holds the range.
    pub buffer: &'a Buffer,
    /// First element.
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
    /// Decides the type of the binding.
    pub access: Access,
}

/// A dispatch with its pipeline and bind group, ready to be recorded.
#[derive(Debug)]
pub struct Dispatchable {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) groups: [u32; 3],
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) raw: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// All pipelines of a device, by everything that shapes them.
#[derive(Debug, Default)]
pub(super) struct Pipelines(Mutex<HashMap<Key, Arc<Pipeline>>>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    shader: Shader,
    defines: Defines,
    /// Names and bits of the override constants.
    constants: Vec<(&'static str, u64)>,
    bindings: Vec<Access>,
    narrowed: u32,
    checks: Checks,
}

/// Whether a kernel's indices and loops are bounded where it runs, and its workgroup memory cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Checks {
    /// For code that anybody may have written, or called in any way.
    On,
    /// For what bounds them by itself: faster.
    Off,
}

/// What a shader says that multiplies matrices with a device's units: these read and write without checks.
const COOPERATIVE: &str = "wgpu_cooperative_matrix";

impl Pipelines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Pipeline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn new(dispatch: &Dispatch, bindings: Vec<Access>, checks: Checks) -> Self {
        let bits = |(name, v): &(&'static str, f64)| (*name, v.to_bits());
        Key {
            shader: dispatch.shader,
            defines: dispatch.defines.clone(),
            constants: dispatch.constants.iter().map(bits).collect(),
            bindings,
            narrowed: dispatch.narrowed,
            checks,
        }
    }
}

/// How a dispatch sees what it binds.
fn accesses(dispatch: &Dispatch) -> Vec<Access> {
    let bound = dispatch.bindings.iter().map(|binding| match binding {
        Binding::Read(_) => Access::Read,
        Binding::Write(_) => Access::Write,
        Binding::Step => Access::Uniform,
    });
    let params = (!dispatch.params.is_empty()).then_some(Access::Uniform);
    bound.chain(params).collect()
}

fn layout_entry((binding, access): (u32, &Access)) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match access {
                Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
                Access::Uniform => wgpu::BufferBindingType::Uniform,
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

impl Gpu {
    /// Compiles the pipelines of dispatches that are not there yet, each once, on all processors: much of the time goes
    /// into what is ours and the API's, also where a driver takes them one by one. What does not compile is left out:
    /// [`prepare`](Self::prepare) meets it again, and its first error is that of the first dispatch, whichever thread
    /// was faster here.
    pub fn compile<'a>(&self, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
        self.compile_by(dispatches.into_iter().map(|dispatch| (dispatch, Checks::On)));
    }

    /// The same for [`prepare_by`](Self::prepare_by).
    pub(crate) fn compile_by<'a>(&self, dispatches: impl IntoIterator<Item = (&'a Dispatch, Checks)>) {
        let wanted = dispatches
            .into_iter()
            .map(|(dispatch, checks)| (Key::new(dispatch, accesses(dispatch), checks), dispatch));
        let mut missing: HashMap<Key, &Dispatch> = wanted.collect();
        {
            let there = self.pipelines.lock();
            missing.retain(|key, _| !there.contains_key(key));
        }
        missing.into_par_iter().for_each(|(key, dispatch)| {
            // the API keeps scopes of errors by thread, and nothing within one waits for rayon: they never mix
            if let Ok(made) = self.make(dispatch, &key.bindings, key.checks) {
                self.pipelines.lock().insert(key, Arc::new(made));
            }
        });
        self.store_pipelines(None);
    }

    /// Makes a dispatch ready, with a pipeline that is shared by all that are shaped alike. Whatever its shader does, it
    /// reaches nothing but what is bound.
    ///
    /// # Errors
    /// [`Error::Shader`] if the shader does not compile, or multiplies cooperative matrices, which nothing checks;
    /// [`Error::Validation`] if it does not fit its bindings.
    pub fn prepare(&self, dispatch: &Dispatch, bound: &[Bound<'_>]) -> Result<Dispatchable> {
        // SAFETY: it is checked
        unsafe { self.prepare_by(dispatch, bound, Checks::On) }
    }

    /// The same for a shader of any kind, and without the checks that cost time where it runs, but in a debug build.
    ///
    /// # Safety
    /// The shader, under these constants, parameters and this grid, computes no index outside of what is bound, divides
    /// by nothing that is 0, reads no workgroup memory that it has not written, and ends.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub unsafe fn prepare_unchecked(&self, dispatch: &Dispatch, bound: &[Bound<'_>]) -> Result<Dispatchable> {
        // SAFETY: the caller's
        unsafe { self.prepare_by(dispatch, bound, Checks::Off) }
    }

    /// Either of the two.
    ///
    /// # Safety
    /// With [`Checks::Off`] as [`prepare_unchecked`](Self::prepare_unchecked).
    pub(crate) unsafe fn prepare_by(
        &self,
        dispatch: &Dispatch,
        bound: &[Bound<'_>],
        checks: Checks,
    ) -> Result<Dispatchable> {
        let access: Vec<Access> = bound.iter().map(|b| b.access).collect();
        let pipeline = self.pipeline(dispatch, access, checks)?;
        let entries: Vec<_> = bound
            .iter()
            .enumerate()
            .map(|(binding, b)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &b.buffer.raw,
                    offset: (b.offset as u64).saturating_mul(4),
                    // beyond any buffer, so that the API refuses it, where it cannot be counted
                    size: std::num::NonZeroU64::new((b.len as u64).min(u64::from(u32::MAX) * 4) * 4),
                }),
            })
            .collect();
        let bind_group = self.scoped(|| {
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(dispatch.shader.name),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })?;
        self.counters.bind_groups.fetch_add(1, Ordering::Relaxed);
        Ok(Dispatchable {
            pipeline,
            bind_group,
            groups: dispatch.groups,
        })
    }

    fn pipeline(&self, dispatch: &Dispatch, bindings: Vec<Access>, checks: Checks) -> Result<Arc<Pipeline>> {
        let key = Key::new(dispatch, bindings, checks);
        if let Some(found) = self.pipelines.lock().get(&key) {
            return Ok(found.clone());
        }
        let made = Arc::new(self.make(dispatch, &key.bindings, checks)?);
        self.pipelines.lock().insert(key, made.clone());
        Ok(made)
    }

    fn make(&self, dispatch: &Dispatch, bindings: &[Access], checks: Checks) -> Result<Pipeline> {
        let began = Instant::now();
        let name = dispatch.shader.name;
        let source = dispatch.source()?;
        let checked = checks == Checks::On;
        if checked && source.contains(COOPERATIVE) {
            return Err(Error::Shader {
                shader: format!("{name}.wgsl"),
                message: format!(
                    "{COOPERATIVE} is for the crate's own operations: nothing checks what it reads"
                ),
            });
        }
        let entries: Vec<_> = (0..).zip(bindings).map(layout_entry).collect();
        let made = self.scoped(|| {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            };
            let module = if checked || cfg!(debug_assertions) {
                self.device.create_shader_module(descriptor)
            } else {
                // SAFETY: who asked for no checks promised that the kernel needs none: see `prepare_unchecked`.
                // A pipeline without them is found by nobody else, as its key says so.
                let unchecked = wgpu::ShaderRuntimeChecks::unchecked();
                unsafe { self.device.create_shader_module_trusted(descriptor, unchecked) }
            };
            let layout = self
                .device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                    label: Some(name),
                    entries: &entries,
                });
            let pipeline_layout = self
                .device
                .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(name),
                    bind_group_layouts: &[Some(&layout)],
                    ..Default::default()
                });
            let raw = self
                .device
                .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(name),
                    layout: Some(&pipeline_layout),
                    module: &module,
                    entry_point: Some("main"),
                    compilation_options: wgpu::PipelineCompilationOptions {
                        constants: &dispatch.constants,
                        zero_initialize_workgroup_memory: checked,
                    },
                    cache: self.cache.as_ref().map(|cache| &cache.raw),
                });
            Pipeline { raw, layout }
        });
        if made.is_ok() {
            self.counters.pipelines.fetch_add(1, Ordering::Relaxed);
            self.counters
                .unchecked
                .fetch_add(u64::from(!checked), Ordering::Relaxed);
            if let Some(cache) = &self.cache {
                cache.compiled(began.elapsed());
            }
        }
        made.map_err(|error| match error {
            Error::Validation { message, .. } => Error::Shader {
                shader: format!("{name}.wgsl"),
                message,
            },
            other => other,
        })
    }
}
