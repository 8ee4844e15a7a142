//! How the definitions of each kind of entry begin, and statements that belong in none of them.

use crate::sql::Statement;
use crate::toc::Entry;

/// Kinds that `pg_dump` writes, and the beginnings of their first statement. A kind without
/// beginnings has no definition.
const KINDS: &[(&str, &[&str])] = &[
    ("ACCESS METHOD", &["CREATE ACCESS METHOD"]),
    ("ACL", &["GRANT", "REVOKE", "SET SESSION AUTHORIZATION"]),
    ("AGGREGATE", &["CREATE AGGREGATE"]),
    ("BLOB", &["SELECT pg_catalog . lo_create"]),
    ("BLOBS", &[]),
    ("CAST", &["CREATE CAST"]),
    ("CHECK CONSTRAINT", &["ALTER TABLE", "ALTER DOMAIN", "ALTER FOREIGN TABLE"]),
    ("COLLATION", &["CREATE COLLATION"]),
    ("COMMENT", &["COMMENT ON"]),
    ("CONSTRAINT", &["ALTER TABLE", "ALTER DOMAIN", "ALTER FOREIGN TABLE"]),
    ("CONVERSION", &["CREATE CONVERSION", "CREATE DEFAULT CONVERSION"]),
    ("DATABASE", &["CREATE DATABASE"]),
    ("DATABASE PROPERTIES", &["ALTER DATABASE", "ALTER ROLE"]),
    ("DEFAULT", &["ALTER TABLE", "ALTER FOREIGN TABLE", "ALTER VIEW"]),
    ("DEFAULT ACL", &["ALTER DEFAULT PRIVILEGES"]),
    ("DOMAIN", &["CREATE DOMAIN"]),
    ("ENCODING", &["SET client_encoding"]),
    ("EVENT TRIGGER", &["CREATE EVENT TRIGGER"]),
    ("EXTENSION", &["CREATE EXTENSION"]),
    ("FK CONSTRAINT", &["ALTER TABLE", "ALTER FOREIGN TABLE"]),
    ("FOREIGN DATA WRAPPER", &["CREATE FOREIGN DATA WRAPPER"]),
    ("FOREIGN TABLE", &["CREATE FOREIGN TABLE"]),
    ("FUNCTION", &["CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"]),
    ("INDEX", &["CREATE INDEX", "CREATE UNIQUE INDEX"]),
    ("INDEX ATTACH", &["ALTER INDEX"]),
    ("MATERIALIZED VIEW", &["CREATE MATERIALIZED VIEW"]),
    ("MATERIALIZED VIEW DATA", &["REFRESH MATERIALIZED VIEW"]),
    ("OPERATOR", &["CREATE OPERATOR"]),
    ("OPERATOR CLASS", &["CREATE OPERATOR CLASS"]),
    ("OPERATOR FAMILY", &["CREATE OPERATOR FAMILY"]),
    ("POLICY", &["CREATE POLICY"]),
    ("PROCEDURAL LANGUAGE", &["CREATE PROCEDURAL LANGUAGE", "CREATE TRUSTED", "CREATE OR REPLACE", "CREATE LANGUAGE"]),
    ("PROCEDURE", &["CREATE PROCEDURE", "CREATE OR REPLACE PROCEDURE"]),
    ("PUBLICATION", &["CREATE PUBLICATION"]),
    ("PUBLICATION TABLE", &["ALTER PUBLICATION"]),
    ("PUBLICATION TABLES IN SCHEMA", &["ALTER PUBLICATION"]),
    ("ROW SECURITY", &["ALTER TABLE"]),
    ("RULE", &["CREATE RULE", "CREATE OR REPLACE VIEW"]),
    ("SCHEMA", &["CREATE SCHEMA"]),
    ("SEARCHPATH", &["SELECT pg_catalog . set_config"]),
    ("SECURITY LABEL", &["SECURITY LABEL"]),
    ("SEQUENCE", &["CREATE SEQUENCE", "CREATE UNLOGGED SEQUENCE", "ALTER TABLE"]),
    ("SEQUENCE OWNED BY", &["ALTER SEQUENCE"]),
    ("SEQUENCE SET", &["SELECT pg_catalog . setval"]),
    ("SERVER", &["CREATE SERVER"]),
    ("SHELL TYPE", &["CREATE TYPE"]),
    ("STATISTICS", &["CREATE STATISTICS"]),
    ("STATISTICS DATA", &["SELECT * FROM pg_catalog"]),
    ("STDSTRINGS", &["SET standard_conforming_strings"]),
    ("SUBSCRIPTION", &["CREATE SUBSCRIPTION"]),
    ("SUBSCRIPTION TABLE", &["SELECT pg_catalog . binary_upgrade_add_sub_rel_state"]),
    ("TABLE", &["CREATE TABLE", "CREATE UNLOGGED TABLE"]),
    ("TABLE ATTACH", &["ALTER TABLE"]),
    ("TABLE DATA", &[]),
    ("TEXT SEARCH CONFIGURATION", &["CREATE TEXT SEARCH CONFIGURATION"]),
    ("TEXT SEARCH DICTIONARY", &["CREATE TEXT SEARCH DICTIONARY"]),
    ("TEXT SEARCH PARSER", &["CREATE TEXT SEARCH PARSER"]),
    ("TEXT SEARCH TEMPLATE", &["CREATE TEXT SEARCH TEMPLATE"]),
    ("TRANSFORM", &["CREATE TRANSFORM"]),
    ("TRIGGER", &["CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER", "ALTER TABLE"]),
    ("TYPE", &["CREATE TYPE"]),
    ("USER MAPPING", &["CREATE USER MAPPING"]),
    ("VIEW", &["CREATE VIEW"]),
];

/// Beginnings of statements that change the cluster, run programs or destroy something. No
/// definition of an object has one.
const FOREIGN: &[&str] = &[
    "ALTER SYSTEM",
    "ALTER ROLE",
    "ALTER USER",
    "ALTER GROUP",
    "ALTER DATABASE",
    "ALTER TABLESPACE",
    "CREATE ROLE",
    "CREATE USER",
    "CREATE GROUP",
    "CREATE DATABASE",
    "CREATE TABLESPACE",
    "DROP",
    "COPY",
    "DO",
    "LOAD",
    "CALL",
    "SET ROLE",
];

/// The one statement that begins like a foreign one and is none.
const USER_MAPPING: &str = "CREATE USER MAPPING";

/// What `entry` must not hold, if it holds such a thing: a definition of another kind than its own, or
/// a statement that no definition has.
pub(super) fn foreign_statement(entry: &Entry, statements: &[Statement<'_>]) -> Option<String> {
    let Some((_, beginnings)) = KINDS.iter().find(|(desc, _)| *desc == entry.desc) else {
        // Large objects of PostgreSQL 17 and later: their oids, one a line.
        let only_oids =
            entry.desc == "BLOB METADATA" && entry.defn.split_whitespace().all(|oid| oid.parse::<u32>().is_ok());
        return (!only_oids).then(|| "an entry of a kind that pg_dump does not write".to_owned());
    };
    // `DATABASE PROPERTIES` is all about the cluster; it is left out anyway.
    let found = statements.iter().find_map(|statement| {
        let beginning = FOREIGN.iter().find(|beginning| statement.begins(beginning))?;
        (!statement.begins(USER_MAPPING) && !entry.desc.starts_with("DATABASE")).then_some(beginning)
    });
    if let Some(beginning) = found {
        return Some(format!("a statement that begins with {beginning}"));
    }
    let fits = statements.first().is_none_or(|first| beginnings.iter().any(|beginning| first.begins(beginning)));
    (!fits).then(|| "a definition of something else".to_owned())
}
