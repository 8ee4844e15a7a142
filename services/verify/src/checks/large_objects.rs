//! Large objects, each with its number and its bytes, against the archive's.

use backup_core::postgres::archive::{LargeObjectHasher, RowsDigest};
use backup_core::postgres::connect::Session;
use futures_util::TryStreamExt;

use super::Subject;
use crate::config::Content;
use crate::evidence::Evidence;

/// Read at a time.
const PIECE_BYTES: i32 = 1024 * 1024;

pub(super) async fn check(
    subject: &Subject<'_>,
    session: &Session,
    content: Content,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    let archived = subject.contents.large_objects;
    if content != Content::Full {
        evidence.skip("large_objects", "their contents are compared with VERIFY_CONTENT=full only");
        return Ok(());
    }
    let restored = digest(session, &subject.owner.connect().await?).await?;
    let found = match (archived.rows == restored.rows, archived == restored) {
        (false, _) => {
            vec![format!("{} large objects in the archive, and {} after the restore", archived.rows, restored.rows)]
        }
        (true, false) => vec![format!("the contents of the {} large objects are not the archive's", archived.rows)],
        (true, true) => Vec::new(),
    };
    evidence.record("large_objects", format!("{} with the contents of the archive", restored.rows), found);
    Ok(())
}

/// Lists over one session and reads over the other, so that no list has to be held.
async fn digest(list: &Session, reader: &Session) -> anyhow::Result<RowsDigest> {
    let no_parameters: [&str; 0] = [];
    let all = list.client().query_raw("SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY oid", no_parameters);
    let mut all = std::pin::pin!(all.await?);
    let read = reader.client().prepare("SELECT pg_catalog.lo_get($1, $2, $3)").await?;
    let mut sum = RowsDigest::default();
    while let Some(row) = all.try_next().await? {
        let oid: u32 = row.try_get(0)?;
        let mut hasher = LargeObjectHasher::new(oid);
        let mut offset: i64 = 0;
        loop {
            let row = reader.client().query_one(&read, &[&oid, &offset, &PIECE_BYTES]).await?;
            let piece: &[u8] = row.try_get(0)?;
            hasher.push(piece);
            offset += i64::from(PIECE_BYTES);
            if piece.len() < PIECE_BYTES as usize {
                break;
            }
        }
        sum += hasher.finish();
    }
    Ok(sum)
}
