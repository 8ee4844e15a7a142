//! The variables that only `verify` knows. With the shared ones of `backup_core::config` they are
//! the tables of docs/configuration-verify.md.

use backup_core::config::{ALLOW_OUTDATED_TOOLS, Kind, S3_VARIABLES, SERVICE_VARIABLES, Variable};
use backup_daemon::notify::{MAIL_VARIABLES, MESSAGE_VARIABLES};

use crate::keys::KEY_VARIABLES;

/// All variables of `verify`, under the headings of docs/configuration-verify.md.
pub(crate) static SECTIONS: [(&str, &[Variable]); 9] = [
    ("Bucket", S3_VARIABLES),
    ("When and which backup", CHOICE_VARIABLES),
    ("Where drills happen", TARGET_VARIABLES),
    ("What is proven", PROOF_VARIABLES),
    ("Keys", KEY_VARIABLES),
    ("Around a drill", RUN_VARIABLES),
    ("Messages", MESSAGE_VARIABLES),
    ("Mail", MAIL_VARIABLES),
    ("Service", SERVICE_VARIABLES),
];

/// Of the sections that are about drills: what a service that makes none needs as well.
const OF_WATCH: [&str; 4] = ["VERIFY_SOURCE_DATABASE", "BACKUP_MAX_AGE", "VERIFY_MAX_AGE", "VERIFY_TRUSTED_KEYS"];

/// Of the other sections: what is about runs.
const OF_RUNS: [&str; 3] = ["METRICS_FILE", "HEALTHCHECK_PING_URL", "HEALTHCHECK_PING_STYLE"];

/// Whether only drills, or commands about one backup, need this variable, or the file that it names: `verify watch` ignores
/// it.
pub(crate) fn is_for_drills(name: &str) -> bool {
    is_about_drills(name) || name.strip_suffix("_FILE").is_some_and(is_about_drills)
}

fn is_about_drills(name: &str) -> bool {
    let sections = [CHOICE_VARIABLES, TARGET_VARIABLES, PROOF_VARIABLES, KEY_VARIABLES, RUN_VARIABLES];
    let mut all = sections.into_iter().flatten();
    let known = all.find(|variable| variable.name == name || variable.aliases.contains(&name));
    OF_RUNS.contains(&name) || known.is_some_and(|variable| !OF_WATCH.contains(&variable.name))
}

static CHOICE_VARIABLES: &[Variable] = &[
    Variable::new(
        "VERIFY_SCHEDULE",
        Kind::Text,
        "",
        "0 5 * * *",
        "When to drill: five-field cron with names, in the time zone `TZ`, or `@hourly`, `@daily`, `@weekly`, `@monthly`. If neither it nor `VERIFY_INTERVAL` is set: `0 5 * * *`.",
    ),
    Variable::new(
        "VERIFY_INTERVAL",
        Kind::Number { min: 10, max: 2_678_400 },
        "",
        "86400",
        "Seconds between the starts of two drills, instead of a schedule.",
    ),
    Variable::new(
        "RUN_ON_STARTUP",
        Kind::Flag,
        "false",
        "true",
        "Drill once at every start, besides the schedule. A start whose bucket shows no record of a drill since the last tick drills in any case.",
    ),
    Variable::new(
        "VERIFY_AFTER_BACKUP",
        Kind::Flag,
        "true",
        "true",
        "`true`: a newer full backup than the last drilled one is drilled as soon as a look at the bucket finds it (`BUCKET_POLL_INTERVAL`), besides the schedule. Not with `VERIFY_BACKUP_ID` or `VERIFY_LATEST=false`.",
    ),
    Variable::new(
        "VERIFY_MIN_INTERVAL",
        Kind::Number { min: 0, max: 2_678_400 },
        "3600",
        "3600",
        "Seconds: no new backup starts a drill sooner than this after the start of the last one. Drills of the schedule do not wait.",
    ),
    Variable::new(
        "VERIFY_RETRY_AFTER",
        Kind::Text,
        "900,3600,14400",
        "900,3600,14400",
        "Seconds after which a drill that could not run is tried again; the last pause is repeated until the next tick; `off` waits for the tick. A pause is at least as long as the drill was.",
    ),
    Variable::new(
        "SINGLE_SHOT_MODE",
        Kind::Flag,
        "false",
        "true",
        "Drill once and exit, as `verify run` does; for a platform's own scheduler.",
    ),
    Variable::new(
        "VERIFY_SOURCE_DATABASE",
        Kind::Text,
        "",
        "app",
        "The database whose backups are drilled. If it is not set: every one that has backups below the prefix, one drill at a time, see [databases.md](databases.md#drills). `verify restore` and other commands about one backup need it if there are several.",
    ),
    Variable::new(
        "VERIFY_LATEST",
        Kind::Flag,
        "true",
        "true",
        "`true`: the newest committed full backup. `false`: one at random each time.",
    ),
    Variable::new(
        "VERIFY_BACKUP_ID",
        Kind::Text,
        "",
        "20261122T030000Z-calpt5zmzst5hrp2",
        "Always this backup, which may be a partial one. Of several databases only the one that has it is drilled.",
    ),
    Variable::new(
        "VERIFY_RANDOM_EVERY",
        Kind::Number { min: 0, max: 1_000 },
        "5",
        "5",
        "One of this many drills of a daemon, counted from its start, takes an older full backup: in turn the oldest one, which shows first if a rotation of keys went wrong, and one at random; 0: never. With `SINGLE_SHOT_MODE` each drill does so with that chance.",
    ),
    Variable::new(
        "BACKUP_MAX_AGE",
        Kind::Number { min: 60, max: 31_622_400 },
        "",
        "93600",
        "Seconds: the recovery point that was promised. A newest full backup that is older fails every drill, whichever backup it takes. If it is not set: the bound of `backup` in the newest manifest, or 93600 if it has none.",
    ),
    Variable::new(
        "VERIFY_MAX_AGE",
        Kind::Number { min: 60, max: 31_622_400 },
        "",
        "172800",
        "Seconds: `/health` answers 503 when the last passed drill is older. If it is not set: the longest gap of the schedule, a tenth of it and an hour.",
    ),
    Variable::new(
        "VERIFY_MAX_RECOVERY_TIME",
        Kind::Number { min: 1, max: 31_622_400 },
        "",
        "14400",
        "Seconds: the recovery time that was promised. A restore of a drill that takes longer, from the first byte of the download to the last index, is an alarm. If it is not set: none.",
    ),
    Variable::new(
        "VERIFY_TIMEOUT",
        Kind::Number { min: 1, max: 604_800 },
        "21600",
        "21600",
        "Seconds that a drill may take. Then it is stopped.",
    ),
];

static TARGET_VARIABLES: &[Variable] = &[
    Variable::new(
        "VERIFY_DATABASE_URL",
        Kind::Secret,
        "",
        "postgresql://drill:secret@drill.internal:5432/postgres",
        "The server on which each drill makes a temporary database, by a role that may create databases. If neither it nor `DATABASE_URL` is set, `verify` starts a throwaway server of its own.",
    ),
    Variable::new(
        "DATABASE_URL",
        Kind::Secret,
        "",
        "postgresql://drill:secret@drill.internal:5432/postgres",
        "The same, if `VERIFY_DATABASE_URL` is not set. If both are set, this one counts as production: `verify` does not connect to it, and it must not be the same database.",
    ),
    Variable::new(
        "VERIFY_ADMIN_URL",
        Kind::Secret,
        "",
        "postgresql://postgres:secret@drill.internal:5432/postgres",
        "A superuser on the drill server, which creates the extensions and roles that the archive names.",
    ),
    Variable::new(
        "VERIFY_ALLOW_SOURCE_CLUSTER",
        Kind::Flag,
        "false",
        "false",
        "`true`: drill even on the cluster that was backed up. Drills load it, and share its disk.",
    ),
    Variable::new(
        "VERIFY_RESTORE_AS",
        Kind::Choice(&["role", "superuser"]),
        "role",
        "role",
        "`role`: restore as a role that is not a superuser; what needs one is left out and named. `superuser`: everything, which lets code of the archive run as the server's operating-system user.",
    ),
    Variable::new(
        "VERIFY_JOBS",
        Kind::Number { min: 1, max: 64 },
        "",
        "4",
        "Parallel jobs of a restore and its checks. If it is not set: the processors of this machine.",
    ),
    Variable::new(
        "VERIFY_SPOOL_DIR",
        Kind::Text,
        "",
        "/var/spool/verify",
        "Folder for the downloaded backup and the throwaway server, which must exist. If it is not set: the system's folder for temporary files (`TMPDIR`).",
    ),
    Variable::new(
        "PG_BIN_DIR",
        Kind::Text,
        "",
        "/usr/lib/postgresql/17/bin",
        "Folder of PostgreSQL's programs, several with `:`. If it is set, no other place is searched. A throwaway server needs those of a server too.",
    ),
    ALLOW_OUTDATED_TOOLS,
];

static PROOF_VARIABLES: &[Variable] = &[
    Variable::new(
        "VERIFY_CONTENT",
        Kind::Choice(&["full", "sample", "off"]),
        "full",
        "full",
        "Compare every row of every table with the archive, those of a sample of tables, or none. Only `full` proves a backup.",
    ),
    Variable::new(
        "VERIFY_AMCHECK",
        Kind::Choice(&["auto", "off"]),
        "auto",
        "auto",
        "`auto`: check each B-tree index, and that it has an entry for every row, if the server has `amcheck`.",
    ),
    Variable::new(
        "VERIFY_SQL",
        Kind::Text,
        "",
        "SELECT max(created_at) > now() - interval '2 days' FROM orders",
        "Queries of your own, run read-only in the restored database.",
    ),
    Variable::new(
        "VERIFY_QUERIES_FILE",
        Kind::Text,
        "",
        "/etc/verify/queries.sql",
        "A file of such queries, at most 1 MiB, read at start.",
    ),
    Variable::new(
        "VERIFY_QUERY_TIMEOUT",
        Kind::Number { min: 1, max: 86_400 },
        "60",
        "60",
        "Seconds that each of them may take.",
    ),
    Variable::new(
        "MIN_TABLE_COUNT",
        Kind::Number { min: 0, max: 10_000_000 },
        "",
        "20",
        "Minimum number of tables in the restored database.",
    ),
];

static RUN_VARIABLES: &[Variable] = &[
    Variable::new(
        "VERIFY_ATTEST",
        Kind::Flag,
        "false",
        "true",
        "`true`: store the result of each drill beside its backup, which needs `s3:PutObject`. Retention then keeps the newest backup that passed. A drill that passes without `VERIFY_CONTENT=full` stores none.",
    ),
    Variable::new(
        "RESTORE_URL",
        Kind::Secret,
        "",
        "postgresql://app:secret@db.internal:5432/app_restored",
        "The target of `verify restore` and `verify roles`, if `--to` is not given; other commands ignore it. A command line is visible to every user of a machine.",
    ),
];
