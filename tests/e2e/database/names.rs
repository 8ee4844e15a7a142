//! Names are data, with any characters.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::Run;
use e2e::s3::S3Server;
use serde_json::{Value, json};

use super::{manifest_of, restore, stored_key};
use crate::stand::Stand;

/// Names that mean something else to a shell, a connection string, a URL, a path or an option parser.
const NAMES: [&str; 10] = [
    "we\"ird 'name' \\ %41 %s",
    "line\nbreak\ttab",
    "$(touch pwned);'`touch pwned`'|touch pwned&",
    "host=evil.invalid dbname=x",
    "postgresql://evil.invalid/x",
    "a/b/../c",
    "-Fc --file=pwned",
    ".hidden~2E",
    "größe 数据库 🐘",
    "sixty-three bytes sixty-three bytes sixty-three bytes sixty-thre",
];

/// A server of its own, if nobody else minds such names, and a stand for the bucket.
struct OwnServer {
    postgres: Postgres,
    stand: Stand,
}

impl OwnServer {
    fn start() -> Self {
        Self { postgres: Postgres::start(PostgresOptions::default()), stand: Stand::new() }
    }

    /// `backup` of this database as this role.
    fn backup(&self, database: &str, role: &str) -> Run {
        let url = self.postgres.url_as(role, "kqzw7vjx-names", database);
        self.stand.backup().env("DATABASE_URL", url).env("COMPRESSION", "none")
    }

    /// A database, and a role of the same name that can read everything.
    fn create(&self, name: &str) {
        let quoted = quoted(name);
        self.postgres.sql("postgres", &format!("CREATE ROLE {quoted} SUPERUSER LOGIN PASSWORD 'kqzw7vjx-names'"));
        self.postgres.sql("postgres", &format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0"));
    }

    fn ids(&self, database: &str) -> Vec<String> {
        let output = self.backup(database, database).args(["list", "--json"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let listed: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(listed["foreign_objects"], 0);
        let ids = listed["backups"].as_array().unwrap().iter();
        ids.map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Nothing that a name asks for was done, neither here nor where the children run.
#[track_caller]
fn assert_nothing_ran() {
    assert!(!Path::new("pwned").exists(), "a name was run as a command");
}

#[test]
fn names_of_everything_survive_backup_list_and_restore_r140_r081() {
    let server = OwnServer::start();
    for name in NAMES {
        let name = &name[..name.len().min(63)];
        server.create(name);
        let quoted = quoted(name);
        server.postgres.sql(
            name,
            &format!(
                "SET ROLE {quoted}; CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} text);
                 INSERT INTO {quoted}.{quoted} VALUES ('kept'); CREATE SEQUENCE {quoted}.\"s\"; SELECT nextval('{}.s')",
                quoted.replace('\'', "''")
            ),
        );
        let manifest = manifest_of(&server.stand, server.backup(name, name));
        assert_eq!(manifest["database"]["name"], name);
        let inventory = &manifest["inventory"];
        assert_eq!(inventory["tables"], json!([{ "schema": name, "name": name, "rows": 1 }]));
        assert_eq!(inventory["sequences"], json!([{ "schema": name, "name": "s", "last_value": 1 }]));
        assert!(inventory["roles"].as_array().unwrap().contains(&json!(name)), "{}", inventory["roles"]);
        assert!(manifest["globals"].is_object(), "roles are missing: {}", manifest["notes"]);

        assert_eq!(server.ids(name), [manifest["id"].as_str().unwrap()]);
        let key = stored_key(&server.stand, &manifest, ".dump");
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/~-_.".contains(&byte)), "{key}");
        let target = server.postgres.create_database();
        restore(&server.postgres, &server.stand.s3.path(&key), &target);
        let rows = server.postgres.sql(&target.name, &format!("SELECT {quoted} FROM {quoted}.{quoted}"));
        assert_eq!(rows, "kept");
    }
    assert_nothing_ran();
}

#[test]
fn a_database_named_like_a_connection_string_does_not_redirect_anybody_r081() {
    let server = OwnServer::start();
    let evil = TcpListener::bind("127.0.0.1:0").unwrap();
    evil.set_nonblocking(true).unwrap();
    let name = format!("host=127.0.0.1 port={} dbname=x", evil.local_addr().unwrap().port());
    server.create(&name);
    let manifest = manifest_of(&server.stand, server.backup(&name, &name).env("BACKUP_GLOBALS", "true"));
    assert_eq!(manifest["database"]["name"], name.as_str());
    let visit = evil.accept().expect_err("somebody connected to where the name points");
    assert_eq!(visit.kind(), std::io::ErrorKind::WouldBlock);
    let visits = format!("@{name}/");
    let dumped = server.postgres.log_text().lines().filter(|line| line.contains(&visits)).count();
    assert!(dumped > 0, "the tools did not come to the configured server");
}

#[test]
fn options_of_pg_dump_go_through_no_shell_r081() {
    let stand = Stand::with_rows(10);
    let name = "$(touch pwned); `touch pwned` | & > pwned $HOME";
    stand.sql(&format!("CREATE TABLE {} (id int)", quoted(name)));
    let run = stand.backup().env("COMPRESSION", "none").env("PG_DUMP_OPTIONS", format!("-T '{}'", quoted(name)));
    let manifest = manifest_of(&stand, run);
    assert_eq!(manifest["narrowed_by"], json!(["--exclude-table"]));
    let archive = stand.s3.path(&stored_key(&stand, &manifest, ".dump"));
    let list =
        Run::program(stand.postgres.bin_dir().join("pg_restore")).args(["-l", archive.to_str().unwrap()]).output();
    assert!(list.stdout.contains("TABLE public t ") && !list.stdout.contains("pwned"), "{}", list.stdout);
    assert_nothing_ran();
}

/// The objects whose key has this folder of a database.
fn of_folder(s3: &S3Server, folder: &str) -> BTreeMap<String, u64> {
    s3.objects().into_iter().filter(|(key, _)| key.contains(&format!("/{folder}/"))).collect()
}

/// Puts a copy of the backup of this manifest beside it that claims to be of the year 2020.
fn age(stand: &Stand, manifest: &Value) {
    let id = manifest["id"].as_str().unwrap();
    let old = format!("20200101T000000Z-{}", id.split_once('-').unwrap().1);
    for key in stand.s3.objects().into_keys().filter(|key| key.contains(id)) {
        stand.s3.write(&key.replace(id, &old), stand.s3.read(&key));
    }
}

#[test]
fn databases_whose_names_begin_alike_never_see_each_other_r011() {
    let server = OwnServer::start();
    let names = ["app", "app_staging", "app.dump", "a", "a/b", "a~2Fb"];
    for name in names {
        server.create(name);
        server.postgres.sql(name, "CREATE TABLE t (id int)");
    }
    let mut ids = BTreeMap::new();
    for name in names {
        let manifest = manifest_of(&server.stand, server.backup(name, name));
        age(&server.stand, &manifest);
        ids.insert(name, manifest["id"].as_str().unwrap().to_owned());
    }
    for name in names {
        let listed = server.ids(name);
        assert_eq!(listed.len(), 2, "{name} lists {listed:?}");
        assert_eq!(listed[0], ids[name]);
    }
    // Each prune deletes the old backup of its own database, and nothing of the others.
    let mut objects = server.stand.s3.objects();
    for name in ["a", "app", "a/b"] {
        let tail = ids[name].split_once('-').unwrap().1;
        let old = format!("20200101T000000Z-{tail}");
        let output = server.backup(name, name).env("BACKUP_KEEP_LAST", "1").args(["prune"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        objects.retain(|key, _| !key.contains(&old));
        assert_eq!(server.stand.s3.objects(), objects, "after the prune of {name}");
    }
    // Each backup is three objects and an event.
    assert_eq!(of_folder(&server.stand.s3, "app").len(), 4);
    assert_eq!(of_folder(&server.stand.s3, "app_staging").len(), 8);
}

#[test]
fn prefixes_that_begin_alike_never_see_each_other_r011() {
    let stand = Stand::with_rows(1);
    let prefixes = ["p", "p2", "p/sub"];
    let with = |prefix: &str| stand.backup().env("BACKUP_PREFIX", prefix).env("BACKUP_KEEP_LAST", "1");
    for prefix in prefixes {
        age(&stand, &manifest_of(&stand, with(prefix)));
    }
    for prefix in prefixes {
        let listed = with(prefix).args(["list", "--json"]).output().stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["backups"].as_array().unwrap().len(), 2, "{prefix}: {listed}");
    }
    let output = with("p").args(["prune"]).output();
    assert!(output.stdout.contains("deleted 1 backups"), "{}", output.stdout);
    let left = |prefix: &str| stand.s3.objects().keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(prefixes.map(|prefix| left(&format!("{prefix}/test_"))), [4, 8, 8]);
}
