//! Roles, schemas and extensions before a restore.

use backup_core::postgres::{MissingExtensions, Prerequisites, WantedExtension};
use e2e::postgres::{Postgres, SUPERUSER};

use super::{leftovers, lock, run, server, source, value, with_admin, without_admin};

fn extension(server: &Postgres, name: &str, schema: Option<&str>) -> WantedExtension {
    let sql = format!("SELECT default_version FROM pg_available_extensions WHERE name = '{name}'");
    WantedExtension {
        name: name.to_owned(),
        version: server.sql(SUPERUSER, &sql),
        schema: schema.map(str::to_owned),
        schema_owner: None,
    }
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn roles_of_the_archive_are_created_and_go_with_the_database_r132() {
    let server = server(&[]);
    let drill = with_admin(&server);
    server.sql(SUPERUSER, "CREATE ROLE here_already SUPERUSER");
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let wanted =
        roles(&["App \"Owner\"", "readers", "readers", "here_already", "postgres", "pg_monitor", "pg_no_such"]);
    let prepared = scratch.prepare(&Prerequisites { roles: wanted, ..Prerequisites::default() }).await.unwrap();
    assert_eq!(prepared.missing_roles, ["pg_no_such"]);
    assert!(prepared.notes.concat().contains("here_already, postgres"), "{prepared:?}");

    let owner = scratch.owner();
    let members = "SELECT string_agg(rolname, '|' ORDER BY rolname) FROM pg_roles
                    WHERE pg_has_role(current_user, oid, 'MEMBER') AND rolname <> current_user AND rolname !~ '^pg_'";
    assert_eq!(value(owner, members).await, "App \"Owner\"|readers", "never of a role that was there");
    run(owner, "CREATE TABLE public.t (); GRANT SELECT ON public.t TO readers").await.unwrap();
    run(owner, "ALTER DEFAULT PRIVILEGES FOR ROLE \"App \"\"Owner\"\"\" GRANT SELECT ON TABLES TO readers")
        .await
        .unwrap();
    run(owner, "ALTER SCHEMA public RENAME TO public_2; ALTER SCHEMA public_2 RENAME TO public").await.unwrap();

    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
    let left =
        server.sql(SUPERUSER, "SELECT string_agg(rolname, '|' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'");
    assert_eq!(left, "drill_login|here_already|postgres");
}

#[tokio::test]
async fn extensions_come_in_their_schemas_and_versions_r131() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let mut other_version = extension(&server, "hstore", Some("public"));
    other_version.version = "0.1".to_owned();
    let extensions = vec![
        extension(&server, "plpgsql", Some("pg_catalog")),
        // Needs cube, and is named before it.
        extension(&server, "earthdistance", Some("Geo 1")),
        extension(&server, "cube", Some("Geo 1")),
        extension(&server, "pageinspect", None),
        other_version,
    ];
    let prepared = scratch.prepare(&Prerequisites { extensions, ..Prerequisites::default() }).await.unwrap();
    let [note] = prepared.extension_notes.as_slice() else { panic!("{prepared:?}") };
    assert!(note.contains("hstore") && note.contains("0.1 in the source"), "{note}");
    let installed = "SELECT string_agg(extname || ' ' || n.nspname, '|' ORDER BY extname)
                       FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace";
    let expected = "cube Geo 1|earthdistance Geo 1|hstore public|pageinspect public|plpgsql pg_catalog";
    assert_eq!(value(scratch.owner(), installed).await, expected);
    run(scratch.owner(), "CREATE TABLE \"Geo 1\".t (c \"Geo 1\".cube)").await.unwrap();
    scratch.drop().await.unwrap();
}

/// What is in its tables is an extension's own business: a role that restores reaches none, unless the extension is known
/// to be harmless. See `drill::guarded` and `drill::timescaledb`.
#[tokio::test]
async fn the_owner_does_not_reach_the_tables_of_any_extension_r051() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let made = "CREATE EXTENSION hstore SCHEMA public; CREATE SCHEMA config; CREATE TABLE config.t (id serial);
                ALTER EXTENSION hstore ADD SCHEMA config; ALTER EXTENSION hstore ADD TABLE config.t;
                ALTER EXTENSION hstore ADD SEQUENCE config.t_id_seq";
    run(scratch.admin().unwrap(), made).await.unwrap();
    let prepared = scratch.prepare(&Prerequisites::default()).await.unwrap();
    let members: Vec<_> = prepared.members.iter().map(|member| (member.name.name.as_str(), member.is_open)).collect();
    assert_eq!(members, [("t", false), ("t_id_seq", false)]);
    let kept: Vec<_> = prepared.kept_schemas.iter().map(|schema| schema.name.as_str()).collect();
    assert_eq!(kept, ["public"]);
    assert!(run(scratch.owner(), "INSERT INTO config.t DEFAULT VALUES").await.is_err());
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn extensions_that_are_not_there_are_listed_together_before_anything_happens_r131() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let missing = |name: &str| WantedExtension {
        name: name.to_owned(),
        version: "1.0".to_owned(),
        schema: None,
        schema_owner: None,
    };
    let mut newer = extension(&server, "cube", None);
    newer.version = "99.1".to_owned();
    let extensions = vec![missing("no_such_one"), extension(&server, "hstore", None), newer, missing("no_such_two")];
    let error = scratch
        .prepare(&Prerequisites { roles: roles(&["app"]), extensions, ..Prerequisites::default() })
        .await
        .unwrap_err();
    let listed = &error.downcast_ref::<MissingExtensions>().unwrap().extensions;
    assert!(listed.len() == 3 && listed[0].contains("no_such_one") && listed[2].contains("no_such_two"), "{listed:?}");
    assert!(listed[1].starts_with("cube 99.1 is not installed there, only 1."), "{listed:?}");
    assert_eq!(server.sql(SUPERUSER, "SELECT count(*) FROM pg_roles WHERE rolname = 'app'"), "0");
    assert_eq!(value(scratch.owner(), "SELECT count(*) FROM pg_extension WHERE extname = 'hstore'").await, "0");
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn without_an_admin_what_a_plain_role_may_create_is_created_and_the_rest_told() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let extensions =
        vec![extension(&server, "pgcrypto", Some("crypto")), extension(&server, "pageinspect", Some("public"))];
    let prepared = scratch
        .prepare(&Prerequisites { roles: roles(&["app"]), extensions, ..Prerequisites::default() })
        .await
        .unwrap();
    assert_eq!(prepared.missing_roles, ["app"]);
    assert!(prepared.missing_extensions.len() == 1 && prepared.missing_extensions[0].starts_with("pageinspect "));
    assert_eq!(value(scratch.owner(), "SELECT encode(crypto.digest('x', 'md5'), 'hex')").await.len(), 32);
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
}
