//! The user's own folders, where systems keep them.

use std::{env, path::PathBuf};

/// The folder `stemwise/NAME` among the user's caches; it need not be there. `None` where the system has none.
pub fn cache_folder(name: &str) -> Option<PathBuf> {
    folder("XDG_CACHE_HOME", ".cache", name)
}

/// The folder `stemwise/NAME` among the user's data; it need not be there. `None` where the system has none.
pub fn data_folder(name: &str) -> Option<PathBuf> {
    folder("XDG_DATA_HOME", ".local/share", name)
}

fn folder(variable: &str, at_home: &str, name: &str) -> Option<PathBuf> {
    let given = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = match cfg!(windows) {
        true => given("LOCALAPPDATA"),
        false => given(variable).or_else(|| Some(env::home_dir()?.join(at_home))),
    };
    Some(base?.join("stemwise").join(name))
}
