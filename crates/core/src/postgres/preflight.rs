//! What stands in the way of a complete dump, and what a dump will not contain; asked before a
//! byte is written.

use anyhow::Context;

use super::connect::Session;
use crate::text::some_of;

/// How a note begins that is not true of a restore which creates the database.
pub const ONLY_WITH_CREATE: &str = "settings of ALTER DATABASE ... SET come back only with --create";

/// Names shown of each finding; the rest is counted.
const MAX_NAMES: usize = 5;

/// What was found before a dump.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// What no session of ours can be told of: no backup can be made, not even of other tables.
    pub unreadable: Vec<String>,
    /// `pg_dump` would fail on these, or leave rows out.
    pub blockers: Vec<String>,
    /// The dump succeeds without these, because of the role that makes it or because no dump holds them, or can be
    /// restored in some places only.
    pub gaps: Vec<String>,
    /// The dump is complete, and these are still not in it or need care at a restore.
    pub notes: Vec<String>,
    /// Whether the role is a superuser: `pg_dump` leaves subscriptions out for every other one.
    pub is_superuser: bool,
}

/// One question: SQL that returns names, and the sentence around them.
struct Question {
    sql: &'static str,
    sentence: fn(&str) -> String,
}

/// Relations that `pg_dump` reads: not of the system, not made by an extension, not temporary.
macro_rules! dumped_relations {
    ($kinds:literal, $condition:literal) => {
        concat!(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
                AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                                   AND e.deptype = 'e')
                AND c.relkind IN (",
            $kinds,
            ") AND ",
            $condition,
            " ORDER BY 1"
        )
    };
}

/// Whether the text `$name` of a database in `SQL_ASCII` is no UTF-8, the only encoding in which our sessions can be told it.
macro_rules! is_no_utf8 {
    ($name:literal) => {
        concat!(
            "CASE WHEN getdatabaseencoding() = 'SQL_ASCII' THEN encode(convert_to(",
            $name,
            ", 'SQL_ASCII'), 'hex') !~ ('^([0-7].|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|e[1-9a-cef]([89ab].){2}|ed[89].[89ab].'
                || '|f0[9ab].([89ab].){2}|f[1-3]([89ab].){3}|f48.([89ab].){2})*$') ELSE false END"
        )
    };
}

const UNREADABLE: [Question; 1] = [
    Question {
        sql: concat!(
            "SELECT name FROM (
                SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
                UNION ALL
                SELECT format('role %I', rolname) FROM pg_roles r
                 WHERE EXISTS (SELECT FROM pg_shdepend h WHERE h.refclassid = 'pg_authid'::regclass AND h.refobjid = r.oid
                                  AND h.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))) named (name)
              WHERE ",
            is_no_utf8!("name"),
            " ORDER BY 1"
        ),
        sentence: |names| {
            format!("the encoding SQL_ASCII tells nothing about names, and these are no UTF-8, so they cannot be read; rename them: {names}")
        },
    },
];

const BLOCKERS: [Question; 5] = [
    Question {
        sql: "SELECT quote_ident(n.nspname) FROM pg_namespace n
               WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT has_schema_privilege(n.oid, 'USAGE')
                 AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) ORDER BY 1",
        sentence: |names| format!("the role may not use schema {names}; grant USAGE on it, or membership in pg_read_all_data"),
    },
    Question {
        sql: dumped_relations!("'r', 'p'", "NOT has_table_privilege(c.oid, 'SELECT')"),
        sentence: |names| format!("the role may not read table {names}; grant SELECT on it, or membership in pg_read_all_data"),
    },
    Question {
        sql: dumped_relations!("'S'", "CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') END"),
        sentence: |names| format!("the role may not read sequence {names}; grant SELECT on it, or membership in pg_read_all_data"),
    },
    Question {
        sql: dumped_relations!("'r', 'p'", "c.relrowsecurity AND row_security_active(c.oid)"),
        sentence: |names| format!(
            "row security hides rows of table {names} from the role; give the role BYPASSRLS, or dump as the table's owner"
        ),
    },
    Question {
        sql: "SELECT m.oid::text FROM pg_largeobject_metadata m
               WHERE NOT pg_has_role(m.lomowner, 'USAGE')
                 AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                 AND current_setting('lo_compat_privileges') = 'off'
                 AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                                    AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
               ORDER BY m.oid",
        sentence: |names| format!(
            "the role may not read large object {names}; grant SELECT ON LARGE OBJECT, or dump as their owner: pg_read_all_data does not cover large objects"
        ),
    },
];

const GAPS: [Question; 6] = [
    Question {
        sql: concat!(
            "SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND ",
            is_no_utf8!("a.attname::text"),
            " ORDER BY 1"
        ),
        sentence: |names| {
            format!(
                "the names of columns are no UTF-8, so the rows of their tables are in the dump, and verify cannot read them back: a drill fails; rename them: {names}"
            )
        },
    },
    // What pg_user_mappings shows of its options, and to whom, is written in its definition.
    Question {
        sql:
            "SELECT format('%s on %I', CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname)
                FROM pg_user_mappings u JOIN pg_foreign_server s ON s.oid = u.srvid
               WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                 AND NOT CASE WHEN u.umuser = 0 THEN pg_has_role(s.srvowner, 'USAGE')
                              ELSE u.usename = current_user
                               AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')) END
               ORDER BY 1",
        sentence: |names| {
            format!(
                "the dump has user mappings without their options (passwords above all), because the role does not see them: {names}; dump as a superuser, or add the options by hand after a restore"
            )
        },
    },
    Question {
        sql: "SELECT quote_ident(subname) FROM pg_subscription
               WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
        sentence: |names| {
            format!(
                "subscriptions are not in the dump, because pg_dump writes them for a superuser only: {names}; dump as a superuser, or create them by hand after a restore"
            )
        },
    },
    Question {
        sql: "SELECT format('%I.%I of %I', n.nspname, c.relname, x.extname)
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
                                AND e.refclassid = 'pg_extension'::regclass
                JOIN pg_extension x ON x.oid = e.refobjid
               WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid <> ALL (coalesce(x.extconfig, '{}'))
                 AND pg_relation_size(c.oid) > 0 ORDER BY 1",
        sentence: |names| {
            format!(
                "rows of tables that belong to an extension are not in the dump, because the extension does not mark them for pg_dump; CREATE EXTENSION makes the tables anew: {names}"
            )
        },
    },
    Question {
        sql: "SELECT format('%s %s', o.type, o.identity)
                FROM (SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS schema FROM pg_class
                       WHERE relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
                      UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
                      UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typnamespace FROM pg_type t
                       WHERE t.typtype IN ('b', 'd', 'e', 'r') AND t.typelem = 0
                          OR EXISTS (SELECT FROM pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c')
                      UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
                      UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass
                      UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily
                      UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
                      UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
                      UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
                      UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
                      UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace FROM pg_ts_parser
                      UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace FROM pg_ts_template) made
                JOIN pg_namespace n ON n.oid = made.schema, pg_identify_object(made.catalog, made.oid, 0) o
               WHERE made.oid >= 16384 AND n.nspname IN ('information_schema', 'pg_catalog')
                 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = made.catalog AND e.objid = made.oid
                                    AND e.deptype = 'e')
               ORDER BY 1",
        sentence: |names| {
            format!("what is in a schema of the system is in no dump: {names}; move it with ALTER ... SET SCHEMA")
        },
    },
    Question {
        sql: "SELECT DISTINCT split_part(option, '=', 1) FROM pg_attribute a, unnest(a.attoptions) option
               WHERE a.attrelid >= 16384 AND split_part(option, '=', 1) NOT IN ('n_distinct', 'n_distinct_inherited') ORDER BY 1",
        sentence: |names| format!(
            "columns have options that only servers of the same minor version are known to take, so the backup may restore only there: {names}"
        ),
    },
];

const NOTES: [Question; 8] = [
    Question {
        // A name of another database is in that one's encoding, and may be no text in this one: only its bytes can be
        // looked at. In some encodings of several bytes even the backslashes cannot be found.
        sql: "SELECT CASE WHEN (getdatabaseencoding() = 'UTF8'
                                OR pg_encoding_max_length(pg_char_to_encoding(getdatabaseencoding())) = 1)
                           AND encode(replace(datname::text, chr(92), repeat(chr(92), 2))::bytea, 'hex') ~ '^([2-7][0-9a-f])+$'
                          THEN quote_ident(datname) ELSE 'one whose name is not in ASCII' END
                FROM pg_database
               WHERE datname <> current_database() AND NOT datistemplate AND datname <> 'postgres' AND datallowconn ORDER BY 1",
        sentence: |names| format!("other databases of this cluster are not in this dump: {names}"),
    },
    Question {
        sql: dumped_relations!("'r'", "c.relpersistence = 'u' AND pg_is_in_recovery()"),
        sentence: |names| format!("unlogged tables are empty on a standby, so their rows are not in the dump: {names}"),
    },
    Question {
        sql: dumped_relations!("'f'", "true"),
        sentence: |names| format!("rows of foreign tables stay on their own server: {names}"),
    },
    Question {
        sql: "SELECT format('%I %s', extname, extversion) FROM pg_extension
               WHERE extname IN ('timescaledb', 'pg_cron', 'pgsodium', 'vault', 'pg_partman', 'postgis', 'citus', 'pgmq') ORDER BY 1",
        sentence: |names| format!("extensions that need the same version, and care of their own, at a restore: {names}"),
    },
    Question {
        sql: "SELECT DISTINCT split_part(setting, '=', 1) FROM pg_db_role_setting s, unnest(s.setconfig) setting
               WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
        sentence: |names| format!("{ONLY_WITH_CREATE}, of verify restore or pg_restore: {names}"),
    },
    Question {
        sql: "SELECT quote_ident(subname) FROM pg_subscription
               WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
        sentence: |names| format!("subscriptions are restored disabled, and the dump may hold their connection strings: {names}"),
    },
    Question {
        // A role is shown the options that its dump has.
        sql: "SELECT DISTINCT quote_ident(srvname) FROM pg_user_mappings WHERE umoptions IS NOT NULL ORDER BY 1",
        sentence: |names| format!("the dump may hold passwords of the user mappings of foreign servers: {names}"),
    },
    Question {
        sql: "SELECT 'database' WHERE NOT EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')",
        sentence: |_| "the database has no table at all; is it the right one?".to_owned(),
    },
];

/// The names that `question` finds. What is no text in our encoding is told with its bytes, as `\\344`.
fn readable(question: &Question) -> String {
    format!(
        "SELECT CASE WHEN {} THEN encode(convert_to(name, 'SQL_ASCII'), 'escape') ELSE name END FROM ({}) found (name)",
        is_no_utf8!("name"),
        question.sql
    )
}

/// Asks every question of the session's database. The notes end with what no dump of one database holds.
///
/// # Errors
/// What the server says.
pub async fn preflight(session: &Session) -> anyhow::Result<Preflight> {
    let is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let row = session.ask(session.client().query_one(is_superuser, &[])).await.context("look at the role")?;
    let mut found = Preflight { is_superuser: row.try_get(0)?, ..Preflight::default() };
    let groups = [
        (&UNREADABLE[..], &mut found.unreadable),
        (&BLOCKERS[..], &mut found.blockers),
        (&GAPS[..], &mut found.gaps),
        (&NOTES[..], &mut found.notes),
    ];
    for (questions, answers) in groups {
        for question in questions {
            let rows = session.ask(session.client().query(&readable(question), &[])).await;
            let rows = rows.context("look for what a dump would miss")?;
            let names: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            if !names.is_empty() {
                answers.push((question.sentence)(&some_of(&names, MAX_NAMES)));
            }
        }
    }
    Ok(found)
}
