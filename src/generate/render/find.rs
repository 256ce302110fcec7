//! The MIDI files below a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
};

use crate::corpus::CorpusError;

const EXTENSIONS: [&str; 4] = ["mid", "midi", "kar", "rmi"];

/// What was found. Paths are relative to the first folder, with `/` on every system.
#[derive(Default)]
pub(super) struct Found {
    /// Paths below the folder, ascending, and where that is.
    pub files: BTreeSet<(String, PathBuf)>,
    /// What could not be looked into, and why, for a reader.
    pub unread: Vec<(String, String)>,
    /// Folders that were looked into, without links in their paths.
    seen: BTreeSet<PathBuf>,
    /// Links to folders. They wait until all folders are known that are there themselves.
    links: BTreeMap<String, PathBuf>,
}

/// Looks for MIDI files below `folder`, also where links lead, and once into each folder; never into `except`. A folder
/// below it that cannot be listed is among what could not be looked into.
///
/// # Errors
/// [`CorpusError::Missing`] or [`CorpusError::Io`] if `folder` itself cannot be listed.
pub(super) fn find(folder: &Path, except: &Path) -> Result<Found, CorpusError> {
    let mut found = Found::default();
    found.seen.extend(except.canonicalize());
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CorpusError::Missing {
            what: "the folder of MIDI files",
            path: folder.into(),
            hint: "give the folder that holds them, at any depth",
        },
        _ => CorpusError::io("list", folder)(source),
    };
    let root = folder.canonicalize().map_err(failed)?;
    found.list(folder, "").map_err(failed)?;
    while let Some((source, link)) = found.links.pop_first() {
        match link.canonicalize() {
            Ok(target) if root.starts_with(&target) => {
                let reason = "it is a link to a folder above".to_string();
                found.unread.push((source, reason));
            }
            _ => found.folder(&link, &source),
        }
    }
    Ok(found)
}

impl Found {
    fn folder(&mut self, folder: &Path, source: &str) {
        if let Err(error) = self.list(folder, &format!("{source}/")) {
            self.unread
                .push((format!("{source}/"), format!("it cannot be listed: {error}")));
        }
    }

    fn list(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        if !self.seen.insert(folder.canonicalize()?) {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            self.entry(&entry?, prefix)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, prefix: &str) -> io::Result<()> {
        let (path, name) = (entry.path(), entry.file_name());
        let source = format!("{prefix}{}", name.to_string_lossy());
        let is_link = entry.file_type()?.is_symlink();
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() && is_link => drop(self.links.insert(source, path)),
            Ok(metadata) if metadata.is_dir() => self.folder(&path, &source),
            // one that cannot be read says so later
            _ if is_midi(&path) => {
                self.files.insert((source, path));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.unread.push((source, format!("it cannot be read: {error}")));
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_midi(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_file_once_wherever_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let (midi, other) = (folder.path().join("midi"), folder.path().join("other"));
        let out = folder.path().join("out");
        for path in [midi.join("b/c"), other.join("below"), out.join("x")] {
            fs::create_dir_all(path).unwrap();
        }
        for file in [
            midi.join("a.mid"),
            midi.join("b/c/B.MID"),
            midi.join("b/text"),
            other.join("below/o.kar"),
            out.join("x/out.mid"),
        ] {
            fs::write(file, "").unwrap();
        }
        // to itself, to a folder above, to one that is there, out of it and back, to what is left out, to nowhere
        symlink(&midi, midi.join("b/self")).unwrap();
        symlink("..", midi.join("above")).unwrap();
        symlink("b/c", midi.join("a")).unwrap();
        symlink(&other, midi.join("b/other")).unwrap();
        symlink(&midi, other.join("back")).unwrap();
        symlink(&out, midi.join("out")).unwrap();
        symlink("nothing", midi.join("dangling.mid")).unwrap();
        symlink("nothing", midi.join("dangling")).unwrap();
        symlink("loop", midi.join("loop")).unwrap();

        let found = find(&midi, &out).unwrap();
        let files: Vec<_> = found.files.iter().map(|(source, _)| source.as_str()).collect();
        assert_eq!(
            files,
            ["a.mid", "b/c/B.MID", "b/other/below/o.kar", "dangling.mid"]
        );
        let unread: Vec<_> = found.unread.iter().map(|(source, _)| source.as_str()).collect();
        assert_eq!(unread, ["loop", "above", "b/other/back", "b/self"]);
        assert!(matches!(
            find(&folder.path().join("none"), &out),
            Err(CorpusError::Missing { .. })
        ));
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_named_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.mid"), "").unwrap();
        let mut found = find(folder.path(), Path::new("none")).unwrap();
        // what a folder without permission gives, of whoever runs the test
        found.folder(&folder.path().join("a.mid"), "locked");
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.unread.len(), 1);
        assert!(
            found.unread[0].1.contains("cannot be listed"),
            "{:?}",
            found.unread
        );
    }
}
