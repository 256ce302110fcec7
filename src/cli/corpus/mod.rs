//! `stemwise corpus …`: one file a verb.

mod synth;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Verb {
    /// Compose and synthesise a corpus in the Slakh2100 layout; an interrupted one is continued
    Synth(synth::Arguments),
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Synth(arguments) => synth::run(arguments),
    }
}
