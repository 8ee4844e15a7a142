//! What keys leave behind on a stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// Deeper than any call of a cipher goes, and a fraction of a thread's stack.
const WIPED_BYTES: usize = 256 * 1024;

/// More than a frame holds beside its largest array.
const GAP_BYTES: usize = 4 * 1024;

/// Runs `work`, which handles keys, and overwrites what it has left below the caller's frame. A value that was moved
/// leaves a copy where it was, and threads are used again, so the key of an object could outlive the run in memory
/// that has no owner.
pub(in crate::codec) fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let done = below_a_gap(work);
    wipe();
    done
}

/// Without the gap, the first bytes of `work`'s frame would lie where the frame of [`wipe`] has something else than
/// what it overwrites.
#[inline(never)]
fn below_a_gap<T>(work: impl FnOnce() -> T) -> T {
    let gap = [0_u8; GAP_BYTES];
    black_box(&gap);
    let done = work();
    black_box(&gap);
    done
}

#[inline(never)]
fn wipe() {
    let mut below = [0xff_u8; WIPED_BYTES];
    below.zeroize();
    black_box(&below);
}
