//! From `pg_dump` to a committed backup.

use crate::stand::Stand;

#[test]
fn a_backup_is_restorable_by_hand_and_equal_row_for_row() {
    let stand = Stand::with_rows(20_000);
    let manifest = stand.run_ok();
    assert_eq!(manifest["inventory"]["tables"][0]["rows"], 20_000);
    let restored = stand.restore_newest();
    let digest = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM t";
    assert_eq!(stand.postgres.sql(&restored.name, digest), stand.sql(digest));
}
