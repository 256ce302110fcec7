//! Ctrl-C: first politely, then at once. Verbs that only read, or write all in the end, need none of this: the system
//! ends them.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::output::note;

static STOP: AtomicBool = AtomicBool::new(false);
/// There is nothing yet that a polite end would save.
static IDLE: AtomicBool = AtomicBool::new(false);

/// A flag that Ctrl-C sets, as does a signal to terminate. A second one ends the program, and so does the first while
/// there is nothing to be saved.
///
/// # Errors
/// If the handler cannot be set.
pub fn flag() -> anyhow::Result<&'static AtomicBool> {
    let set = ctrlc::set_handler(|| {
        let again = STOP.swap(true, Relaxed);
        if !again && IDLE.load(Relaxed) {
            note("stopped before there was anything to save");
        }
        if again || IDLE.load(Relaxed) {
            process::exit(1);
        }
        note("stopping after this step; press Ctrl-C again to stop at once");
    });
    match set {
        // by an earlier verb of the demo
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(&STOP),
        Err(_) => anyhow::bail!("Ctrl-C cannot be listened to: the system refuses it"),
    }
}

/// Says whether there is nothing yet that a polite end would save.
pub fn idle(yes: bool) {
    IDLE.store(yes, Relaxed);
}
