//! From a corpus to a store.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::{
    fingerprint::fingerprint,
    folder::Folder,
    format::{Content, MANIFEST, Manifest, Name, Record, pcm_path},
    track::Job,
};
use crate::{
    audio::SAMPLE_RATE,
    corpus::{Corpus, CorpusError, Instrument, Split, Track, segment::StemFiles},
    files::{self, write_atomically},
};

/// How to prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Rate of the store in Hz; stems of another are resampled.
    pub rate: u32,
    /// Finish without the tracks that cannot be read.
    pub skip_broken: bool,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        PrepareOptions {
            rate: SAMPLE_RATE,
            skip_broken: false,
        }
    }
}

/// What [`prepare`] tells while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many of the tracks were looked at; calls may come out of order, from any thread.
    Looked {
        /// Tracks done.
        done: usize,
        /// All tracks.
        total: usize,
    },
    /// What there is to do. Nothing has been written yet.
    Planned(Plan),
    /// So many of the missing tracks are done; calls may come out of order, from any thread.
    Prepared {
        /// Tracks done.
        done: usize,
        /// Tracks that were missing.
        total: usize,
    },
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Tracks of the corpus.
    pub tracks: usize,
    /// Those that the store has.
    pub kept: usize,
    /// Those to be prepared.
    pub missing: usize,
    /// Of these, those that the store has in another form, because their files have changed.
    pub changed: usize,
    /// Bytes of disk for what is to be prepared.
    pub needed: u64,
    /// Bytes of disk that are free.
    pub free: u64,
}

/// What [`prepare`] did.
#[derive(Debug, Default)]
pub struct Summary {
    /// Tracks prepared by this call.
    pub written: usize,
    /// Tracks that were there already.
    pub kept: usize,
    /// Tracks taken out, as the corpus has them no longer.
    pub removed: usize,
    /// Tracks of the store without a usable `all_src.mid`, whose tempo was found in their sound.
    pub heard_tempo: usize,
    /// Tracks of the store without a tempo: no usable `all_src.mid`, and too short or without onsets.
    pub without_tempo: usize,
    /// Where the sum of an instrument's stems exceeds full scale, by split and number.
    pub clipped: Vec<Clipped>,
    /// Tracks that cannot be read, by split and number.
    pub failures: Vec<Failure>,
    /// Whether it was stopped.
    pub interrupted: bool,
    /// The store's integrity hash if it is finished; see [`Store::hash`](super::Store::hash).
    pub hash: Option<String>,
}

/// An instrument whose stems together exceed full scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clipped {
    /// The track's split.
    pub split: Split,
    /// The track's number.
    pub id: u32,
    /// The instrument.
    pub instrument: Instrument,
    /// Samples that were replaced by full scale.
    pub samples: u64,
}

/// A track that cannot be read.
#[derive(Debug)]
pub struct Failure {
    /// Its split.
    pub split: Split,
    /// Its number.
    pub id: u32,
    /// What is wrong with it.
    pub error: CorpusError,
}

/// What becomes of a track.
enum Look<'a> {
    Kept(Content),
    /// With the rate of what is there, if its files are the same or others.
    Missing(Job<'a>, Option<u32>),
    Broken(Failure),
}

/// Decodes the tracks of `corpus` into the store `root`, in parallel on the current rayon pool. Tracks that are there
/// already, of the same files, are kept: an interrupted call is continued by the next. `root` may be new, empty, or
/// a store; the manifest that makes it a finished one is written last.
///
/// A track that cannot be read does not keep the others from being prepared; it is in [`Summary::failures`], and the
/// store is finished only with [`PrepareOptions::skip_broken`]. After `stop`, the tracks in hand are finished.
/// Memory: two decoded stems a thread.
///
/// # Errors
/// [`CorpusError::Invalid`] if the disk is too small, `root` is no place for a store, is being prepared by another
/// process or holds one of another rate, or if no track can be read; the others if the store cannot be written.
pub fn prepare(
    corpus: &Corpus,
    root: &Path,
    options: &PrepareOptions,
    stop: &AtomicBool,
    observe: &(dyn Fn(Event) + Sync),
) -> Result<Summary, CorpusError> {
    if options.rate == 0 {
        return Err(CorpusError::invalid("a store cannot have a rate of 0 Hz"));
    }
    let rate = options.rate;
    let folder = Folder::claim(root)?;
    let mut summary = Summary::default();
    let Some(looks) = look_at_all(corpus.tracks(), root, rate, stop, observe) else {
        summary.interrupted = true;
        return Ok(summary);
    };
    let (mut contents, mut jobs, mut changed) = (Vec::new(), Vec::new(), 0);
    for look in looks {
        match look {
            Look::Kept(content) => contents.push(content),
            Look::Broken(failure) => summary.failures.push(failure),
            Look::Missing(_, Some(other)) if other != rate => {
                return Err(CorpusError::invalid(format!(
                    "{} holds tracks at {other} Hz, not {rate}: prepare at that rate, or into another folder",
                    root.display()
                )));
            }
            Look::Missing(job, before) => {
                changed += usize::from(before.is_some());
                jobs.push(job);
            }
        }
    }
    summary.kept = contents.len();
    let plan = Plan {
        tracks: corpus.tracks().len(),
        kept: contents.len(),
        missing: jobs.len(),
        changed,
        needed: jobs.iter().map(Job::bytes).sum(),
        free: folder.free()?,
    };
    observe(Event::Planned(plan));
    plan.check(root)?;
    for track in write_all(jobs, &folder, rate, stop, observe)? {
        match track {
            Some(Ok(content)) => {
                summary.written += 1;
                contents.push(content);
            }
            Some(Err(failure)) => summary.failures.push(failure),
            None => summary.interrupted = true,
        }
    }
    let licence = corpus.licence().map(str::to_string);
    finish(&folder, contents, (options, licence), &mut summary)?;
    Ok(summary)
}

/// `None` if it was stopped.
fn look_at_all<'a>(
    tracks: &'a [Track],
    root: &Path,
    rate: u32,
    stop: &AtomicBool,
    observe: &(dyn Fn(Event) + Sync),
) -> Option<Vec<Look<'a>>> {
    let (looked, total) = (AtomicUsize::new(0), tracks.len());
    let looks = tracks.par_iter().map(|track| {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let look = look(track, root, rate).unwrap_or_else(|error| Look::Broken(failure(track, error)));
        let done = looked.fetch_add(1, Ordering::Relaxed) + 1;
        observe(Event::Looked { done, total });
        Some(look)
    });
    looks.collect()
}

/// What became of each; `None` of those that were not begun when it was stopped.
fn write_all(
    jobs: Vec<Job<'_>>,
    folder: &Folder,
    rate: u32,
    stop: &AtomicBool,
    observe: &(dyn Fn(Event) + Sync),
) -> Result<Vec<Option<Result<Content, Failure>>>, CorpusError> {
    let (prepared, total) = (AtomicUsize::new(0), jobs.len());
    let write = |job: Job| {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let written = job.write(folder, rate)?;
        let done = prepared.fetch_add(1, Ordering::Relaxed) + 1;
        observe(Event::Prepared { done, total });
        Ok(Some(written.map_err(|error| failure(job.track, error))))
    };
    jobs.into_par_iter().map(write).collect()
}

/// Takes out what does not belong and writes the manifest, unless something is missing.
fn finish(
    folder: &Folder,
    contents: Vec<Content>,
    (options, licence): (&PrepareOptions, Option<String>),
    summary: &mut Summary,
) -> Result<(), CorpusError> {
    summary
        .failures
        .sort_by_key(|failure| (failure.split, failure.id));
    summary.heard_tempo = contents.iter().filter(|content| content.heard).count();
    summary.without_tempo = contents.iter().filter(|content| content.beat.is_none()).count();
    for content in &contents {
        let (split, id) = (content.split, content.id);
        for part in content.parts.iter().filter(|part| part.clipped > 0) {
            summary.clipped.push(Clipped {
                split,
                id,
                instrument: part.instrument,
                samples: part.clipped,
            });
        }
    }
    summary.clipped.sort_by_key(|c| (c.split, c.id, c.instrument));
    if !summary.failures.is_empty() && !options.skip_broken {
        // also where nothing was written: the manifest vouches for a track that is not what it was
        return folder.unseal();
    }
    if summary.interrupted {
        return Ok(());
    }
    if contents.is_empty() {
        let first = summary
            .failures
            .first()
            .map(|f| f.error.to_string())
            .unwrap_or_default();
        let message = format!("none of the corpus' tracks can be read; of the first: {first}");
        return Err(CorpusError::invalid(message));
    }
    let tracks: BTreeSet<_> = contents.iter().map(|c| (c.split, c.id)).collect();
    summary.removed = folder.keep_only(&tracks)?;
    let left_out = summary.failures.iter().map(|f| Name {
        split: f.split,
        id: f.id,
    });
    let manifest = Manifest {
        licence,
        ..Manifest::new(options.rate, contents, left_out.collect())?
    };
    let (path, json) = (folder.root().join(MANIFEST), manifest.json()?);
    if files::read(&path).ok().as_deref() != Some(json.as_bytes()) {
        write_atomically(&path, |out| out.write_all(json.as_bytes()))?;
    }
    summary.hash = Some(manifest.hash);
    Ok(())
}

impl Plan {
    fn check(&self, root: &Path) -> Result<(), CorpusError> {
        if self.needed <= self.free {
            return Ok(());
        }
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        Err(CorpusError::invalid(format!(
            "the store needs {:.2} GiB more, but only {:.2} GiB are free at {}: free some, or give a folder on another disk",
            gib(self.needed),
            gib(self.free),
            root.display()
        )))
    }
}

/// Compares a track with what the store has of it. Decodes nothing.
fn look<'a>(track: &'a Track, root: &Path, rate: u32) -> Result<Look<'a>, CorpusError> {
    let files = StemFiles::of(track)?;
    if !Instrument::ALL.into_iter().any(|i| files.plays(i)) {
        return Err(CorpusError::invalid(format!(
            "{} has no stem whose audio is there: copy the track again",
            track.path.display()
        )));
    }
    let source = fingerprint(track)?;
    let (split, id) = (track.split, track.id);
    let record = Record::read(root, split, id).ok();
    let bytes = fs::metadata(pcm_path(root, split, id)).map(|m| m.len()).ok();
    let record = record.filter(|record| Some(record.content.pcm_bytes()) == bytes);
    let before = record.as_ref().map(|record| record.content.rate);
    if let Some(record) = record
        && record.source == source
        && record.content.rate == rate
    {
        return Ok(Look::Kept(record.content));
    }
    let frames = files.frames(rate)?;
    let job = Job {
        track,
        files,
        frames,
        source,
    };
    Ok(Look::Missing(job, before))
}

fn failure(track: &Track, error: CorpusError) -> Failure {
    Failure {
        split: track.split,
        id: track.id,
        error,
    }
}
