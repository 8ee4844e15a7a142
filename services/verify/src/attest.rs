//! The record of a drill beside its backup, for retention to see.

use anyhow::Context;
use backup_core::catalog::Role;
use backup_core::stop::Stop;

use crate::choose::Chosen;
use crate::config::VerifyConfig;
use crate::report::{Report, Verdict};

/// Leaves the verdict beside the backup, for retention to see. Only what is known about the backup is told.
pub(crate) async fn attest(config: &VerifyConfig, chosen: &Chosen, report: &mut Report, stop: &Stop) {
    let (Some(backup), Some(passed)) = (&report.backup, report.proven) else {
        if report.verdict == Verdict::Passed {
            let why = "no record of this drill is left in the bucket: it compared the contents of some tables or of none \
                       (VERIFY_CONTENT), and retention relies on records";
            tracing::info!("{why}");
            report.notes.push(why.to_owned());
        }
        return;
    };
    let key = chosen.shelf.key(&backup.id, &Role::Drill { time: report.ended_at, passed });
    let stored = async {
        let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
        let body = config.scrubber.scrub(&text).into_owned();
        Ok(config.store.open().put_new(&key, body.into()).await?)
    };
    if let Err(error) = stop.or(stored).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot leave the verdict in the bucket; VERIFY_ATTEST needs s3:PutObject"
        );
        report.notes.push(format!("the verdict is not in the bucket: {error:#}"));
    }
}
