//! PostgreSQL: how to reach it, which client tools fit it, what is in it, and its dumps as streams.

mod before_exec;
mod checked_dump;
mod child;
mod confinement;
pub mod connect;
pub mod conninfo;
mod database_level;
mod databases;
mod drill_server;
mod dump;
mod extension_members;
mod facts;
pub mod globals;
mod in_the_clear;
mod inventory;
mod last_values;
mod locale;
mod made_objects;
mod neutral;
mod patched;
mod preflight;
mod prepare;
mod recode;
mod renamed;
mod restore;
mod row_counts;
mod said;
mod scratch;
mod settings;
mod silence;
mod snapshot;
mod tables_size;
mod throwaway;
mod timescaledb;
mod tls;
mod tool;
mod tools;
mod user_relations;
mod vanished;

pub use checked_dump::{
    Beside, CheckedDump, DumpError, Expected, Passed, check_completeness, check_definitions, check_origin,
    has_post_data,
};
pub use child::{ChildError, ChildReader};
pub use confinement::Held;
pub use database_level::{close_database, database_differences, set_database_level};
pub use databases::{Databases, roles_digest};
pub use drill_server::{DrillPolicy, DrillServer, LockedServer, RestoreAs, SourceCluster, SuitableServer, Swept};
pub use dump::Dumper;
pub use extension_members::ExtensionMembers;
pub use facts::{OLDEST_SERVER_MAJOR, database_facts};
pub use in_the_clear::in_the_clear;
pub use inventory::{kinds_asked_otherwise, list_objects, take_inventory};
pub use last_values::LastValues;
pub use locale::{NewDatabase, create_database};
pub use made_objects::made_objects;
pub use neutral::neutral_name;
pub use patched::{OutdatedError, OutdatedTools, refuse_outdated};
pub use postgres_protocol::escape::{escape_identifier, escape_literal};
pub use preflight::{ONLY_WITH_CREATE, Preflight, preflight};
pub use prepare::{
    KeptSchema, MAX_NAMED, MissingExtensions, Prepared, Prerequisites, Touched, WantedExtension, create_beforehand,
    have_other_versions, keep_schemas,
};
pub use recode::{encoding_to_compare, read_texts};
pub use renamed::{Moved, Renamed, Schemas, moved_relations};
pub use restore::{Complaint, ComplaintClass, Grants, Pass, PassOutcome, Restorer, Source, Tablespaces};
pub use row_counts::{Fingerprint, UNLOGGED, count_rows};
pub use said::Said;
pub use scratch::{CleanupFailed, GuestDb, ReferenceDb, ScratchDb, server_start};
pub use settings::RestoreSettings;
pub use silence::{FellSilent, Waiting, Watch, Watched};
pub use snapshot::{Rewritten, Snapshot};
pub use tables_size::tables_bytes;
pub use throwaway::Throwaway;
pub use timescaledb::{TIMESCALEDB, Timescaledb};
pub use tools::{ClientTools, ServerTools, ToolsError};
pub use vanished::{Gone, Vanished, vanished_objects};
