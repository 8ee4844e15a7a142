//! Connection strings, as a URL and as `key=value` pairs.

use backup_core::postgres::conninfo::{Conninfo, MAX_TEXT_BYTES, Place, RootCertificates};
use backup_core::secret::Secret;

use crate::run::{Target, words};

/// What stands in passwords of the corpus. No message of ours holds it.
const CANARY: &str = "c4n4ry";

#[test]
fn connection_strings_are_read_or_refused_without_being_quoted() {
    let words = words(&[
        "postgres://",
        "postgresql://",
        "@",
        ":",
        "/",
        "?",
        "&",
        "=",
        ",",
        "[::1]",
        "%2F",
        "%00",
        "%",
        "#",
        "'",
        "\\",
        " ",
        "\n",
        "\0",
        "host=",
        "hostaddr=",
        "port=",
        "user=",
        "password=",
        "dbname=",
        "sslmode=require",
        "options=",
        "sslrootcert=system",
        "connect_timeout=",
        "application_name=",
        "target_session_attrs=any",
        "65536",
        "/tmp",
        CANARY,
    ]);
    Target { name: "conninfo", items: Vec::new(), words, once: Vec::new(), bytes_per_byte: 64 }.fuzz(|bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let read = match Conninfo::parse(&Secret::new(text)) {
            Ok(read) => read,
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
                return;
            }
        };
        check(&read);
        let written = print(&read);
        // Those of a URL, percent-encoded, cannot be written as pairs.
        let has_control = written.chars().any(|c| c.is_control() && !c.is_ascii_whitespace() && c != '\x0b');
        if !has_control && written.len() <= MAX_TEXT_BYTES {
            let again = Conninfo::parse(&Secret::new(written)).expect("read what was written");
            assert_eq!(facts(&again), facts(&read));
        }
    });
}

/// What every session and every child relies on.
fn check(read: &Conninfo) {
    assert!(!read.hosts().is_empty() && !read.user().is_empty() && read.dbname().len() <= 63);
    if let Some(password) = read.password().map(Secret::expose) {
        assert!(!password.is_empty() && !password.contains(['\n', '\r', '\0']));
        let others = format!("{:?}{:?}{:?}", read.user(), read.dbname(), (read.options(), read.application_name()));
        let shown = format!("{read:?}");
        assert!(
            !password.contains(CANARY)
                || others.contains(CANARY)
                || hosts(read).contains(CANARY)
                || !shown.contains(CANARY)
        );
    }
    for endpoint in read.endpoints().unwrap_or_default() {
        for (name, value) in endpoint.child_variables(read.options()) {
            assert!(!value.as_encoded_bytes().contains(&0), "{name} holds a byte of zero");
        }
        let line = endpoint.passfile_line();
        assert!(line.is_none_or(|line| !line.expose().contains(['\n', '\r', '\0'])));
    }
}

fn hosts(read: &Conninfo) -> String {
    read.hosts().iter().map(|host| format!("{:?} {:?} {}", host.place(), host.address(), host.port())).collect()
}

/// Everything that was read.
fn facts(read: &Conninfo) -> impl PartialEq + std::fmt::Debug {
    let password = read.password().map(|password| password.expose().to_owned());
    let login = (read.user().to_owned(), password, read.dbname().to_owned());
    let session =
        (read.options().to_owned(), read.application_name().map(str::to_owned), read.connect_timeout_seconds());
    let security =
        (read.sslmode(), read.root_certificates().cloned(), read.channel_binding(), read.target_session_attrs());
    (hosts(read), login, session, security)
}

/// The same connection as `key=value` pairs.
fn print(read: &Conninfo) -> String {
    let quote = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    let name = |place: &Place| match place {
        Place::Tcp(name) => name.clone(),
        Place::Unix(folder) => folder.to_string_lossy().into_owned(),
    };
    let list = |texts: Vec<String>| quote(&texts.join(","));
    let addresses: Vec<String> =
        read.hosts().iter().map(|host| host.address().map(|address| address.to_string()).unwrap_or_default()).collect();
    let mut pairs = vec![
        format!("host={}", list(read.hosts().iter().map(|host| name(host.place())).collect())),
        format!("port={}", list(read.hosts().iter().map(|host| host.port().to_string()).collect())),
        format!("user={}", quote(read.user())),
        format!("dbname={}", quote(read.dbname())),
        format!("options={}", quote(read.options())),
        format!("connect_timeout={}", read.connect_timeout_seconds()),
        format!("sslmode={}", read.sslmode().as_str()),
        format!("channel_binding={}", read.channel_binding().as_str()),
        format!("target_session_attrs={}", read.target_session_attrs().as_str()),
    ];
    if addresses.iter().any(|address| !address.is_empty()) {
        pairs.push(format!("hostaddr={}", list(addresses)));
    }
    pairs.extend(read.password().map(|password| format!("password={}", quote(password.expose()))));
    pairs.extend(read.application_name().map(|name| format!("application_name={}", quote(name))));
    pairs.extend(read.root_certificates().map(|roots| match roots {
        RootCertificates::System => "sslrootcert=system".to_owned(),
        RootCertificates::File(path) => {
            format!("sslrootcert={}", quote(&path.to_string_lossy()))
        }
    }));
    pairs.join(" ")
}
