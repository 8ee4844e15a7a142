//! The commands of docs/restore.md, taken out of it and run with stock tools only, for every format.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::{Output, Run};
use e2e::s3::S3Server;
use serde_json::Value;
use tempfile::TempDir;

use super::{AgePair, PASSPHRASE, has_tool, signing_pair};
use crate::documents::commands;

const RESTORE: &str = "docs/restore.md";
const FORMAT: &str = "docs/format.md";

/// All that the commands may use, beside PostgreSQL's.
const STOCK_TOOLS: [&str; 14] =
    ["age", "cat", "cut", "grep", "gzip", "od", "openssl", "rm", "sed", "sha256sum", "sh", "tr", "wc", "zstd"];

const POSTGRES_TOOLS: [&str; 4] = ["createdb", "pg_restore", "psql", "vacuumdb"];

/// What is compared at the end.
const CONTENTS: &str = "SELECT md5(string_agg(t::text, ',' ORDER BY id)), count(*), max(id) FROM t";

/// The server that was backed up and the one to restore into, a bucket, and a folder of stock tools.
struct ByHand {
    source: Postgres,
    target: Postgres,
    s3: S3Server,
    tools: TempDir,
}

impl ByHand {
    fn new() -> Self {
        let (source, target) =
            (Postgres::start(PostgresOptions::default()), Postgres::start(PostgresOptions::default()));
        let tools = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in STOCK_TOOLS {
            let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file());
            symlink(found.unwrap_or_else(|| panic!("no {tool}")), tools.path().join(tool)).unwrap();
        }
        for tool in POSTGRES_TOOLS {
            symlink(target.bin_dir().join(tool), tools.path().join(tool)).unwrap();
        }
        source.sql("postgres", "CREATE DATABASE app TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'");
        source.sql("postgres", "CREATE ROLE owner_of_t");
        let table = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g";
        source.sql("app", &format!("{table}; ALTER TABLE t OWNER TO owner_of_t"));
        Self { source, target, s3: S3Server::start(), tools }
    }

    /// Makes a backup with these variables and downloads it into a new folder; the folder and the id.
    fn back_up(&self, variables: &[(&str, &str)]) -> (TempDir, String) {
        self.s3.objects().keys().for_each(|key| self.s3.delete(key));
        let url = self.source.url("app");
        let run = Run::new("backup").args(["run"]).envs(self.s3.env()).env("DATABASE_URL", url).env("PORT", "0");
        let run = run.env("PG_BIN_DIR", self.source.bin_dir()).envs(variables.iter().copied());
        let output = run.output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let folder = tempfile::tempdir().unwrap();
        let mut id = String::new();
        // The journal lies beside the folders of the backups.
        for key in self.s3.objects().keys().filter(|key| !key.contains("/events/")) {
            let mut parts = key.rsplit('/');
            let name = parts.next().unwrap();
            id = parts.next().unwrap().to_owned();
            fs::write(folder.path().join(name), self.s3.read(key)).unwrap();
        }
        (folder, id)
    }

    /// Runs commands of a document in `folder`, with nothing in the environment but the way to the server.
    #[track_caller]
    fn run(&self, commands: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
        let script = format!("cd '{}'\n{commands}", folder.display());
        let port = self.target.port().to_string();
        let server = [("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "postgres")];
        let run = Run::program("/bin/sh").args(["-euc", &script]).envs(server).envs(variables.iter().copied());
        let output = run.env("PGPASSWORD", self.target.password()).env("PATH", self.tools.path()).output();
        assert_eq!(output.code, Some(0), "{}\n{}\n{commands}", output.stdout, output.stderr);
        output
    }

    /// The whole of "By hand", for a backup whose names end as `manifest` says.
    fn restore(&self, variables: &[(&str, &str)], key: Option<&str>) {
        let (folder, id) = self.back_up(variables);
        let folder = folder.path();
        let step = |name: &str| self.run(&commands(RESTORE, name), folder, &[]);
        let name = |suffix: &str| fs::read_dir(folder).unwrap().any(|file| file.unwrap().path().ends_with(suffix));
        let ends = |suffix: &str| {
            let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().ends_with(suffix)).count() == 2
        };
        let checked = step("check");
        assert_eq!(checked.stdout.matches(": as it was stored").count(), 2, "{}", checked.stdout);
        if let Some(key) = key {
            fs::write(folder.join("key.txt"), key).unwrap();
        }
        if ends(".age") {
            step("age");
        }
        if ends(".enc") {
            let mac = commands(RESTORE, "mac").replace("20261122T030000Z-calpt5zmzst5hrp2", &id);
            let checked = self.run(&mac, folder, &[]);
            assert_eq!(checked.stdout.matches(": authentic").count(), 2, "{}", checked.stdout);
            step("enc");
        }
        for (suffix, block) in [(".zst", "zst"), (".gz", "gz")] {
            if ends(suffix) {
                step(block);
            }
        }
        assert!(name("app.dump") && name("globals.sql"));
        for block in ["roles", "create", "restore"] {
            step(block);
        }
        assert_eq!(step("compare").stdout.trim(), "", "row counts differ");
        let [there, here] = [&self.source, &self.target].map(|server| server.sql("app", CONTENTS));
        assert_eq!(there, here);
        let owner = "SELECT relowner::regrole FROM pg_class WHERE relname = 't'";
        assert_eq!(self.target.sql("app", owner), "owner_of_t");
        self.target.sql("postgres", "DROP DATABASE app");
        self.target.sql("postgres", "DROP ROLE owner_of_t");
    }
}

#[test]
fn every_format_is_restored_by_the_commands_of_the_document_r045() {
    if !has_tool("encryption::every_format_is_restored_by_the_commands_of_the_document_r045", "age") {
        return;
    }
    let by_hand = ByHand::new();
    let pair = AgePair::generate();
    for compression in ["zstd", "gzip", "none"] {
        let compression = ("COMPRESSION", compression);
        by_hand.restore(&[compression], None);
        by_hand.restore(&[compression, ("AGE_RECIPIENTS", &pair.recipient)], Some(&pair.identity));
        let key = format!("{PASSPHRASE}\n");
        by_hand
            .restore(&[compression, ("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)], Some(&key));
    }
    // The MAC of the document notices what openssl alone does not.
    let (folder, id) = by_hand.back_up(&[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)]);
    fs::write(folder.path().join("key.txt"), PASSPHRASE).unwrap();
    let globals = folder.path().join("globals.sql.zst.enc");
    let mut bytes = fs::read(&globals).unwrap();
    bytes[20] ^= 1;
    fs::write(&globals, bytes).unwrap();
    let mac = commands(RESTORE, "mac").replace("20261122T030000Z-calpt5zmzst5hrp2", &id);
    let checked = by_hand.run(&mac, folder.path(), &[]).stdout;
    assert!(checked.contains("globals.sql.zst.enc: FORGED") && checked.contains("app.dump.zst.enc: authentic"));
}

#[test]
fn the_signature_of_a_manifest_is_checked_with_openssl_as_documented_r045() {
    if !has_tool("encryption::the_signature_of_a_manifest_is_checked_with_openssl_as_documented_r045", "age") {
        return;
    }
    let by_hand = ByHand::new();
    let (private, public) = signing_pair();
    let (folder, _) = by_hand.back_up(&[("BACKUP_SIGNING_KEY", &private)]);
    let manifest = folder.path().join("manifest.json");
    let check = commands(FORMAT, "signature");
    let said = by_hand.run(&check, folder.path(), &[("TRUSTED_KEY", &public)]);
    assert!(said.stdout.contains("Signature Verified Successfully"), "{}", said.stdout);
    let text = fs::read_to_string(&manifest).unwrap();
    let parsed: Value = serde_json::from_str(&text).unwrap();
    let sealed = by_hand.run(&commands(FORMAT, "seal"), folder.path(), &[]).stdout;
    assert!(sealed.starts_with(parsed["manifest_sha256"].as_str().unwrap()), "{sealed}");
    assert_eq!(parsed["prefix"], "postgres-backups");
    fs::write(&manifest, text.replacen("\"rows\": 20000", "\"rows\": 20001", 1)).unwrap();
    let said = by_hand.run(&format!("{} || true", check.trim_end()), folder.path(), &[("TRUSTED_KEY", &public)]);
    assert!(!said.stdout.contains("Verified Successfully"), "{}", said.stdout);
}
