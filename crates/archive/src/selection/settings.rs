//! Settings that a function may bring along (`CREATE FUNCTION .. SET name TO ..`) and that only a superuser may give it.

use crate::sql::{Statement, Token};

/// What `pg_settings` of PostgreSQL 13 to 18 calls `superuser`.
const OF_SUPERUSERS: &[&str] = &[
    "allow_in_place_tablespaces",
    "allow_system_table_mods",
    "backtrace_functions",
    "commit_delay",
    "compute_query_id",
    "deadlock_timeout",
    "debug_discard_caches",
    "dynamic_library_path",
    "event_triggers",
    "extension_control_path",
    "extension_destdir",
    "ignore_checksum_failure",
    "ignore_invalid_pages",
    "jit_dump_bitcode",
    "lc_messages",
    "lo_compat_privileges",
    "max_stack_depth",
    "session_preload_libraries",
    "session_replication_role",
    "temp_file_limit",
    "update_process_title",
    "wal_compression",
    "wal_consistency_checking",
    "wal_init_zero",
    "wal_recycle",
    "zero_damaged_pages",
];

/// Beginnings of the names of the rest of them.
const PREFIXES_OF_SUPERUSERS: [&str; 2] = ["log_", "track_"];

/// Whether a `CREATE FUNCTION` sets something that only a superuser may set. Names with a dot are of extensions, and
/// PostgreSQL keeps those that it does not know for superusers.
pub(super) fn sets_what_superusers_set(create_function: &Statement<'_>) -> bool {
    let begins_body = |token: &&Token<'_>| ["AS", "BEGIN", "RETURN"].iter().any(|keyword| token.is(keyword));
    let head: Vec<_> = create_function.tokens.iter().take_while(|token| !begins_body(token)).collect();
    head.windows(2).filter(|pair| pair[0].is("SET")).filter_map(|pair| pair[1].name()).any(|name| {
        let name = name.to_ascii_lowercase();
        name.contains('.')
            || OF_SUPERUSERS.contains(&name.as_str())
            || PREFIXES_OF_SUPERUSERS.iter().any(|prefix| name.starts_with(prefix))
    })
}
