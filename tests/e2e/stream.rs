//! From `pg_dump` to a committed backup.

mod broken_source;
mod checked_dump;
mod hanging_source;
mod manifest;
mod memory;
mod no_connection;
mod silence;
pub(crate) mod sizes;
mod temporary_files;
mod vanished;

use crate::stand::Stand;

/// All of table `t` in one line.
const DIGEST: &str = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM t";

#[test]
fn a_backup_is_restorable_by_hand_and_equal_row_for_row() {
    let stand = Stand::with_rows(20_000);
    let manifest = stand.run_ok();
    assert_eq!(manifest["inventory"]["tables"][0]["rows"], 20_000);
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, DIGEST), stand.sql(DIGEST));
}

/// R035 through the whole stack: what `zstd` restores in the test above, `gzip` and `cp` do here.
#[test]
fn gzip_and_no_compression_restore_by_stock_tools_as_well_r035() {
    let stand = Stand::with_rows(20_000);
    for (compression, suffix) in [("gzip", ".dump.gz"), ("none", ".dump")] {
        let output = stand.backup().args(["run"]).env("COMPRESSION", compression).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(stand.s3.objects().keys().any(|key| key.ends_with(suffix)), "{compression}");
        let restored = stand.restore_newest();
        assert_eq!(stand.postgres.sql(&restored.name, DIGEST), stand.sql(DIGEST), "{compression}");
        for key in stand.s3.objects().keys() {
            stand.s3.delete(key);
        }
    }
}
