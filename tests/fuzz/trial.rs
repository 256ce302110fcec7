//! One input: what a parser makes of it, and what that costs.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    memory,
    parsers::{Read, Reader},
};

/// Seconds that an input may take.
const SECONDS: f64 = 1.0;
/// Bytes that may be held for an input, beside those of the parser.
const BYTES: usize = 256 << 20;
/// A slow input is tried again so often: others may have had the processor.
const AGAIN: usize = 2;

/// What panicked since the last trial began, and whether that is said at once.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LOUD: AtomicBool = AtomicBool::new(false);

pub struct Trial {
    /// None if a panic escaped.
    pub read: Option<Read>,
    /// Places of panics and their messages, those that became an error too.
    pub panics: Vec<String>,
    pub seconds: f64,
    pub bytes: usize,
}

/// Notes panics from now on, for [`Trial::of`]; `loud` ones are printed as well.
pub fn note_panics(loud: bool) {
    LOUD.store(loud, Relaxed);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info
            .location()
            .map_or(String::new(), |at| format!("{}:{}", at.file(), at.line()));
        let text = message(info.payload()).lines().next().unwrap_or_default();
        let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        panics.push(format!("{text} ({})", shorten(&place)));
        if LOUD.load(Relaxed) {
            usual(info);
        }
    }));
}

/// What a panic says.
fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied())
        .unwrap_or_default()
}

/// The path of a source file without the folder of all crates.
fn shorten(place: &str) -> &str {
    place
        .split_once("/registry/src/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(place, |(_, rest)| rest)
}

impl Trial {
    /// Tries an input.
    pub fn of(reader: &Reader, bytes: &[u8]) -> Self {
        let mut trial = Self::once(reader, bytes);
        for _ in 0..AGAIN {
            if trial.seconds > SECONDS {
                let again = Self::once(reader, bytes);
                trial.seconds = trial.seconds.min(again.seconds);
            }
        }
        trial
    }

    fn once(reader: &Reader, bytes: &[u8]) -> Self {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let held = memory::begin();
        let since = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| reader(bytes))).ok();
        let seconds = since.elapsed().as_secs_f64();
        let bytes = memory::peak(held);
        let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
        Trial {
            read,
            panics,
            seconds,
            bytes,
        }
    }

    /// What must not happen, if it did.
    pub fn fault(&self) -> Option<String> {
        if self.read.is_none() {
            let said = self.panics.last().map_or("", String::as_str);
            return Some(format!("a panic escapes: {said}"));
        }
        if self.seconds > SECONDS {
            return Some(format!("it takes {:.1} s", self.seconds));
        }
        (self.bytes > BYTES).then(|| format!("it takes {} MiB", self.bytes >> 20))
    }

    /// Counts the panics that became errors, by place.
    pub fn count_caught(&self, caught: &mut BTreeMap<String, u64>) {
        if self.read.is_some() {
            for panic in &self.panics {
                // numbers in a message would make every one another
                let place = panic.rsplit_once('(').map_or(panic.as_str(), |(_, place)| place);
                *caught.entry(place.trim_end_matches(')').to_string()).or_default() += 1;
            }
        }
    }
}
