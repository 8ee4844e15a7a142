//! The proof: what came back against what the manifest and the archive say was there.

mod amcheck;
mod before;
mod contents;
mod definitions;
mod inventory;
mod large_objects;
mod queries;
mod row_counts;
mod sequences;
mod subject;
mod validity;

use anyhow::Context;

use crate::evidence::{DrillError, Evidence};
use crate::report::ContentsCompared;

pub(crate) use amcheck::is_possible as is_amcheck_possible;
pub use before::Before;
pub use queries::{Query, parse_queries};
pub(crate) use subject::Subject;
pub use subject::{Content, Extent};

/// Runs every check. What they find is evidence; what keeps them from looking is an error.
pub(crate) async fn prove(
    subject: &Subject<'_>,
    extent: &Extent<'_>,
    evidence: &mut Evidence,
) -> Result<(), DrillError> {
    subject.stop.or(Box::pin(prove_all(subject, extent, evidence))).await.map_err(DrillError::from)
}

async fn prove_all(subject: &Subject<'_>, extent: &Extent<'_>, evidence: &mut Evidence) -> anyhow::Result<()> {
    let session = subject.owner.connect().await.context("connect to the restored database")?;
    let restored =
        contents::read_back(subject, &session, extent.content).await.context("read the restored rows back")?;
    let compared = contents::compare(&restored);
    row_counts::check(subject, &compared, evidence);
    contents::check(&compared, extent.content, evidence);
    large_objects::check(subject, &session, extent.content, evidence).await.context("compare large objects")?;
    let inventory = inventory::check(subject, &session, evidence).await.context("compare inventories")?;
    sequences::check(subject, &session, evidence).await.context("compare sequences")?;
    definitions::check(subject, &session, evidence).await.context("compare definitions")?;
    validity::check(subject, &session, evidence).await.context("look for invalid objects")?;
    queries::check_table_count(&inventory, extent.min_table_count, evidence);
    queries::check(&session, extent, &subject.said, evidence)
        .await
        .context("run the queries of VERIFY_SQL and VERIFY_QUERIES_FILE")?;
    amcheck::check(subject, extent.no_amcheck, evidence).await.context("check indexes with amcheck")?;
    // Last, so that a drill that did not come so far has compared nothing.
    evidence.report.contents_compared = match extent.content {
        Content::Full => ContentsCompared::All,
        Content::Sample => ContentsCompared::Sample,
        Content::Off => ContentsCompared::None,
    };
    Ok(())
}
