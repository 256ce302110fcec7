//! The library that is served, and its songs as people know them.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::library::{Entry, Library, LibraryError, Tags};

/// How often to look whether the library has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A library that may change while it is served.
pub(super) struct Music {
    root: PathBuf,
    state: Mutex<State>,
}

struct State {
    opened: Arc<Opened>,
    looked: Instant,
}

/// A library as it was at one time.
pub(super) struct Opened {
    pub library: Library,
    /// In the order of the library's entries.
    pub songs: Vec<Song>,
    /// By the hash of their content; of copies, the first path.
    by_id: HashMap<String, usize>,
    stamp: Stamp,
}

/// What a song is called.
pub(super) struct Song {
    /// As its tag says, or else the file's name without its ending.
    pub title: String,
    /// The folder that it is in, from the one that was embedded.
    pub folder: String,
    /// Title, artist, album, name and folder in lower case, to be searched.
    text: String,
}

/// Size and time of the library's log.
#[derive(PartialEq)]
struct Stamp(Option<(u64, Option<SystemTime>)>);

impl Stamp {
    fn of(root: &Path) -> Self {
        let metadata = fs::metadata(Library::log(root)).ok();
        Stamp(metadata.map(|file| (file.len(), file.modified().ok())))
    }
}

impl Music {
    /// Opens the library `root`.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        Ok(Music {
            root: root.into(),
            state: Mutex::new(State {
                opened: Arc::new(Opened::new(root)?),
                looked: Instant::now(),
            }),
        })
    }

    /// The library as it is, or as it was when it last opened: a writer may be in the middle of something.
    pub fn now(&self) -> Arc<Opened> {
        // nobody panics who holds it, and what it holds is whole anyway
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            if Stamp::of(&self.root) != state.opened.stamp
                && let Ok(opened) = Opened::new(&self.root)
            {
                state.opened = Arc::new(opened);
            }
            state.looked = Instant::now();
        }
        state.opened.clone()
    }
}

impl Opened {
    fn new(root: &Path) -> Result<Self, LibraryError> {
        // before it is read: what comes meanwhile is seen the next time
        let stamp = Stamp::of(root);
        let library = Library::open(root)?;
        let songs = library.entries().iter().map(Song::of).collect();
        let mut by_id = HashMap::new();
        for (n, entry) in library.entries().iter().enumerate() {
            by_id.entry(entry.hash.clone()).or_insert(n);
        }
        library.prepare();
        Ok(Opened {
            library,
            songs,
            by_id,
            stamp,
        })
    }

    /// A song's entry and what it is called.
    pub fn find(&self, id: &str) -> Option<(&Entry, &Song)> {
        let n = *self.by_id.get(id)?;
        Some((&self.library.entries()[n], &self.songs[n]))
    }

    /// The song that an entry of this library is.
    pub fn song(&self, entry: &Entry) -> Option<&Song> {
        let entries = self.library.entries();
        let n = entries
            .binary_search_by(|other| other.file.path.cmp(&entry.file.path))
            .ok()?;
        Some(&self.songs[n])
    }

    /// All whose title, artist, album, name or folder have every word of `text`.
    pub fn matching(&self, text: &str) -> Vec<(&Entry, &Song)> {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let all = self.library.entries().iter().zip(&self.songs);
        all.filter(|(_, song)| words.iter().all(|word| song.text.contains(word)))
            .collect()
    }
}

impl Song {
    fn of(entry: &Entry) -> Self {
        let file = &entry.file;
        let lossy = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let name = lossy(file.relative.file_stem().or_else(|| file.path.file_stem()));
        let folder = file.relative.parent().unwrap_or(Path::new(""));
        let folder = match folder.as_os_str().is_empty() {
            // embedded by itself, or from the folder that it is in
            true => lossy(file.path.parent().and_then(Path::file_name)),
            false => folder.to_string_lossy().into_owned(),
        };
        let tag = |of: fn(&Tags) -> &Option<String>| entry.tags.as_ref().and_then(|tags| of(tags).clone());
        let (artist, album) = (tag(|tags| &tags.artist), tag(|tags| &tags.album));
        let title = tag(|tags| &tags.title).unwrap_or_else(|| name.clone());
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let all = [&title, &shown(&artist), &shown(&album), &name, &folder];
        let text = all.map(String::as_str).join("\n").to_lowercase();
        Song { title, folder, text }
    }
}
