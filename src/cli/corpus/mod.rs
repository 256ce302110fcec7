//! `stemwise corpus …`: one file a verb.

mod render;
mod synth;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Verb {
    /// Render General MIDI files through SoundFonts; an interrupted corpus is continued
    Render(render::Arguments),
    /// Compose and synthesise a corpus in the Slakh2100 layout; an interrupted one is continued
    Synth(synth::Arguments),
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Render(arguments) => render::run(arguments),
        Verb::Synth(arguments) => synth::run(arguments),
    }
}
