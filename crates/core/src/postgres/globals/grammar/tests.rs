use super::*;

#[test]
fn what_pg_dumpall_writes_is_read() {
    let role = || "a".to_owned();
    let of = |text: &str| Statement::parse(text);
    assert_eq!(of("CREATE ROLE a;"), Some(Statement::Create { role: role() }));
    assert_eq!(of("CREATE ROLE \"A \"\"b\";"), Some(Statement::Create { role: "A \"b".to_owned() }));
    let attributes = vec![
        Attribute::Flag("NOSUPERUSER"),
        Attribute::Flag("LOGIN"),
        Attribute::ConnectionLimit(7),
        Attribute::ValidUntil("2030-01-01 00:00:00+00".to_owned()),
    ];
    let text = "ALTER ROLE a WITH NOSUPERUSER LOGIN CONNECTION LIMIT 7 VALID UNTIL '2030-01-01 00:00:00+00';";
    assert_eq!(of(text), Some(Statement::Alter { role: role(), attributes }));
    let set = |database: Option<&str>, name: &str, values: &[&str]| {
        let (database, name) = (database.map(str::to_owned), name.to_owned());
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Some(Statement::Set { role: role(), database, name, values })
    };
    assert_eq!(of("ALTER ROLE a SET search_path TO 'x', E'b\\\\''c';"), set(None, "search_path", &["x", "b\\'c"]));
    assert_eq!(of("ALTER ROLE a IN DATABASE d SET \"my\".x TO '1';"), set(Some("d"), "my.x", &["1"]));
    let text = "it's".to_owned();
    assert_eq!(of("COMMENT ON ROLE a IS 'it''s';"), Some(Statement::Comment { role: role(), text }));
    let membership = |admin, inherit, set| {
        Some(Statement::Membership(Membership { role: role(), member: "b".to_owned(), admin, inherit, set }))
    };
    assert_eq!(of("GRANT a TO b;"), membership(false, None, None));
    assert_eq!(of("GRANT a TO b WITH ADMIN OPTION GRANTED BY postgres;"), membership(true, None, None));
    let text = "GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY \"B\";";
    assert_eq!(of(text), membership(true, Some(false), Some(true)));
    let text = "GRANT SET,ALTER SYSTEM ON PARAMETER work_mem TO a WITH GRANT OPTION;";
    let rights = vec!["SET", "ALTER SYSTEM"];
    let name = "work_mem".to_owned();
    assert_eq!(of(text), Some(Statement::Parameter { rights, name, role: role(), is_grantable: true }));
    for session in [
        "SET default_transaction_read_only = off;",
        "SET client_encoding = 'UTF8';",
        "SET standard_conforming_strings = on;",
        "SET escape_string_warning = off;",
        "SET SESSION AUTHORIZATION a;",
        "RESET SESSION AUTHORIZATION;",
    ] {
        assert_eq!(of(session), Some(Statement::Session), "{session}");
    }
    for tablespace in [
        "CREATE TABLESPACE t OWNER a LOCATION '/x';",
        "ALTER TABLESPACE t SET (random_page_cost='1.1');",
        "GRANT ALL ON TABLESPACE t TO a;",
        "REVOKE ALL ON TABLESPACE t FROM PUBLIC;",
        "COMMENT ON TABLESPACE t IS 'x';",
    ] {
        assert_eq!(of(tablespace), Some(Statement::Tablespace), "{tablespace}");
    }
}

#[test]
fn nothing_else_is_read() {
    for text in [
        "",
        ";",
        "DROP ROLE a;",
        "ALTER SYSTEM SET archive_command TO 'id';",
        "ALTER DATABASE d SET x TO '1';",
        "SELECT pg_catalog.pg_read_file('/etc/passwd');",
        "CREATE ROLE a SUPERUSER;",
        "ALTER ROLE a WITH SUPERUSER PASSWORD 'x';",
        "ALTER ROLE a RENAME TO b;",
        "GRANT ALL ON TABLE t TO a;",
        "SET client_encoding = 'SJIS';",
        "SET session_preload_libraries = 'x';",
        "COPY t FROM PROGRAM 'id';",
        "ALTER ROLE a SET x TO E'\\x41';",
        "CREATE ROLE a",
    ] {
        assert_eq!(Statement::parse(text), None, "{text}");
    }
}
