//! What PostgreSQL lets only a superuser make.

use crate::Archive;
use crate::sql::{self, Statement, has_in_a_row};
use crate::toc::Entry;

use super::settings::sets_what_superusers_set;

/// Kinds of which PostgreSQL says so for every definition.
const ALWAYS: &[(&str, &str)] = &[
    ("ACCESS METHOD", "only a superuser may make access methods"),
    ("DEFAULT ACL", "only its role or a superuser may set default privileges"),
    ("EVENT TRIGGER", "only a superuser may make event triggers"),
    ("FOREIGN DATA WRAPPER", "only a superuser may make foreign-data wrappers"),
    ("FOREIGN TABLE", "its rows are on another server"),
    ("OPERATOR CLASS", "only a superuser may make operator classes"),
    ("OPERATOR FAMILY", "only a superuser may make operator families"),
    ("PROCEDURAL LANGUAGE", "only a superuser may make languages"),
    ("PUBLICATION TABLES IN SCHEMA", "only a superuser may publish schemas"),
    ("SECURITY LABEL", "it needs the provider that was loaded at the source"),
    ("SERVER", "it leads to another server"),
    ("SHELL TYPE", "only a superuser may make base types"),
    ("SUBSCRIPTION", "it leads to another server"),
    ("SUBSCRIPTION TABLE", "it leads to another server"),
    ("TEXT SEARCH PARSER", "only a superuser may make text search parsers"),
    ("TEXT SEARCH TEMPLATE", "only a superuser may make text search templates"),
    ("TRANSFORM", "only a superuser may make transforms"),
    ("USER MAPPING", "it leads to another server"),
];

/// Languages in which any role may write functions, if they are installed: those of PostgreSQL, and
/// trusted ones that are widely used.
const TRUSTED_LANGUAGES: &[&str] =
    &["sql", "plpgsql", "plperl", "pltcl", "plv8", "plcoffee", "plls", "pllua", "plrust", "java"];

/// Why only a superuser may restore `entry`; `None` if its owner may.
pub(super) fn superuser_only(entry: &Entry, statements: &[Statement<'_>], archive: &Archive) -> Option<&'static str> {
    if let Some((_, why)) = ALWAYS.iter().find(|(desc, _)| *desc == entry.desc) {
        return Some(why);
    }
    let first = statements.first()?;
    match entry.desc.as_str() {
        "FUNCTION" | "PROCEDURE" => routine(first),
        "AGGREGATE" => has_internal_state(first.text).then_some("only a superuser may use the type internal"),
        "TYPE" => (!has(first, "AS")).then_some("only a superuser may make base types"),
        "CAST" => cast(entry, first, archive),
        "PUBLICATION" => publication(first),
        "ACL" => grants(entry, statements, archive),
        _ => None,
    }
}

fn has(statement: &Statement<'_>, keyword: &str) -> bool {
    statement.tokens.iter().any(|token| token.is(keyword))
}

/// `CREATE FUNCTION name(..) RETURNS type LANGUAGE name attributes AS ..`: the first of each keyword
/// outside of parentheses counts, and the body is a text.
fn routine(statement: &Statement<'_>) -> Option<&'static str> {
    let language = statement.after("LANGUAGE").and_then(|token| token.name()).unwrap_or_default();
    let leakproof = statement.tokens.windows(2).any(|pair| pair[1].is("LEAKPROOF") && !pair[0].is("NOT"));
    match language.as_str() {
        "c" | "internal" => Some("only a superuser may make functions in C"),
        trusted if !TRUSTED_LANGUAGES.contains(&trusted) => Some("its language is not known to be trusted"),
        _ if leakproof => Some("only a superuser may make LEAKPROOF functions"),
        _ if has(statement, "SUPPORT") => Some("only a superuser may give functions a support function"),
        _ if sets_what_superusers_set(statement) => Some("it has a setting that only a superuser may set"),
        _ => None,
    }
}

/// `STYPE = internal` and its kin, which stand inside of the parentheses.
fn has_internal_state(aggregate: &str) -> bool {
    ["STYPE", "MSTYPE"].into_iter().any(|option| has_in_a_row(aggregate, [option, "=", "internal"]))
}

/// A cast needs one of its types to be one's own, and one without a function trusts their layout.
fn cast(entry: &Entry, statement: &Statement<'_>, archive: &Archive) -> Option<&'static str> {
    if has(statement, "WITHOUT") {
        return Some("only a superuser may make casts without a function");
    }
    let is_type = |desc: &str| matches!(desc, "TYPE" | "DOMAIN" | "TABLE" | "VIEW" | "MATERIALIZED VIEW");
    let types = entry.dependencies.iter().filter_map(|id| archive.entry(*id)).filter(|needed| is_type(&needed.desc));
    (types.count() == 0).then_some("only a superuser may make casts between types of others")
}

fn publication(statement: &Statement<'_>) -> Option<&'static str> {
    is_of_all_tables(statement).then_some("only a superuser may publish all tables")
}

fn is_of_all_tables(statement: &Statement<'_>) -> bool {
    statement.tokens.windows(3).any(|words| words[0].is("FOR") && words[1].is("ALL") && words[2].is("TABLES"))
}

/// Whether PostgreSQL lets only a superuser own `entry`.
pub(super) fn has_superuser_for_owner(entry: &Entry) -> bool {
    match entry.desc.as_str() {
        "EVENT TRIGGER" | "FOREIGN DATA WRAPPER" | "PUBLICATION TABLES IN SCHEMA" | "SUBSCRIPTION" => true,
        "PUBLICATION" => sql::statements(&entry.defn).first().is_some_and(is_of_all_tables),
        _ => false,
    }
}

/// Grants that the owner of the object cannot repeat: by another role, or on an object that the
/// archive does not make, which belongs to a superuser. The schema `public` is the database owner's.
fn grants(entry: &Entry, statements: &[Statement<'_>], archive: &Archive) -> Option<&'static str> {
    if statements.iter().any(|statement| statement.begins("SET SESSION AUTHORIZATION")) {
        return Some("only a superuser may grant in the name of another role");
    }
    let is_owned = archive.makes_what_it_is_about(entry) || entry.tag == "SCHEMA public";
    (!is_owned).then_some("its grants are on an object that the archive does not make")
}
