//! Keys of the age format: X25519, as `age-keygen` makes them.

use std::fmt;
use std::io::{self, BufRead, Chain, Cursor, Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use age::stream::{StreamReader, StreamWriter};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use ring::digest::{SHA256, digest};

use crate::secret::Secret;

/// More recipients are a mistake: a header has 100 bytes for each.
const MAX_KEYS: usize = 100;

/// What a header of [`MAX_KEYS`] recipients needs, twice. A header is read whole before anything in it is checked.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// How the last line of a header begins.
const LAST_LINE: &[u8] = b"--- ";

/// Public keys, at least one.
#[derive(Clone)]
pub struct Recipients {
    keys: Arc<[Recipient]>,
    key_ids: Arc<[String]>,
}

/// Private keys, maybe none.
#[derive(Clone, Default)]
pub struct Identities {
    keys: Arc<[Identity]>,
    key_ids: Arc<[String]>,
}

/// Why a list of keys is none. It never quotes the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Only comments and white space.
    #[error("holds no key")]
    Empty,
    /// More than a person would set.
    #[error("holds more than {MAX_KEYS} keys")]
    TooMany,
    /// Not of the form `age1...`; its place in the list is told.
    #[error("key {0} is not a public key such as age1...; ssh keys, plugins and passphrases are not supported")]
    Recipient(usize),
    /// A private key in the place of a public one.
    #[error(
        "key {0} is a private key (AGE-SECRET-KEY-1...), which must not be on this side; replace it by its public \
         key, and make a new pair if this environment was ever shown to others"
    )]
    Private(usize),
    /// Not of the form `AGE-SECRET-KEY-1...`; its place in the list is told.
    #[error("key {0} is not a private key such as AGE-SECRET-KEY-1...; plugins and passphrases are not supported")]
    Identity(usize),
}

impl Recipients {
    /// Reads keys apart by commas, white space and line breaks; `#` begins a comment, as in a file of `age -R`.
    ///
    /// # Errors
    /// If one is not a key, or there is none.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let keys = parse_each(text, |number, word| {
            if word.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                return Err(AgeError::Private(number));
            }
            Recipient::from_str(word).map_err(|_| AgeError::Recipient(number))
        })?;
        let key_ids = keys.iter().map(key_id).collect();
        Ok(Self { keys: keys.into(), key_ids })
    }

    /// For each key `age-` and 16 hexadecimal digits of the SHA-256 of its text. Not the key itself: with it,
    /// anyone who can write to the bucket could make an object that decrypts.
    pub fn key_ids(&self) -> &[String] {
        &self.key_ids
    }

    /// Writes the header and returns what encrypts the rest.
    pub(super) fn encrypt<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Recipient);
        Encryptor::with_recipients(keys).map_err(io::Error::other)?.wrap_output(output)
    }
}

impl Identities {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Reads keys as [`Recipients::parse`] does; the comments of `age-keygen` are such.
    ///
    /// # Errors
    /// If one is not a key, or there is none.
    pub fn parse(text: &Secret) -> Result<Self, AgeError> {
        let keys =
            parse_each(text.expose(), |number, word| Identity::from_str(word).map_err(|_| AgeError::Identity(number)))?;
        let key_ids = keys.iter().map(|key| key_id(&key.to_public())).collect();
        Ok(Self { keys: keys.into(), key_ids })
    }

    /// As [`Recipients::key_ids`].
    pub fn key_ids(&self) -> &[String] {
        &self.key_ids
    }

    /// Reads the header of `stored` and returns what decrypts the rest. Each chunk of 64 KiB is authenticated before
    /// a byte of it leaves; only a stream with its last chunk ends without an error.
    pub(in crate::codec) fn decrypt<R: BufRead>(&self, mut stored: R) -> io::Result<Decrypting<R>> {
        let header = read_header(&mut stored)?;
        let decryptor = Decryptor::new(Cursor::new(header).chain(stored)).map_err(told)?;
        decryptor.decrypt(self.keys.iter().map(|key| key as &dyn age::Identity)).map_err(told)
    }
}

/// The plain bytes of an age file, whose header was read before.
pub(in crate::codec) type Decrypting<R> = StreamReader<Chain<Cursor<Vec<u8>>, R>>;

/// A new pair: the private key, and the public one.
pub fn generate() -> (Secret, String) {
    use age::secrecy::ExposeSecret;
    let identity = Identity::generate();
    (Secret::new(identity.to_string().expose_secret().to_owned()), identity.to_public().to_string())
}

fn parse_each<K>(text: &str, parse: impl Fn(usize, &str) -> Result<K, AgeError>) -> Result<Vec<K>, AgeError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace())).filter(|w| !w.is_empty());
    let keys: Vec<K> = words.enumerate().map(|(index, word)| parse(index + 1, word)).collect::<Result<_, _>>()?;
    match keys.len() {
        0 => Err(AgeError::Empty),
        1..=MAX_KEYS => Ok(keys),
        _ => Err(AgeError::TooMany),
    }
}

fn key_id(recipient: &Recipient) -> String {
    let digest = digest(&SHA256, recipient.to_string().as_bytes());
    format!("age-{}", hex::encode(&digest.as_ref()[..8]))
}

/// The header with its last line, of bounded size: the format itself has no bound.
fn read_header(stored: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    loop {
        let start = header.len();
        let room = (MAX_HEADER_BYTES - start) as u64;
        let read_bytes = stored.by_ref().take(room).read_until(b'\n', &mut header)?;
        if read_bytes == 0 || !header.ends_with(b"\n") {
            let reason = if header.len() == MAX_HEADER_BYTES { "its header is too long" } else { "it has no header" };
            return Err(io::Error::other(reason));
        }
        if header[start..].starts_with(LAST_LINE) {
            return Ok(header);
        }
    }
}

fn told(error: DecryptError) -> io::Error {
    io::Error::other(match error {
        DecryptError::Io(error) => return error,
        DecryptError::NoMatchingKeys => "none of the given keys is among those that it was encrypted for",
        DecryptError::ExcessiveWork { .. } => "it was encrypted with a passphrase",
        DecryptError::InvalidHeader | DecryptError::InvalidMac | DecryptError::UnknownFormat => "its header is wrong",
        _ => "it does not decrypt",
    })
}

impl fmt::Debug for Recipients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recipients({:?})", self.key_ids)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identities({:?})", self.key_ids)
    }
}
