//! `stemwise evaluate`

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::Context;
use clap::Args;

use super::{
    bar,
    built_in::models_or,
    device::DeviceArguments,
    output::{note, say},
};
use crate::{
    corpus::Split,
    eval::{EvalError, EvaluateOptions, Evaluation, Preset, Setup, What, evaluate, markdown},
    files::write_atomically,
    gpu::Device,
    listening::{Aspect, Criterion, Share},
    metrics::Ties,
    train::BuiltIn,
};

#[derive(Args)]
pub struct Arguments {
    /// A trained run of all instruments; or one or several of one instrument each; without --model, each model that is
    /// built in, for what it does
    #[arg(long = "model", required = !BuiltIn::THERE, value_name = "RUN")]
    models: Vec<PathBuf>,
    /// Corpus in the Slakh2100 layout, or a store of one
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// For runs of clean: folder of the stems that another program separated from the corpus' mixes and pseudo pieces, which
    /// they hear instead of the clean ones; see docs/stems.md
    #[arg(long, value_name = "DIR")]
    stems: Option<PathBuf>,
    /// What to evaluate: mes-normal, mes-pseudo, leak, sdr, identification, correlation, agreement [default: all that
    /// the runs allow]
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    what: Vec<What>,
    /// Which paper's MES-Pseudo: i25, i24 or h25
    #[arg(long, value_name = "NAME", default_value_t = Preset::I25)]
    preset: Preset,
    /// Draw the pieces of MES-Pseudo this often, and give mean and standard deviation
    #[arg(long, value_name = "N", default_value_t = 1)]
    draws: u32,
    /// Which label a tied vote of neighbours is for: the lowest, as in the papers, or that of the nearest
    #[arg(long, value_name = "RULE", default_value_t = Ties::Lowest)]
    ties: Ties,
    /// The pieces to evaluate on
    #[arg(long, value_name = "SPLIT", default_value_t = Split::Test)]
    split: Split,
    /// Take at most this many pieces, drawn by the seed
    #[arg(long, value_name = "N")]
    pieces: Option<usize>,
    /// Take at most this many segments of an instrument for identification and correlation [default: all]
    #[arg(long, value_name = "N")]
    segments: Option<usize>,
    /// Length of segments; MES-Normal takes 0.3 and 0.5 of it, too
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    seconds: f64,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Table of judgements by ear (CSV), with its JSON files beside it
    #[arg(long, value_name = "FILE")]
    judgements: Option<PathBuf>,
    /// In what respects agreement with listeners is asked for: overall, timbre, rhythm, melody
    #[arg(
        long,
        value_name = "ASPECT,…",
        value_delimiter = ',',
        default_value = "overall"
    )]
    aspect: Vec<Aspect>,
    /// Keep items of which strictly more than 0.75, or at least 0.8, of the answers agree
    #[arg(long, value_name = "SHARE", default_value_t = Share::MoreThan75)]
    share: Share,
    /// Evaluate the networks with the weights that they started from, too
    #[arg(long)]
    untrained: bool,
    /// Folder for evaluation.json and evaluation.md; of models that are built in, DIR/similarity and DIR/separator
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder for what was asked and answered, as NumPy reads it: vectors (.npy), labels and votes (.csv) of MES-Normal
    /// and MES-Pseudo, and the SDR of every second of every piece
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let tasks = tasks(arguments)?;
    // checked now, not after hours
    for out in tasks.iter().filter_map(|task| task.out.as_deref()) {
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    }
    let device = arguments.device.open()?;
    for Task { models, what, out } in tasks {
        let options = options(arguments, models, what);
        let evaluation = evaluated(&options, &device, &AtomicBool::new(false))?; // Ctrl-C ends the program
        if let Some(out) = &out {
            write(&evaluation, out)?;
        }
        say(markdown(&evaluation).trim_end())?;
    }
    Ok(())
}

/// Models that are evaluated together.
struct Task {
    models: Vec<PathBuf>,
    what: Vec<What>,
    out: Option<PathBuf>,
}

/// The models that were given; without any, those that are built in, each for what it does and was asked for.
fn tasks(arguments: &Arguments) -> anyhow::Result<Vec<Task>> {
    if !arguments.models.is_empty() {
        return Ok(vec![Task {
            models: arguments.models.clone(),
            what: arguments.what.clone(),
            out: arguments.out.clone(),
        }]);
    }
    let mut tasks = Vec::new();
    for model in BuiltIn::ALL {
        let separates = |what: &What| *what == What::Sdr;
        let does = |what: &What| separates(what) == (model == BuiltIn::Separator);
        let what: Vec<What> = arguments.what.iter().copied().filter(does).collect();
        if what.is_empty() && !arguments.what.is_empty() {
            continue;
        }
        tasks.push(Task {
            models: models_or(&[], model)?,
            what,
            out: arguments.out.as_ref().map(|out| out.join(model.name())),
        });
    }
    Ok(tasks)
}

fn options(arguments: &Arguments, models: Vec<PathBuf>, what: Vec<What>) -> EvaluateOptions {
    let share = arguments.share;
    let criteria = arguments.aspect.iter();
    EvaluateOptions {
        models,
        corpus: arguments.corpus.clone(),
        stems: arguments.stems.clone(),
        what,
        preset: arguments.preset,
        draws: arguments.draws,
        split: arguments.split,
        setup: Setup {
            pieces: arguments.pieces,
            segments: arguments.segments,
            seed: arguments.seed,
            ties: arguments.ties,
        },
        seconds: arguments.seconds,
        judgements: arguments.judgements.clone(),
        criteria: criteria.map(|&aspect| Criterion { aspect, share }).collect(),
        untrained: arguments.untrained,
        export: arguments.export.clone(),
    }
}

/// Evaluates with a bar.
pub fn evaluated(
    options: &EvaluateOptions,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Evaluation, EvalError> {
    let counter = bar::counter("");
    let name = RefCell::new(String::new());
    let evaluation = evaluate(options, device, stop, &|progress| {
        if *name.borrow() != progress.what {
            *name.borrow_mut() = progress.what.to_string();
            counter.set_position(0);
            counter.reset_eta();
            counter.set_message(progress.what.to_string());
            if counter.is_hidden() {
                note(progress.what);
            }
        }
        bar::count(&counter, progress.done, progress.total);
    });
    counter.finish_and_clear();
    evaluation
}

/// Writes what was found into a folder that is there: as JSON for programs, and as Markdown.
pub fn write(evaluation: &Evaluation, folder: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(evaluation)?;
    write_atomically(&folder.join("evaluation.md"), |file| {
        file.write_all(markdown(evaluation).as_bytes())
    })?;
    write_atomically(&folder.join(Evaluation::FILE), |file| {
        file.write_all(json.as_bytes())
    })?;
    Ok(())
}
