//! What does not come back until something else is there.
//!
//! A CHECK may call a function that reads another table. Whether that one has its rows by then depends on the order,
//! and with several jobs on chance. So it is with what the archive notes no dependency of, such as the state of a
//! trigger of a partition, which its table has from the partitioned one. What failed is restored again, alone, until no
//! more of it comes back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use pgdump_archive::DumpId;

use super::passes::entry_id;
use super::{Complaint, ComplaintClass, Pass, PassOutcome, Restorer};
use crate::secret::Secret;

/// Most rounds. Each needs one table more than the one before in a chain of constraints.
const MAX_ROUNDS: usize = 16;

impl Restorer<'_> {
    /// Restores once more what `complaints` of `pass` are about, in one job and in the archive's order, for as long as that
    /// helps.
    pub(super) async fn again(&self, pass: Pass, mut complaints: Vec<Complaint>) -> anyhow::Result<PassOutcome> {
        let mut late = BTreeSet::new();
        let mut failed = self.failed(pass, &complaints);
        for round in 1..=MAX_ROUNDS {
            if failed.is_empty() {
                break;
            }
            let list_file = self.write_list(pass, &failed, round)?;
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
            failed = if came_back.is_empty() { BTreeSet::new() } else { self.failed(pass, &now) };
        }
        let late = late.into_iter().filter_map(|id| self.source.contents.entry(id)).map(ToString::to_string).collect();
        Ok(PassOutcome { complaints, late })
    }

    /// The entries that a second attempt may bring back: a statement, or a `COPY`, that failed has left nothing behind.
    fn failed(&self, pass: Pass, complaints: &[Complaint]) -> BTreeSet<DumpId> {
        if complaints.iter().any(is_of_the_tool) {
            return BTreeSet::new();
        }
        let serious = complaints.iter().filter(|complaint| !complaint.class.is_benign());
        let with_entries =
            serious.filter_map(|complaint| Some((complaint, self.source.contents.entry(complaint.entry?)?)));
        let may_come_back = with_entries.filter(|(complaint, entry)| match pass {
            Pass::Data => {
                complaint.class == ComplaintClass::Data && entry.desc == "TABLE DATA" && !entry.copy_stmt.is_empty()
            }
            // In one job it was in the archive's order already.
            _ => pass.jobs(self.source.jobs) > 1,
        });
        may_come_back.map(|(_, entry)| entry.dump_id).collect()
    }

    fn write_list(&self, pass: Pass, wanted: &BTreeSet<DumpId>, round: usize) -> anyhow::Result<PathBuf> {
        let lines = self.source.list.split_inclusive('\n');
        let list: String = lines.filter(|line| entry_id(line).is_some_and(|id| wanted.contains(&id))).collect();
        let place = self.passes().position(|other| other == pass).unwrap_or_default() + 1;
        let name = format!("{place}-of-{}-{}-again-{round}.list", self.list_files.len(), pass.name());
        let file = self.workbench.private().write(&name, &Secret::new(list));
        file.context("write the list of what to restore again")
    }
}

fn is_of_the_tool(complaint: &Complaint) -> bool {
    matches!(complaint.class, ComplaintClass::Tool | ComplaintClass::Space)
}
