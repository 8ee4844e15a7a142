//! What a child process may reach: a second line for the case that code of an archive gets out of the database.
//!
//! No privilege is needed for any of it, so it holds in containers without capabilities, too. It can only be narrowed
//! by what the child starts, never widened.

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod filter;

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Which sockets a child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sockets {
    /// Unix sockets to be called at; it can call no other itself.
    Answering,
    /// Unix sockets.
    Local,
    /// Any.
    Any,
}

/// Which files a child may use, beside the programs and libraries of the machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    /// To be read: files, and folders with everything below.
    pub(super) read: Vec<PathBuf>,
    /// Folders in which it may do everything but execute.
    pub(super) own: Vec<PathBuf>,
}

/// What keeps a child from reaching more than it needs, as far as this kernel offers it.
#[derive(Debug)]
pub(super) struct Confinement {
    /// Filters of system calls; none if there is no compiler for this processor.
    #[cfg(target_os = "linux")]
    pub(super) filters: Vec<filter::Program>,
    /// A Landlock ruleset; `None` if the kernel has no Landlock, or if files are not to be confined.
    #[cfg(target_os = "linux")]
    pub(super) rules: Option<OwnedFd>,
    /// What holds once the child is bound to all of it.
    #[cfg(target_os = "linux")]
    pub(super) promised: Held,
}

/// What a child was really kept from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// It has no network.
    pub network: bool,
    /// It reads nothing but programs, libraries and its own files, writes nothing but its own files, and executes
    /// nothing.
    pub files: bool,
}

impl Held {
    /// The lowest bits of a byte, by which a child tells its parent.
    pub(super) fn to_byte(self) -> u8 {
        u8::from(self.network) | u8::from(self.files) << 1
    }

    /// The other way round; several bytes add up.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let bits = bytes.iter().fold(0, |all, byte| all | byte);
        Self { network: bits & 1 != 0, files: bits & 2 != 0 }
    }
}

#[cfg(target_os = "linux")]
impl Confinement {
    /// Prepares what `program` will be confined by. A script is a wrapper of the operator's, which needs other
    /// programs and may write where it likes: its files are not confined.
    pub(super) fn prepare(program: &Path, sockets: Sockets, files: Option<&Files>) -> Self {
        let filters = filter::programs(sockets);
        let confined = files.filter(|_| !is_script(program)).map(|files| files::rules(program, files));
        let (rules, is_whole) = confined.unwrap_or((None, false));
        let network = !filters.is_empty() && sockets != Sockets::Any;
        let promised = Held { network, files: is_whole && rules.is_some() };
        Self { filters, rules, promised }
    }

    /// Whether filters of system calls can be made for this processor.
    pub(super) fn has_filter() -> bool {
        !filter::programs(Sockets::Answering).is_empty()
    }
}

#[cfg(not(target_os = "linux"))]
impl Confinement {
    /// There is nothing to confine a child by.
    pub(super) fn prepare(_: &Path, _: Sockets, _: Option<&Files>) -> Self {
        Self {}
    }

    /// No.
    pub(super) fn has_filter() -> bool {
        false
    }
}

/// Whether another program would run it.
#[cfg(target_os = "linux")]
fn is_script(program: &Path) -> bool {
    use std::io::Read;

    let mut start = [0; 2];
    let read = std::fs::File::open(program).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"#!"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_survives_the_way_to_the_parent() {
        for (network, files) in [(false, false), (true, false), (false, true), (true, true)] {
            let held = Held { network, files };
            assert_eq!(Held::from_bytes(&[held.to_byte()]), held);
        }
        assert_eq!(Held::from_bytes(b""), Held::default());
        let both = Held::from_bytes(&[1, 2]);
        assert!(both.network && both.files);
    }
}
