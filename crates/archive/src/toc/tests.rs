use super::*;
use crate::tests::build as archive;

/// R151: many small entries are what takes the most memory for its bytes.
#[test]
fn a_table_of_contents_stays_within_its_memory_r151() {
    let integer = |value: i32| [&[u8::from(value < 0)], &value.unsigned_abs().to_le_bytes()[..]].concat();
    let entry = |id: i32| {
        let mut bytes = [integer(id), integer(0)].concat();
        (0..2).for_each(|_| bytes.extend([integer(1), b"1".to_vec()].concat()));
        bytes.extend([integer(-1), integer(-1), integer(2)].concat());
        (0..9).for_each(|_| bytes.extend(integer(-1)));
        bytes.extend([&[OFFSET_NO_DATA][..], &[0; OFFSET_BYTES]].concat());
        bytes
    };
    const ENTRIES: i32 = 10_000;
    let toc = [integer(ENTRIES)].into_iter().chain((1..=ENTRIES).map(entry)).collect::<Vec<_>>().concat();
    let read = |memory_bytes| Toc::read(&mut Input::new(&toc[..]), Version::V1_14, memory_bytes);
    assert_eq!(read(16 << 20).unwrap().entries.len(), 10_000);
    let error = read(1 << 20).err().expect("10,000 entries take more than 1 MiB");
    assert!(!error.is_damage() && error.to_string().contains("takes more than 1 MiB of memory"), "{error}");
}

/// R151: each text of an entry counts, and so does their sum before an entry is whole.
#[test]
fn every_text_of_an_entry_takes_of_its_memory_r151() {
    let small = || archive::entry(1, "TABLE", "", "t", "");
    let long = || String::with_capacity(1 << 20);
    let places: [fn(&mut Entry, String); 8] = [
        |entry, text| entry.tag = text,
        |entry, text| entry.desc = text,
        |entry, text| entry.defn = text,
        |entry, text| entry.copy_stmt = text,
        |entry, text| entry.namespace = text,
        |entry, text| entry.owner = text,
        |entry, text| entry.tablespace = text,
        |entry, text| entry.access_method = text,
    ];
    for (number, place) in places.into_iter().enumerate() {
        let mut entry = small();
        place(&mut entry, long());
        assert!(memory_of(&entry) > 1 << 20, "text {number} is not counted");
    }
    let bytes = [&[0, 3, 0, 0, 0][..], b"abc"].concat().repeat(3);
    let mut input = Input::new(&bytes[..]);
    let mut texts = EntryTexts { encoding: "UTF8", left: 7, offset: 0, definitions: Definitions::Kept };
    assert!(texts.next(&mut input).is_ok() && texts.next(&mut input).is_ok());
    assert!(texts.next(&mut input).unwrap_err().to_string().contains("longer than 128 MiB"));
}

/// A backup of a function that is too long for a drill is a backup all the same.
#[test]
fn long_definitions_are_passed_over_if_only_names_are_wanted() {
    let long = vec![b'x'; 65 << 20];
    let length = u32::try_from(long.len()).unwrap().to_le_bytes();
    let bytes = [&[0][..], &length, &long, &[0, 1, 0, 0, 0], b"y"].concat();
    for (definitions, is_read) in [(Definitions::Kept, false), (Definitions::PassedOver, true)] {
        let mut input = Input::new(&bytes[..]);
        let mut texts = EntryTexts { encoding: "UTF8", left: ENTRY_TEXT_BYTES_LIMIT, offset: 0, definitions };
        assert_eq!(texts.definition(&mut input).is_ok_and(|text| text.len() == BEGINNING_BYTES), is_read);
        assert_eq!(texts.definition(&mut input).is_ok_and(|text| text == "y"), is_read);
    }
}

#[test]
fn texts_of_every_encoding_stay_different() {
    for (bytes, encoding, expected) in [
        (&b"plain"[..], "EUC_JP", "plain"),
        ("Größe".as_bytes(), "UTF8", "Größe"),
        (b"Gr\xf6\xdfe", "LATIN1", "Größe"),
        ("ö".as_bytes(), "LATIN1", "\u{c3}\u{b6}"),
        (b"\xe4", "SQL_ASCII", "ä"),
    ] {
        assert_eq!(decode(bytes.to_vec(), encoding), expected, "{bytes:?} in {encoding}");
    }
}
