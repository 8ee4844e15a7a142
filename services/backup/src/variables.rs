//! The variables that only `backup` knows. With the shared ones of `backup_core::config` they are
//! the tables of docs/configuration-backup.md.

use backup_core::config::{DATABASE_VARIABLES, Kind, S3_VARIABLES, SERVICE_VARIABLES, Variable};
use backup_daemon::notify::{MAIL_VARIABLES, MESSAGE_VARIABLES};

use crate::config::keeping::KEEPING_VARIABLES;
use crate::encryption::ENCRYPTION_VARIABLES;

/// All variables of `backup`, under the headings of docs/configuration-backup.md.
pub(crate) static SECTIONS: [(&str, &[Variable]); 11] = [
    ("Database", DATABASE_VARIABLES),
    ("Several databases", SEVERAL_VARIABLES),
    ("Bucket", S3_VARIABLES),
    ("When", SCHEDULE_VARIABLES),
    ("What and how", DUMP_VARIABLES),
    ("How it is kept", KEEPING_VARIABLES),
    ("Encryption", ENCRYPTION_VARIABLES),
    ("How long", RETENTION_VARIABLES),
    ("Messages", MESSAGE_VARIABLES),
    ("Mail", MAIL_VARIABLES),
    ("Service", SERVICE_VARIABLES),
];

static SEVERAL_VARIABLES: &[Variable] = &[
    Variable::new(
        "DATABASES",
        Kind::Text,
        "",
        "app,billing",
        "Databases of the server of `DATABASE_URL` to back up, each with backups, retention and alarms of its own, separated by commas: names, names in quotation marks, and patterns with `*` and `?`; `*` alone is every database that allows connections, is no template and does not belong to a provider. If it is not set: the database of `DATABASE_URL` alone. See [databases.md](databases.md).",
    ),
    Variable::new(
        "DATABASES_EXCLUDE",
        Kind::Text,
        "",
        "tmp_*,test",
        "Databases that `DATABASES` does not mean, in the same spelling. A database that is gone stays an alarm until it is named here.",
    ),
    Variable::new(
        "DATABASES_JOBS",
        Kind::Number { min: 1, max: 16 },
        "1",
        "1",
        "Databases that are backed up at once. Each takes connections and memory as a single run does.",
    ),
];

static SCHEDULE_VARIABLES: &[Variable] = &[
    Variable::new(
        "BACKUP_SCHEDULE",
        Kind::Text,
        "",
        "30 2 * * *",
        "When to run: five-field cron with names, in the time zone `TZ`, or `@hourly`, `@daily`, `@weekly`, `@monthly`. If neither it nor `BACKUP_INTERVAL` is set: `0 3 * * *`.",
    ),
    Variable::new(
        "BACKUP_INTERVAL",
        Kind::Number { min: 10, max: 2_678_400 },
        "",
        "3600",
        "Seconds between the starts of two runs, instead of a schedule.",
    ),
    Variable::new(
        "RUN_ON_STARTUP",
        Kind::Flag,
        "false",
        "true",
        "Run once at every start, besides the schedule. A run that was missed is caught up in any case, and a bucket without a backup gets one at once.",
    ),
    Variable::new(
        "BACKUP_MIN_INTERVAL",
        Kind::Number { min: 0, max: 86_400 },
        "300",
        "300",
        "Seconds: a run at start is skipped if a backup younger than this exists, and waits if an incomplete run began less than this ago, so that a restart loop neither fills the bucket nor keeps the database at work.",
    ),
    Variable::new(
        "BACKUP_RETRY_AFTER",
        Kind::Text,
        "300,900,3600",
        "300,900,3600",
        "Seconds after which a failed run is tried again; the last pause is repeated until the next tick; `off` waits for the tick. A pause is at least as long as the run was.",
    ),
    Variable::new(
        "SINGLE_SHOT_MODE",
        Kind::Flag,
        "false",
        "true",
        "Run once and exit, as `backup run` does; for a platform's own scheduler.",
    ),
    Variable::new(
        "BACKUP_TIMEOUT",
        Kind::Number { min: 1, max: 604_800 },
        "21600",
        "21600",
        "Seconds that a run may take, retries included. Then it is ended, so that its snapshot cannot hold back vacuum forever.",
    ),
    Variable::new(
        "BACKUP_MAX_AGE",
        Kind::Number { min: 60, max: 31_622_400 },
        "",
        "93600",
        "Seconds: `/health` answers 503 when the newest full backup is older. If it is not set: the longest gap of the schedule, a tenth of it, an hour, and as long as the longest of the last five runs took. The manifest carries the bound to `verify`.",
    ),
    Variable::new(
        "BACKUP_MAX_SHRINK_PERCENT",
        Kind::Number { min: 1, max: 100 },
        "50",
        "50",
        "Percent: `/health` answers 503, and retention deletes nothing, while the dump of the newest full backup is smaller by more than this than the median of the last five of a usual size, or its database has fewer tables by more than this. `100` switches it off.",
    ),
    Variable::new(
        "BACKUP_ACCEPT_SIZE_FROM",
        Kind::Text,
        "",
        "20261122T030000Z-calpt5zmzst5hrp2",
        "The id of a backup: from it on, the smaller size is right, and retention goes on. `backup accept-size` does the same without a restart.",
    ),
];

static DUMP_VARIABLES: &[Variable] = &[
    Variable::new("COMPRESSION", Kind::Choice(&["zstd", "gzip", "none"]), "zstd", "zstd", "Compression of dumps."),
    Variable::new(
        "COMPRESSION_LEVEL",
        Kind::Number { min: 1, max: 19 },
        "",
        "3",
        "1 to 19 for zstd (default 3), 1 to 9 for gzip (default 6).",
    ),
    Variable::new(
        "PART_SIZE",
        Kind::Number { min: 5, max: 5120 },
        "",
        "64",
        "MiB of each part of a large upload. If it is not set: 8, or enough for 9,000 parts to hold the whole database. Memory grows with it.",
    ),
    Variable::new(
        "BACKUP_FINGERPRINT",
        Kind::Choice(&["counts", "off"]),
        "counts",
        "counts",
        "`counts`: count every table's rows in the dump's own snapshot, so that a drill can compare exactly. `off`: list objects only.",
    ),
    Variable::new(
        "BACKUP_FINGERPRINT_TIMEOUT",
        Kind::Number { min: 1, max: 86_400 },
        "900",
        "900",
        "Seconds for counting; tables that are not reached are recorded as not counted.",
    ),
    Variable::new(
        "BACKUP_GLOBALS",
        Kind::Flag,
        "",
        "true",
        "Store the cluster's roles and tablespaces, without password hashes, beside each dump. `true`: a run fails if it cannot. If it is not set: a warning instead.",
    ),
    Variable::new(
        "PG_DUMP_OPTIONS",
        Kind::Text,
        "",
        "--exclude-table-data=audit.*",
        "More options for `pg_dump`, split as a shell would. Those that narrow the dump mark the backup as partial, and a partial backup never counts as fresh.",
    ),
    Variable::new(
        "BACKUP_MAX_RATE",
        Kind::Number { min: 1, max: 100_000 },
        "",
        "50",
        "MiB a second that are read from the database at most, before compression, for the sake of a small server or a shared network. If it is not set, as fast as it goes.",
    ),
    Variable::new(
        "LOCK_WAIT_TIMEOUT",
        Kind::Number { min: 1, max: 86_400 },
        "60",
        "60",
        "Seconds to wait for the lock of a table.",
    ),
    Variable::new(
        "DATABASE_SILENCE_TIMEOUT",
        Kind::Number { min: 1, max: 3_600 },
        "60",
        "60",
        "Seconds that the database may take to answer a query that needs no work. Then the run fails and is tried again.",
    ),
];

static RETENTION_VARIABLES: &[Variable] = &[
    Variable::new(
        "BACKUP_RETENTION_DAYS",
        Kind::Number { min: 1, max: 36_500 },
        "7",
        "7",
        "Keep every backup younger than this many days.",
    ),
    Variable::new(
        "BACKUP_KEEP_LAST",
        Kind::Number { min: 1, max: 10_000 },
        "3",
        "3",
        "Keep this many of the newest, however old they are.",
    ),
    Variable::new(
        "BACKUP_KEEP_DAILY",
        Kind::Number { min: 0, max: 10_000 },
        "0",
        "14",
        "Keep the newest of each of the last days (UTC) that have a backup, this many days.",
    ),
    Variable::new(
        "BACKUP_KEEP_WEEKLY",
        Kind::Number { min: 0, max: 10_000 },
        "0",
        "8",
        "Keep the newest of each of the last ISO weeks that have a backup, this many weeks.",
    ),
    Variable::new(
        "BACKUP_KEEP_MONTHLY",
        Kind::Number { min: 0, max: 10_000 },
        "0",
        "12",
        "Keep the newest of each of the last months that have a backup, this many months.",
    ),
    Variable::new(
        "BACKUP_KEEP_YEARLY",
        Kind::Number { min: 0, max: 1_000 },
        "0",
        "5",
        "Keep the newest of each of the last years that have a backup, this many years.",
    ),
    Variable::new(
        "BACKUP_MAX_DELETES",
        Kind::Number { min: 1, max: 100_000 },
        "100",
        "100",
        "Backups that one run may delete; the rest waits for the next run.",
    ),
];
