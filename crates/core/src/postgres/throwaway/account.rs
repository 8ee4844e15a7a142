//! The operating-system user that a server runs as: PostgreSQL refuses to be root.

use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use nix::unistd::{User, geteuid};

use super::super::before_exec::Account;

/// The user whom PostgreSQL's packages make, and one that every system has.
const SERVER_USERS: [&str; 2] = ["postgres", "nobody"];

/// The user to run a server as; `None` means as we are.
///
/// # Errors
/// Where we are root and none of [`SERVER_USERS`] exists.
pub(super) fn server_account() -> anyhow::Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in SERVER_USERS {
        let user = User::from_name(name).with_context(|| format!("look up the user {name}"))?;
        if let Some(user) = user.filter(|user| !user.uid.is_root()) {
            return Ok(Some(Account { uid: user.uid, gid: user.gid }));
        }
    }
    bail!("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

/// Gives `path` to the user.
///
/// # Errors
/// Where the file system refuses.
pub(super) fn give(path: &Path, account: Option<Account>) -> io::Result<()> {
    match account {
        Some(account) => std::os::unix::fs::chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())),
        None => Ok(()),
    }
}
