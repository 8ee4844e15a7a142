//! An operator at a terminal with the documents: a shell in an empty folder, the two services with their environments,
//! the stock tools, a bucket, and two servers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::{Output, Run, binary, outdated_tools};
use e2e::s3::{S3Options, S3Server};
use tempfile::TempDir;

use crate::drill_safety::open_folder;
use crate::stand::wait_for_the_next_second;

/// The id that the documents write where a real one belongs.
pub(super) const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

/// The names in the examples of all documents.
const BUCKET: &str = "my-backups";

/// The longest block drills several times.
const LIMIT: Duration = Duration::from_secs(300);

/// What the examples speak of.
const DATABASE: &str = "
    CREATE ROLE owner_of_app;
    CREATE SCHEMA crm AUTHORIZATION owner_of_app;
    CREATE TABLE crm.customer (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO crm.customer SELECT g, md5(g::text) FROM generate_series(1, 500) g;
    ALTER TABLE crm.customer OWNER TO owner_of_app;
    ALTER DATABASE app SET work_mem = '8MB'";

/// The server with the database `app`. A test may add a role of its own, and changes nothing else.
static SOURCE: LazyLock<Postgres> = LazyLock::new(|| {
    let source = Postgres::start(PostgresOptions::default());
    source.sql("postgres", "CREATE DATABASE app TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'");
    source.sql("app", DATABASE);
    source
});

/// A service of which the environment can be changed, as an operator does before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Backup,
    Verify,
}

pub(super) struct Operator {
    pub(super) source: &'static Postgres,
    /// Where things are restored to. The stock tools lead here.
    pub(super) target: Postgres,
    pub(super) s3: S3Server,
    /// The folder in which commands are run.
    pub(super) folder: TempDir,
    /// `backup`, `verify` and PostgreSQL's tools, first in `PATH`, and the environments of both services.
    tools: TempDir,
    services: BTreeMap<Service, BTreeMap<String, String>>,
    /// The environment of the terminal.
    shell: BTreeMap<String, String>,
    /// For drills, whose server may be another user's.
    pub(super) spool: TempDir,
    bucket: TempDir,
}

impl Operator {
    /// With a database `app`, and no backup yet.
    pub(super) fn new() -> Self {
        let (source, target) = (&*SOURCE, Postgres::start(PostgresOptions::default()));
        let bucket = tempfile::tempdir().unwrap();
        let (spool, tools) = (open_folder(), tempfile::tempdir().unwrap());
        for tool in ["createdb", "dropdb", "pg_restore", "psql", "vacuumdb"] {
            symlink(target.bin_dir().join(tool), tools.path().join(tool)).unwrap();
        }
        let s3 = store(&bucket, BUCKET, "first");
        let mut operator = Self {
            services: BTreeMap::new(),
            shell: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
            spool,
            source,
            target,
            s3,
            tools,
            bucket,
        };
        let spool = operator.spool.path().to_str().unwrap().to_owned();
        let bin_dir = operator.source.bin_dir().to_str().unwrap().to_owned();
        for (service, name) in [(Service::Backup, "backup"), (Service::Verify, "verify")] {
            let quiet = [("PORT", "0"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "text"), ("VERIFY_JOBS", "2")];
            let own = [("PG_BIN_DIR", bin_dir.as_str()), ("TMPDIR", &spool)];
            for (name, value) in quiet.into_iter().chain(own) {
                operator.set(service, name, value);
            }
            let script = format!(
                "#!/bin/sh\n. '{}'\nexec '{}' \"$@\"\n",
                operator.environment_file(service).display(),
                binary(name).display()
            );
            let file = operator.tools.path().join(name);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        operator.set(Service::Backup, "DATABASE_URL", &operator.source.url("app"));
        operator.set_bucket(&[Service::Backup, Service::Verify]);
        operator.set_shell();
        operator
    }

    /// As [`Operator::new`], with one backup; and its id.
    pub(super) fn with_backup() -> (Self, String) {
        let operator = Self::new();
        operator.run("backup run");
        let id = operator.ids().pop().expect("a backup in the bucket");
        (operator, id)
    }

    /// Sets one variable of a service, as before a restart.
    pub(super) fn set(&mut self, service: Service, name: &str, value: &str) {
        let variables = self.services.entry(service).or_default();
        variables.insert(name.to_owned(), value.to_owned());
        let exports = variables.iter().map(|(name, value)| {
            assert!(!value.contains('\''), "{name} cannot be quoted");
            format!("export {name}='{value}'\n")
        });
        let text: String = exports.collect();
        fs::write(self.environment_file(service), text).unwrap();
    }

    /// Lets these services use the bucket as it is now.
    pub(super) fn set_bucket(&mut self, services: &[Service]) {
        for (name, value) in self.s3.env() {
            services.iter().for_each(|service| self.set(*service, &name, &value));
        }
    }

    /// Revokes the credentials of the bucket and issues others, which no service has yet.
    pub(super) fn issue_credentials(&mut self) {
        self.s3 = store(&self.bucket, BUCKET, "second");
        self.set_shell();
    }

    /// Puts an empty bucket of this name into the place of the one that was there, which no service uses yet.
    pub(super) fn move_bucket(&mut self, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        self.s3 = store(&folder, name, "first");
        self.bucket = folder;
        self.set_shell();
    }

    /// A file in the folder of the commands, which must be there.
    #[track_caller]
    pub(super) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The ids of the committed backups, the newest last.
    pub(super) fn ids(&self) -> Vec<String> {
        let manifests = self.s3.objects().into_keys().filter(|key| key.ends_with("/manifest.json"));
        manifests.map(|key| key.rsplit('/').nth(1).unwrap().to_owned()).collect()
    }

    /// Runs commands, which must all succeed.
    #[track_caller]
    pub(super) fn run(&self, commands: &str) -> Output {
        self.run_to(0, commands)
    }

    /// Runs commands to the first one that fails, which must be with this exit code.
    #[track_caller]
    pub(super) fn run_to(&self, code: i32, commands: &str) -> Output {
        let script = format!("cd '{}'\n{commands}", self.folder.path().display());
        let path = std::env::var("PATH").unwrap();
        let run = Run::program("/bin/bash").args(["-euo", "pipefail", "-c", &script]).envs(&self.shell);
        let run = run.env("PATH", format!("{}:{path}", self.tools.path().display()));
        let output = run.deadline(LIMIT).output();
        assert_eq!(output.code, Some(code), "{}\n{}\n{commands}", output.stdout, output.stderr);
        if commands.contains("backup run") {
            // Ids have seconds, and which of two backups of one second is the latest is chance.
            wait_for_the_next_second();
        }
        output
    }

    /// The stock tools reach the target and the bucket as it is now.
    fn set_shell(&mut self) {
        let port = self.target.port().to_string();
        let server = [("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "postgres")];
        let more = [("PGPASSWORD", self.target.password()), ("HOME", &std::env::var("HOME").unwrap_or_default())];
        // Not those of the user who runs the tests.
        let none = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|name| (name, "/dev/null"));
        let own = server.into_iter().chain(more).chain(none).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let allowed = outdated_tools().map(|(name, value)| (name.to_owned(), value));
        self.shell = own.chain(self.s3.env()).chain(allowed).collect();
    }

    fn environment_file(&self, service: Service) -> PathBuf {
        self.tools.path().join(format!("{service:?}.env"))
    }
}

/// A store over `folder`, with other credentials for each `credential`.
fn store(folder: &TempDir, bucket: &str, credential: &str) -> S3Server {
    let options = S3Options {
        root: folder.path().to_owned(),
        port: 0,
        bucket: bucket.to_owned(),
        access_key: format!("AKIA{}", credential.to_uppercase()),
        secret_key: format!("secret-of-the-{credential}-credential"),
    };
    S3Server::open(options).unwrap()
}
