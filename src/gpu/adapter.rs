//! The adapters of this machine, and which of them a command means.

use std::{fmt, path::Path};

use crate::{
    error::{Error, Result},
    kernel::{Matrices, SUBGROUP, Traits},
};

/// The environment variable that names a device where `--device` does not.
pub const DEVICE_VARIABLE: &str = "STEMWISE_DEVICE";

/// What kind of hardware an adapter is; the order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// A driver that does not say what it drives.
    Unknown,
    /// A driver that runs shaders on the CPU: a test bench, never chosen by itself.
    Software,
}

/// One adapter under one API.
pub struct Adapter {
    pub(super) raw: wgpu::Adapter,
    /// The hardware's name, as the driver gives it.
    pub name: String,
    /// Driver name and version.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub api: &'static str,
    /// What the hardware is, by which adapters are ranked.
    pub kind: AdapterKind,
    /// What a plan must keep within.
    pub limits: Limits,
    /// Which faster kernels it may get.
    pub features: Features,
}

/// The limits that matter to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub buffer: u64,
    /// Bytes of one storage binding.
    pub binding: u64,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Storage buffers of one dispatch.
    pub storage_buffers: u32,
}

/// Optional features, probed and never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Operations across the invocations of a subgroup.
    pub subgroups: bool,
    /// Matrix products by the hardware's tensor units.
    pub cooperative_matrix: bool,
    /// GPU timestamps, for profiles.
    pub timestamps: bool,
    /// Compiled pipelines that can be kept between runs.
    pub pipeline_cache: bool,
}

impl Features {
    /// Names of those that are there.
    pub fn names(&self) -> Vec<&'static str> {
        [
            (self.f16, "f16"),
            (self.subgroups, "subgroups"),
            (self.cooperative_matrix, "cooperative matrices"),
            (self.timestamps, "timestamps"),
            (self.pipeline_cache, "pipeline cache"),
        ]
        .into_iter()
        .filter_map(|(there, name)| there.then_some(name))
        .collect()
    }
}

impl Adapter {
    fn new(raw: wgpu::Adapter) -> Self {
        let info = raw.get_info();
        let limits = raw.limits();
        let has = |feature| raw.features().contains(feature);
        Adapter {
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
                wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
                wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
                wgpu::DeviceType::Cpu => AdapterKind::Software,
                wgpu::DeviceType::Other => AdapterKind::Unknown,
            },
            driver: [info.driver.as_str(), info.driver_info.as_str()]
                .join(" ")
                .trim()
                .to_string(),
            api: info.backend.to_str(),
            limits: Limits {
                buffer: limits.max_buffer_size,
                binding: limits.max_storage_buffer_binding_size,
                workgroup_memory: limits.max_compute_workgroup_storage_size,
                invocations: limits.max_compute_invocations_per_workgroup,
                storage_buffers: limits.max_storage_buffers_per_shader_stage,
            },
            features: Features {
                f16: has(wgpu::Features::SHADER_F16),
                subgroups: has(wgpu::Features::SUBGROUP),
                cooperative_matrix: has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
                timestamps: has(wgpu::Features::TIMESTAMP_QUERY),
                pipeline_cache: has(wgpu::Features::PIPELINE_CACHE),
            },
            name: info.name,
            raw,
        }
    }

    /// What kernels may know of it.
    pub fn traits(&self) -> Traits {
        Traits {
            software: self.kind == AdapterKind::Software,
            subgroups: self.features.subgroups && self.raw.get_info().subgroup_min_size >= SUBGROUP,
            half_matrices: self.matrices(wgpu::CooperativeScalarType::F16),
            matrices: self.matrices(wgpu::CooperativeScalarType::F32),
            small_workgroups: self.limits.invocations < 256 || self.limits.workgroup_memory < 16 << 10,
            pinned: None,
        }
    }

    /// The largest square matrices of these that subgroups can multiply with sums in 32 bits.
    fn matrices(&self, of: wgpu::CooperativeScalarType) -> Option<Matrices> {
        let (f32, subgroup) = (
            wgpu::CooperativeScalarType::F32,
            self.raw.get_info().subgroup_min_size,
        );
        let fits = |p: &wgpu::CooperativeMatrixProperties| {
            let square = p.m_size == p.n_size && p.n_size == p.k_size && [8, 16].contains(&p.m_size);
            square && p.ab_type == of && p.cr_type == f32
        };
        // they are loaded from tables of f16, by subgroups that know their number
        if !(self.features.cooperative_matrix && self.features.f16 && self.features.subgroups) {
            return None;
        }
        let all = self.raw.cooperative_matrix_properties();
        let size = all.iter().filter(|p| fits(p)).map(|p| p.m_size).max()?;
        Some(Matrices { size, subgroup })
    }

    /// Why the engine cannot run on this adapter, if it cannot.
    pub fn unusable(&self) -> Option<String> {
        let Limits {
            storage_buffers,
            invocations,
            ..
        } = self.limits;
        if storage_buffers < 8 || invocations < 128 {
            return Some(format!(
                "it has {storage_buffers} storage buffers and {invocations} invocations a workgroup; 8 and 128 are needed"
            ));
        }
        None
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.api)
    }
}

/// All adapters, the preferred first: real GPUs before software. GL is looked at only where no native API has an
/// adapter, but hardware may be there. The index in this list is the index that `--device` takes.
pub fn adapters() -> Vec<Adapter> {
    adapters_for(None)
}

/// The same, among which [`choose`] is to find what is `asked` for: `gl` means the adapters of GL alone, and `cpu` none,
/// for which no API is opened.
pub fn adapters_for(asked: Option<&str>) -> Vec<Adapter> {
    let native = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let mut found = match asked.map(|asked| asked.trim().to_lowercase()).as_deref() {
        Some("cpu") => Vec::new(),
        Some("gl") => adapters_of(wgpu::Backends::GL),
        _ => {
            let found = adapters_of(native);
            match found.is_empty() && may_have_hardware() {
                true => adapters_of(wgpu::Backends::GL),
                false => found,
            }
        }
    };
    found.sort_by_key(|a| (a.kind, a.unusable().is_some()));
    found
}

/// Whether GL may find a GPU. Where Linux has no node of one it is Mesa on the processor, which is for tests and, in
/// some versions, complains on standard error that there is no screen.
fn may_have_hardware() -> bool {
    let nodes = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"];
    !cfg!(target_os = "linux") || nodes.iter().any(|node| Path::new(node).exists())
}

fn adapters_of(backends: wgpu::Backends) -> Vec<Adapter> {
    let Some(instance) = instance(backends) else {
        return Vec::new();
    };
    pollster::block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .map(Adapter::new)
        .collect()
}

/// An instance without a screen: nothing is ever drawn.
fn instance(backends: wgpu::Backends) -> Option<wgpu::Instance> {
    #[cfg(target_os = "linux")]
    if backends.contains(wgpu::Backends::VULKAN) {
        return vulkan();
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    descriptor.flags = wgpu::InstanceFlags::empty();
    Some(wgpu::Instance::new(descriptor))
}

/// Vulkan without the extensions for windows. With them, Mesa's layer for the selection of devices asks the desktop for
/// its GPU whenever adapters are listed, and libwayland complains on standard error where there is none.
#[cfg(target_os = "linux")]
fn vulkan() -> Option<wgpu::Instance> {
    use wgpu::hal::vulkan::Instance;
    let descriptor = wgpu::hal::InstanceDescriptor {
        name: "stemwise",
        flags: wgpu::InstanceFlags::empty(),
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds::default(),
        backend_options: wgpu::BackendOptions::default(),
        telemetry: None,
        display: None,
    };
    let windows = [
        c"VK_KHR_wayland_surface",
        c"VK_KHR_xcb_surface",
        c"VK_KHR_xlib_surface",
    ];
    // SAFETY: a driver need not have these extensions, so that the instance is one of a driver that has none of them: it
    // refuses to make surfaces for windows, which are never asked for.
    let instance = unsafe {
        Instance::init_with_callback(
            &descriptor,
            Some(Box::new(move |arguments| {
                arguments.extensions.retain(|name| !windows.contains(name));
            })),
        )
    };
    // SAFETY: it is whole, and nobody else has it
    Some(unsafe { wgpu::Instance::from_hal::<wgpu::hal::api::Vulkan>(instance.ok()?) })
}

/// What was chosen: the CPU, or the adapter at an index of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The processor.
    Cpu,
    /// An index into the list that was chosen from.
    Adapter(usize),
}

/// Chooses among adapters. `asked` is an index, a part of a name or of an API's name, or `cpu`; `None`
/// takes the first real GPU, else the CPU. Software adapters are used only when asked for.
///
/// # Errors
/// [`Error::NoSuchDevice`] if `asked` matches nothing that can be used.
pub fn choose(adapters: &[Adapter], asked: Option<&str>) -> Result<Choice> {
    let rows: Vec<_> = adapters
        .iter()
        .map(|a| Candidate {
            text: a.to_string(),
            kind: a.kind,
            usable: a.unusable().is_none(),
        })
        .collect();
    choose_among(&rows, asked)
}

struct Candidate {
    text: String,
    kind: AdapterKind,
    usable: bool,
}

fn choose_among(adapters: &[Candidate], asked: Option<&str>) -> Result<Choice> {
    let Some(asked) = asked.map(str::trim).filter(|asked| !asked.is_empty()) else {
        let real = adapters
            .iter()
            .position(|a| a.usable && a.kind != AdapterKind::Software);
        return Ok(real.map_or(Choice::Cpu, Choice::Adapter));
    };
    let lower = asked.to_lowercase();
    if lower == "cpu" {
        return Ok(Choice::Cpu);
    }
    let found = match asked.parse::<usize>() {
        Ok(index) => Some(index),
        Err(_) => adapters
            .iter()
            .position(|a| a.usable && a.text.to_lowercase().contains(&lower)),
    };
    if let Some(index) = found.filter(|&index| adapters.get(index).is_some_and(|a| a.usable)) {
        return Ok(Choice::Adapter(index));
    }
    let mut available = vec!["cpu".to_string()];
    available.extend(
        adapters
            .iter()
            .enumerate()
            .map(|(i, a)| format!("{i}: {}{}", a.text, if a.usable { "" } else { " (too limited)" })),
    );
    Err(Error::NoSuchDevice {
        asked: asked.to_string(),
        available: available.join(", "),
        advice: if adapters.is_empty() {
            DRIVER_ADVICE
        } else {
            "See 'stemwise devices'"
        }
        .to_string(),
    })
}

/// What to do on a machine that shows no adapter.
pub const DRIVER_ADVICE: &str = "No GPU driver was found: install your vendor's, or, on Debian and Ubuntu, \
     'apt-get install libvulkan1 mesa-vulkan-drivers' (AMD, Intel, and a software driver for tests)";

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Candidate> {
        let row = |text: &str, kind| Candidate {
            text: text.to_string(),
            kind,
            usable: true,
        };
        vec![
            row("Big Card (vulkan)", AdapterKind::Discrete),
            row("Small Card (vulkan)", AdapterKind::Integrated),
            row("llvmpipe (vulkan)", AdapterKind::Software),
        ]
    }

    #[test]
    fn real_gpu_first_software_only_when_asked() {
        assert_eq!(choose_among(&rows(), None).unwrap(), Choice::Adapter(0));
        assert_eq!(choose_among(&rows()[2..], None).unwrap(), Choice::Cpu);
        assert_eq!(choose_among(&[], None).unwrap(), Choice::Cpu);
        assert_eq!(choose_among(&rows(), Some("llvm")).unwrap(), Choice::Adapter(2));
        assert_eq!(choose_among(&rows(), Some("1")).unwrap(), Choice::Adapter(1));
        assert_eq!(
            choose_among(&rows(), Some("small card")).unwrap(),
            Choice::Adapter(1)
        );
        assert_eq!(choose_among(&rows(), Some("CPU")).unwrap(), Choice::Cpu);
    }

    #[test]
    fn nothing_found_says_what_there_is() {
        for asked in ["7", "voodoo"] {
            let message = choose_among(&rows(), Some(asked)).unwrap_err().to_string();
            assert!(
                message.contains(asked) && message.contains("1: Small Card"),
                "{message}"
            );
        }
        let message = choose_among(&[], Some("0")).unwrap_err().to_string();
        assert!(message.contains("mesa-vulkan-drivers"), "{message}");
    }
}
