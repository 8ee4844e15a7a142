//! The S3 operations of the test server; everything else answers 501, as several stores do.

use std::{
    io::SeekFrom,
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
        DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
        HeadObjectInput, HeadObjectOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
        ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, Part as ListedPart, PutObjectInput,
        PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    task::spawn_blocking,
};
use tokio_util::io::ReaderStream;

use crate::{
    listing,
    receive::{Declared, receive},
    store::{Replace, Store, internal},
    uploads::{self, Part, Place},
};

/// Part numbers end here.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const LAST_PART_NUMBER: i32 = 10_000;

/// How much of an object is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// The service behind the HTTP server.
pub(crate) struct Operations(pub(crate) Arc<Store>);

/// The `x-amz-checksum-*` fields of a request, which has one for each algorithm.
macro_rules! checksums {
    ($input:expr) => {
        Checksum {
            checksum_crc32: $input.checksum_crc32.clone(),
            checksum_crc32c: $input.checksum_crc32c.clone(),
            checksum_crc64nvme: $input.checksum_crc64nvme.clone(),
            checksum_sha1: $input.checksum_sha1.clone(),
            checksum_sha256: $input.checksum_sha256.clone(),
            ..Default::default()
        }
    };
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.bucket_path(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let files = self.0.list(&request.input.bucket)?;
        Ok(S3Response::new(listing::answer(files, request.input)))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.0.object_path(&input.bucket, &input.key)?;
        let replace = replace(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let declared = Declared {
            md5: input.content_md5.clone(),
            algorithm: input.checksum_algorithm.clone(),
            checksums: checksums!(input),
            trailers: request.trailing_headers,
        };
        let received = receive(input.body, Place::alone(self.0.work_file()), declared).await?;
        // By the clock of this program, which a test can set, and not by that of the machine.
        let stamped = std::fs::File::options().write(true).open(&received.place.file);
        stamped.and_then(|file| file.set_modified(SystemTime::now())).map_err(internal)?;
        let published = self.0.publish(&received.place.file, &input.bucket, &input.key, replace);
        if published.is_err() {
            tokio::fs::remove_file(&received.place.file).await.map_err(internal)?;
        }
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(published?.etag)),
            checksum_crc32: received.checksums.checksum_crc32,
            checksum_crc32c: received.checksums.checksum_crc32c,
            checksum_crc64nvme: received.checksums.checksum_crc64nvme,
            checksum_sha1: received.checksums.checksum_sha1,
            checksum_sha256: received.checksums.checksum_sha256,
            ..Default::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.0.object(&input.bucket, &input.key)?;
        require_match(input.if_match.as_ref(), &object.etag)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.bytes).ok(),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.0.object(&input.bucket, &input.key)?;
        require_match(input.if_match.as_ref(), &object.etag)?;
        let asked = input.range.filter(|_| !self.0.ignores_ranges.load(Ordering::Relaxed));
        let range = match asked {
            None => 0..object.bytes,
            Some(range) => range.check(object.bytes).map_err(|_| s3_error!(InvalidRange))?,
        };
        let path = self.0.object_path(&input.bucket, &input.key)?;
        let mut file = File::open(path).await.map_err(internal)?;
        file.seek(SeekFrom::Start(range.start)).await.map_err(internal)?;
        let wanted = range.end - range.start;
        let content_range =
            asked.map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.bytes));
        let body = ReaderStream::with_capacity(file.take(wanted), READ_BYTES);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            content_length: i64::try_from(wanted).ok(),
            content_range,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.remove(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, .. } = request.input;
        self.0.object_path(&bucket, &key)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            upload_id: Some(self.0.uploads.create(&bucket, &key, self.0.work_file())),
            bucket: Some(bucket),
            key: Some(key),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        if !(1..=LAST_PART_NUMBER).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "part numbers go from 1 to {LAST_PART_NUMBER}"));
        }
        self.0.uploads.get(&input.upload_id, &input.bucket, &input.key)?;
        let declared = Declared {
            md5: input.content_md5.clone(),
            algorithm: input.checksum_algorithm.clone(),
            checksums: checksums!(input),
            trailers: request.trailing_headers,
        };
        let bytes = input.content_length.and_then(|bytes| u64::try_from(bytes).ok());
        let place = self.0.uploads.place(&input.upload_id, input.part_number, bytes, self.0.work_file());
        let received = receive(input.body, place, declared).await?;
        let part = Part {
            etag: crate::random_text(32),
            bytes: received.bytes,
            modified: SystemTime::now(),
            place: received.place,
        };
        let etag = part.etag.clone();
        self.0.uploads.add_part(&input.upload_id, input.part_number, part)?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: received.checksums.checksum_crc32,
            checksum_crc32c: received.checksums.checksum_crc32c,
            checksum_crc64nvme: received.checksums.checksum_crc64nvme,
            checksum_sha1: received.checksums.checksum_sha1,
            checksum_sha256: received.checksums.checksum_sha256,
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, if_match, if_none_match, .. } =
            request.input;
        let replace = replace(if_none_match.as_ref(), if_match.as_ref())?;
        let listed = multipart_upload.and_then(|list| list.parts).unwrap_or_default();
        let (store, in_bucket, under) = (Arc::clone(&self.0), bucket.clone(), key.clone());
        let object =
            spawn_blocking(move || uploads::complete(&store, &upload_id, &in_bucket, &under, &listed, replace))
                .await
                .map_err(internal)??;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            e_tag: Some(ETag::Strong(object.etag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = request.input;
        self.0.uploads.abort(&upload_id, &bucket, &key)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    /// One page is enough for every test, so it is never truncated.
    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        self.0.bucket_path(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let open = self.0.uploads.list(&input.bucket).into_iter();
        let listed = open.filter(|(_, upload)| upload.key.starts_with(&prefix));
        let uploads = listed.map(|(id, upload)| MultipartUpload {
            upload_id: Some(id),
            key: Some(upload.key),
            initiated: Some(upload.initiated.into()),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            is_truncated: Some(false),
            uploads: Some(uploads.collect()),
            ..Default::default()
        }))
    }

    /// One page as well: a part takes some fifty bytes in it.
    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput { bucket, key, upload_id, .. } = request.input;
        let upload = self.0.uploads.get(&upload_id, &bucket, &key)?;
        let parts = upload.parts.into_iter().map(|(number, part)| ListedPart {
            part_number: Some(number),
            size: i64::try_from(part.bytes).ok(),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(part.modified.into()),
            ..Default::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(upload_id),
            is_truncated: Some(false),
            parts: Some(parts.collect()),
            ..Default::default()
        }))
    }
}

fn replace(if_none_match: Option<&ETagCondition>, if_match: Option<&ETagCondition>) -> S3Result<Replace> {
    if if_match.is_some() {
        return Err(s3_error!(NotImplemented, "this test server knows no If-Match on writes"));
    }
    match if_none_match {
        None => Ok(Replace::Allowed),
        Some(ETagCondition::Any) => Ok(Replace::Refused),
        Some(_) => Err(s3_error!(NotImplemented, "If-None-Match takes only *")),
    }
}

fn require_match(condition: Option<&ETagCondition>, etag: &str) -> S3Result<()> {
    match condition.and_then(ETagCondition::as_etag) {
        Some(wanted) if wanted.value() != etag => Err(s3_error!(PreconditionFailed)),
        _ => Ok(()),
    }
}
