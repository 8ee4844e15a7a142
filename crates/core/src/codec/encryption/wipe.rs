//! What keys leave behind on a stack.

use zeroize::Zeroize;

/// Deeper than any call of a cipher goes, and a fraction of a thread's stack.
const WIPED_BYTES: usize = 256 * 1024;

/// Overwrites the stack below the caller's frame. A value that was moved leaves a copy where it was, and threads are
/// used again, so the key of an object could outlive the run in memory that nobody owns.
#[inline(never)]
pub(in crate::codec) fn wipe_stack() {
    let mut below = [0xff_u8; WIPED_BYTES];
    below.zeroize();
    std::hint::black_box(&below);
}
