//! A client tool about to run against the server of a session: its environment, password file and words.

use std::ffi::OsString;

use anyhow::Context;

use super::child::{ChildReader, ChildSpec, Words};
use super::connect::{LIBPQ_KEEPALIVES, Session};
use super::tools::ClientTools;
use crate::private::PrivateDir;
use crate::scrub::Scrubber;
use crate::stop::Stop;

/// Search path of scripts that stand in for tools; the real ones need none.
const CHILD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every child of one step has in common: tools, server, private folder, stop.
pub(super) struct Workbench<'run> {
    tools: &'run ClientTools,
    session: &'run Session,
    scrubber: &'run Scrubber,
    stop: &'run Stop,
    private: PrivateDir,
}

impl<'run> Workbench<'run> {
    /// Prepares the private folder with the password file. It lives as long as this value, which
    /// must outlive the streams that it starts.
    ///
    /// # Errors
    /// Where the folder for temporary files is full or not writable.
    pub(super) fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let private = PrivateDir::create().context("create a private folder below TMPDIR")?;
        if let Some(line) = session.endpoint().passfile_line() {
            private.write("pgpass", &line).context("write the password file below TMPDIR")?;
        }
        Ok(Self { tools, session, scrubber, stop, private })
    }

    pub(super) fn session(&self) -> &'run Session {
        self.session
    }

    pub(super) fn private(&self) -> &PrivateDir {
        &self.private
    }

    /// The argument that names the database, and has libpq notice a dead connection as our own sessions do: there
    /// are no variables for that. A name in quotes stays a name, whatever it looks like; nothing in it is secret.
    pub(super) fn connection(&self, option: &str) -> OsString {
        let name = self.session.endpoint().dbname().replace('\\', "\\\\").replace('\'', "\\'");
        format!("{option}=dbname='{name}' {LIBPQ_KEEPALIVES}").into()
    }

    /// Starts `tool`, and does with what it says as `words` asks for.
    ///
    /// # Errors
    /// Where it cannot be started; how it ends is told by the stream.
    pub(super) fn start(&self, tool: &str, args: Vec<OsString>, words: Words) -> anyhow::Result<ChildReader> {
        self.start_with_options(tool, args, words, self.session.child_options())
    }

    /// As [`Workbench::start`], with other `PGOPTIONS`.
    ///
    /// # Errors
    /// As [`Workbench::start`], and if something on the way drops these options.
    pub(super) fn start_with_options(
        &self,
        tool: &str,
        args: Vec<OsString>,
        words: Words,
        options: &str,
    ) -> anyhow::Result<ChildReader> {
        anyhow::ensure!(
            !self.session.is_pooled() || options.is_empty(),
            "{tool} needs startup options, and a connection pooler drops them; use the direct endpoint of the database"
        );
        let endpoint = self.session.endpoint();
        let mut variables = endpoint.child_variables(options);
        variables.push(("PGPASSFILE", self.private.path().join("pgpass").into()));
        variables.push(("HOME", self.private.path().into())); // No stray ~/.pgpass, ~/.postgresql, ~/.pg_service.conf.
        variables.push(("LC_ALL", "C".into()));
        variables.push(("PATH", CHILD_PATH.into()));
        if self.session.is_pooled() {
            variables.push(("PGTZ", "UTC".into())); // A parameter of its own, which poolers know.
        }
        let spec = ChildSpec { program: self.tools.program(tool), args, variables, words };
        ChildReader::spawn(spec, self.scrubber, self.stop).with_context(|| format!("start {tool}"))
    }
}
