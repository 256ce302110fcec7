//! What an evaluation found: `evaluation.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Distances, EvalError, Figures, Measure, Preset, Scored, What, leak::Point};
use crate::{
    corpus::Instrument,
    files,
    listening::Criterion,
    metrics::{MeanAndDeviation, Proportion, Ties, decimals},
};

/// All scores of some runs on a corpus, and whatever they depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of the program.
    pub version: String,
    /// What it ran on.
    pub device: String,
    /// The runs, in the order of their instruments.
    pub runs: Vec<EvaluatedRun>,
    /// Hash of what describes: front end and weights. None for runs that only separate.
    pub identity: Option<String>,
    /// Whether simulated judgements went into a run, or into the agreement.
    pub simulated: bool,
    /// The corpus.
    pub corpus: PathBuf,
    /// Hash of the store; none of a folder.
    pub store: Option<String>,
    /// Hash of the lists by which a folder's tracks were left out and assigned to splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// What another program separated, where its stems were heard instead of the clean ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stems: Option<EvaluatedStems>,
    /// Hash of the table of judgements, if there was one.
    pub judgements: Option<String>,
    /// Which judged items count; none: strictly more than 75 % of the answers on the whole agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
    /// The split.
    pub split: String,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Length of segments in seconds, but where a score says otherwise.
    pub seconds: f64,
    /// Most pieces that were to be taken.
    pub pieces: Option<usize>,
    /// Most segments of an instrument that were to be taken where all of a split are described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<usize>,
    /// Which label a tied vote of neighbours was for. None in files of programs that knew one rule, the nearest
    /// label, and whose leak check was of other pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ties: Option<Ties>,
    /// Preset of MES-Pseudo.
    pub preset: Preset,
    /// How often the pieces of MES-Pseudo were drawn.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub draws: u32,
    /// The scores.
    pub scores: Vec<Score>,
    /// What could not be evaluated, and why.
    pub left_out: Vec<LeftOut>,
    /// Clean stems of an instrument (row) by what they were taken for (column); empty if not asked for.
    pub confusion: Vec<Vec<u64>>,
    /// Correlations of distances between sub-spaces, mix in; empty if not asked for.
    pub across: Vec<Vec<Option<f64>>>,
    /// Distances between some segments, clean stem and mix in; empty if not asked for.
    #[serde(default)]
    pub distances: Vec<Distances>,
    /// Pictures of the leak check, by instrument.
    pub pictures: Vec<(Instrument, Vec<Point>)>,
    /// Figures of Hashizume et al. 2025, by instrument; empty unless their protocol was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figures>,
}

fn once() -> u32 {
    1
}

fn is_once(draws: &u32) -> bool {
    *draws == 1
}

/// Stems that another program separated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedStems {
    /// Their folder.
    pub folder: PathBuf,
    /// [Hash](crate::corpus::SeparatedStems::hash) of its files' names and sizes.
    pub hash: String,
}

/// A run that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Name of its recipe.
    pub recipe: String,
    /// Its instrument, if it is of one.
    pub instrument: Option<Instrument>,
    /// BLAKE3 hash of its checkpoint.
    pub checkpoint: String,
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The protocol.
    pub what: What,
    /// What was measured, as `10 s` or `SDR, mean of means`.
    pub measure: Measure,
    /// Of which instrument.
    pub instrument: Instrument,
    /// What it counts in.
    pub unit: Unit,
    /// The number.
    pub value: f64,
    /// 95 % confidence interval of a share (Clopper and Pearson).
    pub interval: Option<[f64; 2]>,
    /// Standard deviation (of a sample) over several draws, of which the value is the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Queries, responses, segments or frames.
    pub n: u64,
    /// Pieces that they are of, pseudo pieces included; of agreement, items.
    pub pieces: usize,
    /// Seed of what was drawn.
    pub seed: u64,
    /// What uninformed vectors give; for a separation, the mix itself.
    pub chance: Option<f64>,
    /// What silence gives, taken for the stem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<f64>,
    /// What the mix gives with the best constant gain of each piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// What a trivial rule gives: of One-Shared, always the sample of the reference's own piece.
    pub trivial: Option<f64>,
    /// The most that can be had.
    pub ceiling: Option<f64>,
    /// What the same network gives with the weights that it started from.
    pub untrained: Option<f64>,
}

/// What a score counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Shares from 0 to 1.
    Share,
    /// Decibels.
    Decibels,
    /// Pearson's r.
    Correlation,
}

impl Unit {
    /// A value with its unit, for people.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{} %", decimals(100.0 * value, 2)),
            Unit::Decibels => format!("{} dB", decimals(value, 2)),
            Unit::Correlation => decimals(value, 3),
        }
    }
}

/// What could not be evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The protocol.
    pub what: What,
    /// Why.
    pub reason: String,
}

impl Evaluation {
    /// Name of its file.
    pub const FILE: &'static str = "evaluation.json";

    /// Reads a file that `stemwise evaluate` wrote.
    ///
    /// # Errors
    /// [`EvalError::Unreadable`] for a file that is not one, or of another version.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let failed = |message: String| EvalError::Unreadable {
            path: path.into(),
            message,
        };
        let bytes = files::read(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|_| {
            let message = "it is damaged, or not an evaluation of this version: write it again with 'stemwise evaluate --out'";
            failed(message.into())
        })
    }
}

impl Score {
    /// A number of which nothing else is known.
    pub(super) fn new(measure: Measure, instrument: Instrument, value: f64) -> Self {
        Score {
            what: measure.what(),
            measure,
            instrument,
            unit: measure.unit(),
            value,
            interval: None,
            spread: None,
            n: 0,
            pieces: 0,
            seed: 0,
            chance: None,
            silence: None,
            gain: None,
            trivial: None,
            ceiling: None,
            untrained: None,
        }
    }

    /// The share of hits, with its interval.
    pub(super) fn of_hits(
        measure: Measure,
        instrument: Instrument,
        hits: Proportion,
    ) -> Result<Self, EvalError> {
        let interval = hits.interval(0.95)?;
        Ok(Score {
            interval: Some([interval.low, interval.high]),
            n: hits.trials(),
            ..Score::new(measure, instrument, hits.share())
        })
    }
    /// What the neighbours say, beside chance.
    pub(super) fn of_neighbours(
        measure: Measure,
        instrument: Instrument,
        scored: Scored,
    ) -> Result<Self, EvalError> {
        Ok(Score {
            pieces: scored.pieces,
            chance: Some(scored.chance),
            ..Score::of_hits(measure, instrument, scored.hits)?
        })
    }

    /// The mean over several draws. Their spread takes the place of an interval: draws share pieces, so that their
    /// queries are not independent of one another.
    pub(super) fn of_draws(
        measure: Measure,
        instrument: Instrument,
        draws: &[Scored],
    ) -> Result<Self, EvalError> {
        if let [scored] = draws {
            return Score::of_neighbours(measure, instrument, *scored);
        }
        let mean = |of: fn(&Scored) -> f64| MeanAndDeviation::of(&draws.iter().map(of).collect::<Vec<_>>());
        let share = mean(|scored| scored.hits.share())?;
        Ok(Score {
            n: draws.iter().map(|scored| scored.hits.trials()).sum(),
            pieces: draws.iter().map(|scored| scored.pieces).sum(),
            spread: share.deviation,
            chance: Some(mean(|scored| scored.chance)?.mean),
            ..Score::new(measure, instrument, share.mean)
        })
    }
}
