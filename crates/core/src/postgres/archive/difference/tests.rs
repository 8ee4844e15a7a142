use super::*;
use crate::postgres::archive::selection::{Rights, select};
use crate::postgres::archive::tests::KINDS;
use crate::postgres::archive::tests::build::{archive, entry, table_data};

const RESTORER: &str = "verify_owner_1";

/// What is found between two lists of entries when everything was restored.
#[track_caller]
fn check(dumped: &[Entry], restored: &[Entry], expected: &[&str]) {
    let (dumped, restored) = (archive(dumped.to_vec()), archive(restored.to_vec()));
    let found = difference(&dumped, &restored, &select(&dumped, Rights::Superuser), RESTORER);
    assert_eq!(found.iter().map(Difference::to_string).collect::<Vec<_>>(), expected);
}

fn trigger(name: &str, defn: &str) -> Entry {
    entry(1, "TRIGGER", "public", name, defn)
}

#[test]
fn an_archive_does_not_differ_from_itself() {
    let kinds = Archive::read(KINDS).unwrap();
    assert_eq!(difference(&kinds, &kinds, &select(&kinds, Rights::Superuser), RESTORER), []);
    assert_eq!(difference(&kinds, &kinds, &select(&kinds, Rights::Owner), RESTORER), []);
}

/// It must reach the tables of an extension, which belong to the superuser who made it.
#[test]
fn what_the_restoring_role_may_is_no_difference_and_what_others_may_is() {
    let grant = |to: &str| entry(1, "ACL", "ext", "TABLE config", &format!("GRANT ALL ON TABLE ext.config TO {to};\n"));
    check(&[], &[grant(RESTORER)], &[]);
    check(&[], &[grant("app")], &["ACL ext.TABLE config was not in the dump"]);
}

#[test]
fn what_is_missing_unexpected_or_different_has_a_name() {
    let audit = trigger("orders audit", "CREATE TRIGGER audit\n EXECUTE FUNCTION f();\n");
    let other = trigger("orders other", "CREATE TRIGGER other\n EXECUTE FUNCTION f();\n");
    let changed = trigger("orders audit", "CREATE TRIGGER audit\n EXECUTE FUNCTION g();\n");
    let found = |dumped: &[&Entry], restored: &[&Entry], expected: &[&str]| {
        let own = |entries: &[&Entry]| entries.iter().map(|&entry| entry.clone()).collect::<Vec<_>>();
        check(&own(dumped), &own(restored), expected);
    };
    found(&[&audit, &other], &[&other, &audit], &[]);
    found(&[&audit, &other], &[&other], &["TRIGGER public.orders audit is missing"]);
    found(&[&audit], &[&other, &audit], &["TRIGGER public.orders other was not in the dump"]);
    let differs = "TRIGGER public.orders audit differs: \" EXECUTE FUNCTION f();\" was dumped, \" EXECUTE FUNCTION g();\" is there";
    found(&[&audit], &[&changed], &[differs]);
    // Two of one name are two.
    found(&[&audit, &audit], &[&audit], &["TRIGGER public.orders audit is missing"]);
    found(&[&audit, &changed], &[&changed, &audit], &[]);
    let schema = entry(1, "SCHEMA", "", "sales", "CREATE SCHEMA sales;");
    found(&[&schema], &[], &["SCHEMA sales is missing"]);
}

#[test]
fn an_excerpt_is_short_and_shows_the_place() {
    let view = |middle: &str| {
        entry(1, "VIEW", "s", "v", &format!("CREATE VIEW s.v AS {} {middle} {}", "ä".repeat(500), "y".repeat(500)))
    };
    let (dumped, restored) = (archive(vec![view("one")]), archive(vec![view("two")]));
    let found = difference(&dumped, &restored, &select(&dumped, Rights::Superuser), RESTORER);
    let [Difference::Different { dumped, restored, .. }] = found.as_slice() else { panic!("{found:?}") };
    for (excerpt, word) in [(dumped, " one "), (restored, " two ")] {
        assert!(excerpt.chars().count() <= EXCERPT_CHARACTERS && excerpt.contains(word), "{excerpt}");
    }
}

#[test]
fn what_a_drill_makes_in_its_own_way_is_not_compared() {
    let dumped = [
        entry(1, "DATABASE", "", "shop", "CREATE DATABASE shop"),
        entry(2, "COMMENT", "", "DATABASE shop", "COMMENT ON DATABASE shop IS 'x'"),
        entry(3, "EXTENSION", "", "hstore", "CREATE EXTENSION hstore"),
        entry(4, "COMMENT", "", "EXTENSION hstore", "COMMENT ON EXTENSION hstore IS 'x'"),
        entry(5, "SEQUENCE SET", "public", "s", "SELECT pg_catalog.setval('public.s', 7)"),
        entry(6, "COMMENT", "", "LARGE OBJECT 7", "COMMENT ON LARGE OBJECT 7 IS 'x'"),
        entry(7, "ACL", "", "LARGE OBJECT 7", "GRANT SELECT ON LARGE OBJECT 7 TO x"),
        entry(8, "SCHEMA", "", "public", "-- *not* creating schema, since initdb creates it\n"),
        table_data(9, "t"),
        entry(10, "MATERIALIZED VIEW DATA", "public", "m", "REFRESH MATERIALIZED VIEW public.m"),
        entry(11, "BLOB", "", "7", "SELECT pg_catalog.lo_create('7')"),
    ];
    check(&dumped, &[], &[]);
    check(&[], &dumped, &[]);
}

#[test]
fn of_grants_only_those_to_others_count() {
    let acl = |owner: &str, defn: &str| entry(1, "ACL", "s", "TABLE t", defn).owned_by(owner);
    let dumped = acl(
        "app",
        "REVOKE ALL ON TABLE s.t FROM app;\nGRANT SELECT ON TABLE s.t TO app;\nGRANT SELECT ON TABLE s.t TO clerk;\n",
    );
    check(
        std::slice::from_ref(&dumped),
        &[acl("drill", "GRANT SELECT ON TABLE s.t TO app;\nGRANT SELECT ON TABLE s.t TO clerk;\n")],
        &[],
    );
    check(&[acl("app", "GRANT SELECT ON TABLE s.t TO app;\n")], &[], &[]);
    check(std::slice::from_ref(&dumped), &[], &["ACL s.TABLE t is missing"]);
    let more = acl("drill", "GRANT ALL ON TABLE s.t TO clerk;\n");
    let differs = "ACL s.TABLE t differs: \"GRANT SELECT ON TABLE s.t TO clerk\" was dumped, \"GRANT ALL ON TABLE s.t TO clerk\" is there";
    check(&[dumped], &[more], &[differs]);
}

#[test]
fn what_was_left_out_is_not_missing() {
    let watch = entry(1, "EVENT TRIGGER", "", "watch", "CREATE EVENT TRIGGER watch");
    let comment = entry(2, "COMMENT", "", "EVENT TRIGGER watch", "COMMENT ON EVENT TRIGGER watch IS 'x'").needing(&[1]);
    let table = entry(3, "TABLE", "public", "t", "CREATE TABLE public.t ()");
    let dumped = archive(vec![watch, comment, table]);
    let found = difference(&dumped, &archive(Vec::new()), &select(&dumped, Rights::Owner), RESTORER);
    assert_eq!(found, [Difference::Missing("TABLE public.t".to_owned())]);
}
