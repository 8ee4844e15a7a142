//! The product's binaries as child processes, with nothing inherited and everything captured.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use self::watch::Watch;
pub use self::{
    build::binary,
    inspect::{command_line, environment, is_alive, processes_named},
};
pub(crate) use self::{nursery::spawn_for_ever, watch::assert_hides_every_secret};

mod build;
mod inspect;
mod nursery;
mod watch;

/// If it is set, every program of ours gets it as `ALLOW_OUTDATED_TOOLS`.
const OUTDATED_TOOLS: &str = "TEST_ALLOW_OUTDATED_TOOLS";

/// How long [`Run::output`] waits unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How long one HTTP request of a test may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the output of a dead process may still be held open by its children.
const OUTPUT_GRACE: Duration = Duration::from_secs(5);

/// A program about to be run. Its environment is empty but for `PATH`, `TMPDIR` (a folder of its
/// own) and what [`Run::env`] adds.
#[derive(Debug)]
pub struct Run {
    program: PathBuf,
    args: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
    deadline: Duration,
}

/// What a finished program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// What every program of ours gets, however it is started, if TEST_ALLOW_OUTDATED_TOOLS says so.
pub fn outdated_tools() -> Option<(&'static str, String)> {
    std::env::var(OUTDATED_TOOLS).ok().map(|allowed| ("ALLOW_OUTDATED_TOOLS", allowed))
}

impl Run {
    /// Runs a binary of this workspace, building it first: see [`binary`].
    pub fn new(name: &str) -> Self {
        Self::program(binary(name)).envs(outdated_tools())
    }

    /// Runs any program.
    pub fn program(program: impl Into<PathBuf>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        Self {
            program: program.into(),
            args: Vec::new(),
            vars: BTreeMap::from([("PATH".into(), path)]),
            deadline: DEADLINE,
        }
    }

    /// Lets another program start this one: it gets these arguments, and then ours with the program before them.
    #[must_use]
    pub fn under(mut self, program: impl Into<PathBuf>, args: &[&str]) -> Self {
        let inner = std::mem::replace(&mut self.program, program.into()).into_os_string();
        let own = std::mem::take(&mut self.args);
        self.args = args.iter().map(OsString::from).chain([inner]).chain(own).collect();
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one variable, in place of an earlier value.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.vars.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets several variables.
    #[must_use]
    pub fn envs<N, V>(self, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        vars.into_iter().fold(self, |run, (name, value)| run.env(name, value))
    }

    /// Unsets a variable.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.vars.remove(OsStr::new(name));
        self
    }

    /// Changes how long [`Run::output`] waits; 60 s by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the program to its end. Panics with its output if that takes longer than the deadline.
    #[track_caller]
    pub fn output(self) -> Output {
        let deadline = self.deadline;
        self.spawn().wait(deadline)
    }

    /// Starts the program and lets it run. Standard input is empty.
    #[track_caller]
    pub fn spawn(self) -> Daemon {
        let folder = TempDir::with_prefix("e2e-run-").expect("create a folder for the program");
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().env("TMPDIR", folder.path()).envs(&self.vars);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|err| panic!("cannot start {}: {err}", self.program.display()));
        let stdout = Captured::start(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Captured::start(child.stderr.take().expect("stderr is a pipe"));
        let watch = Watch::of(&self.program, &self.vars);
        Daemon { child, stdout, stderr, folder, watch }
    }
}

/// A running program; killed when dropped. What it started itself is its own business.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    stdout: Captured,
    stderr: Captured,
    folder: TempDir,
    watch: Watch,
}

impl Daemon {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its `TMPDIR`, unless [`Run::env`] chose another.
    pub fn tmpdir(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What it has written to standard output until now.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error until now.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line that contains `wanted`, on either stream, and returns the first one. Panics
    /// with everything that was written if the program ends or `limit` passes before.
    #[track_caller]
    pub fn wait_for_line(&mut self, wanted: &str, limit: Duration) -> String {
        let end = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait().expect("ask for the state of a child");
            let find = |text: String| text.lines().find(|line| line.contains(wanted)).map(str::to_owned);
            if let Some(line) = find(self.stdout.text()).or_else(|| find(self.stderr.text())) {
                return line;
            }
            if let Some(status) = ended
                && self.stdout.is_complete()
                && self.stderr.is_complete()
            {
                panic!("the program ended ({status}) before it wrote {wanted:?}\n{}", self.words());
            }
            assert!(Instant::now() < end, "no {wanted:?} within {limit:?}\n{}", self.words());
            thread::sleep(POLL);
        }
    }

    /// Whether the program is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("ask for the state of a child").is_none()
    }

    /// Sends a signal to this one process; that it has ended already is no error.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            kill(process_id(self.pid()), signal).expect("signal a child that was not waited for");
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("wait for a killed child");
    }

    /// Waits for the end. Kills the program and panics with its output if `limit` passes before.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Output {
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("ask for the state of a child") {
                break status;
            }
            if Instant::now() > end {
                self.kill9();
                panic!("the program did not end within {limit:?}\n{}", self.words());
            }
            thread::sleep(POLL);
        };
        // A grandchild that outlives the program can hold the pipes open: that must not hang a test.
        let drained = || self.stdout.is_complete() && self.stderr.is_complete();
        if !wait_until(OUTPUT_GRACE, drained) {
            eprintln!("a child of the program still holds its output open");
        }
        self.collect(status)
    }

    fn collect(&self, status: ExitStatus) -> Output {
        if status.code().is_some() {
            self.watch.assert_folder_hides(self.folder.path());
        }
        Output { code: status.code(), signal: status.signal(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn words(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout.text(), self.stderr.text())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
        // A second panic would hide the words of the first.
        if !thread::panicking() {
            self.watch.assert_hides("standard output", &self.stdout.text());
            self.watch.assert_hides("standard error", &self.stderr.text());
        }
    }
}

/// What came out of a pipe, read by a thread so that the writer is never held up.
#[derive(Debug)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Captured {
    fn start(pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let target = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let chunk = pipe.fill_buf().unwrap_or_default();
                if chunk.is_empty() {
                    return;
                }
                locked(&target).extend_from_slice(chunk);
                let taken = chunk.len();
                pipe.consume(taken);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&locked(&self.bytes)).into_owned()
    }

    fn is_complete(&self) -> bool {
        self.reader.is_finished()
    }
}

/// Looks every 20 ms whether `condition` holds, and says whether it did within `limit`.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Asks the server on 127.0.0.1 for `path` and returns the status and the body.
///
/// Speaks HTTP/1.0, so that the answer ends with the connection and is never chunked.
///
/// # Errors
///
/// No server listens, the answer takes more than 10 s, or it is not HTTP.
pub fn http_get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(HTTP_TIMEOUT))?;
    stream.set_write_timeout(Some(HTTP_TIMEOUT))?;
    // In one piece: a server that answers after the first of several would reset the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no head"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    assert_hides_every_secret(&format!("the answer to {path}"), &answer);
    Ok((status, body.to_owned()))
}

/// A port on 127.0.0.1 that was free a moment ago. Another process may take it first.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("find a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// The id in the form that `nix` takes.
pub(crate) fn process_id(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids are small"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
