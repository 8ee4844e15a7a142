//! Tables of contents that are made to take long, or to take much. Each of these would take minutes if anything compared
//! all entries with all others.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use super::MEMORY_BYTES;
use super::build::{Bytes, archive, entry, table_data};
use crate::selection::{Rights, select};
use crate::{ArchiveReader, Comparison, Entry, Owners};

const MANY: i32 = 40_000;

/// If each costs more.
const FEWER: i32 = 8_000;

/// What this thread has computed, so that a busy machine makes no work look long.
fn cpu_time() -> Duration {
    let user = getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time();
    Duration::from_micros(u64::try_from(user.tv_sec() * 1_000_000 + user.tv_usec()).unwrap())
}

#[track_caller]
fn in_seconds<T>(work: impl FnOnce() -> T) -> T {
    let begun = cpu_time();
    let done = work();
    let took = cpu_time() - begun;
    assert!(took.as_secs() < 10, "{took:?}");
    done
}

#[test]
fn many_definitions_of_one_name_are_compared_in_seconds() {
    let rules = |word: &str| -> Vec<Entry> {
        let rule = |id| entry(id, "RULE", "public", "t r", &format!("CREATE RULE r{id:05} AS {word};"));
        (1..=MANY).rev().map(rule).collect()
    };
    let (dumped, restored) = (archive(rules("one")), archive(rules("other")));
    let selection = select(&dumped, Rights::Superuser);
    let compare = |restored| {
        let owners = Owners::Archive;
        Comparison { dumped: &dumped, restored, selection: &selection, owners, restorer: "r", before: None }
            .differences()
    };
    assert_eq!(in_seconds(|| compare(&restored)).len(), MANY as usize);
    assert_eq!(in_seconds(|| compare(&dumped)), []);
}

#[test]
fn as_many_extensions_as_schemas_are_made_beforehand_in_seconds() {
    let extension = |id| {
        let defn = format!("CREATE EXTENSION IF NOT EXISTS e{id} WITH SCHEMA s{id};");
        entry(id, "EXTENSION", "", &format!("e{id}"), &defn)
    };
    let schema = |id| entry(MANY + id, "SCHEMA", "", &format!("s{id}"), &format!("CREATE SCHEMA s{id};"));
    let archive = archive((1..=MANY).map(schema).chain((1..=MANY).map(extension)).collect());
    let mut selection = select(&archive, Rights::Superuser);
    in_seconds(|| selection.make_extensions_beforehand(&archive));
    assert_eq!((selection.left_out.len(), selection.extensions.len()), (MANY as usize, MANY as usize));
}

#[test]
fn grants_that_need_each_other_are_sorted_in_seconds() {
    let grants = |id: i32| entry(id, "ACL", "s", "TABLE t", "GRANT ALL ON TABLE s.t TO r;").needing(&[id - 1]);
    let archive = archive((1..=FEWER).map(grants).collect());
    assert_eq!(in_seconds(|| select(&archive, Rights::Owner)).left_out.len(), FEWER as usize);
}

#[test]
fn grants_on_one_large_object_are_read_in_seconds() {
    let grant = |id: i32| entry(id, "ACL", "", "LARGE OBJECT 7", &format!("GRANT ALL ON LARGE OBJECT 7 TO r{id};"));
    let mut entries: Vec<Entry> = (2..=FEWER).map(grant).collect();
    entries.push(entry(1, "BLOB", "", "7", "SELECT pg_catalog.lo_create('7');"));
    let facts = in_seconds(|| archive(entries).large_object_facts(&BTreeSet::new()));
    let roles: BTreeSet<&str> = facts[&7].rights.iter().map(|right| &*right.role).collect();
    assert_eq!(roles, ["owner", "r2"].into(), "those of the first entry");
}

/// For each of them the definition of the table is read, of which there is one.
#[test]
fn a_table_has_its_rows_in_one_block() {
    let entries = [table_data(1, "t"), table_data(2, "u"), table_data(3, "t")];
    let bytes = |ids: &[i32]| {
        let entries: Vec<Entry> = entries.iter().filter(|entry| ids.contains(&entry.dump_id)).cloned().collect();
        ids.iter().fold(Bytes::new(14, &entries), |bytes, id| bytes.rows(*id, &["1\n"])).0
    };
    let read = |ids: &[i32]| ArchiveReader::open(&bytes(ids)[..], MEMORY_BYTES).unwrap().scan().map(drop);
    assert!(read(&[1, 2]).is_ok());
    assert!(read(&[1, 2, 3]).unwrap_err().to_string().contains("two blocks of data are the rows of one table"));
}

/// Else the memory that a reason takes would be the length of a name for each of the entries.
#[test]
fn a_long_name_is_not_repeated_by_all_that_depend_on_it() {
    let name = "n".repeat(1_000_000);
    let mut entries = vec![entry(1, "EVENT TRIGGER", "", &name, "CREATE EVENT TRIGGER n;")];
    entries.extend((2..1_000).map(|id| entry(id, "COMMENT", "", "c", "COMMENT ON x IS 'y';").needing(&[1])));
    let reasons: usize =
        select(&archive(entries), Rights::Owner).left_out.iter().map(|one| one.reason.to_string().len()).sum();
    assert!((200_000..400_000).contains(&reasons), "{reasons} bytes");
}
