//! The sweep at the start: leftovers of dead runs go, and nothing else does.

use backup_core::postgres::Wanted;
use e2e::postgres::SUPERUSER;

use super::{leftovers, lock, server, source, wait_for_locks, with_admin};

/// A name of our grammar that no run made.
const UNMARKED: &str = "verify_drill_20261122t030000z_abcdefghijklmnop";

#[tokio::test]
async fn only_the_leftovers_of_dead_runs_are_swept_r059_r047() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let source = source("UTF8", "C");
    let locked = lock(&drill, &source).await;
    let mut dead = locked.create_scratch().await.unwrap();
    let wanted = Wanted { roles: vec!["App Owner".to_owned()], ..Wanted::default() };
    dead.prepare(&wanted).await.unwrap();
    let (dead_name, dead_owner) = (dead.name().to_owned(), dead.owner().user().to_owned());
    let sql = format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{dead_name}'");
    let mark = server.sql(SUPERUSER, &sql);
    drop(dead); // As a process that dies: the session ends, and the database stays.
    wait_for_locks(&server, 1).await;

    let alive = locked.create_scratch().await.unwrap();
    // Strangers: a name of ours without a mark, the mark with other names, and the mark of another run.
    for (name, comment) in [
        (UNMARKED, ""),
        ("production", mark.as_str()),
        ("verify_drill_20261122t030000z_abcdefghijklmno", mark.as_str()),
        ("verify_drill_20261122t030000z_abcdefghijklmnoq", mark.as_str()),
        ("VERIFY_DRILL_20261122T030000Z_ABCDEFGHIJKLMNOP", mark.as_str()),
        ("verify_drill_ä\"; DROP DATABASE production", mark.as_str()),
    ] {
        let quoted = name.replace('"', "\"\"");
        server.sql(SUPERUSER, &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0"));
        server.sql(SUPERUSER, &format!("COMMENT ON DATABASE \"{quoted}\" IS '{comment}'"));
    }
    server.sql(SUPERUSER, &format!("CREATE ROLE app_user LOGIN; COMMENT ON ROLE app_user IS '{mark}'"));

    let swept = drill.sweep().await.unwrap();
    assert_eq!((swept.databases, swept.failed.len()), (vec![dead_name.clone()], 0));
    let unmarked = [UNMARKED, "verify_drill_20261122t030000z_abcdefghijklmnoq"];
    assert_eq!(swept.unmarked, unmarked);
    let names =
        "SELECT string_agg(datname, '|' ORDER BY datname COLLATE \"C\") FROM pg_database WHERE NOT datistemplate";
    let names = server.sql(SUPERUSER, names);
    assert_eq!(names.split('|').count(), 8, "{names}");
    assert!(names.contains("production") && names.contains(alive.name()) && !names.contains(&dead_name), "{names}");
    let roles = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'";
    let expected = format!("app_user drill_login postgres {}", alive.owner().user());
    assert_eq!(server.sql(SUPERUSER, roles), expected);
    assert!(!server.log_text().contains(&format!("DROP ROLE IF EXISTS \"{}\"", alive.owner().user())));
    assert!(server.log_text().contains(&format!("DROP ROLE IF EXISTS \"{dead_owner}\"")));

    // What is alive can still be dropped by its own run, and no other DROP was ever sent.
    let alive_name = alive.name().to_owned();
    alive.drop().await.unwrap();
    assert!(!leftovers(&server).contains(&alive_name));
    for line in server.log_text().lines().filter(|line| line.contains("statement: DROP DATABASE")) {
        assert!(line.contains(&format!("\"{alive_name}\"")) || line.contains(&format!("\"{dead_name}\"")), "{line}");
    }
}

#[tokio::test]
async fn a_database_without_a_comment_whose_owner_is_marked_is_swept_r059() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let dead = locked.create_scratch().await.unwrap();
    let name = dead.name().to_owned();
    server.sql(SUPERUSER, &format!("COMMENT ON DATABASE {name} IS NULL"));
    drop(dead);
    drop(locked);
    wait_for_locks(&server, 0).await;
    let swept = drill.sweep().await.unwrap();
    assert_eq!((swept.databases, swept.unmarked.len()), (vec![name], 0));
    assert_eq!(leftovers(&server), "");
    assert!(drill.sweep().await.unwrap().databases.is_empty());
}
