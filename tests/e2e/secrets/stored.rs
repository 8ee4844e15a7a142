//! What a bucket tells of the source: its contents and counts, and neither place nor user.

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::proxy::Operation;

use crate::stand::Stand;

#[test]
fn neither_manifest_nor_metadata_hold_host_user_or_connection_string_r086() {
    let stand = Stand::new();
    let server = Postgres::start(PostgresOptions::default());
    server.sql("postgres", "CREATE DATABASE shelf");
    server.sql("shelf", "CREATE TABLE t AS SELECT 'content-of-a-row' AS v");
    server.sql("postgres", "CREATE ROLE reader_of_all LOGIN SUPERUSER PASSWORD 'qzxwvk7jyqpgz9'");
    let url = server.url_as("reader_of_all", "qzxwvk7jyqpgz9", "shelf").replace("127.0.0.1", "localhost");
    let output = stand.backup().env("DATABASE_URL", &url).env("BACKUP_GLOBALS", "false").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let manifest = stand.manifests().into_keys().next().expect("a manifest");
    let text = String::from_utf8(stand.s3.read(&manifest)).unwrap();
    assert!(text.contains("\"shelf\"") && text.contains("\"rows\""), "{text}");
    let port = server.port().to_string();
    for word in ["localhost", "127.0.0.1", &format!(":{port}"), "reader_of_all", "postgres://", "postgresql://"] {
        assert!(!text.contains(word), "{word:?} is in {text}");
    }
    assert!(!text.contains("content-of-a-row") && !text.contains("qzxwvk7"), "{text}");
    for put in
        [Operation::PutObject, Operation::CreateMultipartUpload].map(|kind| stand.proxy.requests_of(kind)).concat()
    {
        let told: Vec<_> =
            put.headers.keys().filter(|name| name.starts_with("x-amz-meta-") || *name == "x-amz-tagging").collect();
        assert!(told.is_empty(), "{told:?} on {}", put.key);
    }
}
