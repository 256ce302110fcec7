//! What a check has found.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use crate::corpus::{ExcludeList, Exclusion, Instrument, Split, general_midi, instrument::DRUM_PROGRAM};

/// A checked corpus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// By split, then number.
    pub tracks: Vec<TrackReport>,
}

/// A checked track.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackReport {
    /// The split whose folder holds it.
    pub split: Split,
    /// The number in the folder's name.
    pub track: u32,
    /// Sample rate in Hz, of most files; 0 if none can be read.
    pub rate: u32,
    /// Length in seconds, of most files.
    pub seconds: f64,
    /// Stems that could be read.
    pub stems: usize,
    /// Quarter notes a minute, by `all_src.mid`.
    pub tempo: Option<f64>,
    /// Hash of the notes of `all_src.mid`, hexadecimal; see [`crate::corpus::midi::read_content_hash`].
    pub content: Option<String>,
    /// The mix less the sum of the stems that could be read, in dB of the mix; `None` without either.
    pub remainder_db: Option<f64>,
    /// Seconds in which some stem of the instrument sounds: tenths in which its samples span 1e-4 or more.
    pub sounding: BTreeMap<Instrument, f64>,
    /// What is wrong: files first, in order, then the track.
    pub findings: Vec<Finding>,
}

impl TrackReport {
    /// `train/Track00001`, or `Track00001` in a corpus without splits.
    pub fn path(&self) -> String {
        match self.split {
            Split::Unsplit => format!("Track{:05}", self.track),
            split => format!("{split}/Track{:05}", self.track),
        }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// With what.
    #[serde(serialize_with = "as_text")]
    pub part: Part,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub defect: Defect,
}

/// A part of a track.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A stem, by name.
    Stem(String),
    /// The mixed song.
    Mix,
    /// `all_src.mid`.
    Midi,
    /// `metadata.yaml`.
    Metadata,
    /// All of it.
    Track,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Part::Stem(name) => name,
            Part::Mix => "mix",
            Part::Midi => "all_src.mid",
            Part::Metadata => "metadata.yaml",
            Part::Track => "track",
        })
    }
}

/// Whether a finding is worth leaving something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The stem, or for any other part the track, is better left out.
    Broken,
    /// Worth knowing.
    Note,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "defect", rename_all = "snake_case")]
pub enum Defect {
    /// There is no such file; of a stem, although the metadata does not say that it was not rendered.
    Missing,
    /// There is no such file, but one of that name in a format that is not read.
    OtherFormat {
        /// The file's name.
        file: String,
    },
    /// The file is damaged, or not what it should be.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The file ends before its header says.
    Truncated {
        /// Frames that are there.
        found: u64,
        /// Frames by the header.
        promised: u64,
    },
    /// The highest and the lowest sample differ by less than 1e-4. Slakh has such stems; they do no harm.
    Silent,
    /// Runs of at least four samples at full scale. A stem is broken from 1 % of all samples.
    Clipped {
        /// How many runs.
        runs: u64,
        /// Their share of all samples.
        share: f64,
    },
    /// All that sounds is white noise of a steady level.
    WhiteNoise {
        /// Median spectral flatness of blocks of 0.75 s; 1 is ideally white.
        flatness: f32,
    },
    /// One sine of a steady level, from beginning to end.
    SingleTone {
        /// Its frequency, to about 1 Hz.
        hz: f32,
    },
    /// Another sample rate than the track's other files. Readers resample.
    Rate {
        /// That of the file, in Hz.
        rate: u32,
        /// That of the mix, or of most files if there is none.
        expected: u32,
    },
    /// Another length than the track's other files. Broken if it is off by more than 0.1 s and the stems do not sum to
    /// the mix.
    Length {
        /// That of the file.
        seconds: f64,
        /// That of most files.
        expected: f64,
    },
    /// The metadata says `audio_rendered: false`, and the file exists.
    Flag,
    /// An audio file among the stems that the metadata does not list: nobody reads it.
    Unlisted,
    /// There is another file of the stem, which is not read.
    PassedOver {
        /// Its name.
        file: String,
    },
    /// `is_drum` and the program contradict each other: the stem counts as drums.
    Contradiction {
        /// What the metadata says.
        is_drum: bool,
        /// What the metadata says.
        program: u16,
    },
    /// A program that General MIDI does not have: the stem counts as residuals.
    Program {
        /// What the metadata says.
        program: u16,
    },
    /// No stem can be read.
    NoStems,
    /// The stems do not sum to the mix. Broken from −40 dB, if nothing else that was found explains it.
    Sum {
        /// The mix less the sum, in dB of the mix.
        remainder_db: f64,
        /// The largest difference, in 16-bit steps.
        peak: f32,
    },
    /// Notes of the stem's MIDI file during which it is silent; reported from a tenth of them on.
    SilentNotes {
        /// How many.
        silent: usize,
        /// Of how many.
        notes: usize,
    },
    /// Other tracks have the same notes. Broken if one of them is in a split that is to be kept free of this one.
    Duplicate {
        /// Their paths.
        of: Vec<String>,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Missing => write!(f, "missing"),
            Defect::OtherFormat { file } => {
                write!(
                    f,
                    "missing: {file} is there, which is not read; convert it to FLAC or WAV"
                )
            }
            Defect::Unreadable { reason } => write!(f, "unreadable: {reason}"),
            Defect::Truncated { found, promised } => {
                write!(f, "truncated: {found} of {promised} frames are there")
            }
            Defect::Silent => write!(f, "silent"),
            Defect::Clipped { runs, share } => {
                write!(f, "clipped: {runs} runs, {:.3} % of all samples", 100.0 * share)
            }
            Defect::WhiteNoise { flatness } => write!(f, "white noise (spectral flatness {flatness:.2})"),
            Defect::SingleTone { hz } => write!(f, "a single tone of {hz:.0} Hz"),
            Defect::Rate { rate, expected } => write!(f, "at {rate} Hz, the others at {expected} Hz"),
            Defect::Length { seconds, expected } => {
                write!(f, "{seconds:.3} s long, the others {expected:.3} s")
            }
            Defect::Flag => write!(f, "exists, but audio_rendered is false"),
            Defect::Unlisted => write!(f, "not in the metadata"),
            Defect::PassedOver { file } => write!(f, "{file} is there, too, and not read"),
            Defect::Contradiction { is_drum, program } => {
                let name = match *program > DRUM_PROGRAM {
                    true => "none of General MIDI",
                    false => general_midi::program_name(*program),
                };
                write!(
                    f,
                    "is_drum is {is_drum}, but program_num {program} is {name}: it counts as drums"
                )
            }
            Defect::Program { program } => write!(
                f,
                "program_num {program} is none of General MIDI (0 to 127, 128 for drums): it counts as residuals"
            ),
            Defect::NoStems => write!(f, "no stem can be read"),
            Defect::Sum { remainder_db, peak } => write!(
                f,
                "not the sum of its stems: off by {remainder_db:.1} dB, at most {peak:.0} steps of 16 bits"
            ),
            Defect::SilentNotes { silent, notes } => write!(f, "silent in {silent} of its {notes} notes"),
            Defect::Duplicate { of } => write!(f, "the same notes as {}", of.join(", ")),
        }
    }
}

/// A checked corpus in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Tracks in all.
    pub tracks: usize,
    /// Stems that could be read.
    pub stems: usize,
    /// Length of all tracks together.
    pub seconds: f64,
    /// Tracks by sample rate in Hz.
    pub rates: BTreeMap<u32, usize>,
    /// Over the tracks that have one.
    pub tempo: Option<Tempos>,
    /// By instrument.
    pub sounding: BTreeMap<Instrument, Sounding>,
    /// Findings that are [`Severity::Broken`].
    pub broken: usize,
    /// Findings that are [`Severity::Note`].
    pub notes: usize,
}

/// The tempos of a corpus, in quarter notes a minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tempos {
    /// The slowest.
    pub least: f64,
    /// Half of the tracks are slower.
    pub median: f64,
    /// The fastest.
    pub most: f64,
    /// Tracks of known tempo.
    pub tracks: usize,
}

/// How much of an instrument there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sounding {
    /// Tracks in which it sounds.
    pub tracks: usize,
    /// For how long in all.
    pub seconds: f64,
}

impl Report {
    /// The figures.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            tracks: self.tracks.len(),
            ..Summary::default()
        };
        for track in &self.tracks {
            summary.stems += track.stems;
            summary.seconds += track.seconds;
            *summary.rates.entry(track.rate).or_default() += 1;
            for (&instrument, &seconds) in &track.sounding {
                let entry = summary.sounding.entry(instrument).or_default();
                entry.tracks += usize::from(seconds > 0.0);
                entry.seconds += seconds;
            }
            for finding in &track.findings {
                match finding.severity {
                    Severity::Broken => summary.broken += 1,
                    Severity::Note => summary.notes += 1,
                }
            }
        }
        summary.rates.remove(&0);
        let mut tempos: Vec<f64> = self.tracks.iter().filter_map(|track| track.tempo).collect();
        tempos.sort_by(f64::total_cmp);
        if let (Some(&least), Some(&most)) = (tempos.first(), tempos.last()) {
            summary.tempo = Some(Tempos {
                least,
                median: tempos[tempos.len() / 2],
                most,
                tracks: tempos.len(),
            });
        }
        summary
    }

    /// What is better left out, with the reasons: stems whose own file is broken, and tracks of which anything else
    /// is. Split names are given where two splits have a track of one number.
    pub fn exclude_list(&self) -> ExcludeList {
        let mut uses: BTreeMap<u32, usize> = BTreeMap::new();
        for track in &self.tracks {
            *uses.entry(track.track).or_default() += 1;
        }
        let mut entries: Vec<Exclusion> = Vec::new();
        for track in &self.tracks {
            for finding in track.findings.iter().filter(|f| f.severity == Severity::Broken) {
                let stem = match &finding.part {
                    Part::Stem(name) => Some(name.clone()),
                    _ => None,
                };
                let reason = match &finding.part {
                    Part::Stem(_) | Part::Track => finding.defect.to_string(),
                    part => format!("{part}: {}", finding.defect),
                };
                let split = Some(track.split).filter(|_| uses[&track.track] > 1);
                let same = |e: &&mut Exclusion| (e.split, e.track, &e.stem) == (split, track.track, &stem);
                match entries.iter_mut().find(same) {
                    Some(entry) => entry.reason = format!("{}; {reason}", entry.reason),
                    None => entries.push(Exclusion {
                        split,
                        track: track.track,
                        stem,
                        reason,
                    }),
                }
            }
        }
        ExcludeList { entries }
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
