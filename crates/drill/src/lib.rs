//! The proof of a backup: it is chosen, fetched, restored into a database of its own, and compared with what was
//! dumped. Nothing here knows when that happens, or who is told.

mod attest;
mod blame;
mod checks;
mod choose;
mod clusters;
mod config;
mod drill;
mod evidence;
mod fetch;
mod globals;
mod isolation;
mod leftovers;
mod own_thread;
mod passes;
mod proof;
mod reference;
mod report;
mod roles;
mod room;
mod run;
mod sabotage;
mod scan;
mod schema;
mod self_test;
mod server;

pub use attest::{own_records, record_key};
pub use checks::{Before, Content, Extent, Query, parse_queries};
pub use choose::{
    Choice, ChooseError, Chosen, DEFAULT_MAX_AGE, Promised, Selector, choose, databases, promised, repository,
    repository_of,
};
pub use config::{Amcheck, DrillConfig, Queries, Target};
pub use evidence::{DrillError, Evidence};
pub use fetch::{Fetched, Fetcher};
pub use globals::role_statements;
pub use leftovers::sweep_and_log;
pub use proof::{Candidate, Ready, Restored, restore_and_prove, wanted_extensions};
pub use reference::Place;
pub use report::*;
pub use room::wanted_for;
pub use run::run;
pub use sabotage::Sabotage;
pub use scan::Scanned;
pub use schema::SchemaDumper;
pub use self_test::self_test;
