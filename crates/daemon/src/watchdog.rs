//! Ends a process whose loops no longer turn, so that what started it starts it again.
//!
//! It is a thread of its own: a loop that blocks may hold up every task of the runtime, and every lock. It counts its
//! own looks and reads no clock. A process that was stopped for an hour (SIGSTOP, a suspended machine) has missed one
//! look, not an hour of beats, and its loops have all further looks to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::exit;

/// The time between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Looks in a row without a beat after which a loop is stuck: together less than two minutes, and more than ten beats.
const MAX_SILENT_LOOKS: u32 = 23;

/// How long the last line of the log may take: what holds the loop up may hold up the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The value of a pulse whose loop has come to its end.
const ENDED: u64 = u64::MAX;

/// Counts the beats of a loop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop lives.
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The loop has come to its end, and nothing is expected of it any more.
    pub(crate) fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

/// A thread that looks at loops until it is dropped.
pub(crate) struct Watchdog {
    is_over: Arc<AtomicBool>,
}

impl Watchdog {
    /// Looks at the loops with these pulses.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(pulses: Vec<Pulse>) -> std::io::Result<Self> {
        Self::start_with(pulses, LOOK_PAUSE)
    }

    fn start_with(pulses: Vec<Pulse>, pause: Duration) -> std::io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let mut looks: Vec<Looks> = pulses.into_iter().map(Looks::new).collect();
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(pause);
                // Each of them looks, since each counts.
                let stuck = looks.iter_mut().map(Looks::look).filter(|is_stuck| *is_stuck).count();
                if stuck > 0 && !over.load(Ordering::Relaxed) {
                    end_process();
                }
            }
        })?;
        Ok(Self { is_over })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// What the looks at one loop have shown.
struct Looks {
    pulse: Pulse,
    last: u64,
    silent: u32,
}

impl Looks {
    fn new(pulse: Pulse) -> Self {
        Self { pulse, last: 0, silent: 0 }
    }

    /// Looks once more; whether the loop is stuck.
    fn look(&mut self) -> bool {
        let beats = self.pulse.0.load(Ordering::Relaxed);
        if beats != self.last || beats == ENDED {
            (self.last, self.silent) = (beats, 0);
        } else {
            self.silent += 1;
        }
        self.silent >= MAX_SILENT_LOOKS
    }
}

/// Says why, if that is possible, and ends the process. No run is stopped in an orderly way: it does not turn.
fn end_process() -> ! {
    let (said, words) = mpsc::channel::<()>();
    let spoken = thread::Builder::new().name("last words".to_owned()).spawn(move || {
        tracing::error!(exit_code = exit::STUCK, "the scheduler is stuck, and the process ends to be started again");
        drop(said);
    });
    if spoken.is_ok() {
        // Ends with the line, or without it.
        words.recv_timeout(LAST_WORDS).unwrap_or(());
    }
    std::process::exit(i32::from(exit::STUCK))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::time::Instant;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    /// Says to the test below what kind of process it is.
    const ROLE: &str = "WATCHDOG_TEST_ROLE";

    /// The pause between two looks at a child of a test.
    const CHILD_PAUSE: Duration = Duration::from_millis(100);

    #[test]
    fn a_loop_is_stuck_after_looks_without_a_beat_and_one_that_has_ended_is_not() {
        let (stuck, ended) = (Pulse::default(), Pulse::default());
        ended.end();
        let (mut looks, mut others) = (Looks::new(stuck.clone()), Looks::new(ended));
        for _ in 0..3 {
            stuck.beat();
            assert!((0..MAX_SILENT_LOOKS).all(|_| !looks.look()), "the first of them has seen a beat");
        }
        assert!(looks.look() && looks.look());
        assert!((0..100).all(|_| !others.look()));
        stuck.beat();
        assert!(!looks.look());
    }

    /// No test by itself: what the processes of the tests below do.
    #[test]
    fn a_process_that_is_watched() {
        let Ok(role) = std::env::var(ROLE) else { return };
        let pulse = Pulse::default();
        let watchdog = Watchdog::start_with(vec![pulse.clone()], CHILD_PAUSE).unwrap();
        pulse.beat();
        // What a loop that blocks does to a runtime of one thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..2_000 {
                if role == "stuck" {
                    thread::sleep(Duration::from_secs(3600));
                }
                pulse.beat();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        drop(watchdog);
    }

    fn child(role: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "watchdog::tests::a_process_that_is_watched"]).env(ROLE, role);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How a child ended, within a minute.
    fn ended(mut child: Child) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("it does not end");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_process_whose_loop_blocks_ends_with_a_code_of_its_own_r091() {
        assert_eq!(ended(child("stuck")).code(), Some(i32::from(exit::STUCK)));
    }

    #[test]
    fn a_process_that_was_stopped_for_longer_goes_on_r091() {
        let watched = child("turning");
        let id = Pid::from_raw(i32::try_from(watched.id()).unwrap());
        thread::sleep(CHILD_PAUSE * 5);
        kill(id, Signal::SIGSTOP).unwrap();
        thread::sleep(CHILD_PAUSE * MAX_SILENT_LOOKS * 2);
        kill(id, Signal::SIGCONT).unwrap();
        assert_eq!(ended(watched).code(), Some(0));
    }
}
