//! The operating-system user that a server runs as: PostgreSQL refuses to be root.

use std::{ffi::OsStr, os::unix::fs::chown, path::Path, process::Command};

use nix::unistd::{User, geteuid};

/// The user whom the packages of PostgreSQL create.
const SERVER_USER: &str = "postgres";

/// The owner of the files of a server.
#[derive(Clone, Debug)]
pub(super) enum Account {
    /// The user who runs the tests.
    Ourselves,
    /// The packages' user, because the tests run as root.
    Other(Box<User>),
}

impl Account {
    /// The user to run servers as.
    pub(super) fn for_servers() -> Self {
        if !geteuid().is_root() {
            return Self::Ourselves;
        }
        let user = User::from_name(SERVER_USER).expect("look up the user postgres");
        Self::Other(Box::new(user.expect("as root, the tests need a user named postgres")))
    }

    /// A command that runs `program` as this user and dies by SIGKILL when the thread that starts
    /// it ends.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Self::Other(user) = self {
            command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]).arg("--clear-groups");
        }
        command.arg("--").arg(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        command
    }

    /// Gives `path` to this user.
    pub(super) fn own(&self, path: &Path) {
        if let Self::Other(user) = self {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("give a file to postgres");
        }
    }
}
