//! The commands of README.md, with its placeholders replaced and without the build.

use e2e::process::binary;

use super::commands;
use super::operator::{ID, Operator};
use crate::encryption::has_tool;

const README: &str = "README.md";

const CUSTOMERS: &str = "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY id)) FROM crm.customer c";

/// A block with what is here in the place of the placeholders.
fn block(operator: &Operator, name: &str) -> String {
    let mut text = commands(README, name);
    for package in ["backup", "verify"] {
        text = text.replace(&format!("cargo build --release -p {package}\n"), "");
        text = text.replace(&format!("target/release/{package}"), binary(package).to_str().unwrap());
    }
    let s3 = &operator.s3;
    for (placeholder, value) in [
        ("postgresql://backup:secret@db.internal:5432/app?sslmode=verify-full", operator.source.url("app").as_str()),
        ("postgresql://postgres:secret@db.internal:5432/app", &operator.target.url("app")),
        ("https://s3.us-west-002.backblazeb2.com", &s3.endpoint()),
        ("S3_ACCESS_KEY_ID=...", &format!("S3_ACCESS_KEY_ID={}", s3.access_key())),
        ("S3_SECRET_ACCESS_KEY=...", &format!("S3_SECRET_ACCESS_KEY={}", s3.secret_key())),
    ] {
        text = text.replace(placeholder, value);
    }
    assert!(!text.contains("..."), "a placeholder is left:\n{text}");
    text
}

/// What the machines have and the README does not speak of. The daemons end after one run each.
fn environment(operator: &Operator) -> String {
    format!(
        "export SINGLE_SHOT_MODE=true PORT=0 LOG_FORMAT=text PG_BIN_DIR='{}' TMPDIR='{}'\n",
        operator.source.bin_dir().display(),
        operator.spool.path().display()
    )
}

#[test]
fn the_commands_of_the_readme_work() {
    let operator = Operator::new();
    let run = |name: &str| {
        let output = operator.run(&format!("{}{}", environment(&operator), block(&operator, name)));
        format!("{}{}", output.stdout, output.stderr)
    };
    let said = run("backup");
    assert!(said.contains("a backup would succeed") && said.matches("backup committed").count() == 2, "{said}");
    let said = run("verify");
    assert!(said.contains(" 0 not as they must be") && said.matches("PASSED").count() == 2, "{said}");
    operator.target.sql("postgres", "CREATE ROLE owner_of_app");
    let said = run("restore");
    assert!(said.contains("nothing was changed (--dry-run)") && said.contains("\nrestored\n"), "{said}");
    assert_eq!(operator.target.sql("app", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
}

#[test]
fn the_readme_restores_with_stock_tools_alone() {
    if !has_tool("documents::readme::the_readme_restores_with_stock_tools_alone", "aws") {
        return;
    }
    let (operator, id) = Operator::with_backup();
    operator.target.sql("postgres", "CREATE ROLE owner_of_app");
    let exports = commands("docs/restore.md", "aws");
    operator.run(&format!("{exports}{}", commands(README, "by-hand").replace(ID, &id)));
    assert_eq!(operator.target.sql("app", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
}
