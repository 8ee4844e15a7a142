//! What a process does first, before it holds a secret: it closes its memory to others.

use nix::sys::resource::{Resource, setrlimit};

/// Switches core dumps off, for this process and all its children, and on Linux makes this process one
/// that other processes of the same user can neither trace nor read the memory and environment of.
///
/// Children are readable again once they are another program: they get no secret by their environment.
/// A system that refuses is no reason not to make backups; it gets a line on standard error, since
/// there is no log yet.
pub fn harden() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        eprintln!("cannot switch core dumps off: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        eprintln!("cannot close the memory of this process to others: {error}");
    }
}
