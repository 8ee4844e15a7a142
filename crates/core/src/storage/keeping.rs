//! How a store is asked to keep objects: encrypted by itself, in which class, for how long without deletion, under which
//! tags.

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime as SdkTime;
use aws_sdk_s3::types::{ObjectLockMode, ServerSideEncryption, StorageClass};
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Operation, Refusal, StoreError};

/// What stays as it is in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a store is asked to keep objects. By default nothing is asked, and the bucket decides.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// Of every object.
    pub encryption: Option<AtRest>,
    /// Of the data of backups.
    pub storage_class: Option<String>,
    /// Of all that makes up a backup.
    pub lock: Option<ObjectLock>,
    /// Of all that makes up a backup: names and values.
    pub tags: Vec<(String, String)>,
}

/// How a store encrypts what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtRest {
    /// With keys of the store (SSE-S3).
    Aes256,
    /// With a key of KMS.
    Kms {
        /// The key; `None`: the one that the account has for S3.
        key_id: Option<String>,
    },
}

/// For how long an object cannot be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLock {
    /// Days after it was written.
    pub days: u32,
    /// Who may still end that.
    pub mode: LockMode,
}

/// Who may delete a locked object nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Those with `s3:BypassGovernanceRetention`.
    Governance,
    /// No one.
    Compliance,
}

/// What an object is, which decides how it is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The data of a backup.
    Data,
    /// The manifest of a backup.
    Manifest,
    /// A line of the journal, a record, a probe: small, and often deleted soon.
    Note,
}

/// The headers of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Headers {
    encryption: Option<ServerSideEncryption>,
    kms_key_id: Option<String>,
    storage_class: Option<StorageClass>,
    lock_mode: Option<ObjectLockMode>,
    locked_until: Option<SdkTime>,
    tags: Option<String>,
}

impl Keeping {
    /// The headers of an object that is written at `now`.
    pub(super) fn headers(&self, purpose: Purpose, now: DateTime<Utc>) -> Headers {
        let (encryption, kms_key_id) = match &self.encryption {
            None => (None, None),
            Some(AtRest::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(AtRest::Kms { key_id }) => (Some(ServerSideEncryption::AwsKms), key_id.clone()),
        };
        let class = self.storage_class.as_deref().filter(|_| purpose == Purpose::Data);
        let lock = self.lock.filter(|_| purpose != Purpose::Note);
        let until = |lock: ObjectLock| (now + TimeDelta::days(lock.days.into())).timestamp();
        Headers {
            encryption,
            kms_key_id,
            storage_class: class.map(StorageClass::from),
            lock_mode: lock.map(|lock| match lock.mode {
                LockMode::Governance => ObjectLockMode::Governance,
                LockMode::Compliance => ObjectLockMode::Compliance,
            }),
            locked_until: lock.map(|lock| SdkTime::from_secs(until(lock))),
            tags: (purpose != Purpose::Note && !self.tags.is_empty()).then(|| query(&self.tags)),
        }
    }

    /// Says beside a refusal what else may be its cause than the rights that every upload needs.
    pub(super) fn explain(&self, operation: Operation, error: StoreError) -> StoreError {
        if !matches!(operation, Operation::Store | Operation::BeginUpload) {
            return error;
        }
        match error {
            StoreError::Permanent { operation, key, reason, refusal: refusal @ Refusal::Request } => {
                let rights = self.rights();
                let reason = match rights.is_empty() {
                    true => reason,
                    false => format!("{reason}; this configuration also needs {}", rights.join(", ")),
                };
                StoreError::Permanent { operation, key, reason, refusal }
            }
            StoreError::Unsupported { operation, key, reason } if !self.names().is_empty() => {
                let names = self.names().join(", ");
                let reason = format!("{reason}; does the store know what it is asked for by {names}?");
                StoreError::Unsupported { operation, key, reason }
            }
            error => error,
        }
    }

    fn rights(&self) -> Vec<&'static str> {
        let rights = [
            (self.lock.is_some(), "s3:PutObjectRetention"),
            (!self.tags.is_empty(), "s3:PutObjectTagging"),
            (matches!(self.encryption, Some(AtRest::Kms { .. })), "kms:GenerateDataKey and kms:Decrypt on the key"),
        ];
        rights.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, right)| right).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        let names = [
            (self.encryption.is_some(), "S3_SSE"),
            (self.storage_class.is_some(), "S3_STORAGE_CLASS"),
            (self.lock.is_some(), "S3_OBJECT_LOCK_DAYS (Object Lock must be on in the bucket)"),
            (!self.tags.is_empty(), "S3_TAGS"),
        ];
        names.into_iter().filter(|(is_used, _)| *is_used).map(|(_, name)| name).collect()
    }
}

/// As a header holds tags.
fn query(tags: &[(String, String)]) -> String {
    let encoded = |text| utf8_percent_encode(text, PLAIN).to_string();
    tags.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

impl Headers {
    pub(super) fn put(self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        request
            .set_server_side_encryption(self.encryption)
            .set_ssekms_key_id(self.kms_key_id)
            .set_storage_class(self.storage_class)
            .set_object_lock_mode(self.lock_mode)
            .set_object_lock_retain_until_date(self.locked_until)
            .set_tagging(self.tags)
    }

    pub(super) fn begin(self, request: CreateMultipartUploadFluentBuilder) -> CreateMultipartUploadFluentBuilder {
        request
            .set_server_side_encryption(self.encryption)
            .set_ssekms_key_id(self.kms_key_id)
            .set_storage_class(self.storage_class)
            .set_object_lock_mode(self.lock_mode)
            .set_object_lock_retain_until_date(self.locked_until)
            .set_tagging(self.tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_soon_is_neither_locked_nor_tagged_nor_in_a_class() {
        let keeping = Keeping {
            encryption: Some(AtRest::Kms { key_id: Some("k".to_owned()) }),
            storage_class: Some("STANDARD_IA".to_owned()),
            lock: Some(ObjectLock { days: 30, mode: LockMode::Compliance }),
            tags: vec![("a".to_owned(), "b c&+".to_owned()), ("d".to_owned(), String::new())],
        };
        let now = "2026-11-22T03:00:00Z".parse().unwrap();
        let of = |purpose| keeping.headers(purpose, now);
        let encrypted = Headers {
            encryption: Some(ServerSideEncryption::AwsKms),
            kms_key_id: Some("k".to_owned()),
            ..Headers::default()
        };
        assert_eq!(of(Purpose::Note), encrypted);
        assert_eq!(of(Purpose::Manifest).storage_class, None, "drills read it often");
        assert_eq!(of(Purpose::Manifest).lock_mode, Some(ObjectLockMode::Compliance));
        let data = of(Purpose::Data);
        assert_eq!(data.storage_class, Some(StorageClass::StandardIa));
        assert_eq!(data.locked_until, Some(SdkTime::from_secs(1_795_316_400 + 30 * 86_400)));
        assert_eq!(data.tags.as_deref(), Some("a=b%20c%26%2B&d="));
        assert_eq!(Keeping::default().headers(Purpose::Data, now), Headers::default());
    }
}
