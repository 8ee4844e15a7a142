//! Certificates of version 1, as `openssl x509 -req` makes them without extensions: self-signed, named themselves in
//! `sslrootcert`. A web verifier does not parse them; libpq takes them, and goes by the common name.

use chrono::NaiveDateTime;

use super::binding::element;

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// 2.5.4.3, `id-at-commonName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// What such a certificate says (RFC 5280, section 4.1). Later versions begin with their number, these do not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version1 {
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
    common_name: Option<String>,
    /// `SubjectPublicKeyInfo`, as DER.
    pub(super) public_key: Vec<u8>,
}

impl Version1 {
    /// Reads a certificate; `None` if it is not one of version 1.
    pub(super) fn read(certificate: &[u8]) -> Option<Self> {
        let (contents, _) = element(certificate, SEQUENCE)?;
        let (to_be_signed, _) = element(contents, SEQUENCE)?;
        let (_serial, rest) = element(to_be_signed, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, rest) = element(rest, SEQUENCE)?;
        let (subject, key) = element(rest, SEQUENCE)?;
        let (_, after_key) = element(key, SEQUENCE)?;
        let (not_before, until) = time(validity)?;
        let (not_after, _) = time(until)?;
        let public_key = key[..key.len() - after_key.len()].to_vec();
        Some(Self { not_before, not_after, common_name: common_name(subject), public_key })
    }

    /// The name that it is made out to.
    pub(super) fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// Whether it is valid at this time, in seconds since 1970.
    pub(super) fn is_valid_at(&self, seconds: u64) -> bool {
        i64::try_from(seconds).is_ok_and(|now| (self.not_before..=self.not_after).contains(&now))
    }

    /// Whether it is made out to this host, by the rules of libpq: case does not matter, and `*.` stands for one label.
    pub(super) fn is_of(&self, host: &str) -> bool {
        let Some(name) = self.common_name.as_deref() else { return false };
        let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_ascii_lowercase());
        name.eq_ignore_ascii_case(host) || (name.starts_with("*.") && rest(name) == rest(host))
    }
}

/// A time, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, format) = match bytes.first()? {
        &UTC_TIME => (UTC_TIME, "%y%m%d%H%M%SZ"),
        _ => (GENERALIZED_TIME, "%Y%m%d%H%M%SZ"),
    };
    let (text, rest) = element(bytes, tag)?;
    let time = NaiveDateTime::parse_from_str(std::str::from_utf8(text).ok()?, format).ok()?;
    Some((time.and_utc().timestamp(), rest))
}

/// The last common name of a subject, which is a sequence of sets of names.
fn common_name(mut subject: &[u8]) -> Option<String> {
    let mut found = None;
    while let Some((set, rest)) = element(subject, SET) {
        subject = rest;
        let Some((identifier, value)) = element(set, SEQUENCE).and_then(|(name, _)| element(name, OBJECT_IDENTIFIER))
        else {
            continue;
        };
        if identifier == COMMON_NAME {
            let text = value.first().and_then(|tag| element(value, *tag)).map(|(text, _)| text);
            found = text.and_then(|text| String::from_utf8(text.to_vec()).ok());
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u8::try_from(contents.len()).unwrap();
        let mut bytes = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        bytes.extend_from_slice(contents);
        bytes
    }

    fn certificate(name: &str, version: &[u8]) -> Vec<u8> {
        let validity = [der(UTC_TIME, b"260101000000Z"), der(GENERALIZED_TIME, b"20270101000000Z")].concat();
        let name = der(SEQUENCE, &[der(OBJECT_IDENTIFIER, COMMON_NAME), der(0x0c, name.as_bytes())].concat());
        let to_be_signed = [
            version.to_vec(),
            der(INTEGER, &[1]),
            der(SEQUENCE, &[]),
            der(SEQUENCE, &[]),
            der(SEQUENCE, &validity),
            der(SEQUENCE, &der(SET, &name)),
            der(SEQUENCE, b"key"),
        ];
        der(SEQUENCE, &der(SEQUENCE, &to_be_signed.concat()))
    }

    #[test]
    fn a_certificate_of_version_1_is_read_and_no_other() {
        let whole = certificate("db.example.com", &[]);
        let read = Version1::read(&whole).unwrap();
        assert_eq!(read.public_key, der(SEQUENCE, b"key"));
        let day = 86_400;
        let begin = 1_767_225_600; // 2026-01-01
        assert!(read.is_valid_at(begin) && read.is_valid_at(begin + 365 * day));
        assert!(!read.is_valid_at(begin - 1) && !read.is_valid_at(begin + 365 * day + 1));
        assert_eq!(Version1::read(&certificate("db.example.com", &[0xa0, 3, 2, 1, 2])), None);
        for length in 0..whole.len() {
            assert_eq!(Version1::read(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn its_common_name_is_that_of_the_host() {
        for (name, host, expected) in [
            ("db.example.com", "DB.example.com", true),
            ("db.example.com", "db.example.org", false),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            assert_eq!(Version1::read(&certificate(name, &[])).unwrap().is_of(host), expected, "{name} {host}");
        }
    }
}
