//! A backup in a bucket, and `verify` pointed at it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use backup_core::repository::{BackupId, UNSEALED, seal};
use chrono::{TimeDelta, Utc};
use e2e::process::{Output, Run, command_line};
use e2e::tools::FakeTools;
use serde_json::Value;
use tempfile::TempDir;

use crate::stand::Stand;

/// A drill on a machine that is busy with other tests.
pub(crate) const DRILL_LIMIT: Duration = Duration::from_secs(300);

/// Something for every check to look at.
const DATABASE: &str = "
    CREATE EXTENSION pgcrypto;
    CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL);
    INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 500) g;
    CREATE INDEX t_v ON t (v);
    CREATE TABLE kinds (id int PRIMARY KEY);
    INSERT INTO kinds VALUES (1), (2);
    CREATE TABLE parts (id int, kind int REFERENCES kinds) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (200);
    INSERT INTO parts SELECT g, 1 + g % 2 FROM generate_series(1, 150) g;
    CREATE SEQUENCE numbers;
    SELECT setval('numbers', 42);
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS rows FROM t;
    CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;
    CREATE TABLE files (id int, body bytea);
    INSERT INTO files SELECT g, decode(repeat(md5(g::text), 200), 'hex') FROM generate_series(1, 2) g;
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER kinds_keep BEFORE UPDATE ON kinds FOR EACH ROW EXECUTE FUNCTION keep();
    SELECT lo_from_bytea(7001, 'some bytes');";

/// One backup, the bucket that it is in, and a folder for temporary files that must be empty again
/// after every drill.
pub(crate) struct DrillStand {
    pub(crate) stand: Stand,
    pub(crate) id: String,
    pub(super) folder: TempDir,
    pristine: BTreeMap<String, Vec<u8>>,
}

/// A drill that has ended.
pub(super) struct Drill {
    pub(super) output: Output,
    pub(super) report: Value,
}

impl DrillStand {
    /// A backup of a database with something for every check.
    pub(super) fn new() -> Self {
        Self::of(DATABASE, &[])
    }

    /// A backup of a table with few rows, for what ends before a server is started.
    pub(crate) fn small(compression: &str) -> Self {
        let rows = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 100) g";
        Self::of(rows, &[("COMPRESSION", compression), ("BACKUP_GLOBALS", "false")])
    }

    /// A backup of a database that `sql` makes, with these variables.
    pub(super) fn of(sql: &str, variables: &[(&str, &str)]) -> Self {
        Self::on(Stand::new(), sql, variables)
    }

    /// As [`DrillStand::of`], with the database of `stand`.
    pub(super) fn on(stand: Stand, sql: &str, variables: &[(&str, &str)]) -> Self {
        stand.sql(sql);
        let output = stand.backup().args(["run"]).envs(variables.iter().copied()).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        Self::of_bucket(stand)
    }

    /// Around the backup that is in the bucket of `stand`.
    pub(super) fn of_bucket(stand: Stand) -> Self {
        let id = ids(&stand).pop().expect("a backup in the bucket");
        let folder = TempDir::with_prefix("drill-").unwrap();
        // The server of a drill runs as another user if we are root, and must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let pristine = stand.s3.objects().into_keys().map(|key| (key.clone(), stand.s3.read(&key))).collect();
        Self { stand, id, folder, pristine }
    }

    /// `verify` with a complete environment: a throwaway server, the real tools, no pauses.
    pub(crate) fn verify(&self) -> Run {
        let tools = self.stand.postgres.bin_dir().to_str().unwrap();
        Run::new("verify")
            .envs(self.stand.s3.env_through(&self.stand.proxy.endpoint()))
            .env("PG_BIN_DIR", tools)
            .env("TMPDIR", self.folder.path())
            .envs([("VERIFY_JOBS", "2"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0")])
            .deadline(DRILL_LIMIT)
    }

    /// One drill of the newest backup, to its verdict.
    #[track_caller]
    pub(super) fn drill(&self) -> Drill {
        self.drill_with(self.verify())
    }

    /// As [`DrillStand::drill`], for a `verify` that was changed.
    #[track_caller]
    pub(super) fn drill_with(&self, verify: Run) -> Drill {
        self.drill_of(verify, &[])
    }

    /// As [`DrillStand::drill_with`], with further arguments after `run`.
    #[track_caller]
    pub(super) fn drill_of(&self, verify: Run, arguments: &[&str]) -> Drill {
        let reports = tempfile::tempdir().unwrap();
        let file = reports.path().join("report.json");
        let output = verify.args(["run", "--report"]).args([&file]).args(arguments).output();
        let report = fs::read(&file).unwrap_or_else(|error| panic!("no report: {error}\n{}", output.stderr));
        self.assert_nothing_is_left();
        Drill { output, report: serde_json::from_slice(&report).unwrap() }
    }

    /// Neither files nor servers outlive a drill.
    #[track_caller]
    pub(super) fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "a drill left {left:?}");
        assert_eq!(processes_of(self.folder.path()), Vec::<u32>::new(), "a drill left processes");
    }

    /// The key of a file of this backup.
    pub(super) fn key(&self, file: &str) -> String {
        self.stand.key(&self.id, file)
    }

    /// The key of the dump.
    pub(crate) fn dump_key(&self) -> String {
        self.pristine.keys().find(|key| key.contains(".dump")).unwrap().clone()
    }

    /// What an object was when the backup had just been made.
    pub(crate) fn pristine(&self, key: &str) -> &[u8] {
        &self.pristine[key]
    }

    /// Puts everything back that a test has changed, and removes what it has added.
    pub(super) fn reset(&self) {
        for key in self.stand.s3.objects().into_keys() {
            self.stand.s3.delete(&key);
        }
        self.pristine.iter().for_each(|(key, content)| self.stand.s3.write(key, content));
    }

    /// Stores the manifest with a change, and with a digest of itself that agrees.
    pub(super) fn edit_manifest(&self, change: impl FnOnce(&mut Value)) {
        let key = self.key("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&self.stand.s3.read(&key)).unwrap();
        change(&mut manifest);
        self.stand.s3.write(&key, sealed(manifest));
    }

    /// Stores other bytes for `dump` or `globals` and makes the manifest agree, as a writer would that
    /// went wrong before it computed anything. Only without compression.
    pub(super) fn forge(&self, object: &str, content: &[u8]) {
        let sha256 = sha256(content);
        self.edit_manifest(|manifest| {
            let facts = &mut manifest[object];
            for (bytes, digest) in [("plain_bytes", "plain_sha256"), ("stored_bytes", "stored_sha256")] {
                facts[bytes] = content.len().into();
                facts[digest] = sha256.clone().into();
            }
            let name = facts["name"].as_str().unwrap().to_owned();
            self.stand.s3.write(&self.key(&name), content);
        });
    }

    /// Copies the backup as if it had been made so long ago; the copy's id.
    pub(super) fn copy_as(&self, age: TimeDelta) -> String {
        self.copy_with(age, |_| ())
    }

    /// As [`DrillStand::copy_as`], with a change of its manifest.
    pub(super) fn copy_with(&self, age: TimeDelta, change: impl Fn(&mut Value)) -> String {
        let id = BackupId::new(Utc::now() - age).to_string();
        for (key, content) in &self.pristine {
            let key = key.replace(&self.id, &id);
            if key.ends_with("/manifest.json") {
                let mut manifest: Value = serde_json::from_slice(content).unwrap();
                manifest["id"] = id.as_str().into();
                change(&mut manifest);
                self.stand.s3.write(&key, sealed(manifest));
            } else {
                self.stand.s3.write(&key, content);
            }
        }
        id
    }

    /// Removes the backup that was made, so that only copies are there.
    pub(super) fn remove_original(&self) {
        self.pristine.keys().for_each(|key| self.stand.s3.delete(key));
    }
}

impl Drill {
    /// The verdict and the exit code, which must belong together.
    #[track_caller]
    pub(super) fn assert_verdict(&self, verdict: &str, code: i32) {
        let ended = (self.report["verdict"].as_str().unwrap(), self.output.code);
        assert_eq!(ended, (verdict, Some(code)), "{:#}\n{}", self.report, self.output.stderr);
    }

    /// Could not run, with these words and without a finding.
    #[track_caller]
    pub(super) fn assert_could_not_run(&self, words: &str) {
        self.assert_verdict("could_not_run", 4);
        let error = self.report["error"].as_str().unwrap();
        assert!(error.contains(words) && self.findings().is_empty(), "{error}\n{:#?}", self.findings());
    }

    /// The checks that have this state, in their order.
    pub(super) fn checks(&self, state: &str) -> Vec<String> {
        let checks = self.report["checks"].as_array().unwrap().iter().filter(|check| check["state"] == state);
        checks.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Every finding as `check: message`.
    pub(super) fn findings(&self) -> Vec<String> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings.map(|finding| format!("{}: {}", text(&finding["check"]), text(&finding["message"]))).collect()
    }

    /// Failed, with `check` as the only one that found anything, and with these words. If there is no
    /// backup, no check is begun.
    #[track_caller]
    pub(super) fn assert_found_by(&self, check: &str, words: &str) {
        self.assert_verdict("failed", 1);
        let findings = self.findings();
        let by_others: Vec<&String> =
            findings.iter().filter(|finding| !finding.starts_with(&format!("{check}: "))).collect();
        assert!(by_others.is_empty(), "{by_others:#?}");
        assert!(findings.iter().any(|finding| finding.contains(words)), "{words:?} is not in {findings:#?}");
        let failed = self.checks("failed");
        let none_was_begun = self.report["checks"].as_array().unwrap().is_empty();
        assert!(none_was_begun || failed == [check], "{failed:?}");
    }
}

/// The ids of the committed backups in the bucket, the newest last.
pub(super) fn ids(stand: &Stand) -> Vec<String> {
    let id = |key: &String| key.rsplit('/').nth(1).unwrap().to_owned();
    let mut ids: Vec<String> = stand.manifests().keys().map(id).collect();
    ids.sort();
    ids
}

/// The processes that name `folder` on their command lines.
pub(super) fn processes_of(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| command_line(*pid).iter().any(|argument| argument.contains(folder))).collect()
}

/// Tools whose `pg_restore` is the real one and then, in its last pass, does `more`; `"$DB"` is the
/// argument that names the database, also for `"$PSQL"`, and `"$HERE"` the folder of the tools. The reference
/// database stays as it is.
pub(crate) fn restore_then(more: &str) -> FakeTools {
    let mut tools = FakeTools::new();
    let psql = tools.real("psql").display().to_string();
    tools.script(
        "pg_restore",
        &format!(
            "PSQL='{psql}'\nHERE=${{0%/*}}\n\"$REAL\" \"$@\" || exit\n\
             for a; do case $a in --dbname=*) DB=$a;; --use-list=*) PASS=${{a##*/}};; esac; done\n\
             N=$(\"$PSQL\" --no-psqlrc -At \"$DB\" --command=\"SELECT count(*) FROM pg_database WHERE datname !~ '^(template|postgres$)'\")\n\
             case $DB:$N in *verify_drill_*) ;; *verify_reference_*|*:2) exit 0;; esac\n\
             case $PASS in 1-of-1-*|2-of-2-*|3-of-3-*|4-of-4-*|5-of-5-*) ;; *) exit 0;; esac\n{more}"
        ),
    );
    tools
}

/// The text of a manifest with its digest of itself.
pub(super) fn sealed(mut manifest: Value) -> String {
    manifest["manifest_sha256"] = UNSEALED.into();
    seal(&manifest.to_string())
}

pub(super) fn sha256(content: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let output = Run::program("/usr/bin/sha256sum").args([file.path()]).output();
    output.stdout.split_whitespace().next().unwrap().to_owned()
}
