//! Variants of kernels that were measured, kept in JSON: in the user's cache for all runs, and in each run's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    files::{self, FileError, write_atomically},
    folders::cache_folder,
    gpu::{Device, Gpu, Options, Tuning, VariantStore, Variants},
};

/// A folder with one file for each adapter under a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantFolder(PathBuf);

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// That made them: another version's variants are others.
    version: String,
    adapter: String,
    driver: String,
    variants: Variants,
}

impl Stored {
    fn new(gpu: &Gpu, variants: Variants) -> Self {
        Stored {
            version: env!("CARGO_PKG_VERSION").to_string(),
            adapter: gpu.name().to_string(),
            driver: gpu.driver().to_string(),
            variants,
        }
    }

    fn is_of(&self, gpu: &Gpu) -> bool {
        let Stored {
            version,
            adapter,
            driver,
            ..
        } = self;
        version == env!("CARGO_PKG_VERSION") && adapter == gpu.name() && driver == gpu.driver()
    }
}

impl VariantFolder {
    /// A folder, which need not be there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        VariantFolder(folder.into())
    }

    /// The user's; `None` where the system names no folder for caches.
    pub fn of_user() -> Option<Self> {
        cache_folder("variants").map(VariantFolder)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Stores variants for a GPU in the folder, which is made, and says where.
    ///
    /// # Errors
    /// What making the folder and writing the file give.
    pub fn store(&self, gpu: &Gpu, variants: &Variants) -> Result<PathBuf, FileError> {
        let (path, folder) = (self.file(gpu), self.0.clone());
        fs::create_dir_all(&folder).map_err(|source| FileError::Create { folder, source })?;
        write_atomically(&path, |out| {
            serde_json::to_writer_pretty(&mut *out, &Stored::new(gpu, variants.clone()))?;
            out.write_all(b"\n")
        })?;
        Ok(path)
    }

    fn file(&self, gpu: &Gpu) -> PathBuf {
        let key = format!("{}\n{}", gpu.name(), gpu.driver());
        let hash = blake3::hash(key.as_bytes()).to_hex();
        self.0.join(format!("{}.json", &hash[..16]))
    }
}

impl VariantStore for VariantFolder {
    fn load(&self, gpu: &Gpu) -> Variants {
        let text = files::read(&self.file(gpu)).ok();
        let stored: Option<Stored> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let own = stored.filter(|stored| stored.is_of(gpu));
        own.map(|stored| stored.variants).unwrap_or_default()
    }

    fn save(&self, gpu: &Gpu, variants: &Variants) -> io::Result<()> {
        self.store(gpu, variants).map(drop).map_err(io::Error::other)
    }
}

/// Opens the device that `asked` names, as [`Device::open`] does, and keeps what is measured there in the user's cache.
///
/// # Errors
/// As [`Device::open`].
pub fn open_device(asked: Option<&str>) -> crate::Result<Device> {
    open_device_with(asked, Tuning::of_environment()?)
}

/// The same, where variants come from there.
///
/// # Errors
/// As [`Device::open`].
pub fn open_device_with(asked: Option<&str>, tuning: Tuning) -> crate::Result<Device> {
    let options = Options {
        variants: VariantFolder::of_user().map(|folder| Arc::new(folder) as _),
        ..Options::of_user(tuning)
    };
    Device::open_with(asked, options)
}
