//! Ctrl-C: first politely, then at once.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use super::output::note;

static STOP: AtomicBool = AtomicBool::new(false);

/// A flag that Ctrl-C sets. A second Ctrl-C ends the program.
///
/// # Errors
/// If the handler cannot be set, or was set already.
pub fn flag() -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            process::exit(1);
        }
        note("stopping after this step; press Ctrl-C again to stop at once");
    })?;
    Ok(&STOP)
}
