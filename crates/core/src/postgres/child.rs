//! A child process as a stream whose clean end means success.

mod words;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::before_exec::BeforeExec;
use super::confinement::Confinement;
use crate::scrub::Scrubber;
use crate::stop::{Share, Stop, Stopped};

pub(super) use words::Words;

/// How long a child may take to end after SIGTERM before SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// A pipe of this size (the kernel's default bound for users) saves most context switches of a
/// child that writes 4 KiB at a time.
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1024 * 1024;

/// After a read of fewer bytes than these from such a pipe, the next one waits for [`PAUSE`]. A reader that is as
/// fast as the child would otherwise be woken for each of its 4 KiB. A child needs more than a gigabyte a second to
/// fill the pipe meanwhile.
const FEW_BYTES: usize = 256 * 1024;
const PAUSE: Duration = Duration::from_millis(1);

/// A program to run, with an environment built from nothing.
pub(super) struct ChildSpec {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// What it may reach.
    pub(super) confinement: Confinement,
    /// What becomes of what it says on standard error.
    pub(super) words: Words,
}

/// Why a child's output is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It ended with something other than exit status 0.
    #[error("{tool} failed ({status}): {words}")]
    Failed {
        /// The program.
        tool: String,
        /// How it ended.
        status: ExitStatus,
        /// The scrubbed end of its standard error, if that was kept.
        words: String,
    },
    /// The run was stopped before the child ended.
    #[error(transparent)]
    Stopped(Stopped),
}

/// Between two looks at a child that says nothing.
const LOOK: Duration = Duration::from_secs(2);

/// The standard output of a running child.
///
/// Its end is held back until the exit status is known to be 0; anything else is a read error, and
/// after an error every further read fails. A stop is a read error, too. The child's whole process
/// group ends with it, and when this value is dropped: SIGTERM, and SIGKILL two seconds later; the
/// kernel kills the child if this process dies first.
pub struct ChildReader {
    tool: String,
    stdout: ChildStdout,
    /// The wait before the next read, if the pipe is wide.
    pause: Option<Pin<Box<Sleep>>>,
    /// The wait before the next look whether the child still runs, for as long as nothing comes.
    look: Pin<Box<Sleep>>,
    running: Option<Running>,
    stop: Stop,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    ending: Option<Ending>,
    state: State,
}

struct Running {
    leader: Leader,
    stderr: Stderr,
}

/// The child, which leads a process group of its own. The whole group ends with it, whether it was waited for or
/// dropped.
struct Leader {
    child: Option<Child>,
    group: Option<Pid>,
    /// Whether it was seen to have ended while its standard output was still open.
    left_behind: bool,
}

/// What reads the child's standard error.
struct Stderr {
    tail: JoinHandle<String>,
    /// Ends the reading although a process may still hold the other end.
    enough: CancellationToken,
}

type Ending = Pin<Box<dyn Future<Output = (io::Result<ExitStatus>, String)> + Send>>;

enum State {
    Reading,
    Ended,
    Broken,
}

impl ChildReader {
    /// Starts the child.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn spawn(spec: ChildSpec, scrubber: &Scrubber, stop: &Stop) -> io::Result<Self> {
        let tool = spec.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(spec.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let speakers = match &spec.words {
            Words::Tail(_) => None,
            Words::Lines(_) => Some(words::Speakers::open()?),
        };
        let (theirs, speakers) = speakers.map_or((Stdio::piped(), None), |(theirs, ours)| (theirs, Some(ours)));
        command.stderr(theirs);
        command.process_group(0).kill_on_drop(true);
        BeforeExec::dying_by(Signal::SIGKILL).confined(spec.confinement).arrange(command.as_std_mut());
        let mut child = command.spawn()?;
        drop(command); // Our copy of the child's end of its standard error, which would never end.
        let no_pipe = || io::Error::other("the child has no pipes");
        let stdout = child.stdout.take().ok_or_else(no_pipe)?;
        let enough = CancellationToken::new();
        let until = enough.clone();
        let tail = match (spec.words, speakers, child.stderr.take()) {
            (Words::Tail(bytes), _, Some(stderr)) => {
                crate::task::spawn(words::tail(stderr, bytes, scrubber.clone(), until))
            }
            (Words::Lines(listener), Some(speakers), _) => crate::task::spawn(words::lines(speakers, listener, until)),
            _ => return Err(no_pipe()),
        };
        let pause = widen_pipe(&stdout).then(|| Box::pin(sleep(Duration::ZERO)));
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let leader = Leader { child: Some(child), group, left_behind: false };
        Ok(Self {
            tool,
            stdout,
            pause,
            look: Box::pin(sleep(LOOK)),
            running: Some(Running { leader, stderr: Stderr { tail, enough } }),
            stop: stop.clone(),
            stopped: Box::pin(stop.token().clone().cancelled_owned()),
            ending: None,
            state: State::Reading,
        })
    }

    /// The number of the process group that it leads.
    pub fn group(&self) -> Option<i32> {
        self.running.as_ref().and_then(|running| running.leader.group).map(Pid::as_raw)
    }

    /// After the end of standard output: waits for the status and the last words.
    fn poll_status(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(mut running) = self.running.take() {
            let stop = self.stop.clone();
            self.ending = Some(Box::pin(async move {
                let status = running.leader.wait().await;
                // A child's own children may live on, and hold its standard error open.
                running.leader.end_group(Signal::SIGTERM);
                let Stderr { mut tail, enough } = running.stderr;
                let words = match timeout(stop.limit(Share::CleanUp, TERM_GRACE), &mut tail).await {
                    Ok(words) => words,
                    Err(_) => {
                        running.leader.end_group(Signal::SIGKILL);
                        enough.cancel();
                        tail.await
                    }
                };
                (status, words.unwrap_or_default())
            }));
        }
        let Some(ending) = &mut self.ending else { return Poll::Ready(Ok(())) };
        let (status, words) = ready!(ending.as_mut().poll(context));
        self.ending = None;
        let status = status?;
        if !status.success() {
            let words = if words.is_empty() { "it said nothing".to_owned() } else { words };
            return Poll::Ready(Err(io::Error::other(ChildError::Failed { tool: self.tool.clone(), status, words })));
        }
        if !words.is_empty() {
            tracing::warn!(tool = self.tool, words, "the tool succeeded with warnings");
        }
        Poll::Ready(Ok(()))
    }

    /// While nothing comes: looks now and then whether the child has ended and left its output open to another process.
    /// What is left of its group is killed; a process that has left the group is an error.
    fn poll_left_behind(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        while self.look.as_mut().poll(context).is_ready() {
            self.look.as_mut().reset(Instant::now() + LOOK);
            let Some(running) = &mut self.running else { continue };
            let leader = &mut running.leader;
            let has_ended = leader.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            if has_ended && leader.left_behind {
                let words = format!("{} has ended, and a process that it started holds its output", self.tool);
                return Poll::Ready(io::Error::other(words));
            }
            if has_ended {
                leader.left_behind = true;
                leader.end_group(Signal::SIGKILL);
            }
        }
        Poll::Pending
    }

    fn poll_next(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            let reason = self.stop.reason().unwrap_or(Stopped::Signal);
            return Poll::Ready(Err(io::Error::other(ChildError::Stopped(reason))));
        }
        if self.running.is_some() {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
            }
            let before = buffer.filled().len();
            match Pin::new(&mut self.stdout).poll_read(context, buffer) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => return self.poll_left_behind(context).map(Err),
            }
            let read_bytes = buffer.filled().len() - before;
            if let Some(pause) = self.pause.as_mut().filter(|_| read_bytes < FEW_BYTES && buffer.remaining() > 0) {
                pause.as_mut().reset(Instant::now() + PAUSE);
            }
            if read_bytes > 0 || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(self.poll_status(context))?;
        self.state = State::Ended;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ChildReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state {
            State::Ended => Poll::Ready(Ok(())),
            State::Broken => Poll::Ready(Err(io::Error::other("the stream broke before"))),
            State::Reading => {
                let outcome = ready!(self.poll_next(context, buffer));
                if outcome.is_err() {
                    self.state = State::Broken;
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl Leader {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => Err(io::Error::other("the child was dropped")),
        }
    }

    /// Signals what is left of the group. To be called at once after the wait: the kernel gives the number to
    /// no other process for as long as the group has members.
    fn end_group(&self, signal: Signal) {
        if let Some(group) = self.group {
            signal_group(group, signal);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // There is no id if it was waited for: its group has ended then.
        let Some(child) = self.child.take().filter(|child| child.id().is_some()) else { return };
        let Some(group) = self.group else { return };
        signal_group(group, Signal::SIGTERM);
        let mut doomed = Doomed { group, child };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let has_ended = timeout(TERM_GRACE, doomed.child.wait()).await.is_ok();
            signal_group(doomed.group, Signal::SIGKILL); // Also those whom the child has left behind.
            if !has_ended && let Err(error) = doomed.child.wait().await {
                tracing::debug!(%error, "cannot wait for a child that was killed");
            }
        });
    }
}

/// A child that was asked to end. If this program ends first, the whole group is killed then: a
/// child's own children may not listen to SIGTERM, and would never be looked after.
struct Doomed {
    group: Pid,
    child: Child,
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            signal_group(self.group, Signal::SIGKILL);
        }
    }
}

fn signal_group(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal) {
        tracing::debug!(%error, "cannot signal a child; it may have ended already");
    }
}

/// Whether the pipe is wide now. It is not if the user's quota for pipes is used up: a smaller pipe is only slower.
#[cfg(target_os = "linux")]
fn widen_pipe(stdout: &ChildStdout) -> bool {
    match nix::fcntl::fcntl(stdout, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)) {
        Ok(bytes) => bytes >= PIPE_BYTES,
        Err(error) => {
            tracing::debug!(%error, "cannot widen the pipe of a child");
            false
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn widen_pipe(_: &ChildStdout) -> bool {
    false
}
