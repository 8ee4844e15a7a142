//! The sweep at the start: leftovers of dead runs go, and nothing else does.

use backup_core::postgres::Prerequisites;
use e2e::postgres::SUPERUSER;

use super::{conninfo, leftovers, lock, server, source, wait_for_locks, with_admin, without_admin};

/// A name of our grammar that no run made.
const UNMARKED: &str = "verify_drill_20261122t030000z_abcdefghijklmnop";

#[tokio::test]
async fn only_the_leftovers_of_dead_runs_are_swept_r059_r047() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let source = source("UTF8", "C");
    let locked = lock(&drill, &source).await;
    let mut dead = locked.create_scratch().await.unwrap();
    let wanted = Prerequisites { roles: vec!["App Owner".to_owned()], ..Prerequisites::default() };
    dead.prepare(&wanted).await.unwrap();
    let (dead_name, dead_owner) = (dead.name().to_owned(), dead.owner().user().to_owned());
    let reference = dead.create_reference().await.unwrap().owner().dbname().to_owned();
    assert_eq!(reference, dead_name.replace("drill", "reference"));
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
    assert!(names.contains("production") && names.contains(alive.name()), "{names}");
    assert!(!names.contains(&dead_name) && !names.contains(&reference), "{names}");
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
        assert!(
            [&alive_name, &dead_name, &reference].iter().any(|name| line.contains(&format!("\"{name}\""))),
            "{line}"
        );
    }
}

/// Neither the database of a run nor its reference database, which died before it had a comment, outlives the run.
#[tokio::test]
async fn a_reference_database_goes_with_its_run_r059() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let scratch = locked.create_scratch().await.unwrap();
    scratch.create_reference().await.unwrap();
    assert!(leftovers(&server).contains("verify_reference_"));
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
    let dead = locked.create_scratch().await.unwrap();
    let reference = dead.create_reference().await.unwrap().owner().dbname().to_owned();
    server.sql(SUPERUSER, &format!("COMMENT ON DATABASE {reference} IS NULL"));
    drop(dead);
    wait_for_locks(&server, 1).await;
    let swept = drill.sweep().await.unwrap();
    assert_eq!((swept.databases.len(), swept.unmarked.len(), swept.failed.len()), (1, 0, 0));
    assert_eq!(leftovers(&server), "");
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

/// What a run leaves that dies between CREATE DATABASE and its comment, and what only looks like it.
#[tokio::test]
async fn an_empty_database_of_the_drills_login_is_swept_without_a_mark_and_nothing_else_r059_r047() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let name = |random: &str| format!("verify_drill_20200101t000000z_{random}klmnop");
    let now = chrono::Utc::now().format("%Y%m%dt%H%M%Sz");
    let (stillborn, used) = (name("stillbornn"), name("usedusedus"));
    let (commented, granted, foreign) = (name("commentedd"), name("grantedgra"), name("foreignfor"));
    let young = format!("verify_drill_{now}_youngyoungklmnop");
    for (name, owner) in [
        (&stillborn, "drill_login"),
        (&used, "drill_login"),
        (&commented, "drill_login"),
        (&granted, "drill_login"),
        (&foreign, SUPERUSER),
        (&young, "drill_login"),
    ] {
        server.sql(SUPERUSER, &format!("CREATE DATABASE {name} TEMPLATE template0 OWNER {owner}"));
    }
    server.sql(&used, "CREATE TYPE mood AS ENUM ('sad')");
    server.sql(SUPERUSER, &format!("COMMENT ON DATABASE {commented} IS 'keep'"));
    server.sql(SUPERUSER, &format!("REVOKE ALL ON DATABASE {granted} FROM PUBLIC"));
    let session = conninfo(&server.url(&stillborn)).connect().await.unwrap();
    let swept = drill.sweep().await.unwrap();
    assert_eq!((swept.databases, swept.unmarked.len()), (Vec::new(), 6), "somebody is in it");
    session.close().await;
    let in_it = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{stillborn}'");
    while server.sql(SUPERUSER, &in_it) != "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let swept = drill.sweep().await.unwrap();
    assert_eq!((swept.databases, swept.failed.len()), (vec![stillborn.clone()], 0));
    let mut kept = vec![used, commented, granted, foreign, young];
    kept.sort();
    assert_eq!(swept.unmarked, kept);
    assert_eq!(leftovers(&server).lines().collect::<Vec<_>>(), kept);
}
