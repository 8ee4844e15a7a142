//! `pg_dump` and `pg_dumpall` as streams.

use std::ffi::OsString;
use std::time::Duration;

use super::child::{ChildReader, Words};
use super::connect::Session;
use super::tool::Workbench;
use super::tools::ClientTools;
use crate::scrub::Scrubber;
use crate::stop::Stop;

/// What is kept of the words of a tool that fails.
const WORDS_BYTES: usize = 8 * 1024;

/// The dumps of one run, all of the same server and database.
pub struct Dumper<'run> {
    workbench: Workbench<'run>,
    lock_wait: Duration,
}

impl<'run> Dumper<'run> {
    /// Prepares dumps of `session`'s database that wait for no lock longer than `lock_wait`. This value must
    /// outlive the streams that it starts.
    ///
    /// # Errors
    /// If the folder for temporary files is full or not writable, or if there is no password.
    pub async fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        lock_wait: Duration,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let password = session.endpoint().refreshed().await?.passfile_line();
        Ok(Self { workbench: Workbench::new(tools, session, password.as_ref(), scrubber, stop)?, lock_wait })
    }

    /// Starts `pg_dump` in custom format, uncompressed, inside the exported `snapshot`.
    ///
    /// `encoding` is the database's own: rows are dumped as they are, and a `client_encoding` that a database or role
    /// has for its clients does not count.
    ///
    /// # Errors
    /// If it cannot be started; how it ends is told by the stream.
    pub fn dump(&self, snapshot: &str, encoding: &str, options: &[String]) -> anyhow::Result<ChildReader> {
        let mut args = self.archive_args();
        args.push(format!("--encoding={encoding}").into());
        args.push(format!("--snapshot={snapshot}").into());
        args.extend(options.iter().map(OsString::from));
        self.workbench.start("pg_dump", args, Words::Tail(WORDS_BYTES))
    }

    /// Starts `pg_dump` in custom format for everything but rows, with texts in this encoding.
    ///
    /// # Errors
    /// As [`Dumper::dump`].
    pub fn dump_schema(&self, encoding: &str) -> anyhow::Result<ChildReader> {
        let mut args = self.archive_args();
        args.push("--schema-only".into());
        args.push(format!("--encoding={encoding}").into());
        self.workbench.start("pg_dump", args, Words::Tail(WORDS_BYTES))
    }

    /// Starts `pg_dumpall` for the roles and tablespaces of the cluster, without password hashes, with texts in this
    /// encoding: a `client_encoding` of the database or role could be one in which a byte of a longer character is a
    /// backslash or a quotation mark.
    ///
    /// # Errors
    /// As [`Dumper::dump`].
    pub fn dump_globals(&self, encoding: &str) -> anyhow::Result<ChildReader> {
        let args = vec![
            "--globals-only".into(),
            format!("--encoding={encoding}").into(),
            "--no-role-passwords".into(),
            "--no-password".into(),
            self.workbench.connection("--database"),
        ];
        self.workbench.start("pg_dumpall", args, Words::Tail(WORDS_BYTES))
    }

    fn archive_args(&self) -> Vec<OsString> {
        vec![
            "--format=custom".into(),
            "--compress=0".into(),
            "--no-password".into(),
            self.workbench.connection("--dbname"),
            format!("--lock-wait-timeout={}", self.lock_wait.as_millis()).into(),
        ]
    }
}
