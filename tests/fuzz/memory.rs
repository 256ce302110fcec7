//! An allocator that counts, so that what an input costs in memory is known to the byte.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Beyond so many bytes nothing more is given, which ends the process before it harms the machine.
const ALL: usize = 2 << 30;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
pub struct Counting;

/// Begins a measurement; gives the bytes that are held now.
pub fn begin() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}

/// Most bytes that were held since [`begin`] at one time, beyond those that it gave.
pub fn peak(since: usize) -> usize {
    PEAK.load(Relaxed).saturating_sub(since)
}

/// Counts bytes that `allocate` is to give, or refuses them.
fn take(bytes: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    PEAK.fetch_max(live, Relaxed);
    let given = if live > ALL { ptr::null_mut() } else { allocate() };
    if given.is_null() {
        LIVE.fetch_sub(bytes, Relaxed);
    }
    given
}

// SAFETY: all is done by the system's allocator, or refused by a null pointer, as the trait allows.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the trait's contract.
        take(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        take(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let more = size.saturating_sub(layout.size());
        // SAFETY: as above.
        let given = take(more, || unsafe { System.realloc(pointer, layout, size) });
        if !given.is_null() {
            LIVE.fetch_sub(layout.size().saturating_sub(size), Relaxed);
        }
        given
    }
}
