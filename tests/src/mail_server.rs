//! A real mail server: that of the Python package aiosmtpd, which `tests/lib/aiosmtpd.sh` installs and names by
//! [`PROGRAM`].

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::certificates::Issued;
use crate::process::{spawn_for_ever, wait_until};

/// The variable that names a Python that has the package.
pub const PROGRAM: &str = "AIOSMTPD";

/// Loading Python's packages takes a while on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// At once.
    Implicit,
    /// After STARTTLS, which it wants before anything else.
    StartTls,
}

/// Who may send.
#[derive(Clone, Copy, Debug)]
pub struct MailLogin {
    /// A name without quotes and backslashes.
    pub user: &'static str,
    /// A password without quotes and backslashes.
    pub password: &'static str,
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct MailServer {
    server: Child,
    folder: TempDir,
    port: u16,
}

impl MailServer {
    /// Starts one on 127.0.0.1 that takes every message of a client that logs in; `None` if it is not installed.
    pub fn start(tls: MailTls, issued: &Issued, login: MailLogin) -> Option<Self> {
        let program = PathBuf::from(std::env::var_os(PROGRAM).filter(|program| !program.is_empty())?);
        let folder = TempDir::with_prefix("e2e-mail-").expect("create a folder for mail");
        let options = format!(
            r#"{{"folder": "{}", "tls": "{}", "certificate": "{}", "key": "{}", "user": "{}", "password": "{}"}}"#,
            folder.path().display(),
            if tls == MailTls::Implicit { "tls" } else { "starttls" },
            issued.certificate.display(),
            issued.key.display(),
            login.user,
            login.password,
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/lib/mail_server.py");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program).args([script, &options]);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = spawn_for_ever(command);
        let port = folder.path().join("port");
        let is_there = wait_until(START_LIMIT, || port.exists());
        let mut started = Self { server, folder, port: 0 };
        assert!(is_there, "{} did not start a mail server", program.display());
        started.port = fs::read_to_string(&port).expect("read a port").parse().expect("a port");
        Some(started)
    }

    /// `localhost:port`.
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// From now on this is the password.
    pub fn change_password(&self, password: &str) {
        let (new, path) = (self.folder.path().join(".password"), self.folder.path().join("password"));
        fs::write(&new, password).expect("write a password");
        fs::rename(new, path).expect("rename a password");
    }

    /// From now on each sender gets this answer: a code and a text.
    pub fn refuse(&self, answer: &str) {
        fs::write(self.folder.path().join("answer"), answer).expect("write an answer");
    }

    /// From now on messages are taken again.
    pub fn accept(&self) {
        fs::remove_file(self.folder.path().join("answer")).expect("remove an answer");
    }

    /// The messages that were taken until now: sender, recipients, how they came and their text, as JSON.
    pub fn received(&self) -> Vec<String> {
        self.files("message-")
    }

    /// How many senders were refused until now.
    pub fn refused(&self) -> usize {
        self.files("refused-").len()
    }

    fn files(&self, start: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("read the folder of a mail server");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).expect("read a message")).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Failing means that it is gone already.
        if self.server.kill().is_ok()
            && let Err(err) = self.server.wait()
        {
            eprintln!("cannot wait for the killed mail server: {err}");
        }
    }
}
