//! What a made corpus was made of: a file at its root, by which it is resumed and nothing else.

use std::{fs, path::Path};

use serde::Serialize;

use crate::corpus::CorpusError;
use crate::files::{self, remove_partials, write_atomically};

/// Makes `root` ours, or finds that it is: it is empty, or its file `name` says what `wanted` says. `made` is a word
/// for how the corpus was made.
///
/// # Errors
/// [`CorpusError::Invalid`] if `root` holds something else or a corpus with other options; the others if a file
/// cannot be read or written.
pub(crate) fn claim(root: &Path, name: &str, made: &str, wanted: &impl Serialize) -> Result<(), CorpusError> {
    fs::create_dir_all(root).map_err(CorpusError::io("create", root))?;
    let path = root.join(name);
    let text = serde_json::to_string_pretty(wanted)
        .map_err(|e| CorpusError::invalid(format!("the options cannot be recorded: {e}")))?;
    if path.exists() {
        let found = files::read(&path).map_err(CorpusError::io("read", &path))?;
        if found == text.as_bytes() {
            return Ok(());
        }
        return Err(CorpusError::invalid(format!(
            "{} was made with other options (see {name} there): give the same ones to resume it, \
             or another folder",
            root.display()
        )));
    }
    remove_partials(root); // of a process that was killed here
    if fs::read_dir(root)
        .map_err(CorpusError::io("list", root))?
        .next()
        .is_some()
    {
        return Err(CorpusError::invalid(format!(
            "{} is not empty and not a {made} corpus: give an empty or a new folder",
            root.display()
        )));
    }
    write_atomically(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}
