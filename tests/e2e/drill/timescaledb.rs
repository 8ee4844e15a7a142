//! R131: what TimescaleDB asks of a restore. The real one is in no package of the distribution, so this is one that
//! keeps its rules: it must be preloaded, and between its two calls only may rows enter its own tables.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::tools::FakeTools;
use tempfile::TempDir;

use super::DrillStand;
use crate::stand::Stand;

const CONTROL: &str = "default_version = '2.0'\nrelocatable = false\nsuperuser = true\n";

const SCRIPT: &str = r#"
DO $$ BEGIN
  IF current_setting('shared_preload_libraries') <> 'timescaledb' THEN
    RAISE EXCEPTION 'extension "timescaledb" must be preloaded';
  END IF;
END $$;
CREATE SCHEMA _timescaledb_catalog;
CREATE TABLE _timescaledb_catalog.hypertable (id int PRIMARY KEY, name text NOT NULL);
SELECT pg_catalog.pg_extension_config_dump('_timescaledb_catalog.hypertable', '');
CREATE FUNCTION _timescaledb_catalog.guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('timescaledb.restoring', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'no restore was announced';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON _timescaledb_catalog.hypertable
  FOR EACH ROW EXECUTE FUNCTION _timescaledb_catalog.guard();
CREATE FUNCTION timescaledb_pre_restore() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET timescaledb.restoring = ''on''', current_database());
  RETURN true;
END $$;
CREATE FUNCTION timescaledb_post_restore() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE format('ALTER DATABASE %I RESET timescaledb.restoring', current_database());
  RETURN true;
END $$;
"#;

const DATABASE: &str = "
    CREATE EXTENSION timescaledb;
    CREATE TABLE measured AS SELECT g AS id FROM generate_series(1, 100) g;
    SET timescaledb.restoring = 'on';
    INSERT INTO _timescaledb_catalog.hypertable VALUES (1, 'measured');";

/// A copy of the installed PostgreSQL that has an extension `name` too, made by `script`; returns its folder of programs. A
/// server finds its other folders from where its program lies.
pub(super) fn installation(root: &Path, name: &str, control: &str, script: &str) -> PathBuf {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let setting = |name: &str| {
        let sql = format!("SELECT setting FROM pg_config WHERE name = '{name}'");
        PathBuf::from(Postgres::shared().sql(SUPERUSER, &sql))
    };
    let here = |folder: &Path| root.join(folder.strip_prefix("/usr").expect("PostgreSQL is installed below /usr"));
    let [programs, libraries, shared] = ["BINDIR", "PKGLIBDIR", "SHAREDIR"].map(setting);
    let copy = here(&programs);
    fs::create_dir_all(&copy).unwrap();
    for program in ["postgres", "initdb", "pg_resetwal", "psql", "pg_dump", "pg_dumpall", "pg_restore"] {
        fs::copy(programs.join(program), copy.join(program)).unwrap();
    }
    link_all(&libraries, &here(&libraries));
    // Any library that may be preloaded.
    fs::copy(libraries.join("auto_explain.so"), here(&libraries).join("timescaledb.so")).unwrap();
    link_all(&shared, &here(&shared));
    let extensions = here(&shared).join("extension");
    fs::remove_file(&extensions).unwrap();
    link_all(&shared.join("extension"), &extensions);
    fs::write(extensions.join(format!("{name}.control")), control).unwrap();
    fs::write(extensions.join(format!("{name}--2.0.sql")), script).unwrap();
    copy
}

fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A server with the extension; it ends with this process, as the shared one does.
fn server(root: &TempDir) -> &'static Postgres {
    let bin_dir = Some(installation(root.path(), "timescaledb", CONTROL, SCRIPT));
    let settings = vec!["shared_preload_libraries = 'timescaledb'".to_owned()];
    Box::leak(Box::new(Postgres::start(PostgresOptions { bin_dir, settings, ..PostgresOptions::default() })))
}

#[test]
fn timescaledb_is_preloaded_and_told_of_the_restore_r131() {
    let root = TempDir::with_prefix("timescaledb-").unwrap();
    let server = server(&root);
    let stand = DrillStand::on(Stand::on(server), DATABASE, &[]);
    let over =
        "-- name: the restore is over\nSELECT current_setting('timescaledb.restoring', true) IS DISTINCT FROM 'on'";
    for rights in ["role", "superuser"] {
        let drill = stand.drill_with(stand.verify().env("VERIFY_SQL", over).env("VERIFY_RESTORE_AS", rights));
        drill.assert_verdict("passed", 0);
        let report = drill.report.to_string();
        assert!(report.contains("TimescaleDB was told of the restore"), "{report}");
        assert!(report.contains("2 of 2 tables read back row by row"), "its own table was not compared: {report}");
    }

    // A person's restore makes the extension before anything else of the archive.
    let target = server.create_database();
    let output = stand.verify().args(["restore", "latest", "--to", &target.url]).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(server.sql(&target.name, "SELECT count(*) FROM _timescaledb_catalog.hypertable"), "1");
    let left = "SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%restoring%'";
    assert_eq!(server.sql(&target.name, left), "0", "the restore was not ended");

    // Nor does one stay in that state that is stopped on its way.
    let target = server.create_database();
    let mut tools = FakeTools::with_real(server.bin_dir().to_path_buf());
    tools.script("pg_restore", "kill -TERM $PPID; sleep 60");
    let restore = stand.verify().env("PG_BIN_DIR", tools.path()).args(["restore", "latest", "--to", &target.url]);
    let output = restore.output();
    assert_eq!(output.code, Some(3), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(server.sql(&target.name, left), "0", "the restore was not ended");
}

/// The schema of the extension may be the archive's role's, which may drop it with all that is in it. What is there then
/// under the name of the extension's function is not called, least of all by a superuser.
#[test]
fn a_function_in_the_place_of_timescaledbs_is_never_called_r051() {
    let root = TempDir::with_prefix("timescaledb-").unwrap();
    let server = server(&root);
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.path().join("pwned");
    let evil = format!(
        "CREATE EXTENSION timescaledb; CREATE SCHEMA app;
         CREATE FUNCTION app.plant() RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN
           IF current_setting('timescaledb.restoring', true) = 'on' AND to_regproc('public.timescaledb_pre_restore') IS NOT NULL THEN
             DROP SCHEMA public CASCADE; CREATE SCHEMA public;
             CREATE FUNCTION public.timescaledb_post_restore() RETURNS bool LANGUAGE plpgsql AS
               'BEGIN COPY (SELECT 1) TO PROGRAM ''touch {}''; RETURN true; END';
           END IF;
           RETURN true;
         END $$;
         CREATE TABLE app.t (id int CHECK (app.plant())); INSERT INTO app.t VALUES (1)",
        file.display()
    );
    let stand = DrillStand::on(Stand::on(server), &evil, &[]);
    let drill = stand.drill_with(stand.verify().env("VERIFY_JOBS", "1"));
    assert!(!file.exists(), "a program ran with the rights of a superuser");
    assert_ne!(drill.report["verdict"], "passed", "{:#}", drill.report);
}
