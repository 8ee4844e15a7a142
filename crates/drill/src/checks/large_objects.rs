//! Large objects, each with its number, its bytes, its owner, its rights and its comment, against the archive's.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use futures_util::TryStreamExt;
use pgdump_archive::{LargeObjectFacts, LargeObjectHasher, LargeObjectRight, Owners, RowsDigest};

use super::subject::{Content, Subject};
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
    let (mut found, mut figures) = (Vec::new(), "contents are compared with VERIFY_CONTENT=full only".to_owned());
    if content == Content::Full {
        let restored = digest(session, &subject.owner.connect().await?).await?;
        if archived.rows != restored.rows {
            let (was, is) = (archived.rows, restored.rows);
            found.push(format!("{was} large objects in the archive, and {is} after the restore"));
        } else if archived != restored {
            found.push(format!("the contents of the {} large objects are not the archive's", archived.rows));
        }
        figures = format!("{} with the contents of the archive", restored.rows);
    }
    let facts = facts(subject, session, &mut found).await.context("compare owners, rights and comments")?;
    evidence.record("large_objects", format!("{facts}; {figures}"), found);
    Ok(())
}

/// Compares what is not bytes, and says how many were.
async fn facts(subject: &Subject<'_>, session: &Session, found: &mut Vec<String>) -> anyhow::Result<String> {
    let left_out: BTreeSet<i32> = subject.selection.left_out.iter().map(|left_out| left_out.dump_id).collect();
    let mut expected = subject.archive.large_object_facts(&left_out);
    let restored = restored_facts(session).await?;
    let count = restored.len();
    for (oid, mut now) in restored {
        // How many there are is compared elsewhere, by their bytes and among the counts of the inventory.
        let Some(mut was) = expected.remove(&oid) else { continue };
        if subject.owners == Owners::Restorer {
            let owners = [was.owner.clone(), now.owner.clone()];
            for facts in [&mut was, &mut now] {
                Arc::make_mut(&mut facts.rights).retain(|right| !owners.iter().any(|owner| **owner == *right.role));
            }
        } else if was.owner != now.owner {
            let is = subject.known(&now.owner);
            found.push(format!("large object {oid} belonged to {}, and belongs to {is} now", was.owner));
        }
        if was.rights != now.rights {
            let (was, is) = (in_words(&was.rights, str::to_owned), in_words(&now.rights, |role| subject.known(role)));
            found.push(format!("large object {oid}: {was} in the archive, and {is} after the restore"));
        }
        // A text that is not read as the server reads it.
        let is_readable = subject.archive.is_readable || was.comment.as_deref().is_none_or(str::is_ascii);
        let is_same = was.comment == now.comment;
        if !is_same && (is_readable || was.comment.is_some() != now.comment.is_some()) {
            found.push(format!("the comment on large object {oid} is not the archive's"));
        }
    }
    let owners = if subject.owners == Owners::Archive { "owners, " } else { "" };
    Ok(format!("{count} with the {owners}rights and comments of the archive"))
}

async fn restored_facts(session: &Session) -> anyhow::Result<BTreeMap<u32, LargeObjectFacts>> {
    let sql = "SELECT l.oid, pg_get_userbyid(l.lomowner)::text,
                      obj_description(l.oid, 'pg_largeobject'),
                      coalesce(r.rolname::text, 'PUBLIC'), a.privilege_type, a.is_grantable
                 FROM pg_largeobject_metadata l
                 LEFT JOIN LATERAL aclexplode(coalesce(l.lomacl, acldefault('L', l.lomowner))) a ON true
                 LEFT JOIN pg_roles r ON r.oid = a.grantee";
    let mut all: BTreeMap<u32, LargeObjectFacts> = BTreeMap::new();
    let no_parameters: [&str; 0] = [];
    let mut rows = std::pin::pin!(session.client().query_raw(sql, no_parameters).await?);
    while let Some(row) = rows.try_next().await? {
        let oid: u32 = row.try_get(0)?;
        let facts = match all.entry(oid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(LargeObjectFacts {
                owner: row.try_get::<_, &str>(1)?.into(),
                rights: Arc::default(),
                comment: row.try_get(2)?,
            }),
        };
        let privilege: Option<String> = row.try_get(4)?;
        if let Some(privilege) = privilege {
            let (role, is_grantable) = (row.try_get(3)?, row.try_get(5)?);
            Arc::make_mut(&mut facts.rights).insert(LargeObjectRight { role, privilege, is_grantable });
        }
    }
    Ok(all)
}

/// Rights as a person reads them; names of roles pass through `known`.
fn in_words(rights: &BTreeSet<LargeObjectRight>, known: impl Fn(&str) -> String) -> String {
    let word = |right: &LargeObjectRight| {
        let option = if right.is_grantable { " with grant option" } else { "" };
        let role = if *right.role == *"PUBLIC" { "PUBLIC".to_owned() } else { known(&right.role) };
        format!("{} for {role}{option}", right.privilege)
    };
    match rights.len() {
        0 => "no rights of others".to_owned(),
        _ => rights.iter().map(word).collect::<Vec<_>>().join(", "),
    }
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
