//! PostgreSQL: how to reach it, which client tools fit it, what is in it, and its dumps as streams.

pub mod archive;
mod before_exec;
mod child;
pub mod connect;
pub mod conninfo;
mod drill_server;
mod dump;
mod facts;
mod inventory;
mod locale;
mod made_objects;
mod preflight;
mod prepare;
mod restore;
mod scratch;
mod snapshot;
mod throwaway;
mod tls;
mod tool;
mod tools;

pub use child::{ChildError, ChildReader};
pub use drill_server::{DrillPolicy, DrillServer, LockedServer, RestoreAs, SourceCluster, SuitableServer, Swept};
pub use dump::Dumper;
pub use facts::{OLDEST_SERVER_MAJOR, database_facts};
pub use inventory::{Fingerprint, take_inventory};
pub use made_objects::made_objects;
pub use preflight::{Preflight, preflight};
pub use prepare::{MissingExtensions, Prepared, Wanted, WantedExtension};
pub use restore::{Complaint, ComplaintClass, Grants, Owners, Pass, Restorer, Source};
pub use scratch::{CleanupFailed, ScratchDb};
pub use snapshot::Snapshot;
pub use throwaway::Throwaway;
pub use tools::{ClientTools, ServerTools, ToolsError};
