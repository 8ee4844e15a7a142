//! Archives made by hand, as `pg_dump` of each version would write them.

use crate::{DumpId, Entry, Section};

pub(crate) use crate::by_hand::{archive, entry};

/// The rows of `public.<tag>`.
pub(crate) fn table_data(dump_id: DumpId, tag: &str) -> Entry {
    let copy_stmt = format!("COPY public.{tag} (id) FROM stdin;\n");
    Entry { copy_stmt, has_data: true, section: Section::Data, ..entry(dump_id, "TABLE DATA", "public", tag, "") }
}

/// All large objects.
pub(crate) fn large_objects(dump_id: DumpId) -> Entry {
    Entry { has_data: true, section: Section::Data, ..entry(dump_id, "BLOBS", "", "BLOBS", "") }
}

impl Entry {
    pub(crate) fn needing(mut self, dependencies: &[DumpId]) -> Self {
        self.dependencies = dependencies.to_vec();
        self
    }

    pub(crate) fn owned_by(mut self, owner: &str) -> Self {
        self.owner = owner.to_owned();
        self
    }
}

/// The bytes of an archive.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// A header of format 1.`minor`, and a table of contents.
    pub(crate) fn new(minor: u8, entries: &[Entry]) -> Self {
        let mut bytes = Self(b"PGDMP\x01".to_vec());
        bytes.0.extend([minor, 0, 4, 8, 1]);
        if minor >= 15 {
            bytes.0.push(0)
        } else {
            bytes.integer(0)
        }
        [59, 30, 3, 22, 10, 126, 0].iter().for_each(|&part| bytes.integer(part));
        ["db", "16.1", "16.1"].iter().for_each(|part| bytes.text(part));
        bytes.integer(i32::try_from(entries.len()).unwrap());
        entries.iter().for_each(|entry| bytes.entry(minor, entry));
        bytes
    }

    pub(crate) fn integer(&mut self, value: i32) {
        self.0.push(u8::from(value < 0));
        self.0.extend(value.unsigned_abs().to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.integer(i32::try_from(text.len()).unwrap());
        self.0.extend(text.as_bytes());
    }

    fn entry(&mut self, minor: u8, entry: &Entry) {
        self.integer(entry.dump_id);
        self.integer(i32::from(entry.has_data));
        self.text(&entry.catalog_oid.to_string());
        self.text(&entry.oid.to_string());
        self.text(&entry.tag);
        self.text(&entry.desc);
        self.integer(entry.section as i32 + 1);
        self.text(&entry.defn);
        self.integer(-1);
        self.text(&entry.copy_stmt);
        self.text(&entry.namespace);
        self.integer(-1);
        self.integer(-1);
        if minor >= 16 {
            self.integer(i32::from(b'r'));
        }
        self.text(&entry.owner);
        self.text("false");
        entry.dependencies.iter().for_each(|id| self.text(&id.to_string()));
        self.integer(-1);
        self.0.push(if entry.has_data { 1 } else { 3 });
        self.0.extend([0; 8]);
    }

    /// A block of rows, in chunks as given.
    pub(crate) fn rows(mut self, dump_id: DumpId, chunks: &[&str]) -> Self {
        self.0.push(1);
        self.integer(dump_id);
        self.chunks(chunks);
        self
    }

    /// A block of large objects.
    pub(crate) fn objects(mut self, dump_id: DumpId, objects: &[(u32, &[&str])]) -> Self {
        self.0.push(3);
        self.integer(dump_id);
        for (oid, chunks) in objects {
            self.integer(oid.cast_signed());
            self.chunks(chunks);
        }
        self.integer(0);
        self
    }

    fn chunks(&mut self, chunks: &[&str]) {
        chunks.iter().for_each(|chunk| self.text(chunk));
        self.integer(0);
    }
}
