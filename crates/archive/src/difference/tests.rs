use super::texts::EXCERPT_CHARACTERS;
use super::*;
use crate::Owners;
use crate::selection::{Rights, select};
use crate::tests::build::{archive, entry, table_data};
use crate::tests::{KINDS, MEMORY_BYTES};

const RESTORER: &str = "verify_owner_1";

/// What is found between two lists of entries when everything was restored.
#[track_caller]
fn check(dumped: &[Entry], restored: &[Entry], expected: &[&str]) {
    let (dumped, restored) = (archive(dumped.to_vec()), archive(restored.to_vec()));
    let found = differences(&dumped, &restored, Rights::Superuser, Owners::Restorer);
    assert_eq!(found.iter().map(Difference::to_string).collect::<Vec<_>>(), expected);
}

fn differences(dumped: &Archive, restored: &Archive, rights: Rights, owners: Owners) -> Vec<Difference> {
    let selection = select(dumped, rights);
    Comparison { dumped, restored, selection: &selection, owners, restorer: RESTORER, before: None }.differences()
}

fn named(desc: &str, schema: &str, name: &str) -> Named {
    Named { desc: desc.to_owned(), schema: schema.to_owned(), name: name.to_owned() }
}

fn trigger(name: &str, defn: &str) -> Entry {
    entry(1, "TRIGGER", "public", name, defn)
}

#[test]
fn an_archive_does_not_differ_from_itself() {
    let kinds = Archive::read(KINDS, MEMORY_BYTES).unwrap();
    for (rights, owners) in [(Rights::Superuser, Owners::Archive), (Rights::Owner, Owners::Restorer)] {
        assert_eq!(differences(&kinds, &kinds, rights, owners), []);
    }
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

/// As `pg_dump` 18 writes tables of a server of 17.12, which gives each table a number of its own.
#[test]
fn a_version_that_the_server_gives_columns_is_no_difference_and_an_option_is() {
    let table = |options: &str| {
        let columns = "CREATE TABLE a.t (\n    x integer\n);";
        entry(1, "TABLE", "a", "t", &format!("{columns}\nALTER TABLE ONLY a.t ALTER COLUMN x SET ({options});\n\n\n"))
    };
    let plain = entry(1, "TABLE", "a", "t", "CREATE TABLE a.t (\n    x integer\n);\n");
    check(&[table("pg_attver=26457440")], &[table("pg_attver=125520208")], &[]);
    check(&[plain], &[table("pg_attver=125520208")], &[]);
    check(&[table("n_distinct=5")], &[table("pg_attver=7, n_distinct=5")], &[]);
    let differs = "TABLE a.t differs: \"ALTER TABLE ONLY a.t ALTER COLUMN x SET (n_distinct=5);\" was dumped, \
                   \"ALTER TABLE ONLY a.t ALTER COLUMN x SET (n_distinct=6);\" is there";
    check(&[table("pg_attver=7, n_distinct=5")], &[table("pg_attver=8, n_distinct=6")], &[differs]);
}

#[test]
fn an_excerpt_is_short_and_shows_the_place() {
    let view = |middle: &str| {
        entry(1, "VIEW", "s", "v", &format!("CREATE VIEW s.v AS {} {middle} {}", "ä".repeat(500), "y".repeat(500)))
    };
    let (dumped, restored) = (archive(vec![view("one")]), archive(vec![view("two")]));
    let found = differences(&dumped, &restored, Rights::Superuser, Owners::Archive);
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
    let found = differences(&dumped, &archive(Vec::new()), Rights::Owner, Owners::Restorer);
    assert_eq!(found, [Difference::Missing(named("TABLE", "public", "t"))]);
}

/// Operators have one name each, for all arguments.
#[test]
fn what_was_left_out_hides_none_of_its_siblings() {
    let operator =
        |id, function| entry(id, "OPERATOR", "public", "####", &format!("CREATE OPERATOR #### ({function})"));
    let sealed =
        entry(1, "FUNCTION", "public", "f(int)", "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql LEAKPROOF AS ''");
    let dumped = archive(vec![sealed, operator(2, "f").needing(&[1]), operator(3, "g")]);
    let found = |restored: Vec<Entry>| differences(&dumped, &archive(restored), Rights::Owner, Owners::Restorer);
    assert_eq!(found(vec![operator(1, "g")]), []);
    assert_eq!(found(vec![operator(1, "g"), operator(2, "f")]), []);
    assert_eq!(found(vec![]), [Difference::Missing(named("OPERATOR", "public", "####"))]);
    assert!(matches!(*found(vec![operator(1, "h")]), [Difference::Different { .. }]));
    let more = found(vec![operator(1, "g"), operator(2, "f"), operator(3, "i")]);
    assert_eq!(more, [Difference::Unexpected(named("OPERATOR", "public", "####"))]);
}

#[test]
fn owners_and_their_own_rights_are_compared_once_they_came_back() {
    let acl = |owner: &str, defn: &str| entry(1, "ACL", "s", "TABLE t", defn).owned_by(owner);
    let found = |dumped: Vec<Entry>, restored: Vec<Entry>, owners| {
        differences(&archive(dumped), &archive(restored), Rights::Superuser, owners).len()
    };
    let less = "REVOKE ALL ON TABLE s.t FROM app;\nGRANT SELECT ON TABLE s.t TO app;\n";
    for (dumped, restored, expected) in [
        (vec![acl("app", less)], vec![acl("app", less)], 0),
        (vec![acl("app", less)], vec![], 1),
        (vec![], vec![acl("app", less)], 1),
        // What belongs to others than before is a finding of its own.
        (vec![acl("app", less)], vec![acl("clerk", less)], 1),
    ] {
        assert_eq!(found(dumped.clone(), restored.clone(), Owners::Restorer), 0);
        let is_other = expected == 1 && !dumped.is_empty() && !restored.is_empty();
        assert_eq!(found(dumped, restored, Owners::Archive), if is_other { 0 } else { expected });
    }
    let defaults =
        |owner: &str| entry(1, "DEFAULT ACL", "public", "DEFAULT PRIVILEGES FOR TABLES", "x").owned_by(owner);
    let owners_of = |dumped: &[&str], restored: &[&str]| {
        let all = |owners: &[&str]| archive(owners.iter().map(|owner| defaults(owner)).collect());
        let (dumped, restored) = (all(dumped), all(restored));
        let selection = select(&dumped, Rights::Superuser);
        let owners = Owners::Archive;
        Comparison {
            dumped: &dumped,
            restored: &restored,
            selection: &selection,
            owners,
            restorer: RESTORER,
            before: None,
        }
        .other_owners(str::to_owned)
    };
    assert!(owners_of(&["app", "clerk"], &["clerk", "app"]).is_empty());
    let told = "DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES belonged to app, clerk, and belongs to app, app now";
    assert_eq!(owners_of(&["clerk", "app"], &["app", "app"]), [told]);
}

#[test]
fn the_access_method_of_a_table_is_part_of_its_definition() {
    let table = |method: &str| Entry {
        access_method: method.to_owned(),
        ..entry(1, "TABLE", "s", "t", "CREATE TABLE s.t ();")
    };
    check(&[table("heap2")], &[table("heap2")], &[]);
    let differs = "TABLE s.t differs: \"USING heap2\" was dumped, \"USING heap\" is there";
    check(&[table("heap2")], &[table("heap")], &[differs]);
}

/// What differs in words only is no finding, and everything else is one.
#[test]
fn a_reference_explains_what_it_has_as_well() {
    let view = |text: &str| entry(1, "VIEW", "s", "v", &format!("CREATE VIEW s.v AS\n{text}\n;"));
    let judge = |restored: Vec<Entry>, reference: Vec<Entry>| {
        let dumped = archive(vec![view(" SELECT a,\n b"), entry(2, "VIEW", "s", "w", "CREATE VIEW s.w AS SELECT 1")]);
        let (restored, reference) = (archive(restored), archive(reference));
        let selection = select(&dumped, Rights::Owner);
        let (dumped, restored, owners) = (&dumped, &restored, Owners::Restorer);
        let comparison =
            Comparison { dumped, restored, selection: &selection, owners, restorer: RESTORER, before: None };
        let judged = comparison.judge(comparison.differences(), &reference);
        let findings: Vec<String> = judged.findings.iter().map(ToString::to_string).collect();
        (findings, judged.respelled)
    };
    let w = || entry(2, "VIEW", "s", "w", "CREATE VIEW s.w AS SELECT 1");
    let respelled = |is_reordered| vec![Respelled { object: named("VIEW", "s", "v"), is_reordered }];
    let other = || view(" SELECT t.a,\n t.b");
    assert_eq!(judge(vec![other(), w()], vec![other(), w()]), (vec![], respelled(false)));
    let turned = || view(" b,\n SELECT a");
    assert_eq!(judge(vec![turned(), w()], vec![turned(), w()]).1, respelled(true));
    // Missing in both is missing.
    assert_eq!(judge(vec![other()], vec![other()]), (vec!["VIEW s.w is missing".to_owned()], respelled(false)));
    let as_dumped = "VIEW s.v differs: \" SELECT a,\" was dumped, \" SELECT t.a,\" is there";
    for reference in [vec![view(" SELECT a,\n b")], vec![]] {
        assert_eq!(judge(vec![other(), w()], reference), (vec![as_dumped.to_owned()], vec![]));
    }
    let as_made = "VIEW s.v differs: its definition becomes \" SELECT u.a,\" here, \" SELECT t.a,\" is there";
    assert_eq!(judge(vec![other(), w()], vec![view(" SELECT u.a,\n b"), w()]), (vec![as_made.to_owned()], vec![]));
    let more = vec![view(" SELECT a,\n b"), w(), entry(3, "VIEW", "s", "x", "CREATE VIEW s.x AS SELECT 2")];
    assert_eq!(judge(more.clone(), vec![w()]).0, ["VIEW s.x was not in the dump"]);
    assert_eq!(judge(more.clone(), more).0, Vec::<String>::new());
}

/// A server keeps a body as it was written, so a reference explains none.
#[test]
fn another_body_of_a_function_is_never_a_spelling() {
    let function = |default: &str, body: &str| {
        let text = format!(
            "CREATE FUNCTION s.f(a integer DEFAULT {default}) RETURNS integer\n    LANGUAGE sql\n    AS $${body}$$;"
        );
        vec![entry(1, "FUNCTION", "s", "f(integer)", &text)]
    };
    let judge = |restored: Vec<Entry>| {
        let dumped = archive(function("(1)", "SELECT 1"));
        let (restored, reference) = (archive(restored.clone()), archive(restored));
        let selection = select(&dumped, Rights::Owner);
        let (dumped, restored, owners) = (&dumped, &restored, Owners::Restorer);
        let comparison =
            Comparison { dumped, restored, selection: &selection, owners, restorer: RESTORER, before: None };
        let judged = comparison.judge(comparison.differences(), &reference);
        (judged.findings.len(), judged.respelled.len())
    };
    assert_eq!(judge(function("1", "SELECT 1")), (0, 1));
    assert_eq!(judge(function("(1)", "SELECT 2")), (1, 0));
}
