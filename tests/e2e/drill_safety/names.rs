//! Names that would be commands or connection strings, if anybody took them for one.

use std::net::TcpListener;
use std::path::Path;

use e2e::postgres::{Postgres, PostgresOptions};

use super::{PASSED, Site, server};
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
