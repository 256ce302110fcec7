//! Calls into libraries that may panic at what a file holds.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns; `None` if it panics, of which nothing is printed. What it was changing must not be used again
/// then. It must hand no work to other threads: their panics are printed, and work that this thread takes from them
/// while it waits is guarded, too.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    be_quiet_while_guarded();
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.ok()
}

/// The hook that prints panics is one for the whole process: ours asks on which thread it is, and leaves all other
/// panics to the one that was there.
fn be_quiet_while_guarded() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.try_with(Cell::get).unwrap_or(false) {
                print(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_the_guard_ends_with_it() {
        let nested = guarded(|| {
            assert_eq!(guarded(|| -> u8 { panic!("never to be read") }), None);
            assert!(GUARDED.get(), "the outer guard holds on");
            7
        });
        assert_eq!(nested, Some(7));
        assert!(!GUARDED.get());
    }
}
