//! `stemwise reproduce`

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    corpus::prepared,
    device::DeviceArguments,
    evaluate::{evaluated, write},
    interrupt,
    output::{Misuse, note, say},
    pipeline::{Plan, complete, names},
    recipe::RecipeArguments,
    report,
    rows::{listing, recipes as recipes_of},
    table::titled,
};
use crate::{
    corpus::{Instrument, Split, Store},
    eval::{self, EvaluateOptions, Evaluation, Score, Setup, What, is_of},
    gpu::Device,
    listening::{Aspect, Criterion, Share},
    report::{ReportOptions, paper_rows},
    train::{
        pipeline::Stage,
        recipe::{Model, Task},
    },
};

/// Pieces with which every protocol has ten that give an instrument, and ten others that give the rest.
const ENOUGH: usize = 20;

/// More divisions of the judgements would tell nothing new.
const MOST_PAFT_RUNS: u64 = 1000;

#[derive(Args)]
pub struct Arguments {
    /// Rows of the papers' tables, by the names of their recipes, see 'stemwise recipes' [default: all; those of PAFT
    /// with --judgements]
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,
    /// Corpus in the Slakh2100 layout, or a store of one; of a corpus a store is made first
    #[arg(long, value_name = "DIR")]
    pub corpus: PathBuf,
    /// Folder for runs, evaluations and the report; what is finished there is kept, what was stopped is continued
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The instruments of the recipes that are of one
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "drums,bass,piano,guitar,residuals"
    )]
    pub instruments: Vec<Instrument>,
    /// How often PAFT is trained, each time on another division of the judgements
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub paft_runs: u64,
    /// Length of the segments that are evaluated [default: the longest training.knn_seconds, 10 in the papers]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
    /// Evaluate at most this many pieces [default: all; of fewer than 20, half, so that there are others to mix them with]
    #[arg(long, value_name = "N")]
    pub pieces: Option<usize>,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub device: DeviceArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.recipe.instrument.is_some() {
        bail!(Misuse(
            "reproducing takes --instruments, as in --instruments drums,bass".into()
        ));
    }
    if !(1..=MOST_PAFT_RUNS).contains(&arguments.paft_runs) {
        bail!(Misuse(format!("--paft-runs is from 1 to {MOST_PAFT_RUNS}")));
    }
    let judgements = arguments.recipe.judgements.as_deref();
    let of_papers = paper_rows()?;
    let rows: Vec<&str> = match arguments.rows.is_empty() {
        true => names("all", judgements.is_some()),
        false => arguments.rows.iter().map(String::as_str).collect(),
    };
    let runs = arguments.out.join("runs");
    let plan = Plan {
        names: rows,
        overrides: arguments.recipe.overrides(),
        instruments: &arguments.instruments,
        out: &runs,
    };
    plan.check(&arguments.corpus, judgements)?;
    let device = arguments.device.open()?;
    let stop = interrupt::flag()?;
    note(format!("Device: {device}"));

    let store = prepared(&arguments.corpus, &arguments.out, stop)?;
    let stages = repeated(plan.stages(&store)?, arguments.paft_runs);
    let test = Store::open(&store)?.split(Split::Test).len();
    let pieces = arguments.pieces.or((test < ENOUGH).then_some((test / 2).max(1)));
    let asked = Asked {
        arguments,
        store: &store,
        pieces,
        seconds: longest(&stages),
    };
    let of_tables = recipes_of(&of_papers);
    // what the evaluation would refuse in the end
    for row in rows_of(stages.clone(), &of_tables) {
        eval::check(&row.options(&asked))?;
    }
    let evaluations = arguments.out.join("evaluations");
    fs::create_dir_all(&evaluations).with_context(|| format!("cannot create {}", evaluations.display()))?;
    let rows = rows_of(complete(stages, &device, stop)?, &of_tables);
    let (total, mut evaluated_rows, mut failed) = (rows.len(), Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        let place = format!("[{}/{total}] evaluation of {}", at + 1, row.name);
        let options = row.options(&asked);
        match evaluation(&options, &evaluations.join(&row.name), &device, stop, &place) {
            Ok(evaluation) => {
                lines.extend(means(&row.name, &evaluation));
                evaluated_rows.push(row.name);
            }
            Err(error) if stop.load(Ordering::Relaxed) => return Err(error),
            // the others do not depend on it
            Err(error) => {
                note(format!("{place}: {error:#}"));
                failed.push(row.name);
            }
        }
    }
    let header = ["row", "of", "score", "mean", "chance", "untrained"];
    say(titled(&header, lines))?;
    let asked: Vec<&str> = arguments.rows.iter().map(String::as_str).collect();
    let asked = (!asked.is_empty()).then_some(&asked[..]);
    let listed = listing(&of_papers, asked, &evaluated_rows, &failed, judgements.is_some());
    if !listed.is_empty() {
        say("")?;
        say(titled(&["table", "row", "recipe", "here"], listed))?;
    }
    let options = ReportOptions {
        folders: vec![evaluations, runs],
        out: arguments.out.join("report.html"),
        seed: 0,
        audio: true,
    };
    say("")?;
    report::write(&options, &device, stop)?;
    match failed.is_empty() {
        true => Ok(()),
        false => bail!(
            "these could not be evaluated, for the reasons above: {}",
            failed.join(", ")
        ),
    }
}

/// What a reader looks for first: the means over the instruments of MES and SDR.
fn means(name: &str, evaluation: &Evaluation) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for what in [What::MesNormal, What::MesPseudo, What::Sdr] {
        let of = |score: &&Score| score.what == what;
        // the papers' length of segments is the longest, and the last
        let measure = match what {
            What::Sdr => evaluation.scores.iter().find(of),
            _ => evaluation.scores.iter().rfind(of),
        };
        let Some(Score { measure, unit, .. }) = measure else {
            continue;
        };
        let same = |score: &&Score| of(score) && score.measure == *measure;
        let scores: Vec<&Score> = evaluation.scores.iter().filter(same).collect();
        let mean = |value: &dyn Fn(&Score) -> Option<f64>| -> String {
            let values: Option<Vec<f64>> = scores.iter().map(|score| value(score)).collect();
            let mean = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
            mean.map_or("–".into(), |mean| unit.text(mean))
        };
        lines.push(vec![
            name.into(),
            scores.len().to_string(),
            format!("{}, {measure}", what.title()),
            mean(&|score| Some(score.value)),
            mean(&|score| score.chance),
            mean(&|score| score.untrained),
        ]);
    }
    lines
}

/// Stages on judgements once more for every other run, with a seed of its own: another division, another order.
fn repeated(stages: Vec<Stage>, runs: u64) -> Vec<Stage> {
    let mut all = Vec::new();
    for stage in stages {
        let judged = stage.config.recipe.task == Task::Judgements;
        let name = stage.folder.file_name().unwrap_or_default().to_string_lossy();
        let others = (1..if judged { runs } else { 1 }).map(|again| {
            let mut other = stage.clone();
            // seeds are TOML's whole numbers
            other.config.recipe.seed = other.config.recipe.seed.wrapping_add(again) & i64::MAX as u64;
            other.folder.set_file_name(format!("{name}-{again}"));
            other
        });
        let others: Vec<Stage> = others.collect();
        all.push(stage);
        all.extend(others);
    }
    all
}

/// What all rows are evaluated on.
struct Asked<'a> {
    arguments: &'a Arguments,
    store: &'a Path,
    pieces: Option<usize>,
    /// Length of segments.
    seconds: f64,
}

/// The longest segments that any stage is validated on: 10 s in the papers, where some stages take shorter ones.
fn longest(stages: &[Stage]) -> f64 {
    let of = |stage: &Stage| stage.config.recipe.training.knn_seconds;
    stages.iter().map(of).fold(0.0, f64::max)
}

/// A row of the tables: the runs of one recipe.
struct TableRow {
    /// Name of the recipe, and of the row's folder; with the number of a repeated run.
    name: String,
    stages: Vec<Stage>,
}

/// Stages by recipe and seed. Those that only prepare others and are in no table are no rows.
fn rows_of(stages: Vec<Stage>, of_tables: &BTreeSet<&str>) -> Vec<TableRow> {
    let mut rows: Vec<TableRow> = Vec::new();
    for stage in stages {
        let recipe = &stage.config.recipe;
        if recipe.task == Task::Targets && !of_tables.contains(recipe.name.as_str()) {
            continue;
        }
        let with = |row: &TableRow| {
            let other = &row.stages[0].config.recipe;
            (&other.name, other.seed) == (&recipe.name, recipe.seed)
        };
        match rows.iter_mut().find(|row| with(row)) {
            Some(row) => row.stages.push(stage),
            None => {
                let others = rows
                    .iter()
                    .filter(|row| row.stages[0].config.recipe.name == recipe.name);
                let name = match others.count() {
                    0 => recipe.name.clone(),
                    again => format!("{}-{again}", recipe.name),
                };
                rows.push(TableRow {
                    name,
                    stages: vec![stage],
                });
            }
        }
    }
    rows
}

impl TableRow {
    /// Which judged items count in the paper of the row.
    fn criteria(&self) -> Vec<Criterion> {
        let h25 = |aspect| Criterion {
            aspect,
            share: Share::AtLeast80,
        };
        match self.stages[0].config.recipe.model {
            Model::Hashizume => vec![h25(Aspect::Total), h25(Aspect::Timbre)],
            _ => vec![Criterion::default()],
        }
    }

    /// By all protocols that fit.
    fn options(&self, asked: &Asked<'_>) -> EvaluateOptions {
        let arguments = asked.arguments;
        let recipe = &self.stages[0].config.recipe;
        EvaluateOptions {
            models: self.stages.iter().map(|stage| stage.folder.clone()).collect(),
            corpus: asked.store.into(),
            what: Vec::new(),
            preset: recipe.pseudo_preset(),
            draws: 1,
            split: Split::Test,
            setup: Setup {
                pieces: asked.pieces,
                ..Setup::default()
            },
            seconds: arguments.seconds.unwrap_or(asked.seconds),
            judgements: arguments.recipe.judgements.clone(),
            criteria: self.criteria(),
            stems: None,
            untrained: true,
            export: None,
        }
    }
}

/// Evaluates into a folder, unless that is done already. An evaluation that cannot be read is made anew.
fn evaluation(
    options: &EvaluateOptions,
    folder: &Path,
    device: &Device,
    stop: &AtomicBool,
    place: &str,
) -> anyhow::Result<Evaluation> {
    if let Ok(before) = Evaluation::read(&folder.join(Evaluation::FILE))
        && is_of(&before, options, device)?
    {
        note(format!("{place}: done before"));
        return Ok(before);
    }
    note(place);
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let evaluation = evaluated(options, device, stop)?;
    write(&evaluation, folder)?;
    Ok(evaluation)
}
