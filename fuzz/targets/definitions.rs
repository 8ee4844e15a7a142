//! Definitions of an archive: the SQL lexer, and all that reads statements. An input is a text: a line
//! `@@ KIND|schema|name|owner|1 2 3` begins an entry (the numbers are what it depends on), and what follows is its
//! definition, or its `COPY`, if its kind is `TABLE DATA`.

use pgdump_archive::by_hand::{archive, entry};
use pgdump_archive::{ArchiveReader, Entry};

use crate::archive::{look_at, real};
use crate::run::{Target, words};

/// Maximum entries of an input.
const MAX_ENTRIES: usize = 4_096;

fn parse(text: &str) -> Vec<Entry> {
    let blocks = text.split("@@ ").filter(|block| !block.is_empty()).take(MAX_ENTRIES);
    let read = |(place, block): (usize, &str)| {
        let (head, body) = block.split_once('\n').unwrap_or((block, ""));
        let mut fields = head.split('|');
        let mut field = || fields.next().unwrap_or_default();
        let (desc, namespace, tag, owner, needs) = (field(), field(), field(), field(), field());
        let is_data = desc == "TABLE DATA";
        let mut read = entry(place as i32 + 1, desc, namespace, tag, if is_data { "" } else { body });
        owner.clone_into(&mut read.owner);
        read.dependencies.extend(needs.split(' ').filter_map(|id| id.parse::<i32>().ok()));
        if is_data {
            body.clone_into(&mut read.copy_stmt);
        }
        read
    };
    blocks.enumerate().map(read).collect()
}

/// The entries of an archive, as an input.
fn print(archive: &[u8]) -> Vec<u8> {
    let reader = ArchiveReader::open(archive, u64::MAX).expect("read a real archive");
    let entries = &reader.archive().entries;
    let place = |id: &i32| entries.iter().position(|entry| entry.dump_id == *id).map(|place| (place + 1).to_string());
    let block = |entry: &Entry| {
        let Entry { desc, namespace, tag, owner, defn, copy_stmt, .. } = entry;
        let needs: Vec<String> = entry.dependencies.iter().filter_map(place).collect();
        format!("@@ {desc}|{namespace}|{tag}|{owner}|{}\n{defn}{copy_stmt}", needs.join(" "))
    };
    entries.iter().map(block).collect::<String>().into_bytes()
}

/// What is small in an archive and large in a reader that believes it.
fn large() -> Vec<Vec<u8>> {
    let numbers: String = (1..=5_000).map(|oid| format!("{oid}\n")).collect();
    let objects = |owner: &str| format!("@@ BLOB METADATA||1..5000|{owner}|\n{numbers}");
    let grants =
        |on: &str, roles: u32| (0..roles).map(|role| format!("GRANT ALL ON {on} TO r{role};\n")).collect::<String>();
    // Each grant needs the one before it twice.
    let doubled = (1..50).map(|id| format!("@@ ACL||TABLE a|o|{id} {id}\nGRANT SELECT ON TABLE a TO x;\n"));
    let columns: String = (0..5_000).map(|column| format!("a{column} integer,\n")).collect();
    let trigger = "@@ TRIGGER|s|t x|o|1\nCREATE TRIGGER x;\n";
    let inputs = [
        format!("@@ TABLE|s|t|o|\nCREATE TABLE s.t ({columns}b text);\n{}", trigger.repeat(2_000)),
        format!("@@ ACL||TABLE a|o|\n{}", doubled.collect::<String>()),
        objects(&"o".repeat(9_000)),
        format!("{}@@ ACL||LARGE OBJECTS 1..5000|o|{}\n", objects("o"), "1 ".repeat(4_000)),
        format!("{}@@ ACL||LARGE OBJECTS 1..5000|o|1\n{}", objects("o"), grants("LARGE OBJECT 1", 600)),
        format!(
            "{}{}",
            objects("o"),
            "@@ ACL||LARGE OBJECTS 1..5000|o|1\nGRANT ALL ON LARGE OBJECT 1 TO x;\n".repeat(500)
        ),
        format!("@@ ACL||DATABASE app|o|\n{}", grants("DATABASE app", 4_000)),
    ];
    inputs.map(String::into_bytes).into()
}

#[test]
fn definitions_are_read_or_left_aside() {
    let words = words(&[
        "@@ ",
        "\n@@ ACL||TABLE t|o|1 2\n",
        "\n@@ TABLE DATA|s|t|o|1\n",
        "\n@@ BLOB METADATA||1..2|o|\n",
        "|",
        "1 2 3 ",
        "'",
        "\"",
        "$$",
        "$a$",
        "E'",
        "\\",
        "--",
        "/*",
        "*/",
        ";",
        "(",
        ")",
        ",",
        ".",
        "\n",
        "GRANT ",
        "REVOKE ",
        " ON ",
        " TO ",
        " FROM ",
        "WITH GRANT OPTION",
        "SET SESSION AUTHORIZATION ",
        "ALTER DATABASE ",
        "CREATE ",
        "COPY ",
        "FROM stdin;",
        "bytea",
        "CONSTRAINT ",
        "DATABASE ",
        "EXTENSION",
        "POLICY",
        "SUBSCRIPTION",
        "COMMENT",
        "LARGE OBJECT 7",
        "LARGE OBJECTS 1..9",
        "DEFAULT ACL",
        "é",
        "\u{a0}",
        "\u{10ffff}",
    ]);
    let items = real().iter().map(|archive| print(archive)).collect();
    Target { name: "definitions", items, words, once: large(), bytes_per_byte: 256 }.fuzz(|bytes| {
        look_at(&archive(parse(&String::from_utf8_lossy(bytes))));
    });
}
