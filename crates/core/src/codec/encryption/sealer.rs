//! One writer for every encryption, between the compressor and the parts.

use std::io::{self, Write};

use age::stream::StreamWriter;

use super::cbc::CbcWriter;
use super::{Encryption, Label};

/// Encrypts what passes on its way to `W`.
#[allow(private_interfaces, reason = "what a variant holds is this room's own affair")]
pub(in crate::codec) enum Sealer<W: Write> {
    None(W),
    Aes256Cbc(Box<CbcWriter<W>>),
    Age(StreamWriter<W>),
}

impl<W: Write> Sealer<W> {
    /// Makes the keys of the object, which takes a fraction of a second for a passphrase, and writes its head.
    ///
    /// # Errors
    /// If the system has no random bytes, or `output` fails.
    #[inline(never)]
    pub(in crate::codec) fn new(encryption: &Encryption, label: &Label, output: W) -> io::Result<Self> {
        Ok(match encryption {
            Encryption::None => Self::None(output),
            Encryption::Aes256Cbc(passphrase) => Self::Aes256Cbc(Box::new(CbcWriter::new(passphrase, label, output)?)),
            Encryption::Age(recipients) => Self::Age(recipients.encrypt(output)?),
        })
    }

    /// Writes the end; returns what is below, and the MAC if there is one.
    pub(in crate::codec) fn finish(self) -> io::Result<(W, Option<String>)> {
        match self {
            Self::None(output) => Ok((output, None)),
            Self::Aes256Cbc(writer) => writer.finish().map(|(output, mac)| (output, Some(mac))),
            Self::Age(writer) => writer.finish().map(|output| (output, None)),
        }
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(output) => output.write(bytes),
            Self::Aes256Cbc(writer) => writer.write(bytes),
            Self::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // As below: a part leaves when it is full.
    }
}
