//! `verify roles`: makes what a server lacks, and executes nothing that is not a role.

use e2e::postgres::{Postgres, SUPERUSER};

use super::restore::assert_says;
use super::{COULD_NOT_RUN, FAILED, PASSED, PASSWORD, Site, server};
use crate::stand::Stand;

/// Roles of everything that `pg_dumpall` writes about them.
const ROLES: &str = "
    CREATE ROLE roles_group NOLOGIN;
    CREATE ROLE \"roles: Odd \"\"one\"\" \\ it's\" LOGIN CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2030-01-01 00:00:00+00'
        PASSWORD 'kqzw7-the-password';
    CREATE ROLE roles_super SUPERUSER;
    ALTER ROLE \"roles: Odd \"\"one\"\" \\ it's\" SET search_path TO 'a', 'b c';
    ALTER ROLE \"roles: Odd \"\"one\"\" \\ it's\" SET my.setting TO E'x\\\\''y';
    COMMENT ON ROLE roles_group IS E'a \\\\! comment; it''s\ntwo lines';
    GRANT roles_group TO \"roles: Odd \"\"one\"\" \\ it's\" WITH ADMIN OPTION;
    GRANT pg_monitor TO roles_group;
    CREATE ROLE roles_mighty REPLICATION BYPASSRLS CREATEROLE; GRANT pg_execute_server_program TO roles_mighty;
    CREATE ROLE roles_heir; GRANT roles_mighty TO roles_heir; GRANT roles_super TO roles_group;
    ALTER ROLE roles_heir SET session_preload_libraries TO 'auto_explain';
    CREATE TABLE t (id int)";

/// What a server says of the roles of [`ROLES`].
const STATE: &str = "
    SELECT string_agg(format('%s %s %s %s %s %s %s', rolname, rolsuper, rolcreatedb, rolcanlogin, rolconnlimit,
                             rolvaliduntil AT TIME ZONE 'UTC', shobj_description(r.oid, 'pg_authid')), ';' ORDER BY rolname),
           (SELECT string_agg(format('%s %s', setrole::regrole, setconfig), ';' ORDER BY setrole::regrole::text)
              FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole::regrole::text LIKE '%roles%'),
           (SELECT string_agg(format('%s %s %s', roleid::regrole, member::regrole, admin_option), ';' ORDER BY roleid::regrole::text)
              FROM pg_auth_members WHERE member::regrole::text LIKE '%roles%')
      FROM pg_roles r WHERE rolname LIKE 'roles%'";

/// A source of its own, since roles belong to a whole server.
fn site() -> (Site, &'static Postgres) {
    let source: &'static Postgres = Box::leak(Box::new(server(&[])));
    let stand = Stand::on(source);
    stand.sql(ROLES);
    (Site::of(stand), source)
}

#[test]
fn roles_come_back_as_they_were_after_a_plan_and_what_is_there_stays() {
    let (site, source) = site();
    let target = server(&[]);
    let url = target.url(SUPERUSER);
    let roles = |arguments: &[&str]| site.verify().args(["roles", "latest", "--to", &url]).args(arguments).output();
    let dry = roles(&["--dry-run"]);
    let words = [
        "create    roles_group: member of pg_monitor",
        "CONNECTION LIMIT 7",
        "skip      postgres: it is there, and stays as it is",
        "warning   roles_super will be a superuser",
        "warning   roles_mighty will have REPLICATION, which copies the whole server",
        "warning   roles_mighty will have BYPASSRLS",
        "warning   roles_mighty will have CREATEROLE",
        "warning   roles_mighty will be a member of pg_execute_server_program, which runs programs",
        "warning   roles_heir will be a member of roles_mighty",
        "warning   roles_group will be a member of roles_super",
        "warning   roles_heir will have the setting session_preload_libraries, which loads a library",
        "looks for tables and functions in 'a', 'b c'",
        "by hand   passwords are in no backup",
        "nothing was changed (--dry-run)",
    ];
    assert_says(&dry, PASSED, &words);
    assert_eq!(target.sql(SUPERUSER, STATE), "||", "a dry run changed the target");
    let output = roles(&[]);
    assert_says(&output, PASSED, &["roles restored\n"]);
    assert_eq!(target.sql(SUPERUSER, STATE), source.sql(SUPERUSER, STATE));
    // Again, after one of them was changed: it stays as it is.
    target.sql(SUPERUSER, "ALTER ROLE roles_group LOGIN; ALTER ROLE roles_super NOSUPERUSER");
    let before = target.sql(SUPERUSER, STATE);
    assert_says(&roles(&[]), PASSED, &["0 roles created", "skip      roles_super: it is there"]);
    assert_eq!(target.sql(SUPERUSER, STATE), before);
    site.assert_clean();
}

/// Roles of the target that make roles, replicate or bypass row security are as good as what they can do.
#[test]
fn a_membership_in_a_powerful_role_of_the_target_is_told() {
    let source: &'static Postgres = Box::leak(Box::new(server(&[])));
    let stand = Stand::on(source);
    stand.sql(
        "CREATE ROLE roles_there; CREATE ROLE roles_between; CREATE ROLE roles_plain; CREATE ROLE roles_new;
         GRANT roles_between, roles_plain TO roles_new; CREATE TABLE t (id int)",
    );
    let (site, target) = (Site::of(stand), server(&[]));
    target.sql(
        SUPERUSER,
        "CREATE ROLE roles_there CREATEROLE; CREATE ROLE roles_between; CREATE ROLE roles_plain;
         GRANT roles_there TO roles_between",
    );
    let roles = site.verify().args(["roles", "latest", "--to", &target.url(SUPERUSER), "--dry-run"]);
    let output = roles.output();
    assert_says(
        &output,
        PASSED,
        &["warning   roles_new will be a member of roles_between, which is a superuser, has such"],
    );
    assert!(!output.stdout.contains("will be a member of roles_plain,"), "{}", output.stdout);
    site.assert_clean();
}

#[test]
fn a_login_that_is_no_superuser_makes_what_it_may_and_says_what_not() {
    let (site, _) = site();
    let target = server(&[]);
    let roles = |url: &str| site.verify().args(["roles", "latest"]).env("RESTORE_URL", url).output();
    let refused = roles(&target.url_as("drill", PASSWORD, SUPERUSER));
    assert_says(&refused, COULD_NOT_RUN, &["the login drill may not create roles"]);
    assert_eq!(target.sql(SUPERUSER, STATE), "||");
    target.sql(SUPERUSER, "ALTER ROLE drill CREATEROLE");
    let output = roles(&target.url_as("drill", PASSWORD, SUPERUSER));
    let words = ["skip      roles_super: it is a superuser, and the login is none"];
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(words.iter().all(|words| text.contains(words)), "{text}");
    let made = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'roles%'";
    assert_eq!(target.sql(SUPERUSER, made), "4", "{text}");
    assert_says(&site.verify().args(["roles", "latest"]).output(), Some(2), &["no target was given"]);
}

#[test]
fn a_file_that_is_a_script_is_refused_whole() {
    let (site, _) = site();
    let target = server(&[]);
    let key = site.stand.s3.objects().into_keys().find(|key| key.ends_with("/globals.sql")).unwrap();
    let roles = String::from_utf8(site.stand.s3.read(&key)).unwrap();
    for evil in ["\\! touch /tmp/owned\n", "DROP ROLE drill;\n", "ALTER SYSTEM SET archive_command TO 'id';\n"] {
        let forged = roles.replacen("CREATE ROLE roles_super;\n", &format!("CREATE ROLE roles_super;\n{evil}"), 1);
        assert_ne!(forged, roles);
        site.stand.s3.write(&key, &forged);
        let sum = e2e::process::Run::program("sha256sum").args([site.stand.s3.path(&key)]).output().stdout;
        let sum = sum.split_whitespace().next().unwrap().to_owned();
        site.edit_manifest(|manifest| {
            for kind in ["plain", "stored"] {
                manifest["globals"][format!("{kind}_bytes")] = forged.len().into();
                manifest["globals"][format!("{kind}_sha256")] = sum.clone().into();
            }
        });
        let output = site.verify().args(["roles", "latest", "--to", &target.url(SUPERUSER)]).output();
        assert_says(&output, FAILED, &["of the roles ", "roles NOT restored"]);
        assert_eq!(target.sql(SUPERUSER, STATE), "||", "{evil}");
    }
}
