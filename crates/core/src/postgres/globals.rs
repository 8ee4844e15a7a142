//! What `pg_dumpall --globals-only` writes, read back: cut into statements, and each statement as a value.

mod grammar;
mod roles;
mod statements;

pub use grammar::{Attribute, Membership, Statement};
pub use roles::ClusterRoles;
pub use statements::{Item, Odd, read};
