//! A folder of PostgreSQL client tools for `PG_BIN_DIR`, some of which may misbehave.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::postgres::bin_dir;

/// What a tool does when nothing else was asked for.
const GENUINE: &str = r#"exec "$REAL" "$@""#;

/// The tools of the newest installed PostgreSQL, or scripts in their place. Removed when dropped.
#[derive(Debug)]
pub struct FakeTools {
    folder: TempDir,
    real: PathBuf,
    changed: BTreeMap<String, Changed>,
}

#[derive(Clone, Debug, Default)]
struct Changed {
    version: Option<String>,
    body: Option<String>,
}

impl FakeTools {
    /// Creates a folder in which every tool is the real one.
    pub fn new() -> Self {
        Self::with_real(bin_dir())
    }

    /// As [`FakeTools::new`], with the tools of another installation.
    pub fn with_real(real: PathBuf) -> Self {
        let folder = TempDir::with_prefix("e2e-tools-").expect("create a folder for the tools");
        // The service may run a tool as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open the folder of tools");
        for entry in fs::read_dir(&real).expect("list the tools") {
            let entry = entry.expect("list the tools");
            symlink(entry.path(), folder.path().join(entry.file_name())).expect("link a tool");
        }
        Self { folder, real, changed: BTreeMap::new() }
    }

    /// The folder, for `PG_BIN_DIR`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The real tool behind `name`.
    pub fn real(&self, name: &str) -> PathBuf {
        self.real.join(name)
    }

    /// Puts a `/bin/sh` script in the place of `name`. `"$REAL"` is the real tool and `"$@"` the
    /// arguments; `--version` is answered before `body` is reached.
    pub fn script(&mut self, name: &str, body: &str) -> &mut Self {
        self.change(name, |tool| tool.body = Some(body.to_owned()))
    }

    /// Makes `name` claim to be of `version`, as "18.1", and otherwise do what it did.
    pub fn version(&mut self, name: &str, version: &str) -> &mut Self {
        self.change(name, |tool| tool.version = Some(version.to_owned()))
    }

    /// Takes `name` away, as on an image that lacks it.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        fs::remove_file(self.path().join(name)).unwrap_or_else(|err| panic!("cannot remove {name}: {err}"));
        self
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Changed)) -> &mut Self {
        let tool = self.changed.entry(name.to_owned()).or_default();
        change(tool);
        let script = script_text(name, &self.real.join(name), tool);
        write_program(&self.path().join(name), &script);
        self
    }
}

impl Default for FakeTools {
    fn default() -> Self {
        Self::new()
    }
}

fn script_text(name: &str, real: &Path, tool: &Changed) -> String {
    let answer = match &tool.version {
        Some(version) => format!("echo '{name} (PostgreSQL) {version}'; exit 0"),
        None => r#"exec "$REAL" --version"#.to_owned(),
    };
    let body = tool.body.as_deref().unwrap_or(GENUINE);
    let real = real.display();
    format!("#!/bin/sh\nREAL='{real}'\ncase \"$1\" in --version|-V) {answer};; esac\n{body}\n")
}

/// Writes an executable file without ever opening it for writing in this process: another thread
/// could fork at that moment, and Linux runs no file that any process holds open for writing
/// (ETXTBSY).
fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"rm -f -- "$1" && cat >"$1" && chmod 755 -- "$1""#, "sh"]).arg(path);
    let mut child = shell.stdin(Stdio::piped()).spawn().expect("start a shell");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(text.as_bytes()).expect("feed the shell");
    drop(stdin);
    assert!(child.wait().expect("wait for the shell").success(), "cannot write {}", path.display());
}
