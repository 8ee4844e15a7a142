//! What a drill goes by, as values; where they come from is for the service to know.

use std::path::PathBuf;
use std::time::Duration;

use backup_core::codec::encryption::Keyring;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{RestoreAs, SourceCluster};
use backup_core::repository::Signers;
use backup_core::scrub::Scrubber;
use backup_core::storage::StoreConfig;

use crate::checks::{Content, Query};

/// Everything that the drills of one database's backups need.
#[derive(Debug, Clone)]
pub struct DrillConfig {
    /// The bucket.
    pub store: StoreConfig,
    /// What no report may show.
    pub scrubber: Scrubber,
    /// The folder of PostgreSQL's programs, unless they are to be looked for.
    pub bin_dir: Option<PathBuf>,
    /// Whose backups; `None`: those of the only database under the prefix.
    pub source_database: Option<String>,
    /// What can be decrypted.
    pub keyring: Keyring,
    /// Whose manifests are believed; none: all.
    pub signers: Signers,
    /// How old the newest full backup may be; `None`: what `backup` has written into the newest manifest.
    pub backup_max_age: Option<Duration>,
    /// The bound of a drill, with all that it waits for.
    pub timeout: Duration,
    /// Where drills happen.
    pub target: Target,
    /// Whose rights a restore has.
    pub restore_as: RestoreAs,
    /// Whether the server of the source will do.
    pub source_cluster: SourceCluster,
    /// Parallel jobs; at least 1.
    pub jobs: usize,
    /// Which rows are compared.
    pub content: Content,
    /// Whether the structure of indexes is checked.
    pub amcheck: Amcheck,
    /// The operator's own queries.
    pub queries: Queries,
    /// Fewer tables than this are a finding.
    pub min_table_count: Option<u64>,
    /// Where backups and throwaway servers lie; exists.
    pub spool_dir: PathBuf,
    /// Whether results are stored in the bucket.
    pub attest: bool,
}

/// Where drills happen.
#[derive(Debug, Clone)]
pub enum Target {
    /// On a server that each drill starts and removes.
    Ephemeral,
    /// On a server of the operator's, in a database that each drill creates and drops.
    External {
        /// May create databases.
        login: Box<Conninfo>,
        /// A superuser there.
        admin: Option<Box<Conninfo>>,
    },
}

/// Whether the structure of indexes is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amcheck {
    /// If the server has the module.
    Auto,
    /// Never.
    Off,
}

/// The operator's own queries.
#[derive(Debug, Clone)]
pub struct Queries {
    /// Those of `VERIFY_SQL`, and of what `VERIFY_QUERIES_FILE` held at start.
    pub list: Vec<Query>,
    /// The bound of each.
    pub timeout: Duration,
}
