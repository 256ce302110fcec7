//! `stemwise corpus …`: one file a verb.

mod prepare;
mod synth;
mod verify;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Verb {
    /// Decode a corpus once, into a store that training maps into memory; an interrupted one is continued
    Prepare(prepare::Arguments),
    /// Compose and synthesise a corpus in the Slakh2100 layout; an interrupted one is continued
    Synth(synth::Arguments),
    /// Read all of a prepared store and compare it with its hashes
    Verify(verify::Arguments),
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Prepare(arguments) => prepare::run(&arguments),
        Verb::Synth(arguments) => synth::run(arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
    }
}
