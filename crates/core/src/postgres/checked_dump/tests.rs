use tokio::io::AsyncReadExt;

use super::*;
use crate::repository::Table;

/// A real archive of `pg_dump` 15; see the tests of the reader.
const KINDS: &[u8] = include_bytes!("../../../../archive/src/fixtures/kinds-15.dump");

async fn pass(archive: &[u8], tools_major: u32) -> (Vec<u8>, Result<Passed, String>) {
    let (mut checked, progress) = CheckedDump::new(std::io::Cursor::new(archive.to_vec()), tools_major);
    let mut bytes = Vec::new();
    match checked.read_to_end(&mut bytes).await {
        Ok(_) => (bytes, Ok(progress.passed.await.unwrap())),
        Err(error) => (bytes, Err(error.to_string())),
    }
}

#[tokio::test]
async fn a_whole_archive_passes_unchanged() {
    let (bytes, passed) = pass(KINDS, 15).await;
    assert_eq!(bytes, KINDS);
    assert!(matches!(passed, Ok(Passed::Whole(_))), "{passed:?}");
}

/// R145: every byte passes, and the end is an error, so that it never becomes a backup.
#[tokio::test]
async fn no_part_of_an_archive_passes_r145() {
    let (bytes, error) = pass(b"", 15).await;
    assert_eq!((bytes.len(), error.unwrap_err()), (0, "pg_dump succeeded, and wrote nothing".to_owned()));
    for length in (1..KINDS.len()).step_by(97).chain([KINDS.len() - 1]) {
        let (bytes, error) = pass(&KINDS[..length], 15).await;
        assert_eq!(bytes.len(), length);
        let error = error.unwrap_err();
        assert!(
            error.starts_with("pg_dump succeeded, and what it wrote is not a whole archive: "),
            "{length}: {error}"
        );
    }
    let (_, error) = pass(&[KINDS, b"more"].concat(), 15).await;
    assert!(error.unwrap_err().contains("is not a whole archive"));
    let (_, error) = pass(b"-- PostgreSQL database dump", 15).await;
    assert!(error.unwrap_err().contains("it does not begin with PGDMP"));
}

#[tokio::test]
async fn a_later_format_is_unknown_for_later_tools_and_damage_for_those_that_are_known() {
    let mut later = KINDS.to_vec();
    later[6] = 99;
    assert!(matches!(pass(&later, 19).await.1, Ok(Passed::Unknown(_))));
    assert!(pass(&later, 18).await.1.unwrap_err().contains("its format is 1.99"));
}

struct Failing;

impl AsyncRead for Failing {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("its words")))
    }
}

/// An error of the stream is the one to show, even if the archive looked good until then.
#[tokio::test]
async fn the_streams_own_error_comes_first() {
    let failing = AsyncReadExt::chain(std::io::Cursor::new(b"no archive".to_vec()), Failing);
    let (mut checked, _progress) = CheckedDump::new(failing, 15);
    assert_eq!(checked.read_to_end(&mut Vec::new()).await.unwrap_err().to_string(), "its words");
}

fn outline() -> Outline {
    Outline::read(KINDS).unwrap()
}

fn table(schema: &str, name: &str) -> Table {
    Table { schema: schema.to_owned(), name: name.to_owned(), rows: Some(1), not_counted: None }
}

#[track_caller]
fn check(tables: Vec<Table>, large_objects: u64, expected: Option<&str>) {
    let mut inventory = Inventory { tables, ..Inventory::default() };
    inventory.objects.insert("large_objects".to_owned(), large_objects);
    let said = check_completeness(&outline(), &Expected { inventory: &inventory, has_post_data: true })
        .map_err(|error| error.to_string());
    match expected {
        None => assert_eq!(said, Ok(())),
        Some(words) => assert!(said.as_ref().unwrap_err().contains(words), "{said:?}"),
    }
}

#[test]
fn a_table_of_the_snapshot_that_the_archive_lacks_is_named_r145() {
    check(Vec::new(), 1, None);
    let there = || table("Großer \"Markt\"", "a, b");
    check(vec![table("public", "orders"), there()], 0, None);
    check(vec![there(), table("public", "gone")], 0, Some("it lacks the rows of 1 tables: public.gone"));
    let unlogged =
        Table { rows: None, not_counted: Some(crate::postgres::UNLOGGED.to_owned()), ..table("public", "gone") };
    check(vec![unlogged], 0, None);
}
