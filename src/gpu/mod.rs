//! The GPU device. Nothing above this room names a `wgpu` type.

mod adapter;
mod buffer;
mod cache;
mod device;
mod options;
mod pipeline;
mod recorder;
mod staging;
mod timer;
mod variants;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use adapter::{
    Adapter, AdapterKind, Choice, DEVICE_VARIABLE, DRIVER_ADVICE, Features, Limits, adapters, adapters_for,
    choose,
};
pub use buffer::{Buffer, Readback};
pub use device::Device;
pub use options::{Options, PIPELINES_VARIABLE, TUNE_VARIABLE, Tuning};
pub(crate) use pipeline::Checks;
pub use pipeline::{Access, Bound, Dispatchable};
pub use recorder::Submission;
pub use staging::Staging;
pub use variants::{VariantStore, Variants};

use crate::{
    error::{Error, Result},
    kernel::Traits,
};

/// How long one submission may take before it counts as hung.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// An open GPU.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    driver: String,
    limits: Limits,
    features: Features,
    traits: Traits,
    options: Options,
    opening: Duration,
    /// Time spent measuring variants at their first use, in ns.
    measuring: AtomicU64,
    pipelines: pipeline::Pipelines,
    cache: Option<cache::Cache>,
    pending: recorder::Pending,
    /// The first error that no scope caught; all later work is refused with it.
    fault: Arc<Mutex<Option<Error>>>,
    counters: Arc<Counters>,
}

/// Running totals of what was created.
#[derive(Debug, Default)]
struct Counters {
    buffers: AtomicU64,
    bytes: AtomicU64,
    bind_groups: AtomicU64,
    pipelines: AtomicU64,
    unchecked: AtomicU64,
}

/// Totals since the device was opened; [`bytes`](Self::bytes) is what is allocated now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Buffers ever made.
    pub buffers: u64,
    /// Bytes of the buffers that are alive.
    pub bytes: u64,
    /// Bind groups ever made.
    pub bind_groups: u64,
    /// Pipelines ever compiled.
    pub pipelines: u64,
    /// Those of them that a release build compiles without checks.
    pub unchecked: u64,
}

impl Gpu {
    /// Opens an adapter with all the limits that it offers and those optional features that it has. Nothing is kept on
    /// disk.
    ///
    /// # Errors
    /// [`Error::DeviceRefused`] if it is too limited or its driver gives no device.
    pub fn open(adapter: &Adapter) -> Result<Arc<Self>> {
        Self::open_with(adapter, Options::default())
    }

    /// The same with [`Options`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(adapter: &Adapter, options: Options) -> Result<Arc<Self>> {
        Self::open_since(Instant::now(), adapter, options)
    }

    /// The same, where opening began earlier.
    fn open_since(began: Instant, adapter: &Adapter, options: Options) -> Result<Arc<Self>> {
        let name = adapter.to_string();
        let refused = |message: String| Error::DeviceRefused {
            adapter: name.clone(),
            message,
        };
        if let Some(reason) = adapter.unusable() {
            return Err(refused(reason));
        }
        let wanted = wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::SHADER_F16
            | wgpu::Features::SUBGROUP
            | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
            | wgpu::Features::PIPELINE_CACHE;
        // SAFETY: what is experimental is matrix products, in kernels that no device takes unless they are chosen; they
        // are called by whole subgroups, with indices that their shapes bound
        let experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        let descriptor = wgpu::DeviceDescriptor {
            experimental_features,
            label: Some("stemwise"),
            required_features: adapter.raw.features() & wanted,
            required_limits: adapter.raw.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.raw.request_device(&descriptor))
            .map_err(|error| refused(error.to_string()))?;

        let fault = Arc::new(Mutex::new(None));
        let counters = Arc::new(Counters::default());
        device.on_uncaptured_error(Arc::new({
            let (fault, counters, name) = (fault.clone(), counters.clone(), name.clone());
            move |error| note_fault(&fault, typed(error, &name, &counters))
        }));
        device.set_device_lost_callback({
            let (fault, name) = (fault.clone(), name.clone());
            move |reason, message| {
                if reason != wgpu::DeviceLostReason::Destroyed {
                    note_fault(
                        &fault,
                        Error::DeviceLost {
                            adapter: name.clone(),
                            message,
                        },
                    );
                }
            }
        });
        let folder = options.pipelines.as_deref();
        let cache = folder.and_then(|folder| cache::Cache::open(&device, adapter, folder));
        Ok(Arc::new(Gpu {
            cache,
            options,
            opening: began.elapsed(),
            measuring: AtomicU64::new(0),
            pipelines: pipeline::Pipelines::default(),
            pending: recorder::Pending::default(),
            limits: adapter.limits,
            features: adapter.features,
            traits: adapter.traits(),
            driver: adapter.driver.clone(),
            device,
            queue,
            name,
            fault,
            counters,
        }))
    }

    /// The adapter's name and API.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver's name and version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// What the adapter allows at most.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the adapter can do beyond the basics.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// What kernels may know of this device.
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// What it was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How long opening it took.
    pub fn opening(&self) -> Duration {
        self.opening
    }

    /// How long variants were measured at their first use, by all sessions together.
    pub fn measuring(&self) -> Duration {
        Duration::from_nanos(self.measuring.load(Ordering::Relaxed))
    }

    /// Adds to it.
    pub(crate) fn measured_for(&self, time: Duration) {
        self.measuring
            .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// What was created so far.
    pub fn created(&self) -> Created {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Created {
            buffers: get(&self.counters.buffers),
            bytes: get(&self.counters.bytes),
            bind_groups: get(&self.counters.bind_groups),
            pipelines: get(&self.counters.pipelines),
            unchecked: get(&self.counters.unchecked),
        }
    }

    /// The error that broke the device, if one did.
    ///
    /// # Errors
    /// That error, again at every call.
    pub fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Runs `create` and returns what the API found wrong with it.
    fn scoped<T>(&self, create: impl FnOnce() -> T) -> Result<T> {
        self.check()?;
        let scopes = [
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::OutOfMemory,
        ]
        .map(|filter| self.device.push_error_scope(filter));
        let made = create();
        let mut first = None;
        for scope in scopes.into_iter().rev() {
            let error = pollster::block_on(scope.pop());
            first = first.or(error);
        }
        match first {
            Some(error) => Err(typed(error, &self.name, &self.counters)),
            None => Ok(made),
        }
    }

    /// What the API found wrong.
    fn rejected(&self, message: impl ToString) -> Error {
        Error::Validation {
            adapter: self.name.clone(),
            message: message.to_string(),
        }
    }

    fn timed_out(&self) -> Error {
        Error::Timeout {
            adapter: self.name.clone(),
            limit: WAIT_LIMIT,
        }
    }

    /// Makes the device fail as a driver's reset would. For tests.
    #[doc(hidden)]
    pub fn simulate_loss(&self) {
        let message = "simulated".to_string();
        note_fault(
            &self.fault,
            Error::DeviceLost {
                adapter: self.name.clone(),
                message,
            },
        );
        self.device.destroy();
    }
}

fn note_fault(fault: &Mutex<Option<Error>>, error: Error) {
    fault
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(error);
}

fn typed(error: wgpu::Error, adapter: &str, counters: &Counters) -> Error {
    let adapter = adapter.to_string();
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory {
            adapter,
            allocated: counters.bytes.load(Ordering::Relaxed) >> 20,
        },
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            Error::Validation {
                adapter,
                message: description,
            }
        }
    }
}
