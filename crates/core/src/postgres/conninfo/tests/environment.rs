//! Files of authorities, and the `PG*` variables.

use super::*;

#[test]
fn verification_names_one_file_for_us_and_for_children() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let conninfo = parse(&format!("host=db user=u sslmode=verify-ca sslrootcert={path}")).unwrap();
    let endpoint = conninfo.endpoints().unwrap().remove(0);
    assert_eq!(endpoint.root_certificate_file(), Some(file.path()));
    assert!(endpoint.child_variables("").contains(&("PGSSLROOTCERT", path.into())));

    let system = parse("postgres://u@db?sslrootcert=system").unwrap();
    assert_eq!(system.sslmode(), SslMode::VerifyFull);
    let bundle = SYSTEM_BUNDLES.iter().map(Path::new).find(|bundle| bundle.is_file());
    assert_eq!(system.root_certificate_file().ok().flatten().as_deref(), bundle);
}

fn variables(host: &str, port: &str, user: &str, password: &str, sslmode: &str) -> PgVariables {
    let given = |text: &str| Some(text.to_owned());
    PgVariables {
        host: given(host),
        port: given(port),
        user: given(user),
        database: None,
        password: Some(Secret::new(password.to_owned())),
        sslmode: given(sslmode),
        ..PgVariables::default()
    }
}

#[test]
fn variables_make_a_whole_connection() {
    let conninfo = Conninfo::from_variables(&variables("a,/run/pg", "1,2", "u", "p", "require")).unwrap();
    let hosts: Vec<String> = conninfo.hosts().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a:1", "/run/pg:2"]);
    assert_eq!((conninfo.dbname(), conninfo.sslmode()), ("u", SslMode::Require));
}

#[test]
fn every_wrong_variable_is_named() {
    let errors = Conninfo::from_variables(&variables("", "x", "", "p\n", "on")).unwrap_err();
    let names: Vec<_> = errors.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["PGPASSWORD", "PGSSLMODE", "PGUSER", "PGHOST"]);
    let errors = Conninfo::from_variables(&variables("db", "x", "u", "p", "")).unwrap_err();
    assert_eq!(errors, [("PGPORT", ConninfoError::Port { host: 1 })]);
}

#[test]
fn variables_fill_only_what_the_url_leaves_out() {
    let from_environment = variables("other", "1", "other", "secret", "disable");
    let mut bare = parse("postgres://u@db/app").unwrap();
    bare.fill_from(&from_environment).unwrap();
    assert_eq!(bare.password().unwrap().expose(), "secret");
    assert_eq!((bare.sslmode(), bare.user()), (SslMode::Disable, "u"));

    let mut whole = parse("postgres://u:p@db/app?sslmode=require").unwrap();
    whole.fill_from(&variables("", "", "", "x\n", "nonsense")).unwrap();
    assert_eq!(whole.password().unwrap().expose(), "p");
    assert_eq!(whole.sslmode(), SslMode::Require);

    let mut system = parse("postgres://u:p@db/app?sslrootcert=system").unwrap();
    let errors = system.fill_from(&from_environment).unwrap_err();
    assert_eq!(errors, [("PGSSLMODE", ConninfoError::WeakSystemRoots)]);
}
