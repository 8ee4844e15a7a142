//! What most tests need: a database on the shared server, a bucket behind a fault proxy, and the
//! `backup` binary pointed at both.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backup_core::live_secret::LiveSecret;
use backup_core::repository::BackupId;
use backup_core::secret::Secret;
use backup_core::storage::{Credentials, Keys};
use chrono::{TimeDelta, Utc};
use e2e::postgres::{Database, Postgres};
use e2e::process::{Output, Run, outdated_tools};
use e2e::proxy::FaultProxy;
use e2e::s3::S3Server;
use serde_json::Value;

/// A server, a bucket and a proxy between it and the program under test.
pub(crate) struct Stand {
    pub(crate) postgres: &'static Postgres,
    pub(crate) database: Database,
    pub(crate) s3: Arc<S3Server>,
    pub(crate) proxy: FaultProxy,
}

impl Stand {
    /// An empty database of its own on the shared server, and an empty bucket.
    pub(crate) fn new() -> Self {
        Self::on(Postgres::shared())
    }

    /// An empty database of its own on `postgres`, and an empty bucket.
    pub(crate) fn on(postgres: &'static Postgres) -> Self {
        let s3 = Arc::new(S3Server::start());
        let proxy = FaultProxy::start(&s3);
        Self { postgres, database: postgres.create_database(), s3, proxy }
    }

    /// A stand whose database holds table `t` of `rows` rows of about 130 bytes that do not compress well.
    pub(crate) fn with_rows(rows: u32) -> Self {
        let stand = Self::new();
        stand.sql(&format!(
            "CREATE TABLE t AS SELECT g AS id, md5(g::text) || md5((g * 7)::text) || md5((g * 13)::text) AS v
               FROM generate_series(1, {rows}) g"
        ));
        stand
    }

    /// Runs SQL in the stand's database as superuser; the output without padding.
    pub(crate) fn sql(&self, text: &str) -> String {
        self.postgres.sql(&self.database.name, text)
    }

    /// `backup` with a complete environment: no retries' pauses, JSON log, the real tools.
    pub(crate) fn backup(&self) -> Run {
        Run::new("backup").envs(self.environment())
    }

    /// The environment of [`Stand::backup`], for tests that start the binary by other means.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let ours = [
            ("DATABASE_URL", self.database.url.as_str()),
            ("PG_BIN_DIR", self.postgres.bin_dir().to_str().unwrap()),
            ("RETRY_DELAY", "0"),
            ("LOG_FORMAT", "json"),
            ("PORT", "0"),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let allowed = outdated_tools().map(|(name, value)| (name.to_owned(), value));
        self.s3.env_through(&self.proxy.endpoint()).into_iter().chain(ours).chain(allowed).collect()
    }

    /// `backup run` to its end.
    pub(crate) fn run(&self) -> Output {
        self.backup().args(["run"]).output()
    }

    /// `backup run`, which must succeed; the manifest of the backup that it made: the one that was not there before. Of
    /// two runs in one second, the names do not tell which was the later.
    #[track_caller]
    pub(crate) fn run_ok(&self) -> Value {
        let before = self.manifests();
        let output = self.run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let made = self.manifests().into_keys().find(|key| !before.contains_key(key)).expect("a new manifest");
        serde_json::from_slice(&self.s3.read(&made)).unwrap()
    }

    /// Puts a committed backup straight into the bucket, as one that was started and stored so long ago; its id.
    pub(crate) fn seed(&self, age: TimeDelta) -> String {
        self.seed_with(age, age, b"a dump")
    }

    /// As [`Stand::seed`], with a dump of so many bytes.
    pub(crate) fn seed_of(&self, age: TimeDelta, dump_bytes: usize) -> String {
        self.seed_with(age, age, &vec![b'x'; dump_bytes])
    }

    /// As [`Stand::seed`], and the store says that it was written now: copied from another bucket, or forged.
    pub(crate) fn forge(&self, age: TimeDelta) -> String {
        self.seed_with(age, TimeDelta::zero(), b"a dump")
    }

    fn seed_with(&self, age: TimeDelta, written: TimeDelta, dump: &[u8]) -> String {
        let id = BackupId::new(Utc::now() - age).to_string();
        let written = std::time::SystemTime::from(Utc::now() - written);
        let dump_key = self.key(&id, &format!("{}.dump.zst", self.database.name));
        for (key, content) in [(dump_key, dump), (self.key(&id, "manifest.json"), b"{}")] {
            self.s3.write(&key, content);
            self.s3.set_modified(&key, written);
        }
        id
    }

    /// Objects and sizes in the bucket, without the journal, to which failed runs add as well.
    pub(crate) fn objects(&self) -> BTreeMap<String, u64> {
        self.s3.objects().into_iter().filter(|(key, _)| !key.contains("/events/")).collect()
    }

    /// The names of the events in the journal.
    pub(crate) fn events(&self) -> Vec<String> {
        let keys = self.s3.objects().into_keys();
        keys.filter_map(|key| Some(key.split_once("/events/")?.1.to_owned())).collect()
    }

    /// The key of a file of backup `id` of the stand's database.
    pub(crate) fn key(&self, id: &str, file: &str) -> String {
        format!("postgres-backups/{}/{id}/{file}", self.database.name)
    }

    /// How many sessions of clients the stand's database has, of any login.
    pub(crate) fn sessions(&self) -> usize {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND backend_type = 'client backend'",
            self.database.name
        );
        self.postgres.sql("postgres", &sql).parse().unwrap()
    }

    /// Manifest keys and sizes in the bucket; the last one is the newest.
    pub(crate) fn manifests(&self) -> BTreeMap<String, u64> {
        self.s3.objects().into_iter().filter(|(key, _)| key.ends_with("/manifest.json")).collect()
    }

    /// Asserts what every failed run must leave behind: no object that was not there before, the journal aside, no
    /// upload that is still open.
    #[track_caller]
    pub(crate) fn assert_no_commit(&self, before: &BTreeMap<String, u64>) {
        let before = before.iter().filter(|(key, _)| !key.contains("/events/"));
        let before = before.map(|(key, bytes)| (key.clone(), *bytes)).collect();
        assert_eq!(self.objects(), before, "a failed run changed the bucket");
        assert_eq!(self.s3.open_uploads(), 0, "a failed run left an upload open");
    }

    /// Downloads the newest dump, decodes it with stock tools, and restores it into a new database
    /// on the shared server; returns that database.
    #[track_caller]
    pub(crate) fn restore_newest(&self) -> Database {
        let manifest = self.manifests().pop_last().expect("a manifest in the bucket").0;
        let folder = manifest.strip_suffix("manifest.json").unwrap();
        let key = self.s3.objects().into_keys().find(|key| key.starts_with(folder) && key.contains(".dump")).unwrap();
        let target = self.postgres.create_database();
        let scratch = tempfile::tempdir().unwrap();
        let archive = decode(&self.s3.path(&key), scratch.path());
        let output = Run::program(self.postgres.bin_dir().join("pg_restore"))
            .args(["--exit-on-error", "--dbname", &target.url, archive.to_str().unwrap()])
            .deadline(Duration::from_secs(300))
            .output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        target
    }
}

/// The keys of `s3`, for tests that open a store themselves.
pub(crate) fn keys(s3: &S3Server) -> Credentials {
    let secret = |text: &str| LiveSecret::fixed(Secret::new(text.to_owned()));
    Credentials::Keys(Keys {
        access_key_id: secret(s3.access_key()),
        secret_access_key: secret(s3.secret_key()),
        session_token: None,
    })
}

/// Ids tell seconds: a backup that is made after this call is newer than those from before it.
pub(crate) fn wait_for_the_next_second() {
    std::thread::sleep(Duration::from_millis(1_000 - u64::from(Utc::now().timestamp_subsec_millis()).min(1_000) + 10));
}

/// Decodes a stored object by its suffix with the stock tool; the path of the plain archive.
fn decode(stored: &Path, scratch: &Path) -> std::path::PathBuf {
    let plain = scratch.join("archive.dump");
    let name = stored.to_str().unwrap();
    let script = match name {
        name if name.ends_with(".zst") => "zstd -q -d -c -- \"$1\" > \"$2\"",
        name if name.ends_with(".gz") => "gzip -d -c < \"$1\" > \"$2\"",
        _ => "cp -- \"$1\" \"$2\"",
    };
    let output = Run::program("/bin/sh").args(["-ec", script, "sh", name, plain.to_str().unwrap()]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    plain
}
