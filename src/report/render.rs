//! From what was found to the file.

use std::{
    fs,
    io::Read,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{
    Observer, Progress, Report, ReportError, ReportOptions, Tools,
    curves::{Curves, Log, curves},
    figures::{EvaluationFigures, figures},
    gather::{Found, FoundRun, LeftOut, gather},
    matrices::{Matrix, Pairs, across, confusions, distances},
    pictures::{Pictures, pictures},
    provenance::Conditions,
    published::published,
    runs::{Explained, RunCard, Source, card, recipes, source},
    sound::{Sounds, sounds},
    tables::{Protocol, protocols},
};
use crate::{
    files::{self, write_atomically},
    gpu::Device,
};

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

const TEMPLATES: &[(&str, &str)] = templates![
    "report.html",
    "macros.html",
    "tables.html",
    "curves.html",
    "pictures.html",
    "figures.html",
    "distances.html",
    "sounds.html",
    "runs.html",
    "style.css",
];

/// What every report begins with, somewhere in its head.
const GENERATOR: &str = r#"<meta name="generator" content="stemwise "#;

/// All that the templates are given.
#[derive(Serialize)]
struct Page {
    version: &'static str,
    simulated: bool,
    facts: Vec<(&'static str, String)>,
    recipes: Vec<Explained>,
    conditions: Vec<(Option<String>, String)>,
    protocols: Vec<Protocol>,
    confusions: Vec<Matrix>,
    across: Vec<Matrix>,
    distances: Vec<Pairs>,
    curves: Vec<Curves>,
    pictures: Vec<Pictures>,
    thinned: bool,
    figures: Vec<EvaluationFigures>,
    figures_thinned: bool,
    sounds: Option<Sounds>,
    runs: Vec<RunCard>,
    sources: Vec<Source>,
    left_out: Vec<(String, String)>,
}

/// Writes the report on what is below some folders. What cannot be read is named in it.
///
/// # Errors
/// [`ReportError`], if there is nothing at all to report, or the file cannot be written;
/// [`ReportError::Interrupted`] when `stop` is set.
pub fn report(
    options: &ReportOptions,
    device: &Device,
    stop: &AtomicBool,
    progress: &Observer<'_>,
) -> Result<Report, ReportError> {
    check(&options.out)?;
    progress(Progress::Gathering);
    let found = gather(&options.folders)?;
    let tools = Tools {
        device,
        stop,
        progress,
    };
    let page = page(options, &found, &tools)?;
    if stop.load(Ordering::Relaxed) {
        return Err(ReportError::Interrupted);
    }
    let text = html(&page)?;
    write_atomically(&options.out, |file| file.write_all(text.as_bytes()))?;
    Ok(Report {
        path: options.out.clone(),
        bytes: text.len() as u64,
        runs: found.runs.len(),
        evaluations: found.evaluations.len(),
        left_out: page
            .left_out
            .iter()
            .map(|(what, reason)| format!("{what}: {reason}"))
            .collect(),
    })
}

/// Checked now, not after songs were separated.
fn check(out: &Path) -> Result<(), ReportError> {
    let unusable = |message| {
        Err(ReportError::Out {
            path: out.into(),
            message,
        })
    };
    if out.is_dir() {
        return unusable("it is a folder: give the name of a file, as --out report.html");
    }
    if out.exists() && !is_report(out) {
        return unusable("it exists already and is not a report: give another name, or remove it");
    }
    match out.parent() {
        _ if out.file_name().is_none() => unusable("it names no file: give one, as --out report.html"),
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            unusable("its folder does not exist: create it, or choose another")
        }
        _ => Ok(()),
    }
}

/// Whether an existing file may be replaced: its head says that this program wrote it.
fn is_report(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = files::open(path).and_then(|file| file.take(1024).read_to_end(&mut head));
    read.is_ok() && String::from_utf8_lossy(&head).contains(GENERATOR)
}

fn page(options: &ReportOptions, found: &Found, tools: &Tools<'_>) -> Result<Page, ReportError> {
    let logged: Vec<(&FoundRun, Log)> = found.runs.iter().map(|run| (run, Log::read(run))).collect();
    let conditions = Conditions::of(&found.evaluations);
    let (pictures, thinned) = pictures(found);
    let (figures, figures_thinned) = figures(found)?;
    let sounds = match options.audio {
        true => Some(sounds(found, options.seed, tools)?),
        false => None,
    };
    let mut left_out: Vec<(String, String)> = Vec::new();
    let mut leave = |left: &LeftOut| left_out.push((left.what.clone(), left.reason.clone()));
    found.left_out.iter().for_each(&mut leave);
    for (run, log) in &logged {
        if let Some(reason) = &log.unreadable {
            leave(&LeftOut::new(run.run.metrics().display(), reason));
        }
    }
    for evaluation in &found.evaluations {
        for left in &evaluation.evaluation.left_out {
            let what = format!("{} of {}", left.what.title(), evaluation.recipe());
            leave(&LeftOut::new(what, &left.reason));
        }
    }
    let simulated = found.runs.iter().any(FoundRun::simulated)
        || found.evaluations.iter().any(|found| found.evaluation.simulated);
    let listed = conditions.list().iter().enumerate().map(|(i, text)| {
        let of = found
            .evaluations
            .iter()
            .find(|found| conditions.index(found) == Some(i));
        (of.and_then(|found| conditions.letter(found)), text.clone())
    });
    Ok(Page {
        version: env!("CARGO_PKG_VERSION"),
        simulated,
        facts: facts(options, found, tools),
        recipes: recipes(found),
        conditions: listed.collect(),
        protocols: protocols(found, &published()?, &conditions),
        confusions: confusions(found),
        across: across(found),
        distances: distances(found)?,
        curves: curves(&logged),
        pictures,
        thinned,
        figures,
        figures_thinned,
        sounds,
        runs: logged.iter().map(card).collect(),
        sources: found
            .evaluations
            .iter()
            .map(|found| source(found, &conditions))
            .collect(),
        left_out,
    })
}

/// What all of it is about.
fn facts(options: &ReportOptions, found: &Found, tools: &Tools<'_>) -> Vec<(&'static str, String)> {
    let evaluations = || found.evaluations.iter().map(|found| &found.evaluation);
    let starts = || {
        found
            .runs
            .iter()
            .filter_map(|run| run.record.as_ref())
            .flat_map(|record| &record.starts)
    };
    let list = |values: &mut dyn Iterator<Item = String>| {
        let mut all: Vec<String> = values.collect();
        all.sort();
        all.dedup();
        all.join(", ")
    };
    let corpora = found.runs.iter().map(|run| &run.run.config.corpus);
    let corpora = corpora.chain(evaluations().map(|evaluation| &evaluation.corpus));
    // one corpus has many names
    let corpora = corpora.map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    let devices = starts().map(|start| start.device.clone());
    let mut devices = devices.chain(evaluations().map(|evaluation| evaluation.device.clone()));
    let versions = starts().map(|start| start.version.clone());
    let mut versions = versions.chain(evaluations().map(|evaluation| evaluation.version.clone()));
    let seeds = found.runs.iter().map(|run| run.recipe().seed.to_string());
    let of_evaluations = evaluations().map(|evaluation| evaluation.seed.to_string());
    let mut facts = vec![
        ("Runs", found.runs.len().to_string()),
        ("Evaluations", found.evaluations.len().to_string()),
        (
            "Corpus",
            list(&mut corpora.map(|path| path.display().to_string())),
        ),
        ("Trained and evaluated on", list(&mut devices)),
        ("Version", list(&mut versions)),
        ("Seeds of runs", list(&mut { seeds })),
        ("Seeds of evaluations", list(&mut { of_evaluations })),
    ];
    if options.audio {
        facts.push(("Sounds separated on", tools.device.to_string()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn html(page: &Page) -> Result<String, ReportError> {
    let failed = |error: minijinja::Error| ReportError::Template {
        what: "template",
        message: format!("{error:#}"),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.map_err(failed)?);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).map_err(failed)?;
    }
    let template = environment.get_template("report.html").map_err(failed)?;
    template.render(Serde(page)).map_err(failed)
}
