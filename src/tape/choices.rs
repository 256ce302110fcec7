//! Which variant an operation takes at which sizes, where that was measured on the device at hand.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    files::{self, FileError, write_atomically},
    gpu::{Gpu, Tuning},
};

/// Names of variants by operation and sizes, for one adapter under one driver.
///
/// Variants add in different orders: what is chosen changes results in their last bits, and the same choices give the
/// same bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// That made them: another version's variants are others.
    version: String,
    adapter: String,
    driver: String,
    variants: BTreeMap<String, String>,
}

impl Choices {
    /// None yet, for a GPU.
    pub fn none(gpu: &Gpu) -> Self {
        Choices {
            version: env!("CARGO_PKG_VERSION").to_string(),
            adapter: gpu.name().to_string(),
            driver: gpu.driver().to_string(),
            variants: BTreeMap::new(),
        }
    }

    /// What was stored for a GPU in a folder. None if there is nothing, or nothing of this version, adapter and driver:
    /// measuring again costs little.
    pub fn stored(gpu: &Gpu, folder: &Path) -> Self {
        let none = Self::none(gpu);
        let read = files::read(&none.path(folder)).ok();
        let stored: Option<Choices> = read.and_then(|text| serde_json::from_slice(&text).ok());
        let same =
            |s: &Choices| (&s.version, &s.adapter, &s.driver) == (&none.version, &none.adapter, &none.driver);
        stored.filter(same).unwrap_or(none)
    }

    /// What was stored for a GPU where its options say; none if they say [`Off`](Tuning::Off).
    pub fn of(gpu: &Gpu) -> Self {
        let options = gpu.options();
        match &options.variants {
            Some(folder) if options.tuning != Tuning::Off => Self::stored(gpu, folder),
            _ => Self::none(gpu),
        }
    }

    /// Stores them in a folder, which is made.
    ///
    /// # Errors
    /// What making the folder and writing the file give.
    pub fn store(&self, folder: &Path) -> Result<PathBuf, FileError> {
        let path = self.path(folder);
        let failed = |source| FileError::Create {
            folder: folder.into(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        write_atomically(&path, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        })?;
        Ok(path)
    }

    /// One file for an adapter under a driver.
    fn path(&self, folder: &Path) -> PathBuf {
        let key = format!("{}\n{}", self.adapter, self.driver);
        let hash = blake3::hash(key.as_bytes()).to_hex();
        folder.join(format!("{}.json", &hash[..16]))
    }

    /// The variant for an operation and its sizes.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.variants.get(key).map(String::as_str)
    }

    /// Sets it.
    pub fn set(&mut self, key: String, variant: &str) {
        self.variants.insert(key, variant.to_string());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.variants.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }
}
