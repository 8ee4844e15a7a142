//! Every statement of a superuser's sessions once code of an archive may have run: none calls anything but what is
//! PostgreSQL's or amcheck's own.

use std::collections::BTreeSet;

use e2e::postgres::{Postgres, SUPERUSER};

use super::{PASSED, Site, drill, server};

/// Functions in the place of PostgreSQL's, wherever a careless session would find them, and at every place at which code
/// of an archive runs. Each tells if it runs with a superuser's rights.
const ARCHIVE: &str = "
    CREATE FUNCTION tell() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AND (current_database() <> 'SOURCE' OR current_setting('listen_addresses') = '')
      THEN RAISE LOG 'code of the archive is a superuser'; END IF;
    END $$;
    CREATE FUNCTION trap(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      'BEGIN PERFORM public.tell(); RETURN n; END';
    CREATE FUNCTION public.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT public.tell(); SELECT 1::bigint';
    CREATE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE sql AS 'SELECT public.tell(); SELECT $1';
    CREATE FUNCTION public.bt_index_check(regclass, bool) RETURNS void LANGUAGE sql AS 'SELECT public.tell()';
    CREATE FUNCTION public.same(text, text) RETURNS bool LANGUAGE sql AS 'SELECT public.tell(); SELECT true';
    CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
    CREATE VIEW public.pg_roles AS SELECT trap(1) AS rolname;
    CREATE EXTENSION hstore; CREATE EXTENSION pgcrypto;
    CREATE TABLE t (id int CHECK (trap(id) > 0) DEFAULT trap(1), twice int GENERATED ALWAYS AS (trap(id)) STORED);
    INSERT INTO t (id) SELECT g FROM generate_series(1, 100) g;
    CREATE INDEX t_trap ON t (trap(id)) WHERE trap(id) > 1;
    CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.tell(); RETURN NEW; END';
    CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fires();
    CREATE MATERIALIZED VIEW m AS SELECT trap(1) AS n";

/// A statement of a session, as the server logged it.
struct Logged {
    user: String,
    database: String,
    text: String,
}

/// Out of lines such as `2026-11-29 12:00:00 UTC [17] postgres@app/verify LOG:  statement: SELECT 1`; what follows a
/// statement with a tab belongs to it.
fn statements(log: &str) -> Vec<Logged> {
    let mut found: Vec<Logged> = Vec::new();
    let mut is_open = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some(last) = found.last_mut().filter(|_| is_open) {
                last.text.push('\n');
                last.text.push_str(more);
            }
            continue;
        }
        is_open = false;
        let Some((head, said)) = line.split_once(" LOG:  ") else { continue };
        let text = match said.strip_prefix("statement: ") {
            Some(text) => text,
            None => match said.strip_prefix("execute ").and_then(|rest| rest.split_once(": ")) {
                Some((_, text)) => text,
                None => continue,
            },
        };
        let Some((user, rest)) = head.rsplit_once("] ").and_then(|(_, who)| who.split_once('@')) else { continue };
        let database = rest.split('/').next().unwrap_or_default();
        found.push(Logged { user: user.to_owned(), database: database.to_owned(), text: text.to_owned() });
        is_open = true;
    }
    found
}

/// What a statement calls or reads that is neither PostgreSQL's nor amcheck's; `own` are the names of PostgreSQL's
/// functions and words. The path of our sessions is empty, so a name without a schema is one of `pg_catalog`.
fn foreign(text: &str, own: &BTreeSet<String>) -> Vec<String> {
    let strings = regex::Regex::new(r"(?s)'(?:[^']|'')*'").unwrap();
    let text = strings.replace_all(text, "''");
    let name = r#"(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z_0-9$]*)"#;
    let calls = regex::Regex::new(&format!(r"(?:({name})\.)?({name})\s*\(")).unwrap();
    let reads =
        regex::Regex::new(&format!(r"(?i)\b(?:FROM|JOIN|INTO|UPDATE|CALL)\s+(?:ONLY\s+)?({name})\.{name}")).unwrap();
    let paths = regex::Regex::new(r"(?i)search_path\s*(?:=|TO)\s*([^;]*)").unwrap();
    let mut foreign = Vec::new();
    for call in calls.captures_iter(&text) {
        let is_own = match call.get(1).map(|schema| schema.as_str()) {
            None => own.contains(&call[2].to_lowercase()),
            Some("pg_catalog") => true,
            // The schema of amcheck has a name that says nothing; all that the archive makes is in `public`.
            Some(schema) => schema != "public" && &call[2] == "bt_index_check",
        };
        if !is_own {
            foreign.push(call[0].to_owned());
        }
    }
    let of_system = |schema: &str| ["pg_catalog", "information_schema"].contains(&schema);
    foreign.extend(reads.captures_iter(&text).filter(|read| !of_system(&read[1])).map(|read| read[0].to_owned()));
    foreign.extend(paths.captures_iter(&text).filter(|path| path[1].trim() != "''").map(|path| path[0].to_owned()));
    foreign
}

/// Words after which a parenthesis may follow, and functions.
fn own_names(server: &Postgres) -> BTreeSet<String> {
    let sql = "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                UNION SELECT word FROM pg_get_keywords()";
    server.sql(SUPERUSER, sql).lines().map(str::to_owned).collect()
}

#[test]
fn superuser_sessions_call_nothing_of_the_archive_r051() {
    let site = Site::new(ARCHIVE);
    let server = server(&[]);
    let own = own_names(&server);
    assert!(foreign("SELECT pg_catalog.now(), count(*) FROM pg_catalog.pg_class WHERE a = 'f(x)'", &own).is_empty());
    for bad in ["SELECT public.f()", "SELECT f1()", "SELECT 1 FROM app.t", "SET search_path = public", "CALL app.p"] {
        assert!(!foreign(bad, &own).is_empty(), "{bad} is not noticed");
    }

    drill(site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER))).assert_code(PASSED);
    let log = server.log_text();
    let told = log.lines().filter(|line| line.contains("LOG:  code of the archive is a superuser"));
    assert_eq!(told.count(), 0, "code of the archive ran with the rights of a superuser");
    let logged = statements(&log);
    let begun = logged.iter().position(|one| one.user != SUPERUSER && one.text.contains("CREATE FUNCTION public.tell"));
    let after = &logged[begun.expect("the first statement of the restore")..];
    let of_superuser: Vec<&Logged> = after.iter().filter(|one| one.user == SUPERUSER).collect();
    let inside = of_superuser.iter().filter(|one| one.database.starts_with("verify_drill_")).count();
    assert!(inside > 5, "amcheck was not watched: {inside}");
    let bad: Vec<String> =
        of_superuser.iter().filter(|one| !foreign(&one.text, &own).is_empty()).map(|one| one.text.clone()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    site.assert_clean();
}
