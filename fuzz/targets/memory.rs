//! How much memory a thread holds at most, so that a target can see whether an input was believed.
#![allow(unsafe_code, reason = "an allocator cannot be written without; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All threads together get no more: a reader that wants it ends the process at once instead of filling the machine.
const MAX_BYTES: usize = 2 << 30;

static HELD_BY_ALL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread holds.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Whether a thread may have `bytes` more; then they count as held.
fn take(bytes: usize) -> bool {
    if HELD_BY_ALL.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MAX_BYTES {
        HELD_BY_ALL.fetch_sub(bytes, Ordering::Relaxed);
        return false;
    }
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
    true
}

/// What one thread takes, another may give back.
fn give_back(bytes: usize) {
    HELD_BY_ALL.fetch_sub(bytes, Ordering::Relaxed);
    HELD.set(HELD.get().saturating_sub(bytes));
}

// SAFETY: every call goes to the system's allocator unchanged, or fails; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        if take(layout.size()) { unsafe { System.alloc(layout) } } else { null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        if take(layout.size()) { unsafe { System.alloc_zeroed(layout) } } else { null_mut() }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !take(bytes) {
            return null_mut();
        }
        give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that `work` held at once on this thread, beside what was held before.
pub(crate) fn most_during(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before)
}

#[test]
fn what_is_held_at_once_is_counted_and_what_was_given_back_is_not() {
    let most = most_during(|| (0..10).for_each(|_| drop(vec![7_u8; 100_000])));
    assert!((100_000..200_000).contains(&most), "{most}");
    let most = most_during(|| drop([vec![7_u8; 100_000], vec![7_u8; 100_000]]));
    assert!((200_000..300_000).contains(&most), "{most}");
}
