//! `pg_dump` and `pg_dumpall` as streams.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context;

use super::child::{ChildReader, ChildSpec};
use super::connect::Session;
use super::private::PrivateDir;
use super::tools::ClientTools;
use crate::scrub::Scrubber;
use crate::stop::Stop;

/// Search path of scripts that stand in for tools; the real ones need none.
const CHILD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every dump of one run has in common: tools, server, private folder, stop.
pub struct Dumper<'run> {
    /// The installation to use.
    pub tools: &'run ClientTools,
    /// The session whose server and database are dumped.
    pub session: &'run Session,
    /// `--lock-wait-timeout`.
    pub lock_wait: Duration,
    /// Knows the secrets that the tools' words must not show.
    pub scrubber: &'run Scrubber,
    /// Ends a dump early.
    pub stop: &'run Stop,
    private: PrivateDir,
}

impl<'run> Dumper<'run> {
    /// Prepares the private folder with the password file. It lives as long as this value, which
    /// must outlive the streams that it starts.
    ///
    /// # Errors
    /// Where the folder for temporary files is full or not writable.
    pub fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        lock_wait: Duration,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let private = PrivateDir::create().context("create a private folder below TMPDIR")?;
        if let Some(line) = session.endpoint().passfile_line() {
            private.write("pgpass", &line).context("write the password file below TMPDIR")?;
        }
        Ok(Self { tools, session, lock_wait, scrubber, stop, private })
    }

    /// Starts `pg_dump` in custom format, uncompressed, inside the exported `snapshot`.
    ///
    /// # Errors
    /// Where it cannot be started; how it ends is told by the stream.
    pub fn dump(&self, snapshot: &str, options: &[String]) -> anyhow::Result<ChildReader> {
        let mut args: Vec<OsString> = vec![
            "--format=custom".into(),
            "--compress=0".into(),
            "--no-password".into(),
            format!("--snapshot={snapshot}").into(),
            format!("--lock-wait-timeout={}", self.lock_wait.as_millis()).into(),
        ];
        args.extend(options.iter().map(OsString::from));
        self.start("pg_dump", args)
    }

    /// Starts `pg_dumpall` for the roles and tablespaces of the cluster, without password hashes.
    ///
    /// # Errors
    /// As [`Dumper::dump`].
    pub fn dump_globals(&self) -> anyhow::Result<ChildReader> {
        // pg_dumpall takes a connection string here, and a name that looks like one must stay a name.
        let name = self.session.endpoint().dbname().replace('\\', "\\\\").replace('\'', "\\'");
        let args = vec![
            "--globals-only".into(),
            "--no-role-passwords".into(),
            "--no-password".into(),
            format!("--database=dbname='{name}'").into(),
        ];
        self.start("pg_dumpall", args)
    }

    fn start(&self, tool: &str, args: Vec<OsString>) -> anyhow::Result<ChildReader> {
        let endpoint = self.session.endpoint();
        let mut variables = endpoint.child_variables(self.session.child_options());
        variables.push(("PGPASSFILE", self.private.path().join("pgpass").into()));
        variables.push(("HOME", self.private.path().into())); // No stray ~/.pgpass, ~/.postgresql, ~/.pg_service.conf.
        variables.push(("LC_ALL", "C".into()));
        variables.push(("PATH", CHILD_PATH.into()));
        let spec = ChildSpec { program: self.tools.program(tool), args, variables };
        ChildReader::spawn(spec, self.scrubber, self.stop).with_context(|| format!("start {tool}"))
    }
}
