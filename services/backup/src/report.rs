//! What commands print on standard output for a person.

use backup_core::text::bytes;

use crate::prune::Prune;
use crate::retention::Verdict;

/// `backup prune --dry-run`: every backup with what would become of it, and why.
pub(crate) fn prune_plan(prune: &Prune) -> String {
    let mut text = String::new();
    for line in &prune.plan.lines {
        let (word, reasons) = match &line.verdict {
            Verdict::Keep(reasons) => ("keep", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Verdict::Delete => ("delete", "no rule keeps it".to_owned()),
            Verdict::Deferred if prune.plan.refused.is_some() => ("later", "no rule keeps it".to_owned()),
            Verdict::Deferred => ("later", "over BACKUP_MAX_DELETES for one run".to_owned()),
        };
        text.push_str(&format!("{word:<6}  {}  {:>10}  {reasons}\n", line.id, bytes(line.stored_bytes)));
    }
    for run in &prune.debris {
        text.push_str(&format!(
            "delete  {}  {:>10}  left by a dead run, no manifest\n",
            run.id,
            bytes(run.stored_bytes)
        ));
    }
    if let Some(refusal) = &prune.plan.refused {
        text.push_str(&format!("nothing will be deleted: {refusal}\n"));
    }
    text
}
