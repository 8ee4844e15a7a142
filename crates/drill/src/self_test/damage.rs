//! The ways in which a copy is damaged.

use std::fmt;
use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, DuplexStream};

/// Between the file and the decoder.
const BUFFER_BYTES: usize = 256 * 1024;

/// What happens to stored bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    None,
    /// Everything from here on is lost.
    Cut {
        at: u64,
    },
    /// One bit of this byte is another.
    Flip {
        at: u64,
    },
    /// Something follows.
    Grow,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("as they are"),
            Self::Cut { at } => write!(formatter, "cut after byte {at}"),
            Self::Flip { at } => write!(formatter, "with a bit of byte {at} flipped"),
            Self::Grow => formatter.write_str("with one byte more"),
        }
    }
}

impl Damage {
    /// The bytes of `path`, damaged on the way.
    pub(super) async fn apply(self, path: &Path) -> io::Result<DuplexStream> {
        let file = File::open(path).await?;
        let (reader, writer) = tokio::io::duplex(BUFFER_BYTES);
        tokio::spawn(async move {
            // The decoder stops reading as soon as it has seen enough.
            if let Err(error) = self.pour(file, writer).await {
                tracing::debug!(%error, "the damaged copy was not read to its end");
            }
        });
        Ok(reader)
    }

    async fn pour(self, mut file: File, mut writer: DuplexStream) -> io::Result<()> {
        match self {
            Self::None => copy(&mut file, &mut writer).await,
            Self::Cut { at } => copy(&mut file.take(at), &mut writer).await,
            Self::Grow => {
                copy(&mut file, &mut writer).await?;
                writer.write_all(&[0]).await
            }
            Self::Flip { at } => {
                copy(&mut (&mut file).take(at), &mut writer).await?;
                let byte = file.read_u8().await?;
                writer.write_all(&[byte ^ 1]).await?;
                file.seek(io::SeekFrom::Start(at + 1)).await?;
                copy(&mut file, &mut writer).await
            }
        }
    }
}

async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut DuplexStream) -> io::Result<()> {
    tokio::io::copy(from, to).await.map(drop)
}
