//! Exact counts of rows, without letting code of others run if that can be known.

use std::time::{Duration, Instant};

use anyhow::Context;
use postgres_protocol::escape::escape_literal;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::{DbError, SqlState};

use super::connect::Session;
use super::user_relations::USER_RELATIONS;
use crate::repository::Table;

/// Which part of the fingerprint to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fingerprint {
    /// Objects and exact row counts, the counting bounded in time.
    Counts {
        /// Tables that are not reached in this time stay uncounted.
        budget: Duration,
    },
    /// Objects only.
    Off,
}

/// Why an unlogged table of a standby is not counted: nothing of it is there, and no dump has it.
pub const UNLOGGED: &str = "unlogged on a standby";

/// Why a table is not counted if planning that would run code of a role that is neither a superuser nor the session's own.
const CODE_OF_OTHERS: &str = "its indexes or statistics run code of other roles";

/// Whether an index of table `c`, or statistics on it, runs a function of such a role, be it by an operator or the check of
/// a domain. PostgreSQL computes the constant parts of these expressions when it plans a query, with the rights of the
/// session: the owner of a table would have those of `backup`. An enum, and an array of one, runs no code but PostgreSQL's
/// own, in no version: its owner cannot change what reads and writes its values, and a function that takes them has a line
/// of its own in `pg_depend`.
const RUNS_CODE_OF_OTHERS: &str = "
    EXISTS (SELECT FROM pg_depend d
              LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
              LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
              LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
              LEFT JOIN pg_type e ON e.oid = t.typelem
              JOIN pg_roles r ON r.oid = coalesce(f.proowner, o.oprowner, t.typowner)
             WHERE d.refobjid >= 16384 AND NOT r.rolsuper AND r.rolname <> current_user
               AND (t.oid IS NULL OR coalesce(e.typtype, t.typtype) <> 'e')
               AND (d.classid = 'pg_class'::regclass
                    AND d.objid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid)
                 OR d.classid = 'pg_statistic_ext'::regclass
                    AND d.objid IN (SELECT s.oid FROM pg_statistic_ext s WHERE s.stxrelid = c.oid)))";

/// Why a table is not counted if `BACKUP_FINGERPRINT_TIMEOUT` has passed.
const TIME_BUDGET: &str = "time budget";

/// Why a table is not counted if its name came to mean another one.
const RENAMED: &str = "renamed";

/// Counts the rows of each table that holds rows of its own, the small ones first, so that a budget
/// that runs out leaves as few of them uncounted as possible.
///
/// # Errors
/// If the list of tables cannot be read, or the connection breaks.
pub async fn count_rows(session: &Session, fingerprint: Fingerprint) -> anyhow::Result<Vec<Table>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, format('%I.%I', n.nspname, c.relname),
                c.relpersistence = 'u' AND pg_is_in_recovery(), {RUNS_CODE_OF_OTHERS}, c.oid
         {USER_RELATIONS} AND c.relkind = 'r' ORDER BY c.relpages, 1, 2"
    );
    let rows = session.client().query(&sql, &[]).await?;
    if let Fingerprint::Counts { .. } = fingerprint {
        session.ask(session.client().query(NO_VIEWS, &[])).await.context("keep views from being read")?;
    }
    let started = Instant::now();
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        let left = match fingerprint {
            Fingerprint::Counts { budget } => Some(budget.saturating_sub(started.elapsed())),
            Fingerprint::Off => None,
        };
        let (rows, not_counted) = match left {
            _ if row.try_get(3)? => (None, Some(UNLOGGED.to_owned())),
            None => (None, Some("off".to_owned())),
            Some(_) if row.try_get(4)? => (None, Some(CODE_OF_OTHERS.to_owned())),
            Some(left) if left < Duration::from_millis(1) => (None, Some(TIME_BUDGET.to_owned())),
            Some(left) => {
                let table = Countable { oid: row.try_get(5)?, quoted_name: row.try_get(2)? };
                count_table(session, &table, left).await?
            }
        };
        tables.push(Table { schema: row.try_get(0)?, name: row.try_get(1)?, rows, not_counted });
    }
    tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(tables)
}

type Count = (Option<u64>, Option<String>);

/// Keeps statements of this transaction from views and foreign tables of others, if the server knows the setting: 17
/// does, and earlier versions from their minor version of August 2024 on.
const NO_VIEWS: &str = "SELECT set_config(name, 'view, foreign-table', true) FROM pg_settings
    WHERE name = 'restrict_nonsystem_relation_kind'";

/// A table to count.
struct Countable<'a> {
    oid: u32,
    quoted_name: &'a str,
}

impl Countable<'_> {
    /// Counts, if the name means this table before and after.
    ///
    /// A name is looked up when a statement is planned, and a statement that waits for a lock looks it up again. So the
    /// wait is in a statement of its own, which plans nothing and has no part in this: under the lock, only the schema
    /// can be renamed, and these statements follow each other without a pause for that.
    fn statements(&self, left: Duration) -> String {
        let Self { oid, quoted_name } = self;
        let same = format!(
            "SELECT CASE WHEN {oid}::oid::regclass::text = {name} THEN 0
                         ELSE ('{MOVED}' || {oid}::oid::regclass::text)::int END",
            name = escape_literal(quoted_name)
        );
        let timeout = left.as_millis().max(1);
        format!("SET LOCAL statement_timeout = {timeout}; {same}; SELECT count(*) FROM ONLY {quoted_name}; {same}")
    }
}

/// In the error of a cast that fails if a table has got another name.
const MOVED: &str = "backup: renamed to ";

/// Counts one table inside a savepoint, so that an error of the server does not end the snapshot's transaction, and
/// the lock of the table ends with it. Locks that code of others has taken for the session end, too.
/// A refusal for one table leaves that table uncounted: planning a count plans the expressions of its
/// indexes, and a function among them may need a `search_path` that no dump has.
///
/// # Errors
/// If the connection breaks.
async fn count_table(session: &Session, table: &Countable<'_>, left: Duration) -> anyhow::Result<Count> {
    let (client, started) = (session.client(), Instant::now());
    let begin = format!("SAVEPOINT count_rows; SET LOCAL statement_timeout = {}", left.as_millis());
    session.ask(client.batch_execute(&begin)).await?;
    let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", table.quoted_name);
    let counted = match session.ask_within(left, client.batch_execute(&lock)).await {
        Ok(()) => {
            let left = left.saturating_sub(started.elapsed());
            session.ask_within(left, client.simple_query(&table.statements(left))).await
        }
        Err(error) => Err(error),
    };
    let counted = match counted {
        Ok(messages) => Ok(second_row(&messages)),
        Err(error) => match error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error()) {
            Some(said) => Err(why_not_counted(said, table.quoted_name)),
            None => return Err(error.context(format!("count rows of {}", table.quoted_name))),
        },
    };
    let end = "ROLLBACK TO count_rows; RELEASE count_rows; SELECT pg_advisory_unlock_all()";
    session.ask(client.batch_execute(end)).await?;
    Ok(match counted {
        Ok(rows) => (rows, None),
        Err(reason) => (None, Some(reason)),
    })
}

/// The count, which comes between two looks at the name.
fn second_row(messages: &[SimpleQueryMessage]) -> Option<u64> {
    let mut rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.nth(1)?.get(0)?.parse().ok()
}

/// The server's message may quote values, so the manifest gets its code only.
fn why_not_counted(said: &DbError, quoted_name: &str) -> String {
    if said.message().contains(MOVED) {
        return RENAMED.to_owned();
    }
    match said.code() {
        &SqlState::QUERY_CANCELED => TIME_BUDGET.to_owned(),
        &SqlState::LOCK_NOT_AVAILABLE => "lock timeout".to_owned(),
        &SqlState::INSUFFICIENT_PRIVILEGE => "no privilege".to_owned(),
        code => {
            let (message, code) = (said.message(), code.code());
            tracing::warn!(table = quoted_name, message, code, "the rows of this table are not counted");
            format!("the server refused (SQLSTATE {code})")
        }
    }
}
