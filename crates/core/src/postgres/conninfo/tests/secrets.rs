//! Passwords stay out of sight, and names are never more than names.

use super::*;

/// A password of words that occur in no message, cut up by every special character.
const CANARY: [&str; 2] = ["qzxwvk7", "jyqpgz9"];

/// What may stand in the middle of a password.
const SEPARATORS: &[&str] = &[
    "@",
    "/",
    "?",
    "#",
    ":",
    "[",
    "]",
    "%",
    "%4",
    "%zz",
    "&",
    "=",
    ",",
    " ",
    "\n",
    "\0",
    "\\",
    "'",
    "\"",
    "@@",
    "//",
    "?a=",
    "/@",
    "@/",
    ":1/",
    ":1@",
    "]:",
    "[:",
    "%00",
    "%ff",
    "%0a",
    "$",
    "!",
    "|",
    ";",
    "@x:1,",
    "?host=",
    "?sslmode=",
    "?port=",
    "?hostaddr=",
    "?sslrootcert=",
    "/?connect_timeout=",
    "/x?user=u&",
    ",@",
    "\u{e4}",
];

/// What may stand before and after it.
const FRAMES: &[(&str, &str)] = &[
    ("postgresql://user:", "@db.example:5432/app"),
    ("postgres://user:", "@db.example/app?sslmode=require"),
    ("postgresql://user:", "@[::1]:5432/app"),
    ("postgresql://", "@db.example/app"),
    ("postgresql://user@db.example/app?password=", ""),
    ("postgresql:/user:", "@db.example/app"),
    ("postgresql:user:", "@db.example/app"),
    ("postgresq://user:", "@db.example/app"),
    ("user:", "@db.example/app"),
    ("host=db.example user=u password=", ""),
    ("host=db.example user=u password='", ""),
    ("host=db.example user=u password ", ""),
    ("", ""),
];

#[track_caller]
fn assert_no_canary(shown: &str, text: &str) {
    for window in CANARY.iter().flat_map(|word| word.as_bytes().windows(4)) {
        let window = str::from_utf8(window).unwrap();
        assert!(!shown.contains(window), "{text} leaks into {shown}");
    }
}

#[test]
fn a_malformed_url_shows_no_piece_of_its_password_r068() {
    let [first, second] = CANARY;
    for (before, after) in FRAMES {
        for separator in SEPARATORS {
            let text = format!("{before}{first}{separator}{second}{after}");
            match parse(&text) {
                Err(error) => assert_no_canary(&format!("{error} {error:?}"), &text),
                Ok(conninfo) => {
                    assert_no_canary(&format!("{:?}", conninfo.hosts()), &text);
                    let endpoints = conninfo.endpoints();
                    // The user's name and the database's are no secrets, but a password must not
                    // end up there either when it had its place.
                    if before.contains("user:") && after.contains('@') {
                        assert_no_canary(&format!("{conninfo:?} {endpoints:?}"), &text);
                    }
                }
            }
        }
    }
}

#[test]
fn debug_output_shows_no_password_r070() {
    let conninfo = parse("postgres://u:swordfish@db/app").unwrap();
    let shown = format!("{conninfo:?} {:#?}", conninfo.endpoints().unwrap());
    assert!(shown.contains("***") && !shown.contains("swordfish"), "{shown}");
    let variables = PgVariables { password: Some(Secret::new("swordfish".to_owned())), ..Default::default() };
    assert!(!format!("{variables:?}").contains("swordfish"));
}

#[test]
fn child_variables_carry_names_as_plain_data_r140() {
    let url = "postgres://back%20up:swordfish@db:6543/host%3Devil%20dbname%3Dx?application_name=n";
    let endpoint = parse(url).unwrap().endpoints().unwrap().remove(0);
    let variables = endpoint.child_variables("-c statement_timeout=0");
    let value = |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_str().unwrap());
    assert_eq!(value("PGHOST"), Some("db"));
    assert_eq!(value("PGPORT"), Some("6543"));
    assert_eq!(value("PGUSER"), Some("back up"));
    assert_eq!(value("PGDATABASE"), Some("host=evil dbname=x"));
    assert_eq!(value("PGSSLMODE"), Some("prefer"));
    assert_eq!(value("PGSSLROOTCERT"), None);
    assert_eq!(value("PGAPPNAME"), Some("n"));
    assert_eq!(value("PGCONNECT_TIMEOUT"), Some("10"));
    assert_eq!(value("PGOPTIONS"), Some("-c statement_timeout=0"));
    assert!(!format!("{variables:?}").contains("swordfish"));
}

#[test]
fn names_with_any_character_survive_r140() {
    for name in ["a b", "a'b", "a\"b", "a;b", "a=b", "a\\b", "$(id)", "a%b", "-Fc", "ä", "a/b"] {
        let mut encoded = String::new();
        name.bytes().for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        check(&format!("postgres://{encoded}:{encoded}@db/{encoded}"), &format!("{name} {name} db:5432 {name}"));
        let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
        check(&format!("host=db user='{quoted}' dbname='{quoted}'"), &format!("{name} - db:5432 {name}"));
    }
}

#[test]
fn a_password_file_line_escapes_what_separates() {
    let line = |password: &str| {
        let conninfo = parse("postgres://u@db").unwrap();
        let password = Secret::new(password.to_owned());
        let conninfo = conninfo.with_login("u", Some(&password)).unwrap();
        let line = conninfo.endpoints().unwrap()[0].passfile_line();
        line.map(|line| line.expose().to_owned())
    };
    assert_eq!(line("plain").as_deref(), Some("*:*:*:*:plain"));
    assert_eq!(line(r"a:b\c#").as_deref(), Some(r"*:*:*:*:a\:b\\c#"));
    assert_eq!(line("").as_deref(), None);
}
