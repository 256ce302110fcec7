//! Separated stems to be seen and heard, beside the true ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use serde::Serialize;

use super::{
    Progress, ReportError, SoundError, Tools,
    clip::{Clip, Frequency, View},
    gather::{Found, FoundRun, LeftOut, newest_first, place},
    segments::{SECONDS, Segment, segments},
};
use crate::{
    corpus::{Instrument, Split},
    metrics::{decimals, signal_to_distortion},
    separate::{Separators, WindowOptions, separate_signal},
    train::recipe::{Model, Part, Recipe},
};

/// Recipes that are heard.
const RECIPES: usize = 3;
/// Bytes of sounds and pictures: with them the file stays below 15 MB.
const BYTES: usize = 11_500_000;
/// The section of sounds.
#[derive(Default, Serialize)]
pub(super) struct Sounds {
    pub corpora: Vec<Heard>,
    /// Why something is missing.
    pub missing: Vec<String>,
    pub seconds: usize,
}

/// What is heard of one corpus.
#[derive(Serialize)]
pub(super) struct Heard {
    pub corpus: String,
    /// Whether the models were trained on it.
    pub known: bool,
    pub songs: Vec<Song>,
}

#[derive(Serialize)]
pub(super) struct Song {
    pub track: String,
    pub from: String,
    pub to: String,
    pub mix: Clip,
    pub stems: Vec<Stem>,
    pub ticks: Vec<Frequency>,
}

#[derive(Serialize)]
pub(super) struct Stem {
    pub instrument: &'static str,
    pub silent: bool,
    pub truth: Clip,
    pub separated: Vec<Separated>,
}

#[derive(Serialize)]
pub(super) struct Separated {
    pub recipe: String,
    pub detail: String,
    pub simulated: bool,
    pub clip: Clip,
    pub ratio: Option<String>,
}

/// Runs that separate together.
struct Set<'a> {
    recipe: &'a Recipe,
    folders: Vec<PathBuf>,
    detail: String,
    simulated: bool,
}

/// Separates segments of the runs' own corpora. What cannot be heard is noted, and is not an error.
///
/// # Errors
/// [`ReportError::Interrupted`].
pub(super) fn sounds(found: &Found, seed: u64, tools: &Tools<'_>) -> Result<Sounds, ReportError> {
    let mut sounds = Sounds {
        seconds: SECONDS,
        ..Sounds::default()
    };
    let mut sets = sets(&found.runs);
    newest_first(&mut sets, |set| &set.recipe.name);
    // of repeated runs one; and behind, those whose decoders do not follow their encoder
    let mut names = BTreeSet::new();
    let (once, again): (Vec<Set>, Vec<Set>) = sets
        .into_iter()
        .partition(|set| names.insert(set.recipe.name.clone()));
    sets = once;
    for set in again {
        let reason = format!("another run of {} is heard", set.recipe.name);
        sounds
            .missing
            .push(format!("{}: {reason}", set.folders[0].display()));
    }
    sets.sort_by_key(|set| set.recipe.freezes(Part::Decoders));
    let others = sets.split_off(sets.len().min(RECIPES));
    // side by side in the papers' order again
    sets.sort_by_key(|set| place(&set.recipe.name));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|set| set.recipe.name.as_str()).collect();
        sounds
            .missing
            .push(format!("{}: only {RECIPES} recipes are heard", names.join(", ")));
    }
    let mut corpora: BTreeMap<(&Path, u32), Vec<&Set>> = BTreeMap::new();
    for set in &sets {
        let run = found
            .runs
            .iter()
            .find(|run| set.folders.iter().any(|f| f == run.run.folder()));
        let Some(run) = run else { continue };
        let rate = set.recipe.front_end.sample_rate;
        corpora
            .entry((&run.run.config.corpus, rate))
            .or_default()
            .push(set);
    }
    let mut bytes = 0;
    for ((corpus, rate), sets) in corpora {
        match heard(corpus, rate, &sets, seed, tools, &mut bytes) {
            Ok((heard, missing)) => {
                sounds.corpora.push(heard);
                sounds.missing.extend(
                    missing
                        .into_iter()
                        .map(|left| format!("{}: {}", left.what, left.reason)),
                );
            }
            Err(Stop::Interrupted) => return Err(ReportError::Interrupted),
            Err(Stop::Sound(error)) => {
                let names: Vec<&str> = sets.iter().map(|set| set.recipe.name.as_str()).collect();
                sounds.missing.push(format!("{}: {error}", names.join(", ")));
            }
        }
    }
    Ok(sounds)
}

enum Stop {
    Interrupted,
    Sound(SoundError),
}

impl<E: Into<SoundError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Sound(error.into())
    }
}

/// Runs that separate and go together: one of all instruments, or those of one recipe in one folder.
fn sets(runs: &[FoundRun]) -> Vec<Set<'_>> {
    let mut sets: Vec<(PathBuf, Set)> = Vec::new();
    for found in runs.iter().filter(|found| found.checkpoint.is_some()) {
        let recipe = found.recipe();
        // a frozen separator is that of a run it builds on
        let built_on = recipe.model == Model::Cascade && recipe.freezes(Part::Separator);
        if built_on || recipe.separates().is_empty() {
            continue;
        }
        let folder = found.run.folder();
        let home = match recipe.model.of_one_instrument() {
            true => folder.parent().unwrap_or(folder),
            false => folder,
        };
        let same = sets.iter_mut().find(|(other, set)| {
            let twice = || {
                let mut of = set.folders.iter();
                of.any(|f| {
                    runs.iter()
                        .any(|r| r.run.folder() == f && r.recipe().instrument == recipe.instrument)
                })
            };
            other == home && set.recipe.name == recipe.name && recipe.model.of_one_instrument() && !twice()
        });
        match same {
            Some((_, set)) => {
                set.folders.push(folder.into());
                set.simulated |= found.simulated();
            }
            None => sets.push((
                home.into(),
                Set {
                    recipe,
                    folders: vec![folder.into()],
                    detail: home.display().to_string(),
                    simulated: found.simulated(),
                },
            )),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// The segments of one corpus, separated by all sets, and what could not be.
fn heard(
    corpus: &Path,
    rate: u32,
    sets: &[&Set<'_>],
    seed: u64,
    tools: &Tools<'_>,
    bytes: &mut usize,
) -> Result<(Heard, Vec<LeftOut>), Stop> {
    let mut missing = Vec::new();
    let mut loaded: Vec<(&Set, Separators)> = Vec::new();
    for &set in sets {
        match Separators::load(&set.folders, tools.device, WindowOptions::default()) {
            Ok(separators) => loaded.push((set, separators)),
            Err(error) => missing.push(LeftOut::new(&set.recipe.name, error)),
        }
    }
    let of_sets: Vec<Instrument> = loaded.iter().flat_map(|(_, s)| s.instruments()).collect();
    let wanted: Vec<Instrument> = Instrument::ALL
        .into_iter()
        .filter(|i| of_sets.contains(i))
        .collect();
    if wanted.is_empty() {
        let reasons = missing
            .iter()
            .map(|left| left.reason.as_str())
            .collect::<Vec<_>>();
        return Err(Stop::Sound(SoundError::Unfit(reasons.join("; "))));
    }
    let (split, segments) = segments(corpus, rate, &wanted, seed)?;
    let mut songs = Vec::new();
    for segment in &segments {
        let mix = segment.mix();
        let view = View::new(segment, &mix)?;
        let mut song = Song::new(segment, &view, &mix, &wanted)?;
        *bytes += song.bytes();
        for (done, (set, separators)) in loaded.iter_mut().enumerate() {
            if tools.stop.load(Ordering::Relaxed) {
                return Err(Stop::Interrupted);
            }
            (tools.progress)(Progress::Separating {
                recipe: set.recipe.name.clone(),
                done: songs.len() * sets.len() + done,
                total: segments.len() * sets.len(),
            });
            let mut leave = |reason: &dyn ToString| {
                let what = format!("{}, {}", set.recipe.name, segment.track);
                missing.push(LeftOut::new(what, reason.to_string()));
            };
            let instruments = separators.instruments();
            if *bytes + instruments.len() * song.mix.bytes() > BYTES {
                leave(&"the file would become too large");
                continue;
            }
            match separate_signal(separators, &mix) {
                Ok(stems) => *bytes += song.add(set, segment, &view, instruments.into_iter().zip(stems))?,
                Err(error) => leave(&error),
            }
        }
        songs.push(song);
    }
    let heard = Heard {
        corpus: corpus.display().to_string(),
        known: split == Split::Train,
        songs,
    };
    Ok((heard, missing))
}

impl Song {
    /// The mix and the true stems.
    fn new(
        segment: &Segment,
        view: &View<'_>,
        mix: &[f32],
        wanted: &[Instrument],
    ) -> Result<Self, SoundError> {
        let stem = |&instrument: &Instrument| {
            Ok(Stem {
                instrument: instrument.name(),
                silent: !segment.sounds(instrument),
                truth: view.clip(&segment.stems[instrument as usize])?,
                separated: Vec::new(),
            })
        };
        Ok(Song {
            track: segment.track.clone(),
            from: format!("{:.0}", segment.start),
            to: format!("{:.0}", segment.start + SECONDS as f64),
            mix: view.clip(mix)?,
            stems: wanted.iter().map(stem).collect::<Result<_, SoundError>>()?,
            ticks: view.ticks(),
        })
    }

    fn bytes(&self) -> usize {
        self.mix.bytes() + self.stems.iter().map(|stem| stem.truth.bytes()).sum::<usize>()
    }

    /// Adds the stems that a set separates, and gives their bytes.
    fn add(
        &mut self,
        set: &Set<'_>,
        segment: &Segment,
        view: &View<'_>,
        separated: impl Iterator<Item = (Instrument, Vec<f32>)>,
    ) -> Result<usize, SoundError> {
        let mut bytes = 0;
        for (instrument, estimate) in separated {
            let clip = view.clip(&estimate)?;
            bytes += clip.bytes();
            let truth = &segment.stems[instrument as usize];
            let mut stems = self.stems.iter_mut();
            if let Some(stem) = stems.find(|stem| stem.instrument == instrument.name()) {
                stem.separated.push(Separated {
                    recipe: set.recipe.name.clone(),
                    detail: set.detail.clone(),
                    simulated: set.simulated,
                    clip,
                    ratio: ratio(segment, truth, &estimate)?,
                });
            }
        }
        Ok(bytes)
    }
}

/// Signal-to-distortion ratio over the segment; `None` for a silent stem.
fn ratio(segment: &Segment, truth: &[f32], estimate: &[f32]) -> Result<Option<String>, SoundError> {
    let (truth, estimate) = (segment.cut(truth), segment.cut(estimate));
    let ratios = signal_to_distortion(&[truth], &[estimate], truth.len())?;
    let value = ratios.first().and_then(|frames| frames.first()).copied();
    let value = value.filter(|value| value.is_finite());
    Ok(value.map(|value| format!("{}\u{a0}dB", decimals(value, 1)).replace('-', "\u{2212}")))
}
