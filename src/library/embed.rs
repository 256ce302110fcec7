//! Describing the files of folders.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Content, Entry, FileInfo, Header, LibraryError, Tags, Writer,
    mean::{Mean, Means, TOGETHER, rows},
    scan::Scan,
    worker::{Message, News, Work},
};
use crate::describe::Describer;

/// Segments that wait between decoding and describing.
const WAITING: usize = 2 * TOGETHER;

/// Longer without a segment, those that wait are described: a long silence would keep the files that are heard already.
const IDLE: Duration = Duration::from_millis(100);

/// How a library is made.
#[derive(Clone, Debug)]
pub struct EmbedOptions {
    /// Threads that decode.
    pub jobs: usize,
    /// Drop files that are gone from the given folders.
    pub prune: bool,
    /// Read the files that seem to be as they were, too.
    pub verify: bool,
    /// Folder of the [stems](crate::corpus::SeparatedStems) that another program separated from the music, for models that
    /// hear stems.
    pub stems: Option<PathBuf>,
}

/// A file that could not be described: a line of `errors.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The file, or the folder that cannot be searched.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Failure {
    pub(super) fn new(path: &Path, reason: String) -> Self {
        Failure {
            path: PathBuf::from(path.to_string_lossy().into_owned()),
            reason,
        }
    }
}

/// How far the work is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Files done with: described, known or failed.
    pub done: usize,
    /// Files in all.
    pub files: usize,
    /// Seconds of music described in this run.
    pub seconds: f64,
}

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Described in this run.
    pub described: usize,
    /// Of those, silent.
    pub silent: usize,
    /// Those that one channel describes, from 0, as their channels cancel one another.
    pub by_channel: Vec<(PathBuf, usize)>,
    /// As they were, by size, times and number; or by their content, if that was to be verified.
    pub kept: usize,
    /// Known by their content: touched, moved or copied.
    pub known: usize,
    /// Dropped, as they are gone, or found under another name.
    pub dropped: usize,
    /// Folders in which no music was found, and of which nothing was dropped therefore.
    pub spared: Vec<PathBuf>,
    /// What was passed over in folders: how many, by what they are called, as `.opus`, `named pipe`.
    pub passed: BTreeMap<String, usize>,
    /// What could not be described.
    pub failures: Vec<Failure>,
    /// Files of the library in the end.
    pub entries: usize,
    /// Stopped before the end; what was finished is kept.
    pub interrupted: bool,
}

/// Describes the music in `paths`, files and folders, and adds it to the library `root`, which is made if it is not
/// there. What is in the library already and has not changed is not described again. A file that cannot be read is
/// noted, and ends nothing. `stop` ends the work early.
///
/// # Errors
/// [`LibraryError`] for what concerns more than one file: the library, the model, the device.
pub fn embed(
    paths: &[PathBuf],
    root: &Path,
    describer: &mut Describer,
    options: &EmbedOptions,
    stop: &AtomicBool,
    observer: &dyn Fn(Progress),
) -> Result<Summary, LibraryError> {
    let header = Header::of(describer, options.stems.as_deref())?;
    let writer = Writer::open(root, &header)?;
    let scan = Scan::of(paths, stop);
    let mut run = Run {
        header: &header,
        describer,
        writer,
        scan: &scan,
        songs: HashMap::new(),
        batch: Vec::new(),
        copies: HashMap::new(),
        failed: HashMap::new(),
        summary: Summary::default(),
        progress: Progress::default(),
        observer,
    };
    run.writer.begin_errors(|path| scan.covers(path))?;
    for failure in &scan.failures {
        run.fail(failure.clone())?;
    }
    for passed in &scan.passed {
        run.writer.note(&passed.why)?;
        *run.summary.passed.entry(passed.kind.clone()).or_default() += 1;
    }
    let unchanged = |info: &FileInfo| {
        let before = run.writer.entries().get(&info.path);
        !options.verify && before.is_some_and(|entry| entry.file == *info)
    };
    let files: Vec<&FileInfo> = scan.files.values().filter(|info| !unchanged(info)).collect();
    run.summary.kept = scan.files.len() - files.len();
    run.read_tags(stop)?;
    run.progress = Progress {
        done: run.summary.kept,
        files: scan.files.len(),
        seconds: 0.0,
    };
    observer(run.progress);
    run.all(&files, options.jobs.max(1), stop)?;
    let partly = scan.stopped || run.progress.done < run.progress.files;
    run.summary.interrupted = stop.load(Relaxed) && partly;
    if options.prune && !run.summary.interrupted {
        run.prune()?;
    }
    let Run {
        writer, mut summary, ..
    } = run;
    summary.entries = writer.entries().len();
    if !summary.interrupted {
        writer.finish()?;
    }
    Ok(summary)
}

struct Run<'a> {
    header: &'a Header,
    describer: &'a mut Describer,
    writer: Writer,
    scan: &'a Scan,
    /// Files of which segments are under way.
    songs: HashMap<usize, Song>,
    /// Segments that are not described yet, and the files that they are of.
    batch: Vec<(usize, Vec<i16>)>,
    /// Files of a content that is under way.
    copies: HashMap<String, Vec<usize>>,
    /// Contents that failed, and the files that they were tried in.
    failed: HashMap<String, PathBuf>,
    summary: Summary,
    progress: Progress,
    observer: &'a dyn Fn(Progress),
}

#[derive(Default)]
struct Song {
    mean: Mean,
    /// Segments in the batch.
    pending: usize,
    /// What it is known by, once all segments are there.
    end: Option<Content>,
}

impl Run<'_> {
    /// Asks the files of an earlier version's library what they say of themselves.
    fn read_tags(&mut self, stop: &AtomicBool) -> Result<(), LibraryError> {
        let unasked = |info: &&FileInfo| {
            let before = self.writer.entries().get(&info.path);
            before.is_some_and(|entry| entry.tags.is_none() && entry.file == **info)
        };
        let unasked: Vec<&FileInfo> = self.scan.files.values().filter(unasked).collect();
        for info in unasked.into_iter().take_while(|_| !stop.load(Relaxed)) {
            let Some(entry) = self.writer.entries().get(&info.path).cloned() else {
                continue;
            };
            let tags = Some(Tags::read(&info.path));
            self.writer.put(Entry { tags, ..entry })?;
        }
        Ok(())
    }

    fn all(&mut self, files: &[&FileInfo], jobs: usize, stop: &AtomicBool) -> Result<(), LibraryError> {
        let work = Work {
            files,
            header: self.header,
            taken: Mutex::new(self.writer.hashes()),
            next: AtomicUsize::new(0),
            stop,
        };
        thread::scope(|scope| {
            let (out, messages) = mpsc::sync_channel(WAITING);
            for _ in 0..jobs.min(files.len()) {
                let (out, work) = (out.clone(), &work);
                scope.spawn(move || work.run(&out));
            }
            drop(out);
            // After an error the channel closes, and the threads end with it.
            loop {
                match messages.recv_timeout(IDLE) {
                    Ok(Message { file, news }) => self.hear(files, file, news)?,
                    Err(RecvTimeoutError::Timeout) => self.describe(files)?,
                    Err(RecvTimeoutError::Disconnected) => return self.describe(files),
                }
            }
        })
    }

    fn hear(&mut self, files: &[&FileInfo], file: usize, news: News) -> Result<(), LibraryError> {
        match news {
            News::Segment(segment) => {
                self.songs.entry(file).or_default().pending += 1;
                self.batch.push((file, segment));
                match self.batch.len() {
                    TOGETHER => self.describe(files),
                    _ => Ok(()),
                }
            }
            News::Anew => {
                self.songs.remove(&file);
                self.batch.retain(|(of, _)| *of != file);
                Ok(())
            }
            News::End(content) => {
                self.songs.entry(file).or_default().end = Some(content);
                self.end(files, file)
            }
            News::Known { hash } => match (self.writer.of_hash(&hash).cloned(), self.failed.get(&hash)) {
                (Some(entry), _) => self.again(files[file], entry),
                (None, Some(path)) => {
                    let reason = format!("its content is that of {}, which failed", path.display());
                    self.refuse(&files[file].path, reason)
                }
                (None, None) => {
                    self.copies.entry(hash).or_default().push(file);
                    Ok(())
                }
            },
            News::Failed { hash, reason } => {
                self.songs.remove(&file);
                let path = &files[file].path;
                self.refuse(path, reason)?;
                let Some(hash) = hash else { return Ok(()) };
                let copies = self.copies.remove(&hash).unwrap_or_default();
                self.failed.insert(hash.clone(), path.clone());
                copies
                    .into_iter()
                    .try_for_each(|copy| self.hear(files, copy, News::Known { hash: hash.clone() }))
            }
        }
    }

    /// Describes the batch, and finishes the files that wait for nothing else.
    fn describe(&mut self, files: &[&FileInfo]) -> Result<(), LibraryError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let segments: Vec<&[i16]> = batch.iter().map(|(_, segment)| segment.as_slice()).collect();
        let described = rows(self.describer, self.header, &segments)?;
        for ((file, _), row) in batch.iter().zip(described) {
            // a file that failed meanwhile is not there any more
            if let Some(song) = self.songs.get_mut(file) {
                song.mean.add(&row);
                song.pending -= 1;
                self.progress.seconds += self.header.hop as f64 / f64::from(self.header.rate);
            }
        }
        (self.observer)(self.progress);
        let mut touched: Vec<usize> = batch.into_iter().map(|(file, _)| file).collect();
        touched.dedup();
        touched.into_iter().try_for_each(|file| self.end(files, file))
    }

    /// Adds the file to the library if all of it is described.
    fn end(&mut self, files: &[&FileInfo], file: usize) -> Result<(), LibraryError> {
        if !self
            .songs
            .get(&file)
            .is_some_and(|song| song.pending == 0 && song.end.is_some())
        {
            return Ok(());
        }
        let Some(Song {
            mean,
            end: Some(mut content),
            ..
        }) = self.songs.remove(&file)
        else {
            return Ok(());
        };
        let (means, hash) = (mean.mean(self.header), content.hash.clone());
        let infinite = |means: &Means| {
            let mut values = means.vectors.iter().chain(means.presence.iter().flatten());
            values.any(|x| !x.is_finite())
        };
        if means.as_ref().is_some_and(infinite) {
            let news = News::Failed {
                hash: Some(hash),
                reason: "the model describes it by what is no number".to_string(),
            };
            return self.hear(files, file, news);
        }
        let by_channel = content.channel.map(|channel| (files[file].path.clone(), channel));
        self.summary.by_channel.extend(by_channel);
        content.presence = means.as_ref().and_then(|means| means.presence);
        let vectors = means.map(|means| means.vectors);
        self.writer
            .add(files[file].clone(), content, vectors.as_deref())?;
        self.summary.described += 1;
        self.summary.silent += usize::from(vectors.is_none());
        self.done();
        let mut copies = self.copies.remove(&hash).unwrap_or_default().into_iter();
        copies.try_for_each(|copy| self.hear(files, copy, News::Known { hash: hash.clone() }))
    }

    /// Adds a file whose content is known. If it was moved, the old entry goes.
    fn again(&mut self, info: &FileInfo, known: Entry) -> Result<(), LibraryError> {
        let hash = known.hash.clone();
        let before = self.writer.entries().get(&info.path);
        if before.is_some_and(|before| before.file == *info && before.hash == hash) {
            self.summary.kept += 1;
            self.done();
            return Ok(());
        }
        self.writer.put(Entry {
            file: info.clone(),
            tags: Some(known.tags.unwrap_or_else(|| Tags::read(&info.path))),
            ..known
        })?;
        let gone = |entry: &&Entry| entry.hash == hash && !entry.file.path.try_exists().unwrap_or(true);
        let gone: Vec<PathBuf> = self
            .writer
            .entries()
            .values()
            .filter(gone)
            .map(|e| e.file.path.clone())
            .collect();
        gone.iter().try_for_each(|path| self.writer.remove(path))?;
        self.summary.known += 1;
        self.done();
        Ok(())
    }

    /// Notes a file that cannot be described; what it was before is gone.
    fn refuse(&mut self, path: &Path, reason: String) -> Result<(), LibraryError> {
        self.writer.remove(path)?;
        self.fail(Failure::new(path, reason))?;
        self.done();
        Ok(())
    }

    fn fail(&mut self, failure: Failure) -> Result<(), LibraryError> {
        self.writer.note(&failure)?;
        self.summary.failures.push(failure);
        Ok(())
    }

    fn done(&mut self) {
        self.progress.done += 1;
        (self.observer)(self.progress);
    }

    /// Drops what is gone. A folder without any music is spared: its disk may not be there.
    fn prune(&mut self) -> Result<(), LibraryError> {
        let empty: Vec<&PathBuf> = self
            .scan
            .folders
            .iter()
            .filter(|(_, found)| !found)
            .map(|(f, _)| f)
            .collect();
        let paths: Vec<PathBuf> = self.writer.entries().keys().cloned().collect();
        for path in paths {
            let gone = !path.try_exists().unwrap_or(true) || self.scan.elsewhere(&path);
            if !self.scan.covers(&path) || !gone {
                continue;
            }
            match empty.iter().find(|folder| path.starts_with(folder)) {
                Some(&folder) if !self.summary.spared.contains(folder) => {
                    self.summary.spared.push(folder.clone())
                }
                Some(_) => {}
                None => {
                    self.writer.remove(&path)?;
                    self.summary.dropped += 1;
                }
            }
        }
        Ok(())
    }
}
