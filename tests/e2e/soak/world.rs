//! Both daemons with all that they need, and what can be broken of it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use e2e::postgres::{Database, Postgres, PostgresOptions, SUPERUSER};
use e2e::process::{Run, outdated_tools, wait_until};
use e2e::proxy::FaultProxy;
use e2e::receiver::Receiver;
use e2e::s3::S3Server;
use serde_json::Value;
use tempfile::TempDir;

use super::figures::{Sample, judged};
use super::judge::Judge;
use super::service::{Service, processes_in};
use crate::clock::{Clock, Steady};
use crate::notify::address;

/// The first backup and the first drill, on a busy machine.
const FIRST: Duration = Duration::from_secs(120);

/// The password of the login of drills.
const PASSWORD: &str = "soaked-drill-login-9f2c";

/// What the disk of drills holds: a throwaway server, and what must be free besides.
const DISK_MIB: u32 = 512;

const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL);
    INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 3000) g;
    CREATE TABLE u AS SELECT g AS id, now() AS at FROM generate_series(1, 100) g";

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Backup,
    Verify,
}

pub(super) const BOTH: [Name; 2] = [Name::Backup, Name::Verify];

/// A place in the log of each daemon, and among the messages of each.
pub(super) struct Mark {
    log_bytes: [usize; 2],
    messages: [usize; 2],
}

pub(super) struct World {
    pub(super) source: Postgres,
    database: Database,
    pub(super) drill_server: Option<Postgres>,
    s3: S3Server,
    pub(super) proxy: FaultProxy,
    pub(super) disk: Option<Disk>,
    pub(super) clock: Option<Arc<Clock>>,
    services: [Service; 2],
    receivers: [Receiver; 2],
    folders: [TempDir; 2],
    samples: BTreeMap<Name, Vec<Sample>>,
}

/// A small disk of its own.
pub(super) struct Disk(PathBuf);

impl Disk {
    /// On `folder`; `None` if this is not root, or nothing can be mounted here.
    fn mount(folder: PathBuf) -> Option<Self> {
        let size = format!("size={DISK_MIB}m,mode=1777");
        let mount = Run::program("/bin/mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).args([&folder]);
        (mount.output().code == Some(0)).then_some(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("other-data")
    }

    /// Leaves no room.
    pub(super) fn fill(&self) {
        // Fails when the disk is full, which is what is wanted.
        let size = format!("count={DISK_MIB}");
        let file = format!("of={}", self.file().display());
        Run::program("/bin/dd").args(["if=/dev/zero", &file, "bs=1M", &size, "status=none"]).output();
    }

    pub(super) fn free(&self) {
        std::fs::remove_file(self.file()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Run::program("/bin/umount").args(["--lazy"]).args([&self.0]).output();
    }
}

impl World {
    /// Drills happen on servers that `verify` starts, on a disk of their own. The clock can be set.
    pub(super) fn with_throwaway_server() -> Self {
        Self::new(None, Clock::at("soak: wrong clocks", Utc::now(), Steady::Stays, 1).map(Arc::new))
    }

    /// Drills happen on an external server.
    pub(super) fn with_external_server() -> Self {
        let server = Postgres::start(PostgresOptions::default());
        server.sql(SUPERUSER, &format!("CREATE ROLE drill LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
        Self::new(Some(server), None)
    }

    fn new(drill_server: Option<Postgres>, clock: Option<Arc<Clock>>) -> Self {
        let (source, s3) = (Postgres::start(PostgresOptions::default()), S3Server::start());
        let database = source.create_database();
        source.sql(&database.name, ROWS);
        let proxy = FaultProxy::start(&s3);
        let folders = ["soak-backup-", "soak-verify-"].map(|prefix| TempDir::with_prefix(prefix).unwrap());
        std::fs::set_permissions(folders[1].path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let disk = if drill_server.is_none() { Disk::mount(folders[1].path().to_owned()) } else { None };
        let receivers = [Receiver::start(), Receiver::start()];
        let common = |name: Name| {
            let mut variables = s3.env_through(&proxy.endpoint());
            let bin_dir = source.bin_dir().to_str().unwrap();
            let ours = [
                ("PG_BIN_DIR", bin_dir),
                ("TMPDIR", folders[name as usize].path().to_str().unwrap()),
                ("WEBHOOK_URL", &address("json", &receivers[name as usize])),
                ("RETRY_ATTEMPTS", "2"),
                ("RETRY_DELAY", "1"),
                ("S3_ATTEMPT_TIMEOUT", "5"),
                ("S3_CONNECT_TIMEOUT", "5"),
                ("BUCKET_POLL_INTERVAL", "5"),
                ("LOG_FORMAT", "json"),
                ("PORT", "0"),
            ];
            variables.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
            variables.extend(outdated_tools().map(|(name, value)| (name.to_owned(), value)));
            variables
        };
        let backup = with(
            common(Name::Backup),
            &[
                ("DATABASE_URL", &database.url),
                ("BACKUP_INTERVAL", "10"),
                ("BACKUP_MIN_INTERVAL", "3"),
                ("BACKUP_RETRY_AFTER", "4"),
                ("BACKUP_MAX_AGE", "90"),
                ("BACKUP_TIMEOUT", "60"),
                ("DATABASE_SILENCE_TIMEOUT", "10"),
            ],
        );
        let mut verify = with(
            common(Name::Verify),
            &[
                ("VERIFY_INTERVAL", "12"),
                ("VERIFY_MIN_INTERVAL", "8"),
                ("VERIFY_RETRY_AFTER", "5"),
                ("VERIFY_MAX_AGE", "120"),
                ("VERIFY_TIMEOUT", "60"),
                ("VERIFY_ATTEST", "true"),
                ("VERIFY_JOBS", "2"),
            ],
        );
        if let Some(server) = &drill_server {
            verify = with(verify, &[("VERIFY_DATABASE_URL", &server.url_as("drill", PASSWORD, SUPERUSER))]);
        }
        let start = |name: &'static str, variables: Vec<(String, String)>| {
            let clock = clock.clone();
            Service::new(move || {
                let run = Run::new(name).envs(variables.iter().map(|(name, value)| (name, value)));
                clock.iter().fold(run, |run, clock| clock.on(run))
            })
        };
        let services = [start("backup", backup), start("verify", verify)];
        let samples = BTreeMap::new();
        Self { source, database, drill_server, s3, proxy, disk, clock, services, receivers, folders, samples }
    }

    /// Starts both, and waits until the first backup is proven.
    pub(super) fn start(&mut self) {
        self.services.iter_mut().for_each(Service::start);
        let before = Mark { log_bytes: [0; 2], messages: [0; 2] };
        assert!(wait_until(FIRST, || self.is_well(&before)), "{}\n{}", self.log(Name::Backup), self.log(Name::Verify));
    }

    pub(super) fn service(&mut self, name: Name) -> &mut Service {
        &mut self.services[name as usize]
    }

    pub(super) fn log(&self, name: Name) -> String {
        self.services[name as usize].log()
    }

    /// This moment.
    pub(super) fn mark(&self) -> Mark {
        let messages = self.receivers.each_ref().map(|receiver| receiver.received().len());
        Mark { log_bytes: BOTH.map(|name| self.log(name).len()), messages }
    }

    /// What `name` has logged since `mark`.
    pub(super) fn logged(&self, name: Name, mark: &Mark) -> Vec<Value> {
        let log = self.log(name);
        log[mark.log_bytes[name as usize]..].lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The messages of `name` since `mark`.
    pub(super) fn messages(&self, name: Name, mark: &Mark) -> Vec<Value> {
        let received = self.receivers[name as usize].received();
        let new = received.into_iter().skip(mark.messages[name as usize]);
        new.map(|received| serde_json::from_str(&received.body).unwrap()).collect()
    }

    /// Whether both have succeeded since `mark`, and have no alarm.
    pub(super) fn is_well(&self, mark: &Mark) -> bool {
        let is_well = |name: Name, success: &str| {
            let status = self.services[name as usize].status();
            let is_calm = status["alarms"].as_array().is_some_and(Vec::is_empty);
            is_calm && self.logged(name, mark).iter().any(|line| line["message"] == success)
        };
        is_well(Name::Backup, "backup committed") && is_well(Name::Verify, "drill passed")
    }

    fn backups(&self) -> usize {
        self.s3.objects().keys().filter(|key| key.ends_with("/manifest.json")).count()
    }

    /// Notes what each uses that has nothing to do.
    pub(super) fn sample(&mut self) {
        let backups = self.backups() as u64;
        for name in BOTH {
            let service = &self.services[name as usize];
            // A scrape is a part of the life of a daemon.
            let is_scraped = service.metrics().contains("process_resident_memory_bytes");
            let is_idle = service.status()["state"] == "waiting" && service.born.elapsed() > Duration::from_secs(30);
            if let Some(sample) = Sample::of(service.pid(), backups).filter(|_| is_idle && is_scraped) {
                // Else a run has begun between the look and the sample.
                if service.status()["state"] == "waiting" {
                    self.samples.entry(name).or_default().push(sample);
                }
            }
        }
    }

    /// Stops both, looks for what they have left, and tells the figures.
    pub(super) fn end(&mut self, judge: &mut Judge) -> String {
        let mut words = Vec::new();
        for name in BOTH {
            let (told, grown) = judged(&format!("{name:?}"), self.samples.get(&name).map_or(&[], Vec::as_slice));
            words.push(told);
            grown.into_iter().for_each(|grown| judge.complain(grown));
            self.service(name).stop();
        }
        judge.count_runs(self);
        for (name, folder) in BOTH.into_iter().zip(&self.folders) {
            let left: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            if !left.is_empty() {
                judge.complain(format!("{name:?} has left {left:?} in its TMPDIR"));
            }
            if !wait_until(Duration::from_secs(5), || processes_in(folder.path()) == 0) {
                judge.complain(format!("{name:?} has left processes"));
            }
        }
        if let Some(server) = &self.drill_server {
            let left = server.sql(
                SUPERUSER,
                "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')
                 UNION ALL SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ('postgres', 'drill')",
            );
            if !left.is_empty() {
                judge.complain(format!("drills have left {left} on their server"));
            }
        }
        words.push(self.bucket(judge));
        words.join("\n")
    }

    /// What is in the bucket besides backups.
    fn bucket(&self, judge: &mut Judge) -> String {
        let start = format!("postgres-backups/{}/", self.database.name);
        let objects = self.s3.objects();
        let mut runs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut events = 0;
        for key in objects.keys() {
            match key.strip_prefix(&start).and_then(|rest| rest.split_once('/')) {
                Some(("events", _)) => events += 1,
                Some((id, file)) => runs.entry(id).or_default().push(file),
                None => judge.complain(format!("{key} is in the bucket")),
            }
        }
        let orphans = runs.values().filter(|files| !files.contains(&"manifest.json")).count();
        // The next day's retention removes them; each is of a run that a fault has ended.
        if orphans > judge.failed_runs() {
            judge.complain(format!("{orphans} runs have left objects, and {} have failed", judge.failed_runs()));
        }
        if events > 1000 || self.s3.open_uploads() > 0 {
            judge.complain(format!("{events} events and {} open uploads in the bucket", self.s3.open_uploads()));
        }
        format!("in the bucket: {} backups, {orphans} incomplete runs, {events} events", self.backups())
    }
}

fn with(mut variables: Vec<(String, String)>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    variables
}
