//! `backup keygen`.

use e2e::process::Run;

use super::{AgePair, has_tool, shell, signing_pair};

#[test]
fn a_pair_goes_where_it_belongs_and_needs_no_environment() {
    let output = Run::new("backup").args(["keygen"]).output();
    let private = output.stdout.lines().last().unwrap();
    assert!(private.starts_with("AGE-SECRET-KEY-1"), "{}", output.stdout);
    assert!(!output.stderr.contains(private), "the private key is on standard error");
    let public = output.stdout.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    assert!(output.stderr.contains(&format!("AGE_RECIPIENTS={public}")), "{}", output.stderr);
    assert_ne!(AgePair::generate().recipient, public);
    if !has_tool("encryption::a_pair_goes_where_it_belongs_and_needs_no_environment", "age-keygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.txt"), &output.stdout).unwrap();
    assert_eq!(shell("age-keygen -y key.txt", folder.path(), &[]).trim(), public);
}

#[test]
fn openssl_reads_a_pair_for_signatures() {
    let (private, public) = signing_pair();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), &private).unwrap();
    let found = shell("openssl pkey -in key.pem -pubout -outform DER | openssl base64 -A", folder.path(), &[]);
    assert_eq!(found, public);
}
