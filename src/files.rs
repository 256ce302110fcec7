//! Files that appear whole or not at all.
//!
//! Everything this crate writes (audio, stores, checkpoints) goes to a temporary name in the target's own
//! folder, is flushed to the disk and renamed. A crash or a full disk leaves the old file as it was.

use std::{
    fs::{self, File, FileType, Metadata, TryLockError},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder refuses a new file: it is missing, not a folder, read-only, or out of inodes.
    #[error("cannot create a file in {}: {source}; check that the folder exists and may be written", folder.display())]
    Create {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data did not reach the disk. Nothing was left under `path`.
    #[error("cannot write {}: {source}; nothing was left there, check the free space", path.display())]
    Write {
        /// The file's final path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The finished temporary file could not take its final name.
    #[error("cannot rename the finished file to {}: {source}", path.display())]
    Rename {
        /// The file's final path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct IoError {
    /// A verb, as in "list" or "create".
    pub what: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl IoError {
    /// Of what the system says; for `map_err`.
    pub(crate) fn of(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| IoError { what, path, source }
    }
}

/// Writes the file `path` through `write`: afterwards it holds all that `write` wrote, or, after an error, what
/// it held before. What killed processes left half-written in its folder is removed.
///
/// # Errors
/// [`FileError`], also for an error that `write` itself returns.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    remove_partials(folder_of(path));
    let file = create_temporary(path)?;
    let failed = |source| FileError::Write {
        path: path.into(),
        source,
    };
    let mut buffered = BufWriter::new(file);
    write(&mut buffered).map_err(failed)?;
    let file = buffered.into_inner().map_err(|e| failed(e.into_error()))?;
    persist(file, path)
}

/// Opens a file that comes from outside, if it is a regular one or a link to one. A FIFO would be waited for without
/// end, and a device may never come to one.
///
/// # Errors
/// What the system says of the path; of what is no file, [`io::ErrorKind::InvalidInput`] with its kind.
pub fn open(path: &Path) -> io::Result<File> {
    look(path)?;
    File::open(path)
}

/// What the system knows of a file that [`open`] takes.
///
/// # Errors
/// As [`open`].
pub fn look(path: &Path) -> io::Result<Metadata> {
    let data = path.metadata()?;
    if data.is_file() {
        return Ok(data);
    }
    let message = format!("it is a {}, not a file", kind(data.file_type()));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// All bytes of a file that [`open`] takes.
///
/// # Errors
/// As [`open`], or what the system says while it is read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file that [`open`] takes.
///
/// # Errors
/// As [`read`], and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8");
    String::from_utf8(read(path)?).map_err(no_text)
}

/// What it is that is no regular file, in words.
pub(crate) fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "named pipe";
        }
        if kind.is_socket() {
            return "socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "device";
        }
    }
    match kind.is_dir() {
        true => "folder",
        false => "thing of another kind",
    }
}

/// A file that one process holds at a time. The system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock `path`, a file that is made if it is not there and stays; `None` while another holds it.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        if path.exists() {
            open(path)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks; there it is up to the user.
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(Some(Lock(file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    // ENOLCK: a mount without a lock manager
    let no_manager = cfg!(target_os = "linux") && error.raw_os_error() == Some(37);
    no_manager || error.kind() == io::ErrorKind::Unsupported
}

impl Drop for Lock {
    /// Closing the file would not do: a process that another thread is just starting holds a copy of it for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// How the names of temporary files begin: a killed process leaves them behind.
pub(crate) const PARTIAL_PREFIX: &str = ".partial-";

/// An empty temporary file beside `path`; it disappears when dropped, unless [`persist`]ed. It is locked as long as it
/// is open, which [`remove_partials`] heeds.
pub(crate) fn create_temporary(path: &Path) -> Result<NamedTempFile, FileError> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL_PREFIX);
    // The default of `tempfile` is private to its owner; a finished corpus is to be read like any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder).map_err(|source| FileError::Create {
            folder: folder.into(),
            source,
        })?;
        // Before it was locked, another process may have taken it for a leftover.
        let locked = !matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if locked && file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files in `folder` that no process holds any more, and returns whether there were any. What
/// cannot be removed stays for the next time, as does all on a file system without locks.
pub(crate) fn remove_partials(folder: &Path) -> bool {
    let mut found = false;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PARTIAL_PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        // Removed under the lock: see `create_temporary`.
        if ours
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            found |= fs::remove_file(entry.path()).is_ok();
        }
    }
    found
}

/// Flushes `file` to the disk and gives it the name `path`, replacing what was there.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.as_file().sync_all().map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })?;
    file.persist(path).map_err(|e| FileError::Rename {
        path: path.into(),
        source: e.error,
    })?;
    // The new name itself is durable once its folder is flushed. Not every file system (or Windows) can.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn replaces_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, |w| w.write_all(b"one")).unwrap();
        write_atomically(&path, |w| w.write_all(b"two")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, |w| w.write_all(b"one")).unwrap();
        let error = write_atomically(&path, |w| {
            w.write_all(&[0; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(
            matches!(&error, FileError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull)
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "text").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_to_string(&link).unwrap(), "text");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let others = [
            (folder.path(), "a folder"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ];
        for (path, what) in others {
            let error = read(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(what), "{error}");
        }
        assert_eq!(
            open(&folder.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn what_nobody_holds_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(folder.path().join(".partial-killed"), "half").unwrap();
        fs::write(folder.path().join("partial"), "another's").unwrap();
        fs::create_dir(folder.path().join(".partial-folder")).unwrap();
        let held = create_temporary(&path).unwrap();
        assert!(remove_partials(folder.path()));
        assert!(!remove_partials(folder.path()));
        assert!(held.path().exists() && !folder.path().join(".partial-killed").exists());
        assert_eq!(names(folder.path()).len(), 3);
        persist(held, &path).unwrap();
        assert!(!remove_partials(&folder.path().join("none")));
    }

    #[test]
    fn a_lock_is_free_once_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none());
        // what a child process inherits until it runs a program of its own
        let _inherited = lock.0.try_clone().unwrap();
        drop(lock);
        assert!(Lock::take(&path).unwrap().is_some());
        assert!(Lock::take(&folder.path().join("none").join("lock")).is_err());
    }

    #[test]
    fn a_folder_that_takes_no_files_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write_atomically(&file.join("below"), |_| Ok(())).unwrap_err();
        assert!(matches!(error, FileError::Create { .. }));
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        if cfg!(target_os = "linux") {
            assert!(matches!(
                write_atomically(Path::new("/proc/x"), |_| Ok(())),
                Err(FileError::Create { .. })
            ));
        }
    }

    #[test]
    fn a_folder_of_that_name_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(
            write_atomically(&path, |_| Ok(())),
            Err(FileError::Rename { .. })
        ));
        assert_eq!(names(folder.path()), ["a"]);
    }
}
