//! A corpus out of General MIDI files and SoundFonts, in the Slakh2100 layout.
//!
//! A stem is what one program of a piece plays, on whatever channels. The drum kit is channel 10, and whatever the piece
//! makes one by the means of GS, XG and General MIDI 2. Each is played by a synthesizer of its own, so that stems know
//! nothing of each other, and the mix is their exact sum. `all_src.mid` is the piece as it was; a stem's MIDI file holds its
//! events and the tempo map. A track is a pure function of (options, piece, SoundFonts): the corpus is the same, byte for
//! byte, whatever the number of threads.
//!
//! Pieces are recognised by their notes (their content hash, also the track's identifier): of equal ones the first is
//! rendered, and a piece lands in the same split whatever else the collection holds.
//!
//! Memory: each thread holds one piece, 4 bytes a sample and stem (a piece of 4 minutes and 12 stems: 0.5 GB).

mod arrange;
mod collection;
mod find;
mod font;
mod perform;
mod piece;
mod split_list;

pub use split_list::read_split_list;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rayon::prelude::*;
use serde::Serialize;

use self::{
    arrange::arrange,
    collection::{Collection, Entry},
    font::{Font, choose},
    perform::{Failed, Stage},
    piece::Piece,
};
use crate::files;
use crate::{
    corpus::{CorpusError, DRUM_PROGRAM, Instrument, Split, StemMetadata, general_midi, record},
    generate::write::{Level, SAMPLE_RATE, StemContent, TrackContent, track_folder},
};

/// How to render a collection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenderOptions {
    /// Decides which SoundFont plays which stem, and how pieces are arranged.
    pub seed: u64,
    /// Where a piece is cut, 1 to 3600 seconds.
    pub seconds: f64,
    /// Weights of training, validation and test: a piece's split is decided by a hash of its notes.
    pub shares: [u32; 3],
    /// Instead of `shares`, the split of each file by its path below the collection; files that are not named are left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<BTreeMap<String, Split>>,
    /// Integrated loudness of a mix in LUFS, −60 to −5; quieter where it would peak above −1 dBFS.
    pub loudness: f64,
    /// Whether stems have the reverberation and chorus that their channels ask for.
    pub effects: bool,
    /// Only pieces with all of these.
    pub require: Vec<Instrument>,
    /// At most so many pieces: the first by path.
    pub pieces: Option<usize>,
    /// Whether every piece is played by other instruments and in another key, drawn by the seed: a new piece to
    /// learn from, known by the `UUID` of the old one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub arrange: bool,
}

impl Default for RenderOptions {
    /// Ten minutes at most, 70 : 15 : 15, Slakh's −13 LUFS, dry, all pieces.
    fn default() -> Self {
        RenderOptions {
            seed: 0,
            seconds: 600.0,
            shares: [70, 15, 15],
            list: None,
            loudness: -13.0,
            effects: false,
            require: Vec::new(),
            pieces: None,
            arrange: false,
        }
    }
}

/// How far [`render`] is. Events come from many threads, out of order.
#[derive(Clone, Copy, Debug)]
pub enum RenderEvent {
    /// MIDI files were looked at.
    Read {
        /// So many.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// Tracks are there.
    Rendered {
        /// So many.
        done: usize,
        /// Of so many.
        total: usize,
    },
}

/// Something to know about a file of the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file's path below the collection.
    pub source: String,
    /// What is the matter.
    pub message: String,
    /// Whether the file has no track for it.
    pub skipped: bool,
}

/// What [`render`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Tracks made by this call.
    pub written: usize,
    /// Tracks that were there already.
    pub kept: usize,
    /// Tracks of the corpus in training, validation and test.
    pub splits: [usize; 3],
    /// Files that have no track, or a flaw, by path.
    pub notices: Vec<Notice>,
    /// Whether it was stopped before all tracks were there.
    pub interrupted: bool,
}

/// The options and what was rendered, at the root of a rendered corpus.
const RECORD: &str = "render.json";
/// Changes whenever the same options would give other audio.
const VERSION: u32 = 2;
/// Samples over which a track is faded out at its end.
const FADE: usize = SAMPLE_RATE as usize / 50;

#[derive(Serialize)]
struct Record<'a> {
    version: u32,
    #[serde(flatten)]
    options: &'a RenderOptions,
    /// Names and digests.
    soundfonts: Vec<(&'a str, String)>,
    pieces_digest: String,
}

/// Renders every usable MIDI file (`.mid`, `.midi`, `.kar`, `.rmi`) below `midi` through `soundfonts` (SF2) to
/// `<root>/{train,validation,test}/TrackNNNNN`. Pieces are numbered in the order of their paths. Each stem draws its
/// SoundFont among those that have its program; where none has, a neighbouring program of its class plays it, or it
/// stays silent. Files that cannot be used are listed in the summary.
///
/// An interrupted corpus is resumed by the same call: tracks that are there are kept. `stop` ends it early, within
/// about a second of work of each thread.
///
/// # Errors
/// [`CorpusError::SoundFont`] for a file that is none; [`CorpusError::Missing`] without the collection;
/// [`CorpusError::Invalid`] for options out of range, a collection without a usable piece, or a `root` that holds
/// something else or a corpus of other options, pieces or SoundFonts; the others if a file cannot be read or written.
pub fn render(
    midi: &Path,
    soundfonts: &[PathBuf],
    root: &Path,
    options: &RenderOptions,
    stop: &AtomicBool,
    observer: &(dyn Fn(RenderEvent) + Sync),
) -> Result<Summary, CorpusError> {
    options.check()?;
    if soundfonts.is_empty() {
        return Err(CorpusError::invalid(
            "no SoundFont was given: at least one is needed",
        ));
    }
    check_apart(midi, root)?;
    let fonts: Vec<Font> = soundfonts
        .iter()
        .map(|path| Font::load(path))
        .collect::<Result<_, _>>()?;
    let mut summary = Summary {
        written: 0,
        kept: 0,
        splits: [0; 3],
        notices: Vec::new(),
        interrupted: true,
    };
    let Some(collection) = Collection::read(midi, root, options, stop, observer)? else {
        return Ok(summary);
    };
    claim(root, options, &fonts, &collection)?;
    let Collection { entries, notices } = collection;
    let studio = Studio {
        fonts,
        options,
        stage: Stage {
            limit: (options.seconds * f64::from(SAMPLE_RATE)).round() as usize,
            effects: options.effects,
            stop,
        },
        root,
        notices: Mutex::new(notices),
    };
    let outcomes = studio.tracks(&entries, observer)?;
    summary.interrupted = outcomes.contains(&Outcome::Stopped);
    for (entry, outcome) in entries.iter().zip(&outcomes) {
        match outcome {
            Outcome::Written => summary.written += 1,
            Outcome::Kept => summary.kept += 1,
            Outcome::Skipped | Outcome::Stopped => continue,
        }
        let split = SPLITS.iter().position(|split| *split == entry.split);
        summary.splits[split.unwrap_or_default()] += 1;
    }
    summary.notices = studio
        .notices
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    summary
        .notices
        .sort_by(|a, b| (&a.source, &a.message).cmp(&(&b.source, &b.message)));
    Ok(summary)
}

/// Makes `root` the folder of this corpus and of no other, with a folder for every split.
fn claim(
    root: &Path,
    options: &RenderOptions,
    fonts: &[Font],
    collection: &Collection,
) -> Result<(), CorpusError> {
    let soundfonts = fonts.iter();
    let record = Record {
        version: VERSION,
        options,
        soundfonts: soundfonts
            .map(|font| (font.name.as_str(), font.digest.to_string()))
            .collect(),
        pieces_digest: collection.digest().to_string(),
    };
    record::claim(root, RECORD, "rendered", &record)?;
    for split in SPLITS {
        let path = root.join(split.name());
        fs::create_dir_all(&path).map_err(CorpusError::io("create", &path))?;
    }
    Ok(())
}

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

impl RenderOptions {
    fn check(&self) -> Result<(), CorpusError> {
        if !(1.0..=3600.0).contains(&self.seconds) {
            let message = format!("a piece is cut after 1 to 3600 seconds, not {}", self.seconds);
            return Err(CorpusError::invalid(message));
        }
        if !(-60.0..=-5.0).contains(&self.loudness) {
            let message = format!("a mix has −60 to −5 LUFS, not {}", self.loudness);
            return Err(CorpusError::invalid(message));
        }
        if self.shares == [0; 3] || self.pieces == Some(0) {
            return Err(CorpusError::invalid("a corpus without tracks was asked for"));
        }
        Ok(())
    }
}

/// A corpus inside its collection would be taken for a part of it.
fn check_apart(midi: &Path, root: &Path) -> Result<(), CorpusError> {
    let Ok(midi) = midi.canonicalize() else {
        return Ok(()); // whoever lists it will say so
    };
    let parents = std::path::absolute(root).unwrap_or_else(|_| root.into());
    let existing = parents.ancestors().find_map(|path| path.canonicalize().ok());
    match existing.is_some_and(|root| root.starts_with(&midi)) {
        true => Err(CorpusError::invalid(format!(
            "{} lies in the folder of MIDI files: choose one outside",
            root.display()
        ))),
        false => Ok(()),
    }
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    Kept,
    Skipped,
    Stopped,
}

/// All that rendering a piece needs.
struct Studio<'a> {
    fonts: Vec<Font>,
    options: &'a RenderOptions,
    stage: Stage<'a>,
    root: &'a Path,
    notices: Mutex<Vec<Notice>>,
}

impl Studio<'_> {
    fn tracks(
        &self,
        entries: &[Entry],
        observer: &(dyn Fn(RenderEvent) + Sync),
    ) -> Result<Vec<Outcome>, CorpusError> {
        let (done, total) = (AtomicUsize::new(0), entries.len());
        let track = |entry| {
            let outcome = self.track(entry)?;
            if outcome != Outcome::Stopped {
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                observer(RenderEvent::Rendered { done, total });
            }
            Ok(outcome)
        };
        entries.par_iter().map(track).collect()
    }

    fn track(&self, entry: &Entry) -> Result<Outcome, CorpusError> {
        if track_folder(self.root, entry.split.name(), entry.number).exists() {
            return Ok(Outcome::Kept);
        }
        if self.stage.stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        let bytes = files::read(&entry.path).map_err(CorpusError::io("read", &entry.path))?;
        let parsed = Piece::parse(&bytes)
            .ok()
            .filter(|piece| piece.content == entry.content);
        let Some(piece) = parsed else {
            self.note(entry, "it changed while it was rendered".into(), true);
            return Ok(Outcome::Skipped);
        };
        if !self.options.arrange {
            return self.render(entry, &piece);
        }
        let arranged = arrange(&bytes, self.options.seed, entry.content);
        match arranged.as_deref().map_err(String::clone).and_then(Piece::parse) {
            Ok(piece) => self.render(entry, &piece),
            Err(reason) => {
                self.note(entry, reason, true);
                Ok(Outcome::Skipped)
            }
        }
    }

    fn render(&self, entry: &Entry, piece: &Piece) -> Result<Outcome, CorpusError> {
        match self.stems(entry, piece) {
            Ok(stems) => self.write(entry, piece, &stems),
            Err(Failed::Stopped) => Ok(Outcome::Stopped),
            Err(Failed::Unplayable(reason)) => {
                self.note(entry, reason, true);
                Ok(Outcome::Skipped)
            }
        }
    }

    /// The sound of every stem, all of one length, `None` for silence.
    fn stems(&self, entry: &Entry, piece: &Piece) -> Result<Vec<Rendered<'_>>, Failed> {
        let mut stems = Vec::new();
        for program in piece.programs() {
            let voicing = choose(&self.fonts, self.options.seed, entry.content, program);
            let samples = match voicing {
                Some(voicing) => Some(self.stage.play(piece, program, voicing)?),
                None => {
                    let name = general_midi::program_name(program);
                    self.note(
                        entry,
                        format!("no SoundFont has its {name}: that stem is silent"),
                        false,
                    );
                    None
                }
            };
            stems.push(Rendered {
                program,
                font: voicing.map_or("None", |voicing| &voicing.font.name),
                samples: samples.filter(|samples| !samples.is_empty()),
            });
        }
        let sounding = || stems.iter().filter_map(|stem| stem.samples.as_ref());
        let length = sounding().map(Vec::len).max();
        let Some(length) = length else {
            let message = format!("nothing sounds in its first {} seconds", self.options.seconds);
            return Err(Failed::Unplayable(message));
        };
        for samples in stems.iter_mut().filter_map(|stem| stem.samples.as_mut()) {
            samples.resize(length, 0.0);
            let fade = FADE.min(length);
            let end = samples[length - fade..].iter_mut().rev().enumerate();
            end.for_each(|(i, x)| *x *= i as f32 / fade as f32);
        }
        Ok(stems)
    }

    fn write(&self, entry: &Entry, piece: &Piece, stems: &[Rendered]) -> Result<Outcome, CorpusError> {
        let mut contents = Vec::with_capacity(stems.len());
        for stem in stems {
            let midi = piece
                .stem_midi(stem.program)
                .map_err(CorpusError::io("write the MIDI of", &entry.path))?;
            contents.push(StemContent {
                metadata: stem.metadata(),
                samples: stem.samples.as_deref(),
                midi,
            });
        }
        let content = TrackContent {
            number: entry.number,
            split: entry.split.name(),
            uuid: &blake3::Hash::from(entry.content).to_hex(),
            source: &entry.source,
            level: Level::Loudness(self.options.loudness),
            stems: contents,
            midi: piece.midi().to_vec(),
        };
        content.write(self.root)?;
        Ok(Outcome::Written)
    }

    fn note(&self, entry: &Entry, message: String, skipped: bool) {
        let source = entry.source.clone();
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(Notice {
            source,
            message,
            skipped,
        });
    }
}

/// One stem's sound.
struct Rendered<'a> {
    program: u16,
    /// Name of the SoundFont, or "None".
    font: &'a str,
    samples: Option<Vec<f32>>,
}

impl Rendered<'_> {
    fn metadata(&self) -> StemMetadata {
        StemMetadata {
            audio_rendered: Some(self.samples.is_some()),
            inst_class: general_midi::class(self.program).into(),
            integrated_loudness: 0.0,
            is_drum: self.program == DRUM_PROGRAM,
            midi_program_name: general_midi::program_name(self.program).into(),
            midi_saved: true,
            plugin_name: self.font.into(),
            program_num: self.program,
        }
    }
}
