//! The command line: one file a verb. It knows every room, and none knows it: what a verb does is in the library, and
//! here is what is asked of people and said to them (`output`, `bar`, `table`). Exit codes: 0 done, 1 failed or
//! stopped, 2 misused. Start reading at [`main`], then at `train.rs`.

mod abx;
mod bar;
mod bench;
mod built_in;
mod corpus;
mod demo;
mod device;
mod devices;
mod dump;
mod embed;
mod evaluate;
mod exchange;
mod interrupt;
mod output;
mod pipeline;
mod plan;
mod recipe;
mod recipes;
mod report;
mod reproduce;
mod rows;
mod runs;
mod search;
mod separate;
#[cfg(feature = "serve")]
mod serve;
mod table;
mod train;
mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::{Closed, Misuse};

/// Music similarity, one instrument at a time: training and use of separation models on any GPU.
#[derive(Parser)]
#[command(name = "stemwise", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the devices that models can run on
    Devices,
    /// Check and make corpora
    #[command(subcommand)]
    Corpus(corpus::Verb),
    /// Judgements of similarity by ear: what a file holds, and simulated ones
    #[command(subcommand)]
    Abx(abx::Verb),
    /// List the recipes of the papers, or print one with every setting
    Recipes(recipes::Arguments),
    /// Train a stage of a paper, or of a recipe of your own
    ///
    /// Ctrl-C saves the run; --resume continues it, bit for bit as if it had not been stopped.
    Train(train::Arguments),
    /// Train a stage and all that it builds on; what is done is kept, what was stopped is continued
    Pipeline(pipeline::Arguments),
    /// List runs: their recipes, how far they are, their scores and what they build on
    Runs(runs::Arguments),
    /// Write a run's weights with a model card, to be passed on
    Export(exchange::Export),
    /// Make a run of weights that were trained elsewhere
    Import(exchange::Import),
    /// Separate songs into stems
    Separate(separate::Arguments),
    /// Time every variant of every convolution, beside what the device can do at most
    Bench(bench::Arguments),
    /// Measure which variant of each operation is the fastest here, and remember it for all later runs
    Tune(tune::Arguments),
    /// Score trained runs by the papers' protocols
    ///
    /// Each score stands beside chance and, with --untrained, beside the network before training.
    Evaluate(evaluate::Arguments),
    /// Write runs and evaluations as one HTML page: tables, curves, pictures, and stems to be heard
    Report(report::Arguments),
    /// Train and evaluate the rows of the papers' tables: all stages, all protocols
    ///
    /// What is finished is kept; what was stopped goes on with the same command.
    Reproduce(reproduce::Arguments),
    /// Describe music, file by file, for 'stemwise search'
    ///
    /// What is in the library already is not described again; what is stopped goes on with the same command.
    Embed(embed::Arguments),
    /// Find music in a library that is like other music, in some instruments or in all
    Search(search::Arguments),
    /// Show a library in a browser: find, hear and compare music by instrument
    #[cfg(feature = "serve")]
    Serve(serve::Arguments),
    /// Show what a training step does and needs, before anything is allocated
    Plan(plan::Arguments),
    /// Everything once, small: synthesise a corpus, train and evaluate on it, write the report: a few minutes
    Demo(demo::Arguments),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Devices => devices::run(),
        Verb::Corpus(verb) => corpus::run(verb),
        Verb::Abx(verb) => abx::run(verb),
        Verb::Recipes(arguments) => recipes::run(&arguments),
        Verb::Train(arguments) => train::run(arguments),
        Verb::Pipeline(arguments) => pipeline::run(&arguments),
        Verb::Runs(arguments) => runs::run(&arguments),
        Verb::Export(arguments) => exchange::export_run(&arguments),
        Verb::Import(arguments) => exchange::import_run(&arguments),
        Verb::Separate(arguments) => separate::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Tune(arguments) => tune::run(&arguments),
        Verb::Evaluate(arguments) => evaluate::run(&arguments),
        Verb::Report(arguments) => report::run(arguments),
        Verb::Reproduce(arguments) => reproduce::run(&arguments),
        Verb::Embed(arguments) => embed::run(&arguments),
        Verb::Search(arguments) => search::run(&arguments),
        #[cfg(feature = "serve")]
        Verb::Serve(arguments) => serve::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Demo(arguments) => demo::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // the reader of our output has seen enough
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::from(if is_misuse(&error) { 2 } else { 1 })
        }
    }
}

fn is_misuse(error: &anyhow::Error) -> bool {
    error.is::<Misuse>()
        || matches!(
            error.downcast_ref(),
            Some(crate::Error::NoSuchDevice { .. } | crate::Error::Variable { .. })
        )
        || matches!(
            error.downcast_ref(),
            Some(crate::eval::EvalError::Option { .. } | crate::eval::EvalError::Unfit { .. })
        )
        || matches!(
            error.downcast_ref(),
            Some(
                crate::train::TrainError::Setting { .. }
                    | crate::train::TrainError::Recipe { .. }
                    | crate::train::TrainError::Config { .. }
            )
        )
}
