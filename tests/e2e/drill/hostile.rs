//! Backups that are made to exhaust the memory of `verify`.

use std::fs;
use std::time::Duration;

use e2e::process::{Output, Run};

use super::DrillStand;
use super::stand::DRILL_LIMIT;

/// What docs/performance.md promises.
const MAX_PEAK_KIB: u64 = 256 * 1024;

/// Runs a drill to its end; its output and its peak.
fn peak(verify: Run) -> (Output, u64) {
    let mut running = verify.args(["run"]).spawn();
    let file = format!("/proc/{}/status", running.pid());
    let mut peak_kib = 0;
    while running.is_running() {
        let status = fs::read_to_string(&file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        peak_kib = peak_kib.max(line.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    (running.wait(DRILL_LIMIT), peak_kib)
}

#[track_caller]
fn check(stand: &DrillStand, code: i32, words: &str) {
    let (output, peak_kib) = peak(stand.verify());
    assert_eq!(output.code, Some(code), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains(words) || output.stderr.contains(words), "{}\n{}", output.stdout, output.stderr);
    assert!(peak_kib > 0 && peak_kib < MAX_PEAK_KIB, "{words}: {peak_kib} KiB of memory");
}

/// R151: every byte a statement, which once took 24 bytes each in a list.
#[test]
fn roles_are_read_without_being_kept_r151() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[("COMPRESSION", "none"), ("BACKUP_GLOBALS", "true")]);
    stand.forge("globals", &vec![b';'; 12 << 20]);
    check(&stand, 1, "line 1 of the roles begins no statement that pg_dumpall writes");
    stand.edit_manifest(|manifest| {
        ["plain_bytes", "stored_bytes"].iter().for_each(|side| manifest["globals"][side] = ((64 << 20) + 1).into());
    });
    check(&stand, 1, "more than any backup has");
}

/// R151: texts of the table of contents that fall apart into millions of names.
#[test]
fn definitions_are_looked_at_without_being_taken_apart_r151() {
    let stand = DrillStand::small("none");
    let list = "a b,".repeat(5 << 19);
    let table = entry(1, false, "TABLE", 2, &format!("CREATE TABLE public.t ({list}a bytea);"), "", &[]);
    let names = "a,".repeat(5 << 20);
    let rows = entry(2, true, "TABLE DATA", 3, "", &format!("COPY public.t ({names}a) FROM stdin;\n"), &[1]);
    let mut archive = header(2);
    archive.extend(table);
    archive.extend(rows);
    archive.push(1); // A block of data, of entry 2.
    archive.extend([integer(2), integer(3)].concat());
    archive.extend(b"\\.\n");
    archive.extend(integer(0));
    stand.forge("dump", &archive);
    // What it says is another database than the manifest's: red, without much memory.
    check(&stand, 1, "");
}

/// R151: one text of more than 64 MiB is none that `pg_dump` has written.
#[test]
fn a_text_that_is_too_long_ends_the_reading_r151() {
    let stand = DrillStand::small("none");
    let mut archive = header(1);
    archive.extend(entry(1, false, "VIEW", 2, &"x".repeat((64 << 20) + 1), "", &[]));
    stand.forge("dump", &archive);
    check(&stand, 1, "a text is longer than 64 MiB");
}

fn integer(value: i32) -> Vec<u8> {
    let mut bytes = vec![u8::from(value < 0)];
    bytes.extend(value.unsigned_abs().to_le_bytes());
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = integer(i32::try_from(text.len()).unwrap());
    bytes.extend(text.as_bytes());
    bytes
}

/// The beginning of an archive in format 1.14, and how many entries follow.
fn header(entries: i32) -> Vec<u8> {
    let mut archive = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
    (0..8).for_each(|_| archive.extend(integer(0))); // The compression, and the time in seven fields.
    ["app", "15.0", "15.0"].iter().for_each(|name| archive.extend(text(name)));
    archive.extend(integer(entries));
    archive
}

/// An entry about table `public.t`.
fn entry(id: i32, has_data: bool, desc: &str, section: i32, defn: &str, copy: &str, needs: &[i32]) -> Vec<u8> {
    let mut bytes =
        [integer(id), integer(i32::from(has_data)), text("1259"), text("1"), text("t"), text(desc)].concat();
    bytes.extend(integer(section));
    for field in [defn, "", copy, "public", "", "heap", "postgres", "false"] {
        bytes.extend(text(field));
    }
    needs.iter().for_each(|id| bytes.extend(text(&id.to_string())));
    bytes.extend(integer(-1));
    bytes.push(if has_data { 1 } else { 3 });
    bytes.extend([0; 8]);
    bytes
}

/// PostgreSQL looks through all memberships of a role in each of its sessions, in a time that grows with their square.
#[test]
fn roles_that_the_archive_does_not_name_are_made_and_are_no_memberships_r151() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[("COMPRESSION", "none"), ("BACKUP_GLOBALS", "false")]);
    stand.edit_manifest(|manifest| {
        let more = (0..2_000).map(|number| serde_json::json!(format!("r151 {number}")));
        manifest["inventory"]["roles"].as_array_mut().unwrap().extend(more);
    });
    let questions = "-- name: members\n-- expect: <= 5\n\
         SELECT count(*) FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = current_user);\n\
         -- name: made\n-- expect: = 2000\nSELECT count(*) FROM pg_roles WHERE rolname LIKE 'r151 %'";
    stand.drill_with(stand.verify().env("VERIFY_SQL", questions)).assert_verdict("passed", 0);
}
