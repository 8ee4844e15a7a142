//! Request bodies: to a file, and checked against what the client said about them.

use std::io::SeekFrom;

use futures_util::StreamExt;
use s3s::{
    S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Md5},
    dto::{Checksum, ChecksumAlgorithm, StreamingBlob},
    s3_error,
};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use crate::{store::internal, uploads::Place};

/// What a client declared about a body.
#[derive(Default)]
pub(crate) struct Declared {
    /// `Content-MD5`, in base64.
    pub(crate) md5: Option<String>,
    /// `x-amz-sdk-checksum-algorithm`: which checksum follows as a trailer.
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
    /// `x-amz-checksum-*` headers.
    pub(crate) checksums: Checksum,
    /// Where checksums arrive that were sent after the body.
    pub(crate) trailers: Option<TrailingHeaders>,
}

/// A body that is as its sender described it.
pub(crate) struct Received {
    /// Where the bytes are.
    pub(crate) place: Place,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// The declared checksums, all verified.
    pub(crate) checksums: Checksum,
}

/// Writes `body` to its place. After an error (the body broke off, or is not what was declared) there
/// is no file, unless it is shared.
pub(crate) async fn receive(body: Option<StreamingBlob>, place: Place, declared: Declared) -> S3Result<Received> {
    match write_and_check(body, &place, declared).await {
        Ok((bytes, checksums)) => Ok(Received { place, bytes, checksums }),
        Err(err) if place.is_shared => Err(err),
        Err(err) => match tokio::fs::remove_file(&place.file).await {
            Err(other) if other.kind() != std::io::ErrorKind::NotFound => Err(internal(other)),
            _ => Err(err),
        },
    }
}

async fn write_and_check(
    body: Option<StreamingBlob>,
    place: &Place,
    mut declared: Declared,
) -> S3Result<(u64, Checksum)> {
    let mut md5 = declared.md5.is_some().then(Md5::new);
    let mut hasher = hasher_for(&declared);
    let mut bytes = 0;
    let mut file =
        File::options().create(true).write(true).truncate(false).open(&place.file).await.map_err(internal)?;
    file.seek(SeekFrom::Start(place.offset)).await.map_err(internal)?;
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|err| s3_error!(IncompleteBody, "{err}"))?;
        if let Some(md5) = &mut md5 {
            md5.update(&chunk);
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(internal)?;
        bytes += chunk.len() as u64;
    }
    file.flush().await.map_err(internal)?;
    let md5 = md5.map(|md5| base64_simd::STANDARD.encode_to_string(md5.finalize()));
    if md5 != declared.md5 {
        return Err(s3_error!(BadDigest, "Content-MD5 does not match"));
    }
    take_trailers(&mut declared);
    let found = hasher.finalize();
    if differs(&found.checksum_crc32, &declared.checksums.checksum_crc32)
        || differs(&found.checksum_crc32c, &declared.checksums.checksum_crc32c)
        || differs(&found.checksum_crc64nvme, &declared.checksums.checksum_crc64nvme)
        || differs(&found.checksum_sha1, &declared.checksums.checksum_sha1)
        || differs(&found.checksum_sha256, &declared.checksums.checksum_sha256)
    {
        return Err(s3_error!(BadDigest, "x-amz-checksum does not match"));
    }
    Ok((bytes, declared.checksums))
}

fn hasher_for(declared: &Declared) -> ChecksumHasher {
    let headers = &declared.checksums;
    let trailer = declared.algorithm.as_ref().map(ChecksumAlgorithm::as_str);
    let mut hasher = ChecksumHasher::default();
    if headers.checksum_crc32.is_some() || trailer == Some(ChecksumAlgorithm::CRC32) {
        hasher.crc32 = Some(Default::default());
    }
    if headers.checksum_crc32c.is_some() || trailer == Some(ChecksumAlgorithm::CRC32C) {
        hasher.crc32c = Some(Default::default());
    }
    if headers.checksum_crc64nvme.is_some() || trailer == Some(ChecksumAlgorithm::CRC64NVME) {
        hasher.crc64nvme = Some(Default::default());
    }
    if headers.checksum_sha1.is_some() || trailer == Some(ChecksumAlgorithm::SHA1) {
        hasher.sha1 = Some(Default::default());
    }
    if headers.checksum_sha256.is_some() || trailer == Some(ChecksumAlgorithm::SHA256) {
        hasher.sha256 = Some(Default::default());
    }
    hasher
}

fn take_trailers(declared: &mut Declared) {
    let Some(trailers) = declared.trailers.as_ref().and_then(TrailingHeaders::take) else { return };
    let value = |name| Some(trailers.get(name)?.to_str().ok()?.to_owned());
    let sums = &mut declared.checksums;
    for (name, slot) in [
        ("x-amz-checksum-crc32", &mut sums.checksum_crc32),
        ("x-amz-checksum-crc32c", &mut sums.checksum_crc32c),
        ("x-amz-checksum-crc64nvme", &mut sums.checksum_crc64nvme),
        ("x-amz-checksum-sha1", &mut sums.checksum_sha1),
        ("x-amz-checksum-sha256", &mut sums.checksum_sha256),
    ] {
        if let Some(value) = value(name) {
            *slot = Some(value);
        }
    }
}

fn differs(found: &Option<String>, declared: &Option<String>) -> bool {
    declared.is_some() && found != declared
}
