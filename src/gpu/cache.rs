//! Compiled pipelines, kept on disk where the API can.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Adapter, Gpu};

/// What a file begins with; then the hash of all that follows, the length of the identity (32 bits, little-endian), the
/// identity, and the data.
const MAGIC: &[u8; 22] = b"stemwise pipelines, 1\n";

/// A file beyond this is not read, and begins anew: nothing ever leaves the data, and kernels change.
const LARGEST: u64 = 256 << 20;

/// Compiling that is not worth writing a file for until the device is closed.
const WORTH_STORING: Duration = Duration::from_millis(250);

/// The pipelines of a device and the file that they came from. Processes that store at once replace each other's files,
/// each of them whole; what one of them lost is compiled, and added, once more.
#[derive(Debug)]
pub(super) struct Cache {
    pub raw: wgpu::PipelineCache,
    path: PathBuf,
    identity: String,
    /// Time spent compiling since the file was last looked at, in ns.
    unsaved: AtomicU64,
    /// Of the data in the file.
    stored: Mutex<Option<blake3::Hash>>,
}

impl Cache {
    /// The cache of an adapter in a folder, empty if the file is missing, damaged or of another program, driver or
    /// adapter. `None` where the API has none.
    pub fn open(device: &wgpu::Device, adapter: &Adapter, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let identity = identity(adapter);
        let key = wgpu::util::pipeline_cache_key(&adapter.raw.get_info())?;
        // several drivers may run one adapter
        let hash = blake3::hash(format!("{}\n{}", adapter, adapter.driver).as_bytes()).to_hex();
        let path = folder.join(format!("{key}-{}.bin", &hash[..16]));
        let small = fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
        let file = small.then(|| fs::read(&path).ok()).flatten();
        let data = file.as_deref().and_then(|file| unsealed(file, &identity));
        let raw = data.and_then(|data| create(device, Some(data)));
        let (raw, stored) = match raw {
            Some(raw) => (raw, data.map(blake3::hash)),
            None => (create(device, None)?, None),
        };
        Some(Cache {
            raw,
            path,
            identity,
            unsaved: AtomicU64::new(0),
            stored: Mutex::new(stored),
        })
    }

    /// Notes that a pipeline took so long.
    pub fn compiled(&self, took: Duration) {
        self.unsaved.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Writes the file, if so much was compiled since it was last looked at and something of it was new. No run fails
    /// because it cannot: the next one compiles once more.
    fn store(&self, worth: Duration) {
        let unsaved = Duration::from_nanos(self.unsaved.load(Ordering::Relaxed));
        if unsaved.is_zero() || unsaved < worth {
            return;
        }
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        self.unsaved.store(0, Ordering::Relaxed);
        let Some(data) = self.raw.get_data() else {
            return;
        };
        let hash = blake3::hash(&data);
        if *stored == Some(hash) {
            return;
        }
        if replace(&self.path, &sealed(&self.identity, &data)).is_ok() {
            *stored = Some(hash);
        }
    }
}

impl Gpu {
    /// Stores the pipelines if enough of them were compiled.
    pub(super) fn store_pipelines(&self, worth: Option<Duration>) {
        if let Some(cache) = &self.cache
            && self.check().is_ok()
        {
            cache.store(worth.unwrap_or(WORTH_STORING));
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.store_pipelines(Some(Duration::ZERO));
    }
}

/// Data is good for one version of this program (another's kernels are others) and one driver of one adapter.
fn identity(adapter: &Adapter) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}\n{adapter}\n{}", adapter.driver)
}

/// Writes a file whole, or not at all, in a folder that is made. Two devices of one process that store at once would write
/// to one temporary name: the second leaves it to the first.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let temporary = path.with_extension(format!("{}.partial", process::id()));
    let mut file = File::create_new(&temporary)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    renamed.inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn sealed(identity: &str, data: &[u8]) -> Vec<u8> {
    let length = (identity.len() as u32).to_le_bytes();
    let content = [&length[..], identity.as_bytes(), data].concat();
    let hash = blake3::hash(&content);
    [&MAGIC[..], hash.as_bytes(), &content].concat()
}

/// The data of a file, if it is whole and of that identity.
fn unsealed<'a>(file: &'a [u8], identity: &str) -> Option<&'a [u8]> {
    let (hash, content) = file.strip_prefix(MAGIC)?.split_at_checked(blake3::OUT_LEN)?;
    if blake3::hash(content) != blake3::Hash::from_slice(hash).ok()? {
        return None;
    }
    let (length, rest) = content.split_first_chunk()?;
    let (of, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (of == identity.as_bytes()).then_some(data)
}

fn create(device: &wgpu::Device, data: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    // SAFETY: data must come from `PipelineCache::get_data`. It does: `Cache::store` alone writes such files, in a
    // folder of the user's own, and the hash over the whole content shows that this is what it wrote, for this very
    // adapter and driver. On top of that, wgpu compares vendor, device and driver with those in its own header.
    let cache = unsafe {
        device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
            label: Some("stemwise"),
            data,
            fallback: true,
        })
    };
    pollster::block_on(scope.pop()).is_none().then_some(cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_of_its_own_is_taken() {
        let file = sealed("0.1.0\ncard", b"pipelines");
        assert_eq!(unsealed(&file, "0.1.0\ncard"), Some(&b"pipelines"[..]));
        assert_eq!(unsealed(&file, "0.1.0\nanother"), None);
        for len in 0..file.len() {
            assert_eq!(unsealed(&file[..len], "0.1.0\ncard"), None, "{len} bytes of it");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(unsealed(&damaged, "0.1.0\ncard"), None, "byte {at}");
        }
        assert_eq!(unsealed(&[file, vec![0]].concat(), "0.1.0\ncard"), None);
    }

    #[test]
    fn a_length_beyond_the_file_is_no_panic() {
        // whole by its hash, and still nonsense
        for content in [&[][..], &[1, 0, 0], &[255, 255, 255, 255, 1]] {
            let hash = blake3::hash(content);
            assert_eq!(
                unsealed(&[MAGIC, &hash.as_bytes()[..], content].concat(), ""),
                None
            );
        }
    }
}
