//! Without a connection there is no run, and the bucket learns of no more than that.

use e2e::process::free_port;
use e2e::proxy::{Operation, Recorded};

use crate::stand::Stand;

/// R004.
#[test]
fn a_database_that_cannot_be_reached_leaves_the_bucket_as_it_was_r004() {
    let stand = Stand::with_rows(10);
    let port = stand.postgres.port();
    let (password, name) = (stand.postgres.password(), &stand.database.name);
    let url = |password: &str, host: &str, port: u16, name: &str| {
        format!("postgresql://postgres:{password}@{host}:{port}/{name}")
    };
    let cases = [
        ("bad password", url("wrong", "127.0.0.1", port, name)),
        ("bad host", url(password, "no-such-host.invalid", port, name)),
        ("refused port", url(password, "127.0.0.1", free_port(), name)),
        ("missing database", url(password, "127.0.0.1", port, "no_such_database")),
    ];
    for backups in 0..2 {
        if backups > 0 {
            stand.run_ok();
        }
        let before = stand.s3.objects();
        let sent = stand.proxy.requests().len();
        for (case, url) in &cases {
            let run = stand.backup().args(["run"]).env("DATABASE_URL", url).env("RETRY_ATTEMPTS", "2");
            let output = run.output();
            assert_eq!(output.code, Some(1), "{case}: {}", output.stderr);
            assert!(output.stderr.contains("connect to the database"), "{case}: {}", output.stderr);
            assert!(!output.stderr.contains(password), "{case}: {}", output.stderr);
            stand.assert_no_commit(&before);
        }
        // All that it asks for is to write down that it has failed.
        let requests = &stand.proxy.requests()[sent..];
        let of_backups =
            |request: &&Recorded| request.operation != Operation::ListObjectsV2 && !request.key.contains("/events/");
        let others: Vec<_> = requests.iter().filter(of_backups).collect();
        assert!(others.is_empty(), "a run without a connection asked the bucket: {others:?}");
    }
}
