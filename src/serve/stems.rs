//! The instruments of a song: separated in the background when they are first asked for, and kept within a limit.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    process,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::SystemTime,
};

use axum::{
    Json,
    extract::{Path as Parts, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Shared, api::Refusal, sound};
use crate::{
    corpus::Instrument,
    separate::{Outputs, SeparateError, Separators, separate_file},
};

/// Songs that may wait.
const MOST_WAITING: usize = 20;
/// A file that says, by its time, when a song's stems were last asked for.
const USED: &str = "used";

/// What separates songs, and where their stems are kept.
pub struct StemOptions {
    /// A folder a song in it; of one separator only.
    pub folder: PathBuf,
    /// Bytes that the folder may hold; the song that was separated last stays in any case.
    pub limit: u64,
    /// Loads the separator when it is first needed, on the thread that separates.
    pub load: Box<dyn Fn() -> Result<Separators, SeparateError> + Send>,
}

/// Songs that are separated, or were.
pub(super) struct Stems {
    folder: PathBuf,
    jobs: mpsc::Sender<Job>,
    work: Work,
}

struct Job {
    id: String,
    file: PathBuf,
}

/// Songs that are not ready, and how far they are.
type Work = Arc<Mutex<HashMap<String, Progress>>>;

#[derive(Clone)]
enum Progress {
    Waiting,
    /// Seconds done, of how many.
    Separating(f64, Option<f64>),
    Failed(String),
}

fn locked(work: &Work) -> MutexGuard<'_, HashMap<String, Progress>> {
    // nobody panics who holds it, and what it holds is whole anyway
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stems {
    /// Begins the thread that separates.
    pub fn new(options: StemOptions) -> io::Result<Self> {
        let (jobs, asked) = mpsc::channel();
        let (folder, work) = (options.folder.clone(), Work::default());
        let theirs = work.clone();
        thread::Builder::new()
            .name("separate".into())
            .spawn(move || separate_all(&options, &asked, &theirs))?;
        Ok(Stems { folder, jobs, work })
    }

    /// Where the stems of a song are, if they are there.
    fn ready(&self, id: &str) -> Option<PathBuf> {
        let folder = place(&self.folder, id)?;
        folder.is_dir().then_some(folder)
    }

    fn begin(&self, id: &str, file: &Path) -> Result<(), Refusal> {
        let mut work = locked(&self.work);
        let busy = |progress: &&Progress| !matches!(progress, Progress::Failed(_));
        if work.get(id).as_ref().is_some_and(busy) {
            return Ok(());
        }
        if work.values().filter(busy).count() >= MOST_WAITING {
            let message = format!("{MOST_WAITING} songs wait already: ask again when some are done");
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message));
        }
        let job = Job {
            id: id.into(),
            file: file.into(),
        };
        let ended = |_| {
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "what separates has ended: start again",
            )
        };
        self.jobs.send(job).map_err(ended)?;
        work.insert(id.into(), Progress::Waiting);
        Ok(())
    }

    fn status(&self, id: &str) -> Value {
        if let Some(folder) = self.ready(id) {
            let there = |instrument: &&Instrument| folder.join(wav(**instrument)).is_file();
            let stems = Instrument::ALL
                .iter()
                .filter(there)
                .map(|instrument| instrument.name());
            return json!({ "state": "ready", "stems": stems.collect::<Vec<_>>() });
        }
        match locked(&self.work).get(id).cloned() {
            None => json!({ "state": "none", "stems": [] }),
            Some(Progress::Waiting) => json!({ "state": "waiting", "stems": [] }),
            Some(Progress::Separating(done, seconds)) => {
                json!({ "state": "separating", "stems": [], "done": done, "seconds": seconds })
            }
            Some(Progress::Failed(error)) => json!({ "state": "failed", "stems": [], "error": error }),
        }
    }
}

fn wav(instrument: Instrument) -> String {
    format!("{instrument}.wav")
}

/// The folder of a song; `None` for an id that is no hash, and might lead elsewhere.
fn place(folder: &Path, id: &str) -> Option<PathBuf> {
    let hash = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    hash.then(|| folder.join(id))
}

fn separate_all(options: &StemOptions, asked: &mpsc::Receiver<Job>, work: &Work) {
    let mut separators = None;
    for job in asked {
        let told = |done, seconds| {
            locked(work).insert(job.id.clone(), Progress::Separating(done, seconds));
        };
        told(0.0, None);
        let result = separate(options, &mut separators, &job, &mut |done, seconds| {
            told(done, seconds)
        });
        let mut work = locked(work);
        match result {
            Ok(()) => work.remove(&job.id),
            Err(error) => work.insert(job.id, Progress::Failed(error.to_string())),
        };
    }
}

/// Separates a song into a folder of its own, which appears whole.
fn separate(
    options: &StemOptions,
    separators: &mut Option<Separators>,
    job: &Job,
    told: &mut dyn FnMut(f64, Option<f64>),
) -> Result<(), SeparateError> {
    let Some(there) = place(&options.folder, &job.id).filter(|there| !there.is_dir()) else {
        return Ok(());
    };
    let loaded = match separators.take() {
        Some(loaded) => loaded,
        None => (options.load)()?,
    };
    let loaded = separators.insert(loaded);
    let part = options.folder.join(format!("part-{}-{}", process::id(), job.id));
    let outputs = Outputs {
        stems: &part,
        spectra: None,
        overwrite: true,
    };
    let done = separate_file(loaded, &job.file, outputs, told);
    let moved = done.and_then(|report| {
        let made = report
            .stems
            .first()
            .and_then(|stem| stem.path.parent())
            .unwrap_or(&part);
        touch(made);
        match fs::rename(made, &there) {
            // another process was as quick
            Err(_) if there.is_dir() => Ok(()),
            moved => moved.map_err(|error| crate::files::IoError::of("create", &there)(error).into()),
        }
    });
    let _ = fs::remove_dir_all(&part); // what is left is swept below, some time
    sweep(&options.folder, options.limit, &there);
    moved
}

/// Says that a song's stems are in use.
fn touch(folder: &Path) {
    // what cannot be touched goes the earlier
    let _ = fs::write(folder.join(USED), b"");
}

/// Removes what was longest not asked for until the rest is within the limit.
fn sweep(folder: &Path, limit: u64, newest: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut songs: Vec<(SystemTime, u64, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .map(|path| (last_used(&path), bytes(&path), path))
        .collect();
    songs.sort();
    let mut total: u64 = songs.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in songs.into_iter().filter(|(_, _, path)| path != newest) {
        if total > limit && fs::remove_dir_all(&path).is_ok() {
            total -= bytes;
        }
    }
}

fn last_used(folder: &Path) -> SystemTime {
    let time = |path: &Path| fs::metadata(path)?.modified();
    let used = time(&folder.join(USED)).or_else(|_| time(folder));
    used.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn bytes(folder: &Path) -> u64 {
    let below = walkdir::WalkDir::new(folder).into_iter().flatten();
    let files = below
        .filter_map(|entry| entry.metadata().ok())
        .filter(|file| file.is_file());
    files.map(|file| file.len()).sum()
}

/// The song's file, if the server separates at all.
fn asked<'a>(shared: &'a Shared, id: &str) -> Result<(&'a Stems, PathBuf), Refusal> {
    let opened = shared.music.now();
    let (entry, _) = opened.find(id).ok_or_else(|| Refusal::no_song(id))?;
    let message = "this server separates nothing: start it with --separator RUN";
    let stems = shared.stems.as_deref();
    let stems = stems.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, message))?;
    Ok((stems, entry.file.path.clone()))
}

/// `POST /api/v1/songs/{id}/stems`: begins to separate a song, unless that was done or begun.
pub(super) async fn begin(
    State(shared): State<Shared>,
    Parts(id): Parts<String>,
) -> Result<Response, Refusal> {
    let (stems, file) = asked(&shared, &id)?;
    if stems.ready(&id).is_some() {
        return Ok(Json(stems.status(&id)).into_response());
    }
    sound::there(&file).await?;
    stems.begin(&id, &file)?;
    Ok((StatusCode::ACCEPTED, Json(stems.status(&id))).into_response())
}

/// `GET /api/v1/songs/{id}/stems`: how far that is.
pub(super) async fn status(
    State(shared): State<Shared>,
    Parts(id): Parts<String>,
) -> Result<Json<Value>, Refusal> {
    let (stems, _) = asked(&shared, &id)?;
    if let Some(folder) = stems.ready(&id) {
        touch(&folder);
    }
    Ok(Json(stems.status(&id)))
}

/// `GET /api/v1/songs/{id}/stems/{instrument}`: a WAV file, whole or in ranges.
pub(super) async fn audio(
    State(shared): State<Shared>,
    Parts((id, instrument)): Parts<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (stems, _) = asked(&shared, &id)?;
    let not_found = |message: String| Refusal::new(StatusCode::NOT_FOUND, message);
    let instrument = Instrument::from_str(&instrument).map_err(|error| not_found(error.to_string()))?;
    let stem = stems.ready(&id).map(|folder| folder.join(wav(instrument)));
    let stem = stem.filter(|stem| stem.is_file());
    let message = "it is not separated: POST to /api/v1/songs/ID/stems, and ask there until it is ready";
    let stem = stem.ok_or_else(|| not_found(message.into()))?;
    Ok(sound::file(&stem, request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_are_folders() {
        let folder = Path::new("/cache");
        assert_eq!(place(folder, "0aF"), Some("/cache/0aF".into()));
        for id in ["", "..", "a/b", "/etc", "a.b", "part-1", "é"] {
            assert_eq!(place(folder, id), None, "{id}");
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let song = |name: &str, age: u64| {
            let song = folder.path().join(name);
            fs::create_dir(&song).unwrap();
            fs::write(song.join("drums.wav"), [0; 100]).unwrap();
            touch(&song);
            let file = fs::File::options().write(true).open(song.join(USED)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age))
                .unwrap();
            song
        };
        let (a, b, c, d) = (song("a", 10), song("b", 1000), song("c", 100), song("d", 5000));
        sweep(folder.path(), 250, &d);
        assert_eq!(
            [&a, &b, &c, &d].map(|song| song.is_dir()),
            [true, false, false, true]
        );
        sweep(folder.path(), 0, &d);
        assert_eq!([&a, &d].map(|song| song.is_dir()), [false, true]);
    }
}
