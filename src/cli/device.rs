//! The device of verbs that run programs again and again.

use clap::Args;

use crate::{
    gpu::{Device, Tuning},
    variants::open_device_with,
};

/// What to run on, and how.
#[derive(Args, Clone)]
pub struct DeviceArguments {
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
    /// Where a GPU's variants of kernels come from [default: $STEMWISE_TUNE, or stored]
    ///
    /// off: the engine's own choice. stored: what 'stemwise tune' or an earlier run found fastest here. on: the same, and
    /// what is missing is measured at its first use, 30 seconds in all at most, and stored. exhaustive: without that
    /// limit, and each to the end. Variants add in different orders: they change results in their last bits.
    #[arg(long, value_name = "HOW")]
    tune: Option<Tuning>,
}

impl DeviceArguments {
    /// Whether it was said where variants come from.
    pub fn tunes(&self) -> bool {
        self.tune.is_some()
    }

    /// Opens it, with the user's folders.
    pub fn open(&self) -> crate::Result<Device> {
        let tuning = self.tune.map_or_else(Tuning::of_environment, Ok)?;
        open_device_with(self.device.as_deref(), tuning)
    }
}
