//! `stemwise corpus verify`

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{bar, output::say},
    corpus::Store,
};

#[derive(Args)]
pub struct Arguments {
    /// A store of 'stemwise corpus prepare'
    store: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let store = Store::open(&arguments.store)?;
    bar::counted("tracks read", |count| store.verify(count))?;
    say(format!(
        "{} tracks are as they were written, hash {}",
        store.tracks().len(),
        store.hash()
    ))
}
