//! All protocols, on runs and a corpus.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::atomic::AtomicBool};

use super::{
    EvalError, EvaluatedRun, EvaluatedStems, Evaluation, LeftOut, Preset, Score, Setup, What, what::protocols,
};
use crate::{
    corpus::{Instrument, PieceOptions, Pieces, SeparatedStems, Source, Split, TempoClasses},
    describe::Describer,
    files::IoError,
    gpu::Device,
    listening::Criterion,
    separate::{Separators, WindowOptions},
    train::{JudgementTable, Saved, real},
};

/// Bytes for decoded audio, where there is no store.
const AUDIO_MEMORY: u64 = 2 << 30;
/// More draws would tell nothing new.
const MOST_DRAWS: u32 = 1000;

/// What is evaluated, and how.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// Runs that go together: one of all instruments, or several of one each.
    pub models: Vec<PathBuf>,
    /// A store or a corpus.
    pub corpus: PathBuf,
    /// What another program separated from the corpus' mixes and pseudo pieces: runs of clean hear it instead of the clean
    /// stems, and SDR is that of its stems.
    pub stems: Option<PathBuf>,
    /// The protocols; none: all that the runs and the options allow.
    pub what: Vec<What>,
    /// Which MES-Pseudo.
    pub preset: Preset,
    /// How often its pieces are drawn: by the seed, and those that follow it.
    pub draws: u32,
    /// The pieces' split.
    pub split: Split,
    /// How much is taken, and by which seed and rule.
    pub setup: Setup,
    /// Length of segments in seconds; MES-Normal takes 0.3 and 0.5 of it, too.
    pub seconds: f64,
    /// A table of judgements, with its JSON files beside it.
    pub judgements: Option<PathBuf>,
    /// Which judged items count, one after another.
    pub criteria: Vec<Criterion>,
    /// Whether the networks are evaluated with their initial weights, too.
    pub untrained: bool,
    /// A folder for what the trained networks answer: vectors, labels and votes of MES-Normal and MES-Pseudo, and the
    /// ratios of every second that is separated. It is made if it is not there.
    pub export: Option<PathBuf>,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is evaluated, as `mes-normal drums`.
    pub what: &'a str,
    /// Segments described, or pieces separated.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

/// Evaluates runs. What an instrument or a protocol has too little music for is left out and noted.
///
/// # Errors
/// [`EvalError`] for runs that do not go together, a corpus without the split, a protocol that was asked for and
/// gives no score at all; [`EvalError::Interrupted`] when `stop` is set.
pub fn evaluate(
    options: &EvaluateOptions,
    device: &Device,
    stop: &AtomicBool,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Evaluation, EvalError> {
    let before = EvaluateOptions {
        export: None,
        ..options.clone()
    };
    if let Some(folder) = &options.export {
        fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
    }
    let mut task = Task::open(options, device, stop, progress)?;
    let mut evaluation = task.empty()?;
    let errors = task.pass(&mut evaluation, false)?;
    for (what, error) in errors {
        let scored = evaluation.scores.iter().any(|score| score.what == what);
        if (options.what.contains(&what) && !scored) || evaluation.scores.is_empty() {
            return Err(error);
        }
        let reason = error.to_string();
        evaluation.left_out.push(LeftOut { what, reason });
    }
    if options.untrained {
        task.options = &before;
        let mut before = task.empty()?;
        task.pass(&mut before, true)?;
        for score in &mut evaluation.scores {
            let like =
                |other: &&Score| (other.measure, other.instrument) == (score.measure, score.instrument);
            let same = before.scores.iter().find(like);
            score.untrained = same.map(|other| other.value);
        }
    }
    Ok(evaluation)
}

/// Checks what is wrong with options whatever the runs are, before these are trained.
///
/// # Errors
/// [`EvalError::Option`] for numbers that cannot be used, and a corpus without the split; what the corpus and the
/// judgements give.
pub fn check(options: &EvaluateOptions) -> Result<(), EvalError> {
    options
        .judgements
        .as_deref()
        .map(JudgementTable::read)
        .transpose()?;
    opened(options).map(drop)
}

/// The corpus, if it has what the options ask for.
fn opened(options: &EvaluateOptions) -> Result<Source, EvalError> {
    let unusable = |option, message: &str| {
        let message = message.into();
        Err(EvalError::Option { option, message })
    };
    if !(options.seconds > 0.0 && options.seconds <= 60.0) {
        return unusable("--seconds", "a segment is longer than 0 and at most 60 seconds");
    }
    if options.setup.pieces == Some(0) {
        return unusable("--pieces", "at least one piece is needed");
    }
    if options.setup.segments == Some(0) {
        return unusable("--segments", "at least one segment is needed");
    }
    if !(1..=MOST_DRAWS).contains(&options.draws) {
        return unusable("--draws", "pieces are drawn from 1 to 1000 times");
    }
    let source = Source::open(&options.corpus)?;
    if pieces_of(&source, options.split) == 0 {
        let all = Split::FOLDERS.into_iter().chain([Split::Unsplit]);
        let there = all
            .map(|split| (split, pieces_of(&source, split)))
            .filter(|(_, n)| *n > 0);
        let there: Vec<String> = there.map(|(split, n)| format!("{split} ({n})")).collect();
        let message = format!(
            "{} has no pieces in '{}'; there are {}",
            options.corpus.display(),
            options.split,
            match there.is_empty() {
                true => "none at all".into(),
                false => there.join(", "),
            }
        );
        return Err(EvalError::Option {
            option: "--split",
            message,
        });
    }
    Ok(source)
}

/// Whether an evaluation is the one that these options ask for, on the same weights, corpus and judgements.
///
/// # Errors
/// As [`evaluate`], but for scores that there are none of.
pub fn is_of(evaluation: &Evaluation, options: &EvaluateOptions, device: &Device) -> Result<bool, EvalError> {
    let empty = Task::open(options, device, &AtomicBool::new(false), &|_| {})?.empty()?;
    let asked = Evaluation {
        identity: evaluation.identity.clone(),
        scores: evaluation.scores.clone(),
        left_out: evaluation.left_out.clone(),
        confusion: evaluation.confusion.clone(),
        across: evaluation.across.clone(),
        distances: evaluation.distances.clone(),
        pictures: evaluation.pictures.clone(),
        figures: evaluation.figures.clone(),
        ..empty
    };
    Ok(asked == *evaluation)
}

/// An evaluation that can begin.
pub(super) struct Task<'a> {
    pub options: &'a EvaluateOptions,
    device: &'a Device,
    pub stop: &'a AtomicBool,
    progress: &'a dyn Fn(Progress<'_>),
    pub runs: Vec<Saved>,
    pub what: Vec<What>,
    pub source: Source,
    pub stems: Option<SeparatedStems>,
    classes: TempoClasses,
    pub table: Option<JudgementTable>,
}

/// What could not be evaluated.
pub(super) type Errors = Vec<(What, EvalError)>;

impl<'a> Task<'a> {
    fn open(
        options: &'a EvaluateOptions,
        device: &'a Device,
        stop: &'a AtomicBool,
        progress: &'a dyn Fn(Progress<'_>),
    ) -> Result<Self, EvalError> {
        let source = opened(options)?;
        if options.models.is_empty() {
            let message = "give at least one run".into();
            return Err(EvalError::Option {
                option: "--model",
                message,
            });
        }
        let runs = options.models.iter().map(|folder| Saved::open(folder));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let given = (options.judgements.is_some(), options.stems.is_some());
        let what = protocols(&options.what, given, &runs)?;
        let asked = options
            .judgements
            .as_deref()
            .filter(|_| what.contains(&What::Agreement));
        Ok(Task {
            classes: source.tempo_classes()?,
            table: asked.map(JudgementTable::read).transpose()?,
            stems: options.stems.as_ref().map(SeparatedStems::open).transpose()?,
            options,
            device,
            stop,
            progress,
            runs,
            what,
            source,
        })
    }

    /// An evaluation without scores.
    fn empty(&self) -> Result<Evaluation, EvalError> {
        let options = self.options;
        let mut simulated = self.table.as_ref().is_some_and(JudgementTable::simulated);
        let mut runs = Vec::new();
        for run in &self.runs {
            let checkpoint = run.checkpoint()?;
            simulated |= checkpoint.state.simulated;
            runs.push(EvaluatedRun {
                folder: run.place.clone(),
                recipe: run.recipe.name.clone(),
                instrument: run.recipe.instrument,
                checkpoint: checkpoint.hash(),
            });
        }
        runs.sort_by_key(|run| run.instrument);
        Ok(Evaluation {
            version: env!("CARGO_PKG_VERSION").into(),
            device: self.device.to_string(),
            runs,
            identity: None,
            simulated,
            corpus: real(&options.corpus),
            store: self.source.hash().map(str::to_string),
            selection: self.source.selection().map(str::to_string),
            stems: match &self.stems {
                Some(stems) => Some(EvaluatedStems {
                    folder: real(stems.root()),
                    hash: stems.hash()?,
                }),
                None => None,
            },
            judgements: self.table.as_ref().map(|table| table.hash.clone()),
            criteria: match self.table {
                Some(_) if options.criteria != [Criterion::default()] => options.criteria.clone(),
                _ => Vec::new(),
            },
            split: options.split.to_string(),
            seed: options.setup.seed,
            seconds: options.seconds,
            pieces: options.setup.pieces,
            segments: options.setup.segments,
            ties: Some(options.setup.ties),
            preset: options.preset,
            draws: options.draws,
            scores: Vec::new(),
            left_out: Vec::new(),
            confusion: Vec::new(),
            across: Vec::new(),
            distances: Vec::new(),
            pictures: Vec::new(),
            figures: Vec::new(),
        })
    }

    /// All protocols with one set of weights. What concerns only one protocol or instrument comes back.
    fn pass(&self, evaluation: &mut Evaluation, untrained: bool) -> Result<Errors, EvalError> {
        let mut errors = Vec::new();
        if self.what.iter().any(|&what| what != What::Sdr) {
            let mut describer = match untrained {
                false => Describer::load(&self.options.models, self.device)?,
                true => Describer::untrained(&self.options.models, self.device)?,
            };
            evaluation.identity = Some(describer.identity().to_string());
            self.described(&mut describer, evaluation, &mut errors)?;
            // of weights that are not kept there are none
            if !untrained {
                self.pictured(&mut describer, evaluation, &mut errors)?;
            }
        }
        if let (Some(stems), true) = (&self.stems, self.what.contains(&What::Sdr)) {
            // nothing of them is trained
            if !untrained {
                self.separated_elsewhere(stems, evaluation, &mut errors)?;
            }
        } else if self.what.contains(&What::Sdr) {
            let windows = WindowOptions::default();
            let mut separators = match untrained {
                false => Separators::load(&self.options.models, self.device, windows)?,
                true => Separators::untrained(&self.options.models, self.device, windows)?,
            };
            self.separated(&mut separators, evaluation, &mut errors)?;
        }
        for score in &mut evaluation.scores {
            score.seed = self.options.setup.seed;
        }
        Ok(errors)
    }

    /// The pieces as models hear them.
    pub fn pieces(&self, split: Split, segment_len: usize, rate: u32) -> Result<Pieces, EvalError> {
        let clean = self.clean(split, segment_len, rate)?;
        let Some(stems) = &self.stems else {
            return Ok(clean);
        };
        let options = piece_options(segment_len, rate);
        Ok(clean.with_stems(stems, &self.instruments(), &options, &|_, _| {})?)
    }

    /// The pieces as they are in the corpus.
    pub fn clean(&self, split: Split, segment_len: usize, rate: u32) -> Result<Pieces, EvalError> {
        let options = piece_options(segment_len, rate);
        Ok(self.source.pieces(split, &options, &self.classes, &|_, _| {})?)
    }

    /// The instruments of runs of one each.
    pub fn instruments(&self) -> Vec<Instrument> {
        let runs = self.runs.iter();
        let instruments: BTreeSet<Instrument> = runs.filter_map(|run| run.recipe.instrument).collect();
        instruments.into_iter().collect()
    }

    pub fn reporter<'b>(&'b self, what: &'b str) -> impl Fn(usize, usize) + 'b {
        move |done, total| (self.progress)(Progress { what, done, total })
    }
}

/// How many pieces a split has.
pub(super) fn pieces_of(source: &Source, split: Split) -> usize {
    match source {
        Source::Store(store) => store.split(split).len(),
        Source::Folder(corpus) => corpus.split(split).len(),
    }
}

fn piece_options(segment_len: usize, rate: u32) -> PieceOptions {
    PieceOptions {
        segment_len,
        rate,
        memory: AUDIO_MEMORY,
    }
}
