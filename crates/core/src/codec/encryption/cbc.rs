//! AES-256-CBC with PKCS#7 padding in the layout of `openssl enc`: `Salted__`, eight bytes of salt, ciphertext.

use std::io::{self, ErrorKind, Read, Write};

use aes::Aes256;
use aes::cipher::consts::U16;
use aes::cipher::inout::InOutBuf;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use ring::rand::{SecureRandom, SystemRandom};

use super::passphrase::{Mac, SALT_BYTES};
use super::{ITERATIONS, Label, Passphrase};

const MAGIC: &[u8; 8] = b"Salted__";

const BLOCK_BYTES: usize = 16;

/// So much is encrypted, and authenticated, in one go: it fits into the second cache of a processor.
const CHUNK_BYTES: usize = 64 * 1024;

/// A writer that encrypts what passes through it, and computes the MAC of what comes out.
pub(super) struct CbcWriter<W> {
    cipher: cbc::Encryptor<Aes256>,
    mac: Mac,
    /// Plain bytes, encrypted in their place when there are [`CHUNK_BYTES`] of them.
    chunk: Vec<u8>,
    output: W,
}

impl<W: Write> CbcWriter<W> {
    /// Derives the keys, which takes a fraction of a second, and writes the head of the object.
    ///
    /// # Errors
    /// If the system has no random bytes: nothing is written then.
    pub(super) fn new(passphrase: &Passphrase, label: &Label, output: W) -> io::Result<Self> {
        let salt = random_salt(|salt| SystemRandom::new().fill(salt).map_err(|_| no_random()))?;
        Self::with_salt(passphrase, label, salt, ITERATIONS, output)
    }

    pub(super) fn with_salt(
        passphrase: &Passphrase,
        label: &Label,
        salt: [u8; SALT_BYTES],
        iterations: u32,
        output: W,
    ) -> io::Result<Self> {
        let derived = passphrase.cipher_key(&salt, iterations);
        let (key, iv) = derived.split_at(32);
        let cipher = cbc::Encryptor::<Aes256>::new(key.into(), iv.into());
        let chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut writer = Self { cipher, mac: passphrase.mac(label, iterations), chunk, output };
        writer.put([MAGIC.as_slice(), &salt].concat())?;
        Ok(writer)
    }

    /// Writes the padding; returns what is below, and the MAC.
    pub(super) fn finish(mut self) -> io::Result<(W, String)> {
        let missing = BLOCK_BYTES - self.chunk.len() % BLOCK_BYTES;
        self.chunk.resize(self.chunk.len() + missing, missing as u8);
        self.encrypt()?;
        Ok((self.output, self.mac.finish()))
    }

    fn encrypt(&mut self) -> io::Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let (blocks, _) = InOutBuf::from(chunk.as_mut_slice()).into_chunks::<U16>();
        self.cipher.encrypt_blocks_inout_mut(blocks);
        self.chunk = self.put(chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Hands on stored bytes, and gives their memory back.
    fn put(&mut self, stored: Vec<u8>) -> io::Result<Vec<u8>> {
        self.mac.update(&stored);
        self.output.write_all(&stored)?;
        Ok(stored)
    }
}

impl<W: Write> Write for CbcWriter<W> {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let taken = plain.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&plain[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.encrypt()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Half a block cannot leave.
    }
}

/// A salt out of `fill`, or its error: a salt that is not random would make two objects share a key.
pub(super) fn random_salt(fill: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<[u8; SALT_BYTES]> {
    let mut salt = [0; SALT_BYTES];
    fill(&mut salt)?;
    Ok(salt)
}

fn no_random() -> io::Error {
    io::Error::other("the system gives no random bytes, so nothing can be encrypted")
}

/// A reader of plain bytes. It must be given authenticated bytes only: CBC itself notices nothing.
pub(in crate::codec) struct CbcReader<R> {
    cipher: cbc::Decryptor<Aes256>,
    input: R,
    chunk: Vec<u8>,
    /// Of `chunk`, what was handed out.
    given: usize,
    /// The last block that was read, not yet decrypted: it may be the one with the padding.
    held: Option<[u8; BLOCK_BYTES]>,
    ended: bool,
}

impl<R: Read> CbcReader<R> {
    /// Reads the head of the object and derives the key.
    ///
    /// # Errors
    /// If `input` is not in openssl's layout.
    pub(in crate::codec) fn new(passphrase: &Passphrase, iterations: u32, mut input: R) -> io::Result<Self> {
        let mut head = [0; MAGIC.len() + SALT_BYTES];
        input.read_exact(&mut head).map_err(|_| damaged("it is shorter than its head"))?;
        let salt = head.strip_prefix(MAGIC).and_then(|salt| <[u8; SALT_BYTES]>::try_from(salt).ok());
        let salt = salt.ok_or_else(|| damaged("it does not begin with Salted__"))?;
        let derived = passphrase.cipher_key(&salt, iterations);
        let (key, iv) = derived.split_at(32);
        let cipher = cbc::Decryptor::<Aes256>::new(key.into(), iv.into());
        Ok(Self { cipher, input, chunk: Vec::with_capacity(CHUNK_BYTES), given: 0, held: None, ended: false })
    }

    fn refill(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.given = 0;
        self.chunk.extend(self.held.take().iter().flatten());
        let wanted = CHUNK_BYTES - self.chunk.len();
        let read = self.input.by_ref().take(wanted as u64).read_to_end(&mut self.chunk)?;
        self.ended = read < wanted;
        if self.chunk.is_empty() || !self.chunk.len().is_multiple_of(BLOCK_BYTES) {
            return Err(damaged("it does not end with a whole block"));
        }
        if !self.ended {
            let last = self.chunk.split_off(self.chunk.len() - BLOCK_BYTES);
            self.held = last.try_into().ok();
        }
        let (blocks, _) = InOutBuf::from(self.chunk.as_mut_slice()).into_chunks::<U16>();
        self.cipher.decrypt_blocks_inout_mut(blocks);
        if self.ended { self.remove_padding() } else { Ok(()) }
    }

    fn remove_padding(&mut self) -> io::Result<()> {
        let padding = self.chunk.last().copied().unwrap_or_default();
        let bytes = usize::from(padding);
        let is_padding = (1..=BLOCK_BYTES).contains(&bytes) && self.chunk.ends_with(&vec![padding; bytes]);
        if !is_padding {
            return Err(damaged("its padding is wrong"));
        }
        self.chunk.truncate(self.chunk.len() - bytes);
        Ok(())
    }
}

impl<R: Read> Read for CbcReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() && !self.ended {
            self.refill()?;
        }
        let count = buffer.len().min(self.chunk.len() - self.given);
        buffer[..count].copy_from_slice(&self.chunk[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
