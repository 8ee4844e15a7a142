//! Who fell silent: a stream without bytes may come from a server that works, or from a path on which nothing
//! passes any more. Keepalives do not tell, since a proxy on the way answers them itself.
//!
//! Only if a stream has been silent for a while, the server is asked over a new connection what it sees.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};

use super::child::ChildReader;
use super::connect::Session;
use super::conninfo::Conninfo;

/// How often in a row a look must find a session stuck before it counts: one look may meet it between two steps.
const LOOKS: u32 = 2;

/// The session of a tool is that of our role and our name in this database that is neither ours nor the one that looks.
const TOOL_SESSIONS: &str = "
    SELECT state, wait_event_type, wait_event FROM pg_catalog.pg_stat_activity
     WHERE datname = pg_catalog.current_database() AND usename = current_user
       AND application_name = pg_catalog.current_setting('application_name')
       AND pid NOT IN (pg_catalog.pg_backend_pid(), $1)";

/// Our own session: whether it has answered, and for how long it does nothing.
const OWN_SESSION: &str = "
    SELECT state, wait_event_type, wait_event,
           extract(epoch FROM pg_catalog.clock_timestamp() - state_change)::float8
      FROM pg_catalog.pg_stat_activity WHERE pid = $1";

/// The database, or what is between here and there, fell silent.
#[derive(Debug, thiserror::Error)]
#[error("{who} fell silent: {seen}; nothing has come for {} seconds", .silent.as_secs())]
pub struct FellSilent {
    /// Which connection.
    pub who: &'static str,
    /// What the server, or the attempt to ask it, says.
    pub seen: String,
    /// For how long nothing came.
    pub silent: Duration,
}

/// Since when something is waited for.
#[derive(Debug)]
pub struct Waiting {
    start: Instant,
    /// Milliseconds after `start`, and one; 0 if nothing is waited for.
    since: AtomicU64,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { start: Instant::now(), since: AtomicU64::new(0) }
    }
}

impl Waiting {
    /// Something is waited for, from now on unless it was before.
    pub fn begin(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(now, Ordering::Relaxed);
        }
    }

    /// It has come.
    pub fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// For how long it is waited for; zero if nothing is.
    pub fn elapsed(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.start.elapsed().saturating_sub(Duration::from_millis(since - 1)),
        }
    }
}

/// The output of a tool, which notes while it is waited for.
pub struct Watched {
    inner: ChildReader,
    waiting: Arc<Waiting>,
}

impl Watched {
    /// Watches `inner`.
    pub fn new(inner: ChildReader, waiting: Arc<Waiting>) -> Self {
        Self { inner, waiting }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        match outcome {
            Poll::Pending => self.waiting.begin(),
            Poll::Ready(_) => self.waiting.end(),
        }
        outcome
    }
}

/// What a look at the server found of one of its sessions.
enum Seen {
    Working,
    Stuck(String),
}

/// Looks after the connections of one step.
pub struct Watch<'run> {
    /// How to reach the server.
    pub source: &'run Conninfo,
    /// What may be silent for so long without a look.
    pub limit: Duration,
    /// The backend of our own session.
    pub own_pid: i32,
    /// Answers to our own session.
    pub own: Arc<Waiting>,
    /// The output of the tool.
    pub tool: Arc<Waiting>,
    /// The process group of the tool.
    pub tool_group: Option<i32>,
}

impl Watch<'_> {
    /// Returns once a connection has fallen silent; never while all of them work.
    pub async fn fell_silent(&self) -> FellSilent {
        let (mut tool_strikes, mut own_strikes) = (0, 0);
        let mut cpu = None;
        loop {
            tokio::time::sleep(self.limit / 2).await;
            let (tool, own) = (self.tool.elapsed(), self.own.elapsed());
            if tool < self.limit && own < self.limit {
                (tool_strikes, own_strikes) = (0, 0);
                continue;
            }
            let cpu_before = std::mem::replace(&mut cpu, self.tool_group.and_then(cpu_ticks));
            let computes = cpu.is_some() && cpu_before != cpu;
            let (of_tool, of_own) = match self.look().await {
                Ok(seen) => seen,
                Err(error) => {
                    let seen = format!("a new connection fails, too ({error:#})");
                    (Seen::Stuck(seen.clone()), Seen::Stuck(seen))
                }
            };
            let strike = |strikes: &mut u32, silent: Duration, seen: Seen, who: &'static str| match seen {
                Seen::Stuck(seen) if silent >= self.limit => {
                    *strikes += 1;
                    (*strikes >= LOOKS).then_some(FellSilent { who, seen, silent })
                }
                _ => {
                    *strikes = 0;
                    None
                }
            };
            let of_tool = if computes { Seen::Working } else { of_tool };
            let found = strike(&mut tool_strikes, tool, of_tool, "the connection of the client tool to the database");
            let found =
                found.or_else(|| strike(&mut own_strikes, own, of_own, "the database connection of the snapshot"));
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// The sessions of the tool and of our own, as the server sees them.
    async fn look(&self) -> anyhow::Result<(Seen, Seen)> {
        let session = match self.source.connect().await {
            Ok(session) => session,
            // The server answers, if only with an error: nothing is known of the others.
            Err(error) if !error.is_silence() => return Ok((Seen::Working, Seen::Working)),
            Err(error) => return Err(error.into()),
        };
        Ok((self.look_at_tool(&session).await?, self.look_at_own(&session).await?))
    }

    async fn look_at_tool(&self, session: &Session) -> anyhow::Result<Seen> {
        let rows = session.ask(session.client().query(TOOL_SESSIONS, &[&self.own_pid])).await?;
        let mut stuck = "the server has no session of it any more".to_owned();
        for row in &rows {
            let (state, kind, event): (Option<&str>, Option<&str>, Option<&str>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            match waits_for_us(state, kind) {
                true => stuck = format!("the server waits for it ({})", event.unwrap_or("idle")),
                false => return Ok(Seen::Working),
            }
        }
        Ok(Seen::Stuck(stuck))
    }

    async fn look_at_own(&self, session: &Session) -> anyhow::Result<Seen> {
        let row = session.ask(session.client().query_opt(OWN_SESSION, &[&self.own_pid])).await?;
        let Some(row) = row else { return Ok(Seen::Stuck("the server has no such session any more".to_owned())) };
        let (state, kind, event): (Option<&str>, Option<&str>, Option<&str>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let seconds: f64 = row.try_get::<_, Option<f64>>(3)?.unwrap_or(0.0);
        let is_stuck = waits_for_us(state, kind) && seconds >= self.limit.as_secs_f64();
        Ok(if is_stuck {
            Seen::Stuck(format!("the server has answered and waits ({})", event.unwrap_or("idle")))
        } else {
            Seen::Working
        })
    }
}

/// Whether a session waits for its client rather than for itself; what may not be seen does not count as waiting.
fn waits_for_us(state: Option<&str>, wait_event_type: Option<&str>) -> bool {
    state.is_some_and(|state| state.starts_with("idle")) || wait_event_type == Some("Client")
}

/// What the processes of a group have computed until now, in ticks of the clock; `None` if that cannot be read.
fn cpu_ticks(group: i32) -> Option<u64> {
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // pid (name) state ppid pgrp ..., of which the name may hold anything.
        let Some((_, rest)) = text.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        if fields.get(2).and_then(|field| field.parse().ok()) == Some(group) {
            ticks += [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum::<u64>();
        }
    }
    Some(ticks)
}
