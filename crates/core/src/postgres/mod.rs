//! PostgreSQL: how to reach it, which client tools fit it, what is in it, and its dumps as streams.

mod child;
pub mod connect;
pub mod conninfo;
mod dump;
mod facts;
mod inventory;
mod preflight;
mod private;
mod snapshot;
mod tls;
mod tools;

pub use child::{ChildError, ChildReader};
pub use dump::Dumper;
pub use facts::{OLDEST_SERVER_MAJOR, database_facts};
pub use inventory::{Fingerprint, take_inventory};
pub use preflight::{Preflight, preflight};
pub use private::sweep_private_dirs;
pub use snapshot::Snapshot;
pub use tools::{ClientTools, ToolsError};
