//! Which variant an operation takes at which sizes, where that was measured on the device at hand.

use std::{collections::BTreeMap, fmt::Debug, io};

use serde::{Deserialize, Serialize};

use super::{Gpu, Tuning};

/// Names of variants by operation and sizes, for one adapter under one driver.
///
/// Variants add in different orders: what is chosen changes results in their last bits, and the same choices give the
/// same bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variants(BTreeMap<String, String>);

/// Where variants are kept from one run to the next. The engine knows no file format: a program hands it a store with the
/// [`Options`](super::Options) of a device.
pub trait VariantStore: Debug + Send + Sync {
    /// What was stored for a GPU. None if there is nothing, or nothing of this version, adapter and driver: measuring
    /// again costs little.
    fn load(&self, gpu: &Gpu) -> Variants;

    /// Stores them for a GPU, in place of what was there.
    ///
    /// # Errors
    /// What writing gives.
    fn save(&self, gpu: &Gpu, variants: &Variants) -> io::Result<()>;
}

impl Variants {
    /// What was stored for a GPU where its options say; none if they say [`Off`](Tuning::Off).
    pub fn of(gpu: &Gpu) -> Self {
        let options = gpu.options();
        match &options.variants {
            Some(store) if options.tuning != Tuning::Off => store.load(gpu),
            _ => Self::default(),
        }
    }

    /// The variant for an operation and its sizes.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets it.
    pub fn set(&mut self, key: String, variant: &str) {
        self.0.insert(key, variant.to_string());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
