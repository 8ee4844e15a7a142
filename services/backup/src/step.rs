//! The steps of a run, as `/status` names them.

/// Everything that is known before the first byte.
pub(crate) const INSPECT: &str = "inspect";
/// The roles and tablespaces of the cluster.
pub(crate) const ROLES: &str = "dump roles";
/// The snapshot, and the dump from the first byte to the last one in the bucket.
pub(crate) const DUMP: &str = "dump";
/// What follows the dump until the manifest is in the bucket.
pub(crate) const COMMIT: &str = "commit";
/// Before another attempt.
pub(crate) const PAUSE: &str = "wait for another attempt";
/// After the commit.
pub(crate) const RETENTION: &str = "retention";
/// All of them, in their order.
pub(crate) const ALL: [&str; 6] = [INSPECT, ROLES, DUMP, COMMIT, PAUSE, RETENTION];
