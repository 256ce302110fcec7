use std::{env, fmt, sync::Arc};

use super::{Choice, DEVICE_VARIABLE, Gpu, adapters, choose};
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
    /// GPU, then the CPU.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`](crate::Error::NoSuchDevice), [`Error::DeviceRefused`](crate::Error::DeviceRefused).
    pub fn open(asked: Option<&str>) -> Result<Self> {
        let variable = env::var(DEVICE_VARIABLE).ok();
        let asked = asked.or(variable.as_deref());
        if asked.is_some_and(|asked| asked.trim().eq_ignore_ascii_case("cpu")) {
            return Ok(Device::Cpu); // spares the drivers being loaded
        }
        let found = adapters();
        match choose(&found, asked)? {
            Choice::Cpu => Ok(Device::Cpu),
            Choice::Adapter(index) => Ok(Device::Gpu(Gpu::open(&found[index])?)),
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
