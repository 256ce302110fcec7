//! One track, file by file.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rustfft::FftPlanner;

use super::{
    Defect, Finding, Part, Severity, TrackReport,
    files::{damaged, hear, unreadable},
    listen::{Character, Heard, SLICES},
};
use crate::{
    audio::AudioReader,
    corpus::{
        Instrument, Metadata, Stem, StemMetadata, Track,
        instrument::DRUM_PROGRAM,
        midi::{read_content_hash, read_note_times, read_tempo},
    },
};

/// Share of clipped samples from which on a stem is damaged rather than loud.
const CLIPPED: f64 = 0.01;
/// Seconds by which a file may be too long or too short and still be used.
const LENGTH: f64 = 0.1;
/// From this remainder on, in dB of the mix, stems that do not sum to it are not to be used.
const REMAINDER: f64 = -40.0;
/// Share of silent notes that is reported.
const SILENT_NOTES: f64 = 0.1;
/// A step of 16 bits.
const STEP: f32 = 1.0 / 32_768.0;

/// Checks a track; `None` if it was stopped.
pub(super) fn check(track: &Track, stop: &AtomicBool) -> Option<TrackReport> {
    let mut check = Check {
        track,
        stop,
        planner: FftPlanner::new(),
        findings: Vec::new(),
        sum: Sum::default(),
        heard: Vec::new(),
        sounding: BTreeMap::new(),
    };
    let metadata = check.metadata();
    let mix = check.mix_rate();
    if let Some(metadata) = metadata {
        check.stems(&metadata, mix.as_ref().map(|mix| mix.1));
    }
    let remainder = mix.and_then(|(path, rate)| check.mix(&path, rate));
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let (rate, frames) = check.most_common();
    check.lengths((rate, frames), remainder);
    let remainder_db = check.remainder(remainder);
    let midi = track.midi_path();
    let (tempo, content) = (read_tempo(&midi), read_content_hash(&midi));
    if let Some(error) = tempo.as_ref().err().or(content.as_ref().err()) {
        check.found(Part::Midi, Severity::Note, unreadable(error, &midi));
    }
    check.findings.sort_by(|a, b| a.part.cmp(&b.part));
    let stems = check.heard.iter().filter(|(part, ..)| *part != Part::Mix);
    Some(TrackReport {
        split: track.split,
        track: track.id,
        rate,
        seconds: seconds(frames, rate),
        stems: stems.count(),
        tempo: tempo.ok(),
        content: content.ok().map(|hash| blake3::Hash::from(hash).to_string()),
        remainder_db,
        sounding: check
            .sounding
            .into_iter()
            .map(|(i, slices)| (i, tenths(&slices)))
            .collect(),
        findings: check.findings,
    })
}

struct Check<'a> {
    track: &'a Track,
    stop: &'a AtomicBool,
    planner: FftPlanner<f32>,
    findings: Vec<Finding>,
    sum: Sum,
    /// Rate and frames of every file that could be read.
    heard: Vec<(Part, u32, u64)>,
    /// By instrument: the tenths of a second in which one of its stems sounds.
    sounding: BTreeMap<Instrument, Vec<bool>>,
}

/// The stems that were read so far, added up.
#[derive(Default)]
struct Sum {
    samples: Vec<f32>,
    stems: usize,
    /// Whether something is known to be missing from it, or wrong in it.
    partial: bool,
}

/// The mix less the sum.
#[derive(Clone, Copy)]
struct Remainder {
    db: f64,
    peak: f32,
    /// No more than rounding.
    fits: bool,
}

impl Check<'_> {
    fn found(&mut self, part: Part, severity: Severity, defect: Defect) {
        self.findings.push(Finding {
            part,
            severity,
            defect,
        });
    }

    fn metadata(&mut self) -> Option<Metadata> {
        let error = match self.track.metadata() {
            Ok(metadata) => return Some(metadata),
            Err(error) => error,
        };
        let defect = unreadable(&error, &self.track.path.join("metadata.yaml"));
        self.found(Part::Metadata, Severity::Broken, defect);
        self.sum.partial = true;
        None
    }

    /// Path and rate of the mix. One that is missing or damaged is no loss: it is the sum of the stems, and nobody
    /// reads it but to compare.
    fn mix_rate(&mut self) -> Option<(PathBuf, u32)> {
        let Ok(path) = self.track.mix_path() else {
            self.found(Part::Mix, Severity::Note, Defect::Missing);
            return None;
        };
        match AudioReader::open(&path) {
            Ok(reader) => Some((path, reader.rate())),
            Err(error) => {
                self.found(Part::Mix, Severity::Note, damaged(&error, &path));
                None
            }
        }
    }

    fn stems(&mut self, metadata: &Metadata, mix_rate: Option<u32>) {
        let stems = match self.track.stems() {
            Ok(stems) => stems,
            Err(error) => {
                let defect = unreadable(&error, &self.track.path);
                return self.found(Part::Track, Severity::Broken, defect);
            }
        };
        for name in stems.missing {
            let defect = self.missing(&name);
            // of a stem that was not rendered nothing is missed
            let rendered = metadata.stems.get(&name).and_then(|stem| stem.audio_rendered) != Some(false);
            if rendered || defect != Defect::Missing {
                self.found(Part::Stem(name), Severity::Broken, defect);
                self.sum.partial = true;
            }
        }
        for (name, path) in stems.passed_over {
            let file = file_name(&path);
            self.found(Part::Stem(name), Severity::Note, Defect::PassedOver { file });
        }
        for path in stems.unlisted {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            self.found(Part::Stem(name.into()), Severity::Note, Defect::Unlisted);
            self.sum.partial = true;
        }
        for stem in stems.present {
            self.stem(&stem, mix_rate);
        }
        if self.heard.is_empty() && !self.stopped() {
            self.found(Part::Track, Severity::Broken, Defect::NoStems);
        }
    }

    /// What there is instead of a stem's file.
    fn missing(&self, stem: &str) -> Defect {
        match self.track.stem_in_other_format(stem) {
            Some(path) => Defect::OtherFormat {
                file: file_name(&path),
            },
            None => Defect::Missing,
        }
    }

    /// What the metadata says of a stem and cannot be so.
    fn contradictions(&mut self, stem: &Stem) {
        let part = || Part::Stem(stem.name.clone());
        let StemMetadata {
            audio_rendered,
            is_drum,
            program_num: program,
            ..
        } = stem.metadata;
        if audio_rendered == Some(false) {
            self.found(part(), Severity::Note, Defect::Flag);
        }
        if program > DRUM_PROGRAM && !is_drum {
            self.found(part(), Severity::Note, Defect::Program { program });
        } else if is_drum != (program == DRUM_PROGRAM) {
            self.found(part(), Severity::Note, Defect::Contradiction { is_drum, program });
        }
    }

    fn stem(&mut self, stem: &Stem, mix_rate: Option<u32>) {
        let part = || Part::Stem(stem.name.clone());
        self.contradictions(stem);
        let sum = &mut self.sum;
        let (mut at, mut rate) = (0, 0);
        let heard = hear(&stem.path, &mut self.planner, self.stop, |own_rate, samples| {
            rate = own_rate;
            if mix_rate.is_none_or(|rate| rate == own_rate) {
                sum.add(at, samples);
                at += samples.len();
            }
        });
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => {
                self.sum.partial = true;
                return self.found(part(), Severity::Broken, damaged(&error, &stem.path));
            }
        };
        self.sum.stems += 1;
        self.heard.push((part(), rate, heard.frames));
        match heard.character {
            Character::Silent => self.found(part(), Severity::Note, Defect::Silent),
            // The mix may well have been made without it.
            Character::Noise { flatness } => {
                self.sum.partial = true;
                self.found(part(), Severity::Broken, Defect::WhiteNoise { flatness });
            }
            Character::Tone { hz } => {
                self.sum.partial = true;
                self.found(part(), Severity::Broken, Defect::SingleTone { hz });
            }
            Character::Music => self.notes(stem, &heard),
        }
        self.clipped(part(), &heard);
        let sounding = self.sounding.entry(stem.instrument()).or_default();
        sounding.resize(sounding.len().max(heard.sounding.len()), false);
        for (any, this) in sounding.iter_mut().zip(heard.sounding) {
            *any |= this;
        }
    }

    fn clipped(&mut self, part: Part, heard: &Heard) {
        let (samples, runs) = heard.clipped;
        if runs > 0 {
            let share = samples as f64 / heard.frames as f64;
            let severity = match part {
                Part::Stem(_) if share >= CLIPPED => Severity::Broken,
                _ => Severity::Note,
            };
            self.found(part, severity, Defect::Clipped { runs, share });
        }
    }

    /// Whether the notes of a stem are to be heard; without a MIDI file of its own that cannot be said.
    fn notes(&mut self, stem: &Stem, heard: &Heard) {
        let Ok(mut notes) = read_note_times(&self.track.stem_midi_path(&stem.name)) else {
            return;
        };
        let slice = |time: f64| (time * f64::from(SLICES)) as usize;
        notes.retain(|note| slice(note.start) < heard.sounding.len());
        // A sound may begin a little late.
        let silent = |note: &&Range<f64>| {
            let end = slice(note.end.max(note.start + 0.2)).min(heard.sounding.len() - 1);
            !heard.sounding[slice(note.start)..=end].contains(&true)
        };
        let (silent, notes) = (notes.iter().filter(silent).count(), notes.len());
        if silent > 0 && silent as f64 >= SILENT_NOTES * notes as f64 {
            let defect = Defect::SilentNotes { silent, notes };
            self.found(Part::Stem(stem.name.clone()), Severity::Note, defect);
        }
    }

    /// Reads the mix against the sum of the stems.
    fn mix(&mut self, path: &Path, rate: u32) -> Option<Remainder> {
        let (mut at, mut energy, mut off, mut peak) = (0, 0.0, 0.0, 0f32);
        let sum = &self.sum.samples;
        let mut compare = |mix: f32, sum: f32| {
            // A mix that would go beyond full scale cannot.
            let difference = mix - sum.clamp(-1.0, 1.0);
            peak = peak.max(difference.abs());
            energy += f64::from(mix).powi(2);
            off += f64::from(difference).powi(2);
        };
        let heard = hear(path, &mut self.planner, self.stop, |_, samples| {
            for (&x, i) in samples.iter().zip(at..) {
                compare(x, sum.get(i).copied().unwrap_or(0.0));
            }
            at += samples.len();
        });
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => {
                self.found(Part::Mix, Severity::Note, damaged(&error, path));
                return None;
            }
        };
        sum.iter().skip(at).for_each(|&x| compare(0.0, x));
        self.heard.push((Part::Mix, rate, heard.frames));
        if heard.character == Character::Silent {
            self.found(Part::Mix, Severity::Note, Defect::Silent);
        }
        self.clipped(Part::Mix, &heard);
        // Every stem and the mix are rounded by half a step; twice that is allowed.
        let allowed = (self.sum.stems + 1) as f32 * STEP;
        (self.sum.stems > 0).then(|| Remainder {
            db: 10.0 * (off.max(1e-20) / energy.max(1e-20)).log10(),
            peak: peak / STEP,
            fits: peak <= allowed,
        })
    }

    /// The rate and length that most files have; in doubt those of the mix.
    fn most_common(&self) -> (u32, u64) {
        let mut counts = BTreeMap::new();
        for (part, rate, frames) in &self.heard {
            let entry = counts.entry((*rate, *frames)).or_insert((0, false));
            *entry = (entry.0 + 1, entry.1 || *part == Part::Mix);
        }
        let most = counts.into_iter().max_by_key(|&(key, count)| (count, key));
        most.map_or((0, 0), |(key, _)| key)
    }

    fn lengths(&mut self, (rate, frames): (u32, u64), remainder: Option<Remainder>) {
        let fits = remainder.is_some_and(|remainder| remainder.fits);
        for (part, own_rate, own_frames) in std::mem::take(&mut self.heard) {
            if own_rate != rate {
                let defect = Defect::Rate {
                    rate: own_rate,
                    expected: rate,
                };
                self.found(part.clone(), Severity::Note, defect);
                self.sum.partial = true;
            }
            let off = (seconds(own_frames, own_rate) - seconds(frames, rate)).abs();
            // Resampling rounds.
            if off > 0.001 || (own_rate == rate && own_frames != frames) {
                let severity = if off > LENGTH && !fits {
                    Severity::Broken
                } else {
                    Severity::Note
                };
                let defect = Defect::Length {
                    seconds: seconds(own_frames, own_rate),
                    expected: seconds(frames, rate),
                };
                self.found(part.clone(), severity, defect);
                self.sum.partial = true;
            }
            self.heard.push((part, own_rate, own_frames));
        }
    }

    /// Reports stems that do not sum to the mix; returns the remainder in dB where it tells something of the stems.
    fn remainder(&mut self, remainder: Option<Remainder>) -> Option<f64> {
        let Remainder { db, peak, fits } = remainder?;
        if !fits {
            let broken = db >= REMAINDER && !self.sum.partial;
            let severity = if broken { Severity::Broken } else { Severity::Note };
            let defect = Defect::Sum {
                remainder_db: db,
                peak,
            };
            self.found(Part::Track, severity, defect);
        }
        Some(db)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Sum {
    fn add(&mut self, at: usize, samples: &[f32]) {
        let end = at + samples.len();
        if self.samples.len() < end {
            self.samples.resize(end, 0.0);
        }
        for (sum, x) in self.samples[at..end].iter_mut().zip(samples) {
            *sum += x;
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn seconds(frames: u64, rate: u32) -> f64 {
    frames as f64 / f64::from(rate.max(1))
}

fn tenths(slices: &[bool]) -> f64 {
    slices.iter().filter(|&&sounds| sounds).count() as f64 / f64::from(SLICES)
}
