//! Rows that contradict a constraint until those of another table are there.
//!
//! A CHECK may call a function that reads another table. Whether that one has its rows by then depends on the order,
//! and with several jobs on chance. What failed is restored again, alone, until no more of it comes back.

use std::collections::BTreeSet;

use anyhow::Context;

use super::passes::entry_id;
use super::{Complaint, ComplaintClass, Pass, PassOutcome, Restorer};
use crate::postgres::archive::DumpId;
use crate::secret::Secret;

/// Most rounds. Each needs one table more than the one before in a chain of constraints.
const MOST_ROUNDS: usize = 16;

impl Restorer<'_> {
    /// Restores the rows once more that `complaints` are about, in one job and in the archive's order, for as long as
    /// that helps.
    pub(super) async fn again(&self, mut complaints: Vec<Complaint>) -> anyhow::Result<PassOutcome> {
        let mut late = BTreeSet::new();
        let mut failed = self.failed_rows(&complaints);
        for round in 1..=MOST_ROUNDS {
            if failed.is_empty() {
                break;
            }
            let list_file = self.write_list(&failed, round)?;
            let now = self.restore(&list_file, 1).await?;
            complaints.retain(|complaint| complaint.entry.is_none_or(|id| !failed.contains(&id)));
            complaints.extend(now.iter().cloned());
            let complained_of: BTreeSet<DumpId> = now.iter().filter_map(|complaint| complaint.entry).collect();
            // A tool that ended early has not tried them all.
            if now.iter().any(is_of_the_tool) {
                break;
            }
            let came_back: Vec<DumpId> = failed.difference(&complained_of).copied().collect();
            late.extend(&came_back);
            failed = if came_back.is_empty() { BTreeSet::new() } else { self.failed_rows(&now) };
        }
        let late = late.into_iter().filter_map(|id| self.source.contents.entry(id)).map(ToString::to_string).collect();
        Ok(PassOutcome { complaints, late })
    }

    /// The entries whose rows a second attempt may bring back: a `COPY` that failed has left nothing behind.
    fn failed_rows(&self, complaints: &[Complaint]) -> BTreeSet<DumpId> {
        if complaints.iter().any(is_of_the_tool) {
            return BTreeSet::new();
        }
        let of_data = complaints.iter().filter(|complaint| complaint.class == ComplaintClass::Data);
        let entries = of_data.filter_map(|complaint| self.source.contents.entry(complaint.entry?));
        let by_copy = entries.filter(|entry| entry.desc == "TABLE DATA" && !entry.copy_stmt.is_empty());
        by_copy.map(|entry| entry.dump_id).collect()
    }

    fn write_list(&self, wanted: &BTreeSet<DumpId>, round: usize) -> anyhow::Result<std::path::PathBuf> {
        let lines = self.source.list.split_inclusive('\n');
        let list: String = lines.filter(|line| entry_id(line).is_some_and(|id| wanted.contains(&id))).collect();
        let name = format!("1-of-{}-{}-again-{round}.list", self.list_files.len(), Pass::Data.name());
        let file = self.workbench.private().write(&name, &Secret::new(list));
        file.context("write the list of what to restore again")
    }
}

fn is_of_the_tool(complaint: &Complaint) -> bool {
    matches!(complaint.class, ComplaintClass::Tool | ComplaintClass::Space)
}
