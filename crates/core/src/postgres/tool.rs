//! A client tool about to run against the server of a session: its environment, password file and words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::child::{ChildReader, ChildSpec, Words};
use super::confinement::{Confinement, Files, Sockets};
use super::connect::{LIBPQ_KEEPALIVES, Session};
use super::tools::ClientTools;
use crate::private::PrivateDir;
use crate::scrub::Scrubber;
use crate::secret::Secret;
use crate::stop::Stop;

/// Search path of scripts that stand in for tools; the real ones need none.
const CHILD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a machine is found and trusted by its name, in the many ways of different systems. The file with the name
/// servers may be a link to anywhere.
const NETWORK_FACTS: [&str; 6] =
    ["/etc", "/etc/resolv.conf", "/etc/hosts", "/run/systemd/resolve", "/var/lib/sss", "/proc/sys/crypto"];

/// What every child of one step has in common: tools, server, private folder, stop.
pub(super) struct Workbench<'run> {
    tools: &'run ClientTools,
    session: &'run Session,
    scrubber: &'run Scrubber,
    stop: &'run Stop,
    private: PrivateDir,
}

impl<'run> Workbench<'run> {
    /// Prepares the private folder with the password file, whose line is `password`. It lives as long as this value, which
    /// must outlive the streams that it starts.
    ///
    /// # Errors
    /// If the folder for temporary files is full or not writable.
    pub(super) fn new(
        tools: &'run ClientTools,
        session: &'run Session,
        password: Option<&Secret>,
        scrubber: &'run Scrubber,
        stop: &'run Stop,
    ) -> anyhow::Result<Self> {
        let private = PrivateDir::create().context("create a private folder below TMPDIR")?;
        if let Some(line) = password {
            private.write("pgpass", line).context("write the password file below TMPDIR")?;
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
    /// are no variables for that. A name in quotes stays a name; nothing in it is secret.
    pub(super) fn connection(&self, option: &str) -> OsString {
        let name = self.session.endpoint().dbname().replace('\\', "\\\\").replace('\'', "\\'");
        format!("{option}=dbname='{name}' {LIBPQ_KEEPALIVES}").into()
    }

    /// Starts `tool`, and does with what it says as `words` asks for.
    ///
    /// # Errors
    /// If it cannot be started; how it ends is told by the stream.
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
        let program = self.tools.program(tool);
        let confinement = self.confinement(&program, tool, &args);
        let spec = ChildSpec { program, args, variables, confinement, words };
        ChildReader::spawn(spec, self.scrubber, self.stop).with_context(|| format!("start {tool}"))
    }

    /// What a server or an archive could make a tool do if it found a vulnerability there. `pg_dumpall` asks `pg_dump`
    /// for its version, by a shell.
    fn confinement(&self, program: &Path, tool: &str, args: &[OsString]) -> Confinement {
        let endpoint = self.session.endpoint();
        let is_local = endpoint.host().is_unix();
        let mut read: Vec<PathBuf> = args.iter().filter_map(|arg| named_file(arg)).collect();
        read.push(self.private.path().to_owned());
        read.extend(endpoint.root_certificate_file().map(Path::to_owned));
        read.extend(
            endpoint
                .client_certificate()
                .into_iter()
                .flat_map(|client| [client.certificate.clone(), client.key.clone()]),
        );
        if !is_local {
            read.extend(NETWORK_FACTS.map(PathBuf::from));
        }
        let files = (tool != "pg_dumpall").then(|| Files { read, own: Vec::new() });
        Confinement::prepare(program, if is_local { Sockets::Local } else { Sockets::Any }, files.as_ref())
    }
}

/// The file that an argument names: an archive, `--use-list=FILE`, or one of the operator's such as `--filter=FILE`.
fn named_file(arg: &OsStr) -> Option<PathBuf> {
    let bytes = arg.as_bytes();
    let start = bytes.iter().position(|byte| *byte == b'=').filter(|_| bytes.starts_with(b"--")).map_or(0, |at| at + 1);
    let path = Path::new(OsStr::from_bytes(&bytes[start..]));
    path.is_file().then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_arguments_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for (arg, expected) in [
            (path.to_owned(), true),
            (format!("--use-list={path}"), true),
            ("--jobs=4".to_owned(), false),
            ("--dbname=dbname='/etc/passwd'".to_owned(), false),
            (format!("--filter={}", file.path().parent().unwrap().display()), false),
        ] {
            assert_eq!(named_file(OsStr::new(&arg)).is_some(), expected, "{arg}");
        }
    }
}
