//! The drill's eyes: what passes, what is found, and by which check.

mod alarms;
mod attest;
mod benign;
mod choice;
mod daemon;
mod damage;
mod each_check;
mod encrypted;
mod forged_records;
mod frozen;
mod globals;
mod guarded;
mod hostile;
mod implausible;
mod one_drill;
mod order;
mod owners;
mod promises;
mod proofs;
mod queries;
mod reference;
mod restore;
mod self_test;
mod signed;
mod stand;
mod swapped;
mod timescaledb;
mod unusual;
mod vanished;
mod watch;

use stand::Drill;
pub(crate) use stand::{DRILL_LIMIT, DrillStand, restore_then};
