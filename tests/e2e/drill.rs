//! The drill's eyes: what passes, what is found, and by which check.

mod attest;
mod choice;
mod daemon;
mod damage;
mod each_check;
mod encrypted;
mod one_drill;
mod proofs;
mod queries;
mod restore;
mod signed;
mod stand;
mod swapped;

use stand::{Drill, DrillStand};
