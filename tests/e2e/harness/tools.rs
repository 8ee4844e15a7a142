//! The folder of client tools.

use e2e::{process::Run, tools::FakeTools};

fn run(tools: &FakeTools, name: &str, arg: &str) -> String {
    let output = Run::program(tools.path().join(name)).args([arg]).output();
    format!("{} {}{}", output.code.unwrap_or(-1), output.stdout, output.stderr)
}

#[test]
fn tools_are_real_until_told_otherwise() {
    let mut tools = FakeTools::new();
    let real = run(&tools, "pg_dump", "--version");
    assert!(real.starts_with("0 pg_dump (PostgreSQL) "), "{real}");

    tools.script("pg_dump", "echo \"broken $1\" >&2; exit 9");
    assert_eq!(run(&tools, "pg_dump", "--version"), real);
    assert_eq!(run(&tools, "pg_dump", "now"), "9 broken now\n");

    tools.script("pg_restore", r#"exec "$REAL" --help"#).version("pg_restore", "18.1");
    assert_eq!(run(&tools, "pg_restore", "--version"), "0 pg_restore (PostgreSQL) 18.1\n");
    assert!(run(&tools, "pg_restore", "x").starts_with("0 pg_restore restores a PostgreSQL database"));

    tools.version("pg_dumpall", "9.6");
    assert!(run(&tools, "pg_dumpall", "--help").contains("a PostgreSQL database cluster"));
    assert!(run(&tools, "initdb", "--version").starts_with("0 initdb (PostgreSQL) "));
    tools.remove("initdb");
    assert!(!tools.path().join("initdb").exists() && tools.real("initdb").exists());
}
