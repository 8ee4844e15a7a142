//! Materialized views that read what PostgreSQL shows to superusers alone. A plain role makes such a view and cannot
//! fill it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::Archive;
use crate::toc::{DumpId, Entry};

/// Why such a view is not filled.
pub(super) const WHY: &str = "it reads what only a superuser may read";

/// Relations and columns of pg_catalog, of PostgreSQL 13 to 18, that not every role may read.
const RELATIONS: &[&str] = &[
    "pg_aios",
    "pg_authid",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_replication_origin_status",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_shmem_allocations_numa",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_user_mapping",
    "subconninfo",
];

/// Functions of pg_catalog, of the same versions, that not every role may call and that return rows or texts.
const FUNCTIONS: &[&str] = &[
    "pg_current_logfile",
    "pg_get_aios",
    "pg_get_backend_memory_contexts",
    "pg_get_shmem_allocations",
    "pg_get_shmem_allocations_numa",
    "pg_ls_archive_statusdir",
    "pg_ls_dir",
    "pg_ls_logdir",
    "pg_ls_logicalmapdir",
    "pg_ls_logicalsnapdir",
    "pg_ls_replslotdir",
    "pg_ls_summariesdir",
    "pg_ls_tmpdir",
    "pg_ls_waldir",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_show_all_file_settings",
    "pg_show_replication_origin_status",
    "pg_stat_file",
];

/// The `MATERIALIZED VIEW DATA` of views that read such a thing themselves, or through other views and functions.
pub(super) fn unfillable(archive: &Archive) -> HashSet<DumpId> {
    let mut dependents: HashMap<DumpId, Vec<&Entry>> = HashMap::new();
    let mut reading: VecDeque<&Entry> = VecDeque::new();
    for entry in &archive.entries {
        let is_query = is_query(entry);
        if is_query || entry.desc == "MATERIALIZED VIEW DATA" {
            for needed in &entry.dependencies {
                dependents.entry(*needed).or_default().push(entry);
            }
        }
        if is_query && mentions_restricted(&entry.defn) {
            reading.push_back(entry);
        }
    }
    let mut seen: HashSet<DumpId> = reading.iter().map(|entry| entry.dump_id).collect();
    let mut unfillable = HashSet::new();
    while let Some(entry) = reading.pop_front() {
        for &dependent in dependents.get(&entry.dump_id).into_iter().flatten() {
            if !seen.insert(dependent.dump_id) {
                continue;
            }
            match is_query(dependent) {
                true => reading.push_back(dependent),
                false => {
                    unfillable.insert(dependent.dump_id);
                }
            }
        }
    }
    unfillable
}

fn is_query(entry: &Entry) -> bool {
    matches!(entry.desc.as_str(), "VIEW" | "MATERIALIZED VIEW" | "FUNCTION")
}

/// Words of any kind: the body of a function is a text.
fn mentions_restricted(definition: &str) -> bool {
    let words = definition.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("pg_") || word.starts_with("sub"))
        .any(|word| RELATIONS.contains(&word) || FUNCTIONS.contains(&word))
}
