//! Tables of contents made by hand, for tests of what reads them.

use std::collections::HashMap;

use crate::{Archive, DumpId, Entry, Header, Section, Version};

/// An entry without data.
pub fn entry(dump_id: DumpId, desc: &str, namespace: &str, tag: &str, defn: &str) -> Entry {
    Entry {
        dump_id,
        catalog_oid: 1259,
        oid: 16384,
        tag: tag.to_owned(),
        desc: desc.to_owned(),
        section: Section::PreData,
        defn: defn.to_owned(),
        copy_stmt: String::new(),
        namespace: namespace.to_owned(),
        tablespace: String::new(),
        access_method: String::new(),
        owner: "owner".to_owned(),
        dependencies: Vec::new(),
        has_data: false,
        data_at: None,
        offset_field_at: 0,
    }
}

/// A table of contents without its bytes.
pub fn archive(entries: Vec<Entry>) -> Archive {
    let places: HashMap<_, _> = entries.iter().enumerate().map(|(place, entry)| (entry.dump_id, place)).collect();
    let [database, server_version, pg_dump_version] = ["db", "15.1", "15.1"].map(str::to_owned);
    let header = Header { version: Version::V1_14, database, server_version, pg_dump_version };
    Archive { header, entries, encoding: "UTF8".to_owned(), is_readable: true, places }
}
