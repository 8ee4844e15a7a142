//! What is known of the database before the first byte of a dump.

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ClientTools, Preflight, database_facts, in_the_clear, preflight};
use backup_core::repository::DatabaseFacts;

use crate::config::TargetConfig;

/// How many questions the facts of a database are; its size is a look at each of its files.
const FACTS_QUESTIONS: u32 = 4;

/// The role does not see everything that a full backup must contain.
#[derive(Debug, thiserror::Error)]
#[error("the dump would not be complete: {}", .blockers.join("; "))]
pub(crate) struct Incomplete {
    /// What it does not see, and what to grant.
    pub(crate) blockers: Vec<String>,
}

/// What a run knows of its source before the first byte.
pub(crate) struct Source {
    pub(crate) session: Session,
    pub(crate) tools: ClientTools,
    pub(crate) facts: DatabaseFacts,
    pub(crate) findings: Preflight,
    /// What to say if the connection can be read on the way.
    pub(crate) in_the_clear: Option<&'static str>,
}

impl Source {
    /// Connects and asks everything that can be known before a dump.
    pub(crate) async fn inspect(config: &TargetConfig) -> anyhow::Result<Self> {
        let session = config.source.connect().await.context("connect to the database")?;
        let server_major = session.server_version_num() / 10_000;
        let tools = ClientTools::find(config.process.bin_dir.as_deref().map(AsRef::as_ref), server_major)
            .await
            .context("find pg_dump")?;
        let facts = session
            .ask_all(session.question_limit() * FACTS_QUESTIONS, database_facts(&session))
            .await
            .context("inspect the database")?;
        let mut findings = preflight(&session).await.context("inspect the database")?;
        findings.notes.extend(tools.minor_note(session.server_version_num()));
        findings.notes.extend(changed_at_login(&session));
        let in_the_clear = session.ask(in_the_clear(&session)).await.context("inspect the connection")?;
        Ok(Self { session, tools, facts, findings, in_the_clear })
    }
}

/// What to say of a login event trigger that changes how rows look as text. The rows are right nevertheless.
fn changed_at_login(session: &Session) -> Option<String> {
    let names = session.changed_at_login();
    (!names.is_empty()).then(|| {
        format!(
            "a login event trigger changes {} in each session, so a drill finds rows that look different; \
             GRANT SET ON PARAMETER event_triggers lets this role switch such triggers off",
            names.join(", ")
        )
    })
}
