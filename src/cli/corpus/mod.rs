//! `stemwise corpus …`: one file a verb.

mod check;
mod synth;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Verb {
    /// Read every file of a corpus and report what is wrong with it
    ///
    /// Looks at the files and listens to the audio, and believes neither names nor flags. Exit code 0 if nothing needs
    /// to be left out beyond what DIR/exclude.txt lists already, else 1.
    Check(check::Arguments),
    /// Compose and synthesise a corpus in the Slakh2100 layout; an interrupted one is continued
    Synth(synth::Arguments),
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Synth(arguments) => synth::run(arguments),
    }
}
