//! What a panic says, scrubbed like everything else.

use std::backtrace::Backtrace;
use std::panic::{PanicHookInfo, set_hook};
use std::thread;

/// Until the log is there, a panic tells where it was and nothing else: it is not known yet what in its
/// message would be a secret.
pub fn silence_panics() {
    set_hook(Box::new(|panic| eprintln!("panicked at {} before the log was set up", place(panic))));
}

/// From now on a panic is one record of the log, which is scrubbed; with `RUST_BACKTRACE`, the
/// backtrace is a field of it.
pub(crate) fn log_panics() {
    set_hook(Box::new(|panic| {
        let thread = thread::current();
        let backtrace = Backtrace::capture().to_string(); // Without RUST_BACKTRACE this says "disabled backtrace".
        tracing::error!(
            error = panic.payload_as_str().unwrap_or("no message"),
            place = place(panic),
            thread = thread.name().unwrap_or("unnamed"),
            backtrace,
            "panicked; this is a bug"
        );
    }));
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map(ToString::to_string).unwrap_or_default()
}
