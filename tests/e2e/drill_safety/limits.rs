//! Databases that cannot be dropped, and disks that are full.

use e2e::postgres::SUPERUSER;
use e2e::process::{Run, binary, outdated_tools};
use e2e::skip::skip;
use e2e::tools::FakeTools;

use super::{COULD_NOT_RUN, FAILED, Gate, LONG, PASSED, Site, drill, leftovers, server};

const SOURCE: &str = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g";

#[test]
fn a_database_that_cannot_be_dropped_is_a_finding_with_its_name_and_goes_later_r060() {
    let site = Site::new(SOURCE);
    let server = server(&["max_prepared_transactions = 4"]);
    let gate = Gate::closed();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let arguments = ["run", "--report", report.to_str().unwrap()];
    let drilling = site.verify_on(&server).env("PG_BIN_DIR", gate.path()).args(arguments).spawn();
    gate.wait_until_reached();
    let name = leftovers(&server);
    // A superuser's: the drill's plain role may not roll it back.
    server.sql(&name, "BEGIN; CREATE TABLE in_doubt (id int); PREPARE TRANSACTION 'in doubt'");
    gate.open();
    let output = drilling.wait(LONG);
    assert_eq!(output.code, FAILED, "{}", output.stderr);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let cleanup = findings.iter().find(|finding| finding["check"] == "cleanup").expect("a finding about the cleanup");
    assert!(cleanup["message"].as_str().unwrap().contains(&name), "{cleanup}");
    assert!(output.stderr.contains(&name), "the log does not name it: {}", output.stderr);
    assert_eq!(leftovers(&server), name);

    server.sql(&name, "ROLLBACK PREPARED 'in doubt'");
    drill(site.verify_on(&server)).assert_code(PASSED).assert_lists("notes", &[&name]);
    assert_eq!(leftovers(&server), "");
    site.assert_clean();
}

#[test]
fn an_admin_clears_what_blocks_the_drop_r060() {
    let site = Site::new(SOURCE);
    let server = server(&["max_prepared_transactions = 4"]);
    let gate = Gate::closed();
    let run = site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER));
    let drilling = run.env("PG_BIN_DIR", gate.path()).args(["run"]).spawn();
    gate.wait_until_reached();
    let name = leftovers(&server).lines().next().unwrap().to_owned();
    server.sql(&name, "BEGIN; CREATE TEMP TABLE t2 (id int); ROLLBACK; BEGIN; PREPARE TRANSACTION 'in doubt'");
    gate.open();
    let output = drilling.wait(LONG);
    assert_eq!((output.code, leftovers(&server)), (PASSED, String::new()), "{}", output.stderr);
}

/// The owner of a database may make it a template, and code of the archive runs as the owner.
#[test]
fn a_database_that_code_of_the_archive_makes_a_template_goes_r060() {
    let make = "EXECUTE format('ALTER DATABASE %I IS_TEMPLATE true', current_database())";
    let site = Site::new(&super::evil::shuts_out(make, super::evil::LAST));
    let server = server(&[]);
    for run in [site.verify_on(&server), site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER))] {
        drill(run).assert_code(PASSED);
        assert_eq!(leftovers(&server), "");
    }
}

#[test]
fn a_server_that_dies_in_the_middle_is_no_pass_and_the_database_on_it_is_named_r060() {
    let site = Site::new(SOURCE);
    let server = server(&[]);
    let gate = Gate::closed();
    let drilling = site.verify_on(&server).env("PG_BIN_DIR", gate.path()).args(["run"]).spawn();
    gate.wait_until_reached();
    let name = leftovers(&server);
    drop(server);
    gate.open();
    let output = drilling.wait(LONG);
    // Nothing of that speaks against the backup: not the exit code, and no record beside it.
    assert_eq!(output.code, COULD_NOT_RUN, "{}\n{}", output.stdout, output.stderr);
    assert!(site.stand.s3.objects().keys().all(|key| !key.contains("/drill-")), "{:?}", site.stand.s3.objects());
    let told = format!("database {name} could not be dropped");
    assert!(output.stdout.contains(&told), "{told:?} is not in {}\n{}", output.stdout, output.stderr);
    site.assert_clean();
}

#[test]
fn a_drill_that_has_no_room_is_not_started_r062() {
    let site = Site::new(SOURCE);
    site.edit_manifest(|manifest| manifest["database"]["size_bytes"] = (1_u64 << 40).into());
    let tools = FakeTools::new();
    let drilled = drill(site.verify().env("PG_BIN_DIR", tools.path()));
    drilled.assert_refused("bytes free, and this drill needs 132166");
    drilled.assert_refused("give VERIFY_SPOOL_DIR a larger volume");
    assert_eq!(drilled.report["durations"]["fetch_seconds"], serde_json::Value::Null, "it was downloaded all the same");
    site.assert_clean();
}

/// The disk fills up when the server and the spool are on it already, and the restore begins.
#[test]
fn a_disk_that_fills_up_in_the_middle_is_no_pass_and_leaves_nothing_r062() {
    let name = "a_disk_that_fills_up_in_the_middle_is_no_pass_and_leaves_nothing_r062";
    let site = Site::new(SOURCE);
    let spool = site.spool.path().to_str().unwrap();
    let mount = format!("mount -t tmpfs -o size=160m,mode=777 tmpfs '{spool}'");
    let unshare = |script: &str| Run::program("unshare").args(["--mount", "--", "/bin/sh", "-ec", script]);
    let probe = unshare(&mount).output();
    if probe.code != Some(0) {
        return skip(&format!("drill_safety::{name}"), &format!("cannot mount a tmpfs: {}", probe.stderr.trim()));
    }
    let mut tools = FakeTools::new();
    tools.script("pg_restore", &format!("cat /dev/zero >'{spool}/ballast' 2>/dev/null\nexec \"$REAL\" \"$@\""));
    let program = binary("verify");
    let list = format!("code=0; '{}' run || code=$?; echo LEFT: $(ls -A '{spool}')", program.display());
    let script =
        format!("{mount}; {list}; ps ax -o args | grep -F '{spool}/postgres' | grep -v grep || true; exit $code");
    let environment = site.stand.s3.env();
    let run =
        unshare(&script).envs(environment).envs(outdated_tools()).env("TMPDIR", spool).env("PG_BIN_DIR", tools.path());
    let output =
        run.env("RETRY_DELAY", "0").env("LOG_FORMAT", "json").env("VERIFY_ATTEST", "true").deadline(LONG).output();
    // Nothing of that speaks against the backup: not the exit code, and no record beside it.
    assert_eq!(output.code, COULD_NOT_RUN, "{}\n{}", output.stdout, output.stderr);
    assert!(site.stand.s3.objects().keys().all(|key| !key.contains("/drill-")), "{:?}", site.stand.s3.objects());
    assert!(output.stdout.contains("No space left on device"), "{}\n{}", output.stdout, output.stderr);
    let after = output.stdout.split("LEFT:").nth(1).expect("a listing of the spool");
    assert_eq!(after.trim(), "ballast", "files or processes are left");
}
