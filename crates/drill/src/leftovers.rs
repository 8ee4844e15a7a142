//! What dead drills left on an external server: removed at every start, whether there is a backup to drill or not.

use std::time::Duration;

use backup_core::postgres::DrillServer;
use backup_core::stop::Stop;

use crate::config::{DrillConfig, Target};

/// Beyond this the start goes on; the drill sweeps again.
const LIMIT: Duration = Duration::from_secs(300);

/// Sweeps the external server and returns what a report should say; nothing with a throwaway server. An error
/// is logged and no more: whether the server will do is for the drill to find out.
pub(crate) async fn sweep(config: &DrillConfig, stop: &Stop) -> Vec<String> {
    let Target::External { login, admin } = &config.target else { return Vec::new() };
    let server = DrillServer::external((**login).clone(), admin.as_deref().cloned());
    let bounded = stop.bounded(LIMIT, "the bound for a sweep");
    match bounded.stop.or(server.sweep()).await {
        Ok(swept) => swept.notes(),
        Err(error) => {
            let error = config.scrubber.scrub(&format!("{error:#}")).into_owned();
            tracing::warn!(error, "cannot look for what dead drills left on the external server");
            Vec::new()
        }
    }
}

/// Sweeps the external server at a start, which has no report: the notes are logged.
pub async fn sweep_and_log(config: &DrillConfig, stop: &Stop) {
    for note in sweep(config, stop).await {
        tracing::warn!("{}", config.scrubber.scrub(&note));
    }
}
