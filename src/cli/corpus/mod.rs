//! `stemwise corpus …`: one file a verb.

mod check;
mod export;
mod prepare;
mod render;
mod select;
mod synth;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::bail;
use clap::Subcommand;

use crate::{
    cli::bar,
    corpus::{
        Corpus, Store,
        store::{Event, PrepareOptions, prepare as prepare_store},
    },
};

#[derive(Subcommand)]
pub enum Verb {
    /// Decode a corpus once, into a store that training maps into memory; an interrupted one is continued
    Prepare(prepare::Arguments),
    /// Read every file of a corpus and report what is wrong with it
    ///
    /// Looks at the files and listens to the audio, and believes neither names nor flags. Exit code 0 if nothing needs
    /// to be left out beyond what DIR/exclude.txt lists already, else 1.
    Check(check::Arguments),
    /// Choose pieces by the rules of the papers; what is dropped goes into a list that everything honours
    Select(select::Arguments),
    /// Render General MIDI files through SoundFonts; an interrupted corpus is continued
    Render(render::Arguments),
    /// Compose and synthesise a corpus in the Slakh2100 layout; an interrupted one is continued
    Synth(synth::Arguments),
    /// Write the mixes of pieces, or of the papers' pseudo pieces, for a program that separates
    Export(export::Arguments),
    /// Read all of a prepared store and compare it with its hashes
    Verify(verify::Arguments),
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Prepare(arguments) => prepare::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Select(arguments) => select::run(&arguments),
        Verb::Render(arguments) => render::run(arguments),
        Verb::Synth(arguments) => synth::run(arguments),
        Verb::Export(arguments) => export::run(&arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
    }
}

/// A store of the corpus: itself, if it is one, else `store` in the folder `out`, which is made or continued.
pub fn prepared(corpus: &Path, out: &Path, stop: &AtomicBool) -> anyhow::Result<PathBuf> {
    if Store::is_at(corpus) {
        return Ok(corpus.into());
    }
    let (corpus, store) = (Corpus::open(corpus)?, out.join("store"));
    let bar = bar::counter("tracks prepared");
    let observe = |event| {
        if let Event::Prepared { done, total } = event {
            bar::count(&bar, done, total);
        }
    };
    let summary = prepare_store(&corpus, &store, &PrepareOptions::default(), stop, &observe);
    bar.finish_and_clear();
    let summary = summary?;
    if summary.interrupted {
        bail!("stopped; the same command continues");
    }
    if let Some(failure) = summary.failures.into_iter().next() {
        return Err(failure.error.into());
    }
    Ok(store)
}

/// Three weights, as 70,15,15.
fn shares(text: &str) -> Result<[u32; 3], String> {
    let shares = text.split(',').map(|share| share.trim().parse());
    let shares: Result<Vec<u32>, _> = shares.collect();
    let shares = shares.ok().and_then(|shares| shares.try_into().ok());
    shares.ok_or_else(|| "three whole numbers are expected, as 70,15,15".into())
}
