//! Safe next to production: locks, sessions and what is left of them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::{is_alive, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;

use crate::daemon::{HELD, Running, SOON, Script};
use crate::stand::Stand;

/// Another session of the database, inside a transaction of its own until dropped.
struct Other {
    psql: Child,
    name: &'static str,
}

impl Other {
    /// Begins a transaction and runs `statement` in it.
    fn begin(stand: &Stand, name: &'static str, statement: &str) -> Self {
        let mut psql = Command::new(stand.postgres.bin_dir().join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &stand.database.url])
            .env("PGAPPNAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let text = format!("BEGIN;\n{statement};\n");
        std::io::Write::write_all(psql.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
        Self { psql, name }
    }

    /// Waits until the statement is done.
    #[track_caller]
    fn ready(self, stand: &Stand) -> Self {
        self.wait_for(stand, "state = 'idle in transaction'");
        self
    }

    /// Waits until the statement waits for a lock.
    #[track_caller]
    fn queued(self, stand: &Stand) -> Self {
        self.wait_for(stand, "wait_event_type = 'Lock'");
        self
    }

    #[track_caller]
    fn wait_for(&self, stand: &Stand, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND datname = '{}' AND {condition}",
            self.name, stand.database.name
        );
        assert!(wait_until(SOON, || stand.postgres.sql("postgres", &sql) == "1"), "{}: {condition}", self.name);
    }

    /// Ends the transaction without effect.
    fn rollback(mut self) {
        drop(self.psql.stdin.take()); // psql ends at the end of its input, and with it the transaction.
        self.psql.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.psql.kill().unwrap_or_default();
        self.psql.wait().unwrap();
    }
}

const GENUINE: &str = r#"exec "$REAL" "$@""#;

#[test]
fn a_lock_held_for_ever_fails_the_run_with_the_tables_name_after_so_many_attempts_r057() {
    let stand = Stand::with_rows(10);
    let lock = Other::begin(&stand, "holder", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE").ready(&stand);
    let script = Script::pg_dump(GENUINE);
    let run = || script.on(stand.backup()).args(["run"]).env("LOCK_WAIT_TIMEOUT", "1").env("RETRY_ATTEMPTS", "2");
    let output = run().output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_eq!(script.starts().len(), 2, "{}", output.stderr);
    let last: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    let error = last["error"].as_str().unwrap();
    assert!(error.contains("statement timeout") && error.contains("LOCK TABLE public.t"), "{error}");
    assert!(error.contains("public.t (held by process"), "{error}");
    assert!(stand.manifests().is_empty());
    lock.rollback();
    assert_eq!(run().output().code, Some(0));
}

#[test]
fn a_lock_of_a_prepared_transaction_is_named_with_what_ends_it_r057() {
    let options = PostgresOptions { settings: vec!["max_prepared_transactions = 5".to_owned()], ..Default::default() };
    let server = Postgres::start(options);
    server.sql("postgres", "CREATE TABLE t (id int)");
    server.sql("postgres", "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'left ''over'");
    let stand = Stand::new();
    let run = stand.backup().args(["run"]).env("DATABASE_URL", server.url("postgres"));
    let output = run.env("LOCK_WAIT_TIMEOUT", "1").env("RETRY_ATTEMPTS", "1").output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let last: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    let error = last["error"].as_str().unwrap();
    assert!(error.contains("t (held by the prepared transaction 'left ''over' of postgres since "), "{error}");
    assert!(error.contains("COMMIT PREPARED 'left ''over' or ROLLBACK PREPARED 'left ''over')"), "{error}");
    server.sql("postgres", "ROLLBACK PREPARED 'left ''over'");
}

#[test]
fn a_lock_that_goes_away_between_two_attempts_does_not_cost_the_backup_r057() {
    let stand = Stand::with_rows(10);
    let lock = Other::begin(&stand, "holder", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE").ready(&stand);
    let script = Script::pg_dump(
        r#"[ "$(wc -l < "$D/starts")" -ge 2 ] && while ! [ -e "$D/free" ]; do sleep 0.05; done; exec "$REAL" "$@""#,
    );
    let run = script.on(stand.backup()).args(["run"]).env("LOCK_WAIT_TIMEOUT", "2").env("RETRY_ATTEMPTS", "2");
    let mut process = run.spawn();
    process.wait_for_line("trying again", SOON);
    lock.rollback();
    script.give("free");
    let output = process.wait(SOON);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let manifest = stand.manifests().pop_last().unwrap().0;
    let manifest: Value = serde_json::from_slice(&stand.s3.read(&manifest)).unwrap();
    assert_eq!(manifest["inventory"]["tables"][0]["name"], "t");
}

#[test]
fn kill_9_while_the_dump_waits_for_a_lock_leaves_no_process_and_no_session_r058() {
    let stand = Stand::with_rows(10);
    let lock = Other::begin(&stand, "holder", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE").ready(&stand);
    let script = Script::pg_dump(GENUINE);
    let mut daemon = Running::start(script.on(stand.backup()).env("LOCK_WAIT_TIMEOUT", "600"));
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE 'LOCK TABLE%'
            AND wait_event_type = 'Lock'",
        stand.database.name
    );
    assert!(wait_until(SOON, || stand.postgres.sql("postgres", &waiting) == "1"), "pg_dump does not wait");
    daemon.process.kill9();
    let pid = script.starts()[0];
    assert!(wait_until(Duration::from_secs(10), || !is_alive(pid)), "pg_dump outlives the daemon");
    // Before 14, a session that waits for a lock does not look whether its client lives: it ends when the wait does.
    if stand.postgres.major() >= 14 {
        assert!(wait_until(Duration::from_secs(10), || stand.sessions() == 1), "sessions of ours are left");
    }
    lock.rollback();
    assert!(wait_until(Duration::from_secs(10), || stand.sessions() == 0), "sessions of ours are left");
}

/// Modes of the locks that the sessions of the dump hold on relations. Autovacuum has locks of its own.
fn lock_modes(stand: &Stand) -> String {
    stand.postgres.sql(
        "postgres",
        &format!(
            "SELECT string_agg(DISTINCT l.mode, ',') FROM pg_locks l JOIN pg_stat_activity a USING (pid)
              WHERE a.datname = '{}' AND a.backend_type = 'client backend' AND l.locktype <> 'virtualxid'",
            stand.database.name
        ),
    )
}

#[test]
fn a_dump_holds_no_lock_that_anybody_but_ddl_notices_r055() {
    let stand = Stand::with_rows(20_000);
    let script = Script::pg_dump(HELD);
    let mut process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("held");
    assert_eq!(lock_modes(&stand), "AccessShareLock");
    let transactions = format!(
        "SELECT count(*) FROM pg_stat_activity
          WHERE datname = '{}' AND backend_type = 'client backend' AND backend_xid IS NOT NULL",
        stand.database.name
    );
    let writers = stand.postgres.sql("postgres", &transactions);
    assert_eq!(writers, "0", "a dump writes nothing");
    // A writer is neither held up nor counted.
    stand.sql("SET lock_timeout = '1s'; INSERT INTO t SELECT g, 'late' FROM generate_series(1, 500) g; DELETE FROM t WHERE id = 1");
    script.give("go");
    process.wait_for_line("backup committed", SOON);
    assert_eq!(process.wait(SOON).code, Some(0));
    let restored = stand.restore_newest();
    let manifest: Value = serde_json::from_slice(&stand.s3.read(&stand.manifests().pop_last().unwrap().0)).unwrap();
    assert_eq!(manifest["inventory"]["tables"][0]["rows"], 20_000);
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM t"), "20000");
}

#[test]
fn a_table_that_cannot_be_counted_behind_a_queued_alter_says_so_r057() {
    let stand = Stand::with_rows(20_000);
    stand.sql("CREATE TABLE u AS SELECT 1 AS id");
    // The counts wait for the first byte of pg_dump, which has its locks, and more rows than a pipe takes.
    let script =
        Script::pg_dump(r#""$REAL" "$@" | { while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.05; done; cat; }"#);
    let mut process = script.on(stand.backup()).args(["run"]).env("LOCK_WAIT_TIMEOUT", "6").spawn();
    let dump_has_table =
        "SELECT count(*) FROM pg_locks WHERE granted AND relation = 't'::regclass AND mode = 'AccessShareLock'";
    let is_locked = || !script.starts().is_empty() && stand.sql(dump_has_table) == "1";
    assert!(wait_until(SOON, is_locked), "{}", process.stderr_so_far());
    let alter = Other::begin(&stand, "alter", "ALTER TABLE t ADD COLUMN late int").queued(&stand);
    script.give("go");
    process.wait_for_line("backup committed", SOON);
    assert_eq!(process.wait(SOON).code, Some(0));
    alter.ready(&stand).rollback();
    let manifest: Value = serde_json::from_slice(&stand.s3.read(&stand.manifests().pop_last().unwrap().0)).unwrap();
    let tables = &manifest["inventory"]["tables"];
    assert_eq!((&tables[0]["name"], &tables[0]["rows"]), (&"t".into(), &Value::Null), "{tables}");
    assert_eq!(tables[0]["not_counted"], "lock timeout");
    assert_eq!((&tables[1]["name"], &tables[1]["rows"]), (&"u".into(), &1.into()), "{tables}");
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM t"), "20000");
}

/// A `pg_dump` that begins only when the test makes the file `go`.
const LATE: &str = r#": > "$D/begun"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.02; done; exec "$REAL" "$@""#;

/// What locks on objects of users the sessions of the dump hold, by name.
fn user_locks(stand: &Stand) -> String {
    stand.sql(
        "SELECT coalesce(string_agg(DISTINCT relation::regclass::text, ', '), 'none') FROM pg_locks
          WHERE relation >= 16384 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
}

/// While `pg_dump` waits for a lock, no session may have to wait for the transaction that it has its snapshot from.
#[test]
fn the_session_of_the_snapshot_locks_no_sequence_while_pg_dump_has_not_begun_r055() {
    let stand = Stand::with_rows(10);
    stand.sql("CREATE SEQUENCE s; CREATE SEQUENCE gone; SELECT nextval('s'), nextval('s'), nextval('gone')");
    let script = Script::pg_dump(LATE);
    let mut process = script.on(stand.backup()).args(["run"]).spawn();
    script.wait_for("begun");
    // All lists are read, and it waits for the first byte of pg_dump.
    let listed = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                     AND state = 'idle in transaction' AND clock_timestamp() - state_change > '1 s'::interval";
    assert!(wait_until(SOON, || stand.sql(listed) == "1"), "{}", process.stderr_so_far());
    assert_eq!(user_locks(&stand), "none");
    stand.sql("SET lock_timeout = '5s'; ALTER SEQUENCE s OWNED BY t.id");
    stand.sql("SET lock_timeout = '5s'; DROP SEQUENCE gone; CREATE SEQUENCE gone; SELECT nextval('gone')");
    script.give("go");
    process.wait_for_line("backup committed", SOON);
    assert_eq!(process.wait(SOON).code, Some(0));
    let manifest: Value = serde_json::from_slice(&stand.s3.read(&stand.manifests().pop_last().unwrap().0)).unwrap();
    let sequences = manifest["inventory"]["sequences"].as_array().unwrap();
    assert_eq!((&sequences[1]["name"], &sequences[1]["last_value"]), (&"s".into(), &2.into()), "{sequences:?}");
}

#[test]
fn a_sequence_that_stays_locked_fails_the_run_with_its_name_and_holds_up_no_other_r057() {
    let stand = Stand::with_rows(10);
    stand.sql("CREATE SEQUENCE a; CREATE SEQUENCE b; SELECT nextval('a'), nextval('b')");
    let holder = Other::begin(&stand, "holder", "DROP SEQUENCE b").ready(&stand);
    let run = || stand.backup().args(["run"]).env("LOCK_WAIT_TIMEOUT", "6").env("RETRY_ATTEMPTS", "1");
    let process = run().spawn();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'b'::regclass";
    assert!(wait_until(SOON, || stand.sql(waits) == "1"), "{}", process.stderr_so_far());
    stand.sql("SET lock_timeout = '3s'; DROP SEQUENCE a");
    let output = process.wait(SOON);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let last: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    let error = last["error"].as_str().unwrap();
    assert!(error.contains("lock timeout") && error.contains("b (held by process"), "{error}");
    holder.rollback();
    assert_eq!(run().output().code, Some(0));
}

/// What an owner may put in the place of a table, and what of it would run as the role that counts.
const IN_ITS_PLACE: [&str; 2] = [
    "CREATE VIEW app.t AS SELECT 1 AS id WHERE app.tell(1) > 0",
    "CREATE TABLE app.t AS SELECT 1 AS id; CREATE INDEX ON app.t ((id + app.tell(1)))",
];

#[test]
fn what_takes_the_place_of_a_table_while_its_count_waits_does_not_run() {
    for in_its_place in IN_ITS_PLACE {
        let stand = Stand::new();
        let name = stand.database.name.clone();
        stand.sql(&format!(
            "CREATE ROLE \"owner {name}\"; CREATE SCHEMA app;
             CREATE TABLE app.t AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 20000) g"
        ));
        let script =
            Script::pg_dump(r#""$REAL" "$@" | { while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.05; done; cat; }"#);
        let mut process = script.on(stand.backup()).args(["run"]).spawn();
        let locks = |condition: &str| {
            stand.sql(&format!("SELECT count(*) FROM pg_locks WHERE relation = 'app.t'::regclass AND {condition}"))
        };
        let shared = |granted: &str| locks(&format!("{granted} AND mode = 'AccessShareLock'"));
        let is_locked = || !script.starts().is_empty() && shared("granted") == "1";
        assert!(wait_until(SOON, is_locked), "{}", process.stderr_so_far());
        let holder = Other::begin(&stand, "holder", "LOCK TABLE app.t IN ACCESS EXCLUSIVE MODE").queued(&stand);
        script.give("go");
        assert!(wait_until(SOON, || shared("NOT granted") == "1"), "{}", process.stderr_so_far());
        stand.sql(&format!(
            "ALTER SCHEMA app RENAME TO old; CREATE SCHEMA app AUTHORIZATION \"owner {name}\"; SET ROLE \"owner {name}\";
             CREATE FUNCTION app.tell(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
               'BEGIN RAISE LOG ''told by % of {name}'', current_user; RETURN n; END';
             {in_its_place}"
        ));
        holder.rollback();
        process.wait_for_line("trying again", SOON);
        assert_eq!(process.wait(SOON).code, Some(0));
        let told = format!("told by postgres of {name}");
        assert!(!stand.postgres.log_text().contains(&told), "code of the owner ran: {in_its_place}");
        // Otherwise this test would show nothing.
        stand.sql("SELECT count(*) FROM ONLY app.t");
        assert!(stand.postgres.log_text().contains(&told));
    }
}

#[test]
fn no_session_is_left_after_a_success_or_a_failure_r058() {
    let stand = Stand::with_rows(10);
    assert_eq!(stand.run().code, Some(0));
    assert!(wait_until(SOON, || stand.sessions() == 0), "after a success");
    let script = Script::pg_dump("echo no >&2; exit 1");
    assert_eq!(script.on(stand.backup()).args(["run"]).output().code, Some(1));
    assert!(wait_until(SOON, || stand.sessions() == 0), "after a failed dump");
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(403, "AccessDenied")).key(".dump"));
    assert_eq!(stand.run().code, Some(1));
    assert!(wait_until(SOON, || stand.sessions() == 0), "after a failed upload");
}

#[test]
fn a_daemon_between_two_runs_holds_no_session_r058() {
    let stand = Stand::with_rows(10);
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    assert!(wait_until(SOON, || stand.sessions() == 0));
    assert_eq!(daemon.get("/readyz").0, 200);
    assert!(wait_until(SOON, || stand.sessions() == 0), "the probe leaves a session");
}

#[test]
fn the_snapshots_transaction_ends_before_the_last_requests_and_retention_r056() {
    let stand = Stand::with_rows(10);
    for days in 30..34 {
        stand.seed(chrono::TimeDelta::days(days));
    }
    stand.proxy.rule(Rule::new(Operation::DeleteObject, Fault::BlackHole));
    let mut process = stand.backup().args(["run"]).spawn();
    let deletes = || !stand.proxy.requests_of(Operation::DeleteObject).is_empty();
    assert!(wait_until(SOON, deletes), "{}", process.stderr_so_far());
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity
          WHERE datname = '{}' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)",
        stand.database.name
    );
    let transactions = || stand.postgres.sql("postgres", &open);
    assert!(wait_until(Duration::from_secs(2), || transactions() == "0"), "the snapshot is held during retention");
    // The one session that is left holds the lock of retention, and no snapshot.
    assert_eq!(stand.sessions(), 1);
    assert!(process.is_running());
    process.kill9();
}

/// R041: two deployments that overlap both commit, and one of them prunes.
#[test]
fn retention_is_left_to_the_process_that_is_at_it_and_free_after_its_death_r041() {
    let stand = Stand::with_rows(10);
    for days in 30..34 {
        stand.seed(chrono::TimeDelta::days(days));
    }
    stand.proxy.rule(Rule::new(Operation::DeleteObject, Fault::BlackHole));
    let mut first = stand.backup().args(["run"]).spawn();
    let deletes = || !stand.proxy.requests_of(Operation::DeleteObject).is_empty();
    assert!(wait_until(SOON, deletes), "{}", first.stderr_so_far());
    let asked = stand.proxy.requests_of(Operation::DeleteObject).len();

    let second = stand.backup().args(["run"]).output();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stderr.contains("retention is left to another process"), "{}", second.stderr);
    assert_eq!(stand.proxy.requests_of(Operation::DeleteObject).len(), asked, "both prune");

    first.kill9();
    stand.proxy.clear_rules();
    assert!(wait_until(SOON, || stand.sessions() == 0), "the lock outlives its process");
    let third = stand.backup().args(["run"]).output();
    assert!(third.stderr.contains("retention done"), "{}", third.stderr);
    // The three of this moment count as one of the three newest.
    assert_eq!(stand.manifests().len(), 5, "{}", third.stderr);
}
