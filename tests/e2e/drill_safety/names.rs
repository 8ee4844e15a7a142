//! Names that would be commands or connection strings, if anybody took them for one.

use std::net::TcpListener;
use std::path::Path;

use e2e::postgres::{Postgres, PostgresOptions};

use super::{PASSED, Site, drill, server};
use crate::stand::Stand;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A role of this name, on one line: `pg_dumpall` writes one statement on each.
fn role(name: &str) -> String {
    quoted(&name.replace('\n', " "))
}

/// Backs up a database of this name, of which everything in it is called the same.
fn site(source: &Postgres, name: &str) -> Site {
    let mut stand = Stand::new();
    source.sql("postgres", &format!("CREATE DATABASE {}", quoted(name)));
    let sql = "CREATE SCHEMA NAME; CREATE TABLE NAME.NAME (NAME text); INSERT INTO NAME.NAME VALUES ('kept');
               CREATE SEQUENCE NAME.s; CREATE FUNCTION NAME.NAME() RETURNS int LANGUAGE sql AS 'SELECT 1';
               CREATE ROLE ROLE; ALTER TABLE NAME.NAME OWNER TO ROLE";
    source.sql(
        name,
        &sql.replace("NAME", &quoted(name))
            .replace("ROLE ROLE", &format!("ROLE {}", role(name)))
            .replace("TO ROLE", &format!("TO {}", role(name))),
    );
    stand.database.url = source.url(name);
    Site::of(stand)
}

#[test]
fn drills_and_restores_take_hostile_names_for_names_r081() {
    let source = Postgres::start(PostgresOptions::default());
    let evil = TcpListener::bind("127.0.0.1:0").unwrap();
    evil.set_nonblocking(true).unwrap();
    let port = evil.local_addr().unwrap().port();
    let target = server(&[]);
    for name in [
        "x;$(touch pwned)`touch pwned`&|'\"\\ %s".to_owned(),
        "two\nlines \\! touch pwned".to_owned(),
        format!("host=127.0.0.1 port={port} dbname=x"),
        format!("postgres://127.0.0.1:{port}/x"),
    ] {
        let site = site(&source, &name);
        let throwaway = site.verify().args(["run"]).output();
        assert_eq!(throwaway.code, PASSED, "{name:?}\n{}\n{}", throwaway.stdout, throwaway.stderr);
        let given = site.verify_on(&target).args(["run"]).output();
        assert_eq!(given.code, PASSED, "{name:?}\n{}\n{}", given.stdout, given.stderr);
        target.sql("postgres", &format!("CREATE ROLE {}", role(&name)));
        let restore = site.verify().env("RESTORE_URL", target.url(&name)).args(["restore", "latest", "--create"]);
        let restored = restore.output();
        assert_eq!(restored.code, PASSED, "{name:?}\n{}\n{}", restored.stdout, restored.stderr);
        let rows = target.sql(&name, &"SELECT NAME FROM NAME.NAME".replace("NAME", &quoted(&name)));
        assert_eq!(rows, "kept");
        let visit = evil.accept().expect_err("somebody connected to where the name points");
        assert_eq!(visit.kind(), std::io::ErrorKind::WouldBlock);
        assert!(!Path::new("pwned").exists() && !site.spool.path().join("pwned").exists(), "{name:?} was run");
    }
}

/// The server cuts a name of 64 bytes, in `CREATE DATABASE` as at login.
#[test]
fn a_name_at_the_limit_is_the_servers_own_in_backups_drills_and_restores() {
    let source = Postgres::shared();
    for bytes in [63, 64] {
        let name = format!("{}é", "n".repeat(bytes - 2));
        let cut = if bytes == 63 { name.clone() } else { "n".repeat(62) };
        let mut stand = Stand::new();
        source.sql("postgres", &format!("CREATE DATABASE {}", quoted(&name)));
        source.sql(&cut, "CREATE TABLE t AS SELECT 1 AS id");
        stand.database.url = source.url(&name);
        let site = Site::of(stand);
        let manifest = site.stand.manifests().pop_last().unwrap().0;
        let manifest: serde_json::Value = serde_json::from_slice(&site.stand.s3.read(&manifest)).unwrap();
        assert_eq!(manifest["database"]["name"], cut.as_str());
        for run in [site.verify(), site.verify().env("VERIFY_SOURCE_DATABASE", &name)] {
            drill(run).assert_code(PASSED);
        }
        let target = format!("r{}", &name[1..]);
        let restore = site.verify().env("RESTORE_URL", source.url(&target)).args(["restore", "latest", "--create"]);
        let restored = restore.output();
        assert_eq!(restored.code, PASSED, "{}\n{}", restored.stdout, restored.stderr);
        assert_eq!(source.sql(&format!("r{}", &cut[1..]), "SELECT id FROM t"), "1");
    }
}
