//! A corpus, checked by looking at its files and listening to its audio: never by a list, never by flags.

mod duplicates;
mod files;
mod listen;
mod report;
mod track;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

pub use report::{Defect, Finding, Part, Report, Severity, Sounding, Summary, Tempos, TrackReport};

use super::Corpus;

/// Reads every file of every track, in parallel over tracks on the current rayon pool; each thread holds one decoded
/// stem. What is wrong is in the report and never ends the check. `None` if it was stopped by `stop`.
///
/// Give a corpus opened by [`Corpus::open_whole`], so that nothing is left out. `progress` is called with tracks done
/// and tracks in all, from any thread.
pub fn check(corpus: &Corpus, stop: &AtomicBool, progress: &(dyn Fn(usize, usize) + Sync)) -> Option<Report> {
    let tracks = corpus.tracks();
    let done = AtomicUsize::new(0);
    let checked = tracks.par_iter().map(|track| {
        let report = track::check(track, stop)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, tracks.len());
        Some(report)
    });
    let mut reports = checked.collect::<Option<Vec<_>>>()?;
    duplicates::find(&mut reports);
    Some(Report { tracks: reports })
}
