//! Where a fresh password comes from: a file that is replaced, or a command that makes one.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::before_exec::BeforeExec;
use super::Conninfo;
use super::settings::read_password;
use crate::config::environment;
use crate::live_secret::LiveSecret;
use crate::scrub::Scrubber;
use crate::secret::Secret;
use crate::text::whole_words;

/// A command that has not ended by then is killed. Those of clouds ask a metadata service, and some start an interpreter.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// A token that is younger than this is used again. Those of clouds live for 15 minutes and more, and a run connects many
/// times.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Far longer than every token.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024;

/// Maximum characters that are shown of what a command wrote to standard error.
const MAX_WORDS_CHARACTERS: usize = 200;

/// Variables that a command gets: where programs are, and what the tools of clouds go by. Nothing of ours.
const NAMES: [&str; 9] =
    ["PATH", "HOME", "TMPDIR", "LANG", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];
const PREFIXES: [&str; 4] = ["AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_"];

/// Where a fresh password comes from.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// A file with the password alone.
    File(LiveSecret),
    /// A file with a whole connection string. What else changes in it counts after a restart.
    Url(LiveSecret),
    /// A command that prints one.
    Command(PasswordCommand),
}

/// A command that prints a password. Clones share the one that it printed last.
#[derive(Clone)]
pub struct PasswordCommand {
    words: Arc<[String]>,
    last: Arc<Mutex<Option<(Instant, Secret)>>>,
}

impl fmt::Debug for PasswordCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Why a command gave no password.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_PASSWORD_COMMAND {0}")]
pub struct PasswordError(String);

impl PasswordSource {
    /// The password as it is now; `None` if the file has none that can be used.
    ///
    /// # Errors
    /// If a command fails. Its output is never shown.
    pub(in crate::postgres) async fn password(&self) -> Result<Option<Secret>, PasswordError> {
        match self {
            Self::File(file) => Ok(read_password(file.now().expose()).ok().flatten()),
            Self::Url(file) => {
                let conninfo = Conninfo::parse(&file.now()).ok();
                let password = conninfo.and_then(|conninfo| conninfo.password().cloned());
                // Alone, too: the scrubber knows the new text of the file as a whole.
                password.iter().for_each(Scrubber::learn);
                Ok(password)
            }
            Self::Command(command) => command.password().await.map(Some),
        }
    }
}

impl PasswordCommand {
    /// Of the words of a command line, which is run without a shell; `None` if there is none.
    pub fn new(words: Vec<String>) -> Option<Self> {
        (!words.is_empty()).then(|| Self { words: words.into(), last: Arc::default() })
    }

    async fn password(&self) -> Result<Secret, PasswordError> {
        let mut last = self.last.lock().await;
        if let Some((made_at, password)) = last.as_ref()
            && made_at.elapsed() < MAX_AGE
        {
            return Ok(password.clone());
        }
        let made_at = Instant::now();
        let run = timeout(COMMAND_TIMEOUT, self.run()).await;
        let password = run.unwrap_or_else(|_| Err(format!("did not end within {} s", COMMAND_TIMEOUT.as_secs())));
        let password = password.map_err(PasswordError)?;
        *last = Some((made_at, password.clone()));
        Ok(password)
    }

    async fn run(&self) -> Result<Secret, String> {
        let [program, args @ ..] = self.words.as_ref() else { return Err("is empty".to_owned()) };
        let is_passed = |name: &str| NAMES.contains(&name) || PREFIXES.iter().any(|start| name.starts_with(start));
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(environment().filter(|(name, _)| is_passed(name)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        BeforeExec::dying_by(Signal::SIGKILL).arrange(command.as_std_mut());
        let mut child = command.spawn().map_err(|error| format!("cannot be started: {}", error.kind()))?;
        let group = Group(child.id().and_then(|pid| i32::try_from(pid).ok()));
        let (output, words) = (child.stdout.take(), child.stderr.take());
        let (output, words) = tokio::join!(read(output), read(words));
        let status = child.wait().await.map_err(|error| format!("cannot be waited for: {}", error.kind()))?;
        group.has_ended();
        let text = output.expose().trim_end_matches(['\r', '\n']);
        let printed = read_password(text);
        if let Ok(Some(password)) = &printed {
            Scrubber::learn(password); // Before anything is told of how it ended.
        }
        if !status.success() {
            return Err(format!("failed ({status}){}", shown(&words)));
        }
        match printed {
            Ok(Some(password)) => Ok(password),
            Ok(None) => Err(format!("printed nothing{}", shown(&words))),
            Err(_) => Err("printed more than one line".to_owned()),
        }
    }
}

/// The processes of a command, which end with it if it takes too long.
struct Group(Option<i32>);

impl Group {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.map(|leader| killpg(Pid::from_raw(leader), Signal::SIGKILL)) {
            tracing::debug!(%error, "cannot end the processes of DATABASE_PASSWORD_COMMAND");
        }
    }
}

/// What a stream brings, as far as it may go. What is more is not read, and ends a command that goes on.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> Secret {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What came before an error says enough.
        drop(stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await);
    }
    Secret::new(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last line of what a command said about itself.
fn shown(words: &Secret) -> String {
    let line = words.expose().lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|one| !one.is_control()).collect();
    let line = whole_words(&line, MAX_WORDS_CHARACTERS);
    if line.is_empty() { String::new() } else { format!(": {line}") }
}
