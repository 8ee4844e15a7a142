//! `ListObjectsV2`: prefixes, folding at a delimiter, pages.

use std::collections::BTreeMap;

use s3s::dto::{CommonPrefix, ETag, ListObjectsV2Input, ListObjectsV2Output, Object};

use crate::store::StoredFile;

/// The most entries of one page, as in S3.
const PAGE_ENTRIES: i32 = 1000;

/// Answers `query` about a bucket that holds `files`.
///
/// The continuation token is the last name of the page with a mark before it, so that a client
/// which takes the token for a key is found out.
pub(crate) fn answer(files: BTreeMap<String, StoredFile>, query: ListObjectsV2Input) -> ListObjectsV2Output {
    let prefix = query.prefix.clone().unwrap_or_default();
    let delimiter = query.delimiter.clone().filter(|text| !text.is_empty());
    let token = query.continuation_token.as_deref().and_then(|token| token.strip_prefix(MARK));
    let after = token.or(query.start_after.as_deref()).unwrap_or_default().to_owned();
    let most = query.max_keys.unwrap_or(PAGE_ENTRIES).clamp(0, PAGE_ENTRIES);

    let mut page = Page::default();
    for (key, file) in files {
        let Some(rest) = key.strip_prefix(&prefix) else { continue };
        let folded = delimiter
            .as_ref()
            .and_then(|mark| rest.find(mark).map(|at| key[..prefix.len() + at + mark.len()].to_owned()));
        let name = folded.clone().unwrap_or_else(|| key.clone());
        if name <= after || page.last.as_ref() == Some(&name) {
            continue;
        }
        if page.entries == most {
            page.truncated = true;
            break;
        }
        page.add(name, folded.is_none().then_some(file));
    }

    let next = page.last.filter(|_| page.truncated).map(|last| format!("{MARK}{last}"));
    ListObjectsV2Output {
        name: Some(query.bucket),
        prefix: query.prefix,
        delimiter: query.delimiter,
        start_after: query.start_after,
        continuation_token: query.continuation_token,
        next_continuation_token: next,
        is_truncated: Some(page.truncated),
        key_count: Some(page.entries),
        max_keys: Some(most),
        contents: Some(page.objects),
        common_prefixes: Some(page.prefixes),
        ..Default::default()
    }
}

/// What a continuation token starts with.
const MARK: &str = "after:";

#[derive(Default)]
struct Page {
    entries: i32,
    objects: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    last: Option<String>,
    truncated: bool,
}

impl Page {
    fn add(&mut self, name: String, file: Option<StoredFile>) {
        self.entries += 1;
        self.last = Some(name.clone());
        match file {
            None => self.prefixes.push(CommonPrefix { prefix: Some(name) }),
            Some(file) => self.objects.push(Object {
                key: Some(name),
                size: i64::try_from(file.bytes).ok(),
                last_modified: Some(file.modified.into()),
                e_tag: Some(ETag::Strong(file.etag)),
                ..Default::default()
            }),
        }
    }
}
