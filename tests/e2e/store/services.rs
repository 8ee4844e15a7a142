//! Services as their documentation and their users describe them: each sees a backup, both listings, a drill and a
//! pruning, and refuses nothing of it. What no source says of a service is not in its rules.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::TimeDelta;
use e2e::process::Run;
use e2e::proxy::{B2_REJECTS, Fault, FaultProxy, GCS_REJECTS, Operation, RGW_REJECTS, Rule};

use super::{assert_exit, in_parts, large_stand};
use crate::stand::Stand;

/// A drill on a machine that does other things.
const DRILL_LIMIT: Duration = Duration::from_secs(180);

/// A command of `verify` for the bucket of `stand`.
fn verify(stand: &Stand, folder: &tempfile::TempDir, command: &str) -> Run {
    let run = Run::new("verify").envs(stand.s3.env_through(&stand.proxy.endpoint()));
    let run = run.env("PG_BIN_DIR", stand.postgres.bin_dir()).env("TMPDIR", folder.path());
    run.envs([("VERIFY_JOBS", "2"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "json")]).args([command]).deadline(DRILL_LIMIT)
}

/// A stand with an old backup behind a service with the rules `rules`.
fn behind(rules: impl FnOnce(&FaultProxy)) -> Stand {
    let stand = large_stand();
    stand.seed(TimeDelta::days(30));
    rules(&stand.proxy);
    stand
}

/// Everything that both services do with a bucket, with `settings`. An empty value takes a variable away.
#[track_caller]
fn live(stand: &Stand, settings: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    // The server of a drill runs as another user if we are root, and must get through.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let set = |run: Run| run.envs(settings.iter().copied());
    assert_exit(&set(in_parts(stand)).env("BACKUP_KEEP_LAST", "2").output(), 0);
    assert_eq!(stand.manifests().len(), 2);
    let parts = stand.proxy.requests_of(Operation::UploadPart);
    assert!(parts.iter().filter(|part| part.status == Some(200)).count() >= 3, "{parts:?}");
    let newest = stand.manifests().into_keys().next_back().unwrap();
    let id = newest.rsplit('/').nth(1).unwrap();
    for list in [stand.backup().args(["list"]), verify(stand, &folder, "list")] {
        let list = set(list).output();
        assert_exit(&list, 0);
        assert!(list.stdout.contains(id), "{id}: {}", list.stdout);
    }
    let drill = set(verify(stand, &folder, "run")).output();
    assert_eq!(drill.code, Some(0), "{}\n{}", drill.stdout, drill.stderr);
    assert_exit(&set(stand.backup().args(["prune"])).env("BACKUP_KEEP_LAST", "1").output(), 0);
    assert_eq!(stand.manifests().into_keys().collect::<Vec<_>>(), std::slice::from_ref(&newest));
    assert!(stand.proxy.requests_of(Operation::DeleteObjects).is_empty(), "a batch was deleted");
    assert_eq!(stand.s3.open_uploads(), 0);
    for request in stand.proxy.requests().iter().filter(|request| !request.faulted) {
        let is_taken = request.status.is_some_and(|status| (200..300).contains(&status));
        assert!(is_taken, "{:?} {} {:?}: {:?}", request.operation, request.key, request.status, request.headers);
    }
}

/// Backblaze B2: see [`B2_REJECTS`]. A deletion without a version hides the object, which no listing shows.
#[test]
fn backblaze_b2_sees_nothing_that_it_refuses_r109() {
    let stand = behind(|proxy| proxy.reject_headers(B2_REJECTS));
    live(&stand, &[]);
}

/// Cloudflare R2: parts of one size, one checksum, no tags, and the regions `auto`, `us-east-1` and none.
/// <https://developers.cloudflare.com/r2/api/s3/api/>
#[test]
fn cloudflare_r2_sees_nothing_that_it_refuses_r112_r116() {
    for region in ["", "auto", "us-east-1"] {
        let stand = behind(|proxy| {
            proxy.require_equal_parts();
            proxy.require_one_checksum();
            proxy.reject_headers(&["x-amz-tagging"]);
            proxy.require_region(&["auto", "us-east-1"]);
        });
        live(&stand, &[("S3_REGION", region)]);
    }
}

/// Google Cloud Storage: its front end changes `Accept-Encoding`, so that no signature may cover it; it knows no batch of
/// deletions; and [`GCS_REJECTS`]. What it makes of `If-None-Match` on a write is not documented.
/// <https://github.com/benbjohnson/litestream/issues/1386>, <https://github.com/minio/mc/issues/4778>
#[test]
fn google_cloud_storage_sees_nothing_that_it_refuses_r111() {
    let stand = behind(|proxy| {
        proxy.reject_signed("accept-encoding");
        proxy.reject_headers(GCS_REJECTS);
        proxy.reject_headers(RGW_REJECTS);
        proxy.rule(Rule::new(Operation::DeleteObjects, Fault::status(400, "NotImplemented")));
    });
    live(&stand, &[("S3_REGION", "auto")]);
}

/// RADOS Gateway, DigitalOcean Spaces and their relatives: no chunked bodies, no trailers, and a length before each body.
#[test]
fn rados_gateway_and_spaces_see_nothing_that_they_refuse_r110() {
    let stand = behind(|proxy| {
        proxy.reject_headers(RGW_REJECTS);
        proxy.require_content_length();
    });
    live(&stand, &[]);
}

/// A bucket with Object Lock: an object that is to be locked needs a checksum. A deletion only hides it, as on B2.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
#[test]
fn a_bucket_with_object_lock_sees_nothing_that_it_refuses_r112() {
    let stand = behind(|proxy| {
        proxy.require_digest();
        proxy.require_one_checksum();
    });
    live(&stand, &[("S3_OBJECT_LOCK_DAYS", "1")]);
    let made = [Operation::PutObject, Operation::CreateMultipartUpload].map(|kind| stand.proxy.requests_of(kind));
    let locked = |end: &str| {
        made.iter()
            .flatten()
            .any(|request| request.key.ends_with(end) && request.header("x-amz-object-lock-mode") == Some("GOVERNANCE"))
    };
    assert!(locked(".dump") && locked("manifest.json"), "{made:?}");
}

/// Wasabi: path-style addresses are recommended, and two of its own errors pass: 503 `Unavailable`, and 410
/// `ConnectionClosed`, with the name `DisconnectError`. Nothing was found on checksums or conditions, so it takes them all.
/// <https://docs.wasabi.com/docs/rest-api-introduction>
#[test]
fn wasabi_is_asked_again_after_its_own_errors() {
    let stand = behind(|proxy| {
        let passing = [(503, "Unavailable"), (410, "ConnectionClosed"), (410, "DisconnectError")];
        for (status, code) in passing {
            for operation in [Operation::ListObjectsV2, Operation::UploadPart, Operation::GetObject] {
                proxy.rule(Rule::new(operation, Fault::status(status, code)).first(1));
            }
        }
    });
    live(&stand, &[("S3_FORCE_PATH_STYLE", "true"), ("RETRY_ATTEMPTS", "5")]);
    let hurt = stand.proxy.requests().into_iter().filter(|request| request.faulted).count();
    assert_eq!(hurt, 9);
}

/// Tigris, of which the buckets of Railway are made: `InvalidContentEncoding` for chunked bodies, the region `auto`, and
/// conditions on writes, which it checks. Nothing was found that Railway adds.
/// <https://github.com/benbjohnson/litestream/pull/907>, <https://www.tigrisdata.com/docs/objects/conditionals/>
#[test]
fn tigris_sees_nothing_that_it_refuses() {
    let stand = behind(|proxy| {
        proxy.reject_headers(RGW_REJECTS);
        proxy.require_region(&["auto"]);
        proxy.require_if_none_match();
    });
    live(&stand, &[("S3_REGION", "auto")]);
}
