//! Tables of connection strings, good and bad.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

mod environment;
mod secrets;

fn parse(text: &str) -> Result<Conninfo, ConninfoError> {
    Conninfo::parse(&Secret::new(text.to_owned()))
}

/// `user password hosts database`, with `-` for no password.
#[track_caller]
fn check(text: &str, expected: &str) {
    let conninfo = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let hosts: Vec<String> = conninfo.hosts().iter().map(ToString::to_string).collect();
    let password = conninfo.password().map_or("-", Secret::expose);
    let shown = format!("{} {password} {} {}", conninfo.user(), hosts.join(","), conninfo.dbname());
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn urls_r137() {
    check("postgres://u:p@db/app", "u p db:5432 app");
    check("postgresql://u:p@db:6543/app", "u p db:6543 app");
    check("postgresql://u@db", "u - db:5432 u");
    check("postgresql://u:@db/", "u - db:5432 u");
    check("postgresql://u:p@db:/app", "u p db:5432 app");
    check("postgresql://u:p@a:1,b:2,c/app", "u p a:1,b:2,c:5432 app");
    check("postgresql://u:p@[::1]:6543/app", "u p [::1]:6543 app");
    check("postgresql://u:p@[2001:db8::7],10.0.0.1:9/app", "u p [2001:db8::7]:5432,10.0.0.1:9 app");
    check("postgresql://u:p@%2Frun%2Fpostgresql:6543/app", "u p /run/postgresql:6543 app");
    check("postgresql://u:p@/app?host=/run/postgresql", "u p /run/postgresql:5432 app");
    check("postgresql:///app?host=a,b&port=1,2&user=u&password=p", "u p a:1,b:2 app");
    check("postgresql://u:p@localhost/app?host=/cloudsql/x", "u p /cloudsql/x:5432 app");
    check("postgresql://db?user=u&dbname=app", "u - db:5432 app");
    check("postgresql://u:p:q@db/app", "u p:q db:5432 app");
    check("postgresql://u:%70%40%2F%3F%23%25%3A%5C@db/app", "u p@/?#%:\\ db:5432 app");
    check("postgresql://u%40corp:p@db/host%3Devil%20dbname%3Dx", "u@corp p db:5432 host=evil dbname=x");
    check("postgresql://ü:pässwörd@db/ä", "ü pässwörd db:5432 ä");
    check("postgresql://u@x?hostaddr=10.0.0.9", "u - x:5432 u");
    check("postgresql://u@?hostaddr=10.0.0.9", "u - 10.0.0.9:5432 u");
}

#[test]
fn a_name_that_is_too_long_is_cut_as_by_the_server() {
    let name = |bytes: usize| "d".repeat(bytes);
    for bytes in [62, 63] {
        check(&format!("postgresql://u@db/{}", name(bytes)), &format!("u - db:5432 {}", name(bytes)));
    }
    check(&format!("postgresql://u@db/{}", name(64)), &format!("u - db:5432 {}", name(63)));
    check(&format!("host=db user=u dbname={}ä", name(62)), &format!("u - db:5432 {}", name(62)));
    check(&format!("host=db user=u dbname={}ä", name(61)), &format!("u - db:5432 {}ä", name(61)));
    check(&format!("postgresql://{}@db", name(70)), &format!("{} - db:5432 {}", name(70), name(63)));
}

#[test]
fn key_value_strings_r137() {
    check("host=db user=u", "u - db:5432 u");
    check("host=db port=6543 user=u password=p dbname=app", "u p db:6543 app");
    check("  host = db\n user\t=\tu ", "u - db:5432 u");
    check(r"host=db user=u password='it\'s a \\ secret'dbname=app", r"u it's a \ secret db:5432 app");
    check(r"host=db user=u password=a\ b=c", "u a b=c db:5432 u");
    check("host=db user=u password='' dbname=''", "u - db:5432 u");
    check("host=/run/postgresql user=u", "u - /run/postgresql:5432 u");
    check("host=a,b,::1 port=1,,3 user=u", "u - a:1,b:5432,[::1]:3 u");
    check("host=a,b port=7 user=u", "u - a:7,b:7 u");
    check("host=db user=u dbname='host=evil dbname=x'", "u - db:5432 host=evil dbname=x");
    check("host=db user=u user=v", "v - db:5432 v");
}

#[test]
fn further_parameters() {
    let conninfo = parse(
        "postgres://u@db/app?sslmode=require&channel_binding=require&connect_timeout=30\
         &target_session_attrs=read-write&options=-c%20work_mem%3D64MB&application_name=nightly\
         &keepalives=1&keepalives_idle=30&gssencmode=disable&sslnegotiation=postgres&sslsni=1",
    )
    .unwrap();
    assert_eq!(conninfo.sslmode(), SslMode::Require);
    assert_eq!(conninfo.channel_binding(), ChannelBinding::Require);
    assert_eq!(conninfo.connect_timeout_seconds(), 30);
    assert_eq!(conninfo.target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(conninfo.options(), "-c work_mem=64MB");
    assert_eq!(conninfo.application_name(), Some("nightly"));

    let plain = parse("postgres://u@db").unwrap();
    assert_eq!(plain.sslmode(), SslMode::Prefer);
    assert_eq!(plain.channel_binding(), ChannelBinding::Prefer);
    assert_eq!(plain.target_session_attrs(), TargetSessionAttrs::Any);
    assert_eq!(plain.connect_timeout_seconds(), DEFAULT_CONNECT_TIMEOUT_SECONDS);
    assert_eq!(plain.with_default_application_name("backup").application_name(), Some("backup"));
    let empty = parse("host=db user=u application_name='' fallback_application_name=''").unwrap();
    assert_eq!(empty.with_default_application_name("backup").application_name(), Some("backup"));
    let seconds = |text| parse(text).unwrap().connect_timeout_seconds();
    assert_eq!(seconds("postgres://u@db?connect_timeout=0"), MAX_CONNECT_TIMEOUT_SECONDS);
    assert_eq!(seconds("postgres://u@db?connect_timeout=1"), 2);
    assert_eq!(parse("postgres://u@db?ssl=true").unwrap().sslmode(), SslMode::Require);
}

/// The first words of the error; no word of the input.
#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn the_wrong_part_is_named() {
    check_refused("", "is empty");
    check_refused(" \n", "is empty");
    check_refused("mysql://u:p@db/app", "scheme");
    check_refused("postgresql+asyncpg://u:p@db/app?x=y", "+asyncpg must be removed");
    check_refused("jdbc:postgresql://db/app?user=u", "scheme");
    check_refused("localhost", "neither a URL");
    check_refused("\"postgres://u:p@db/app\"", "quotation mark");
    check_refused("postgres://u:p@db/app\n", "line break");
    check_refused(" postgres://u:p@db/app", "space");
    check_refused("postgres://u:p p@db/app", "space as %20");
    check_refused("postgres://u:p%@db/app", "the user name or password, a `%`");
    check_refused("postgres://u:p%zz@db/app", "write % as %25");
    check_refused("postgres://u:p@db/a%", "the database name, a `%`");
    check_refused("postgres://u:p%ff@db/app", "not UTF-8");
    check_refused("postgres://u:p%00@db/app", "NUL");
    check_refused("postgres://u:p%0a@db/app", "line break");
    check_refused("postgres://u:p@p@db/app", "%40");
    check_refused("postgres://u:p/p@db/app", "%2F");
    check_refused("postgres://u:p?p@db/app", "%3F");
    check_refused("postgres://u:p#p@db/app", "%23");
    check_refused("postgres://u:p@/app", "names no host");
    check_refused("postgres://u:p@db,/app", "empty name for host 2");
    check_refused("postgres://db/app", "names no user");
    check_refused("postgres://:p@db/app", "names no user");
    check_refused("postgres://u:p@a,b:x/app", "port of host 2");
    check_refused("postgres://u:p@db:0/app", "1 to 65535");
    check_refused("postgres://u:p@db:65536/app", "1 to 65535");
    check_refused("postgres://u:p@[::1/app", "square brackets");
    check_refused("postgres://u:p@[::1]x/app", "square brackets");
    check_refused("postgres://u:p@[db]/app", "square brackets");
    check_refused("postgres://u:p@d$b/app", "name of host 1");
    check_refused("postgres://u:p@%40abstract/app", "name of host 1");
}

#[test]
fn the_wrong_parameter_is_named() {
    check_refused("postgres://u:p@db/app?sslmode=require&schema=x", "the 2nd after `?`");
    check_refused("postgres://u:p@db/app?x", "without a value (the 1st");
    check_refused("postgres://u:p@db/app?options=-c x=1", "space");
    check_refused("postgres://u:p@db/app?options=-cx=1", "%3D");
    check_refused("postgres://u:p@db/app?sslmode=on", "disable, allow, prefer, require, verify-ca, verify-full");
    check_refused("postgres://u:p@db/app?connect_timeout=soon", "connect_timeout");
    check_refused("postgres://u:p@db/app?sslcert=x", "has an sslcert file that cannot be used");
    check_refused("postgres://u:p@db/app?service=x", "service");
    check_refused("postgres://u:p@db/app?passfile=x", "give the password itself");
    check_refused("postgres://u:p@db/app?sslrootcert=/no/such/file", "sslrootcert file that cannot be read");
    check_refused("postgres://u:p@db/app?sslrootcert=/tmp", "sslrootcert file that cannot be read");
    check_refused("postgres://u@db?sslrootcert=system&sslmode=require", "weaker than verify-full");
    check_refused("host=db user=u password=a b", "single quotes");
    check_refused("host=db user=u password='a b", "do not end (the 3rd");
    check_refused("host=db user=u colour=x", "the 3rd from the left");
    check_refused("host=a,b port=1,2,3 user=u", "3 ports for 2 hosts");
    check_refused("host=a hostaddr=b user=u", "not an IP address");
    check_refused("host=a,b hostaddr=::1 user=u", "1 hostaddrs for 2 hosts");
    check_refused("host=db user=u password=a\u{1}b", "control character");
    check_refused(&format!("postgres://u@{}", "h,".repeat(40)), "more than 32 hosts");
    check_refused(&"x".repeat(MAX_TEXT_BYTES + 1), "longer than 16384");
}
