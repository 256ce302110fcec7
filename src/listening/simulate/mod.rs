//! Simulated judgements, for a corpus that nobody has listened to.

mod draw;
mod files;

use std::path::Path;

use serde::Serialize;

use super::{AbxError, Condition, Traits};
use crate::{
    audio::SAMPLE_RATE,
    corpus::{Catalogue, Corpus, CorpusError, Instrument, PieceOptions, Source, Split, Track, record},
};
pub use files::{CSV_FILE, JSON_FILE};

/// Segments of 5 s, as the papers' listeners heard.
const SEGMENT: usize = 5 * SAMPLE_RATE as usize;
/// The record of a simulation, with the oracle in words.
const RECORD: &str = "simulation.json";
/// Changes whenever the same options would give other judgements.
const VERSION: u32 = 1;

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulateOptions {
    /// The pieces to draw from.
    pub split: Split,
    /// Items of every instrument and condition.
    pub items: u32,
    /// Subjects; each judges every item.
    pub subjects: u32,
    /// How unsure subjects are: the scale of a logistic distribution, in units of likeness. At 0 they always follow
    /// the oracle; at 0.5, where one sample is more alike by 1, 88 % of them.
    pub noise: f64,
    /// Decides everything that is drawn.
    pub seed: u64,
}

impl Default for SimulateOptions {
    fn default() -> Self {
        Self {
            split: Split::Test,
            items: 40,
            subjects: 8,
            noise: 0.5,
            seed: 0,
        }
    }
}

/// What [`simulate`] made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulation {
    /// Items in all.
    pub items: u64,
    /// Rows of the CSV file, dummies included.
    pub rows: u64,
    /// What the corpus has too few pieces for.
    pub missing: Vec<(Instrument, Condition)>,
}

/// Draws items from the pieces of a corpus, has simulated subjects judge them by a stated oracle (see
/// [`Likeness`](super::Likeness)), and writes [`CSV_FILE`] and [`JSON_FILE`] to the folder `out`, in the public format, with a
/// record of how they came about. The files are marked: the experiment's name begins with
/// [`SIMULATED`](super::SIMULATED), and every sample of the JSON has a field of that name.
///
/// The instrument sounds in every segment that is drawn. The files are a function of the corpus and the options. A
/// corpus's folder is needed: a store does not keep the programs that the oracle goes by. `progress` is called with
/// the tracks listened to and their number, from any thread.
///
/// # Errors
/// [`AbxError::Corpus`] for a split without pieces or with too few for any item, noise that is no number from 0 on,
/// a folder that holds something else, or a track that cannot be read; [`AbxError::File`].
pub fn simulate(
    corpus: &Corpus,
    out: &Path,
    options: &SimulateOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Simulation, AbxError> {
    if !(options.noise.is_finite() && options.noise >= 0.0) {
        let message = format!("noise of {}: it must be a number from 0 on", options.noise);
        return Err(CorpusError::invalid(message).into());
    }
    if options.items == 0 || options.subjects == 0 {
        return Err(CorpusError::invalid("judgements take at least one item and one subject").into());
    }
    let tracks = corpus.split(options.split);
    if tracks.is_empty() {
        let has = corpus.tracks().iter().map(|track| track.split.name());
        let mut has: Vec<_> = has.collect();
        has.dedup();
        let message = format!(
            "{} has no tracks in '{}', only in {}: choose the split",
            corpus.root().display(),
            options.split,
            has.join(", ")
        );
        return Err(CorpusError::invalid(message).into());
    }
    // only where instruments sound is of interest: no audio is kept
    let piece_options = PieceOptions {
        segment_len: SEGMENT,
        rate: SAMPLE_RATE,
        memory: 0,
    };
    let source = Source::Folder(corpus.clone());
    let pieces = source.pieces(options.split, &piece_options, &source.tempo_classes()?, progress)?;
    let traits = traits(tracks, pieces.catalogue())?;
    let drawn = draw::Items::draw(pieces.catalogue(), options);
    if drawn.items.is_empty() {
        return Err(CorpusError::invalid(format!(
            "no item can be drawn from the {} pieces of the split '{}' of {}: it takes two in which an instrument \
             sounds for 5 s, one of them for longer, or three",
            tracks.len(),
            options.split,
            corpus.root().display()
        ))
        .into());
    }

    #[derive(Serialize)]
    struct Record<'a> {
        simulated: bool,
        version: u32,
        corpus: String,
        #[serde(flatten)]
        options: &'a SimulateOptions,
        oracle: &'a str,
    }
    let record = Record {
        simulated: true,
        version: VERSION,
        corpus: corpus.root().display().to_string(),
        options,
        oracle: super::oracle::STATEMENT,
    };
    record::claim(out, RECORD, "simulated", &record)?;
    files::write_clips(&out.join(JSON_FILE), &drawn.items)?;
    let rows = files::write_answers(&out.join(CSV_FILE), &drawn.items, &traits, options)?;
    Ok(Simulation {
        items: drawn.items.len() as u64,
        rows,
        missing: drawn.missing,
    })
}

/// By instrument and piece.
fn traits(tracks: &[Track], catalogue: &Catalogue) -> Result<[Vec<Traits>; 5], CorpusError> {
    let mut traits = <[Vec<Traits>; 5]>::default();
    for (track, piece) in tracks.iter().zip(catalogue.pieces()) {
        let stems = track.stems()?.present;
        for instrument in Instrument::ALL {
            let playing = stems.iter().filter(|stem| stem.instrument() == instrument);
            traits[instrument as usize].push(Traits {
                piece: piece.id,
                programs: playing.map(|stem| stem.metadata.program()).collect(),
                tempo: piece.tempo,
            });
        }
    }
    Ok(traits)
}
