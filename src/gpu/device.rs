use std::{
    env, fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Choice, DEVICE_VARIABLE, Gpu, Options, Tuning, adapters_for, choose};
use crate::{error::Result, kernel::Traits};

/// What a tape runs on.
#[derive(Debug, Clone)]
pub enum Device {
    /// The processor, in f32.
    Cpu,
    /// An adapter that was opened; clones share it.
    Gpu(Arc<Gpu>),
}

impl Device {
    /// Opens the device that `asked` names: an index or part of a name as `stemwise devices` lists them,
    /// or `cpu`. Without a name the environment variable [`DEVICE_VARIABLE`] decides, then the first real
    /// GPU, then the CPU. A GPU keeps its pipelines in the user's cache, unless the environment says otherwise.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), [`Error::DeviceRefused`](crate::Error::DeviceRefused),
    /// [`Error::Variable`](crate::Error::Variable).
    pub fn open(asked: Option<&str>) -> Result<Self> {
        Self::open_with(asked, Options::of_user(Tuning::of_environment()?))
    }

    /// The same, where a GPU is opened with these options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(asked: Option<&str>, options: Options) -> Result<Self> {
        let began = Instant::now();
        let variable = env::var(DEVICE_VARIABLE).ok();
        let asked = asked.or(variable.as_deref());
        let found = adapters_for(asked);
        match choose(&found, asked)? {
            Choice::Cpu => Ok(Device::Cpu),
            Choice::Adapter(index) => Ok(Device::Gpu(Gpu::open_since(began, &found[index], options)?)),
        }
    }

    /// How long opening it took: nothing for the CPU.
    pub fn opening(&self) -> Duration {
        match self {
            Device::Cpu => Duration::ZERO,
            Device::Gpu(gpu) => gpu.opening(),
        }
    }

    /// What kernels may know of the device.
    pub fn traits(&self) -> Traits {
        match self {
            Device::Cpu => Traits::default(),
            Device::Gpu(gpu) => gpu.traits(),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu ({} threads)", rayon::current_num_threads()),
            Device::Gpu(gpu) => f.pad(gpu.name()),
        }
    }
}
