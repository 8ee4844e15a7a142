//! Stored objects: headers and chunks of age, the layout of `openssl enc`, frames of zstd and members of gzip. The first
//! byte of an input chooses how the rest is encoded.

use std::path::PathBuf;

use backup_core::codec::encryption::{Identities, Label, Opening, Passphrase, Unauthenticated, Unlock};
use backup_core::codec::{Decompression, decode_reader};
use backup_core::secret::Secret;
use backup_core::stored::Digests;
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use crate::run::{Target, file, words};

/// What the plain bytes may be at most, and what a chunk has.
const PLAIN_BYTES: u64 = 16 * 1024;
const CHUNK_BYTES: u64 = 1024 * 1024;

const FIXTURES: &str = "tests/fixtures/format-1";

/// The keys of the fixtures, which are public and protect nothing.
struct Keys {
    identities: Identities,
    passphrase: Passphrase,
}

impl Keys {
    fn of_fixtures() -> Self {
        let text = |name: &str| {
            let text = file(&format!("{FIXTURES}/keys/{name}"));
            Secret::new(String::from_utf8(text).expect("a key is text").trim().to_owned())
        };
        let identities = Identities::parse(&text("age.txt")).expect("private keys");
        Self { identities, passphrase: Passphrase::new(text("passphrase.txt")).expect("a passphrase") }
    }

    fn opening(&self, kind: u8) -> Opening {
        let decompression = match kind % 3 {
            0 => Decompression::None,
            1 => Decompression::Gzip,
            _ => Decompression::Zstd,
        };
        let unlock = match kind / 3 % 3 {
            0 => Unlock::None,
            1 => Unlock::Age(self.identities.clone()),
            // A wrong MAC would end it before anything is read.
            _ => Unlock::Aes256Cbc {
                passphrase: self.passphrase.clone(),
                iterations: 1,
                label: Label::default(),
                folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
                unauthenticated: Unauthenticated::Allowed,
            },
        };
        Opening { decompression, unlock }
    }
}

/// Decodes `stored`; how many plain bytes came out, and whether that was a success.
async fn decode(stored: &[u8], opening: Opening) -> (u64, bool) {
    let expected = Digests {
        plain_bytes: PLAIN_BYTES,
        plain_sha256: String::new(),
        stored_bytes: stored.len() as u64,
        stored_sha256: hex::encode(Sha256::digest(stored)),
        stored_hmac_sha256: None,
    };
    let mut plain = decode_reader(std::io::Cursor::new(stored.to_vec()), opening, &expected);
    let mut bytes = 0;
    while let Some(chunk) = plain.next_chunk().await {
        bytes += chunk.len() as u64;
    }
    (bytes, plain.finish().await.is_ok())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).build().expect("start a runtime")
}

#[test]
fn stored_objects_are_decoded_or_refused() {
    let mut words = words(&[
        "age-encryption.org/v1\n",
        "-> X25519 ",
        "-> scrypt ",
        "-> grease ",
        "--- ",
        "\n",
        "Salted__",
        "\0\0\0\0",
        "\x00",
        "\x01",
        "\x02",
        "\x03",
        "\x04",
        "\x05",
        "\x06",
        "\x07",
        "\x08",
    ]);
    words.extend([b"\x1f\x8b\x08".to_vec(), b"\x28\xb5\x2f\xfd".to_vec()]);
    let with_kind = |kind: u8, path: &str| [vec![kind], file(&format!("{FIXTURES}/{path}"))].concat();
    let items = vec![
        with_kind(0, "none/postgres-backups/app/20261129T162012Z-dnzrny4hqavnidbj/globals.sql"),
        with_kind(1, "gzip/postgres-backups/app/20261129T162012Z-2elgkfksdud46rp3/globals.sql.gz"),
        with_kind(2, "zstd/postgres-backups/app/20261129T162013Z-hsuckvbpzigjw7oj/globals.sql.zst"),
        with_kind(5, "age/postgres-backups/app/20261129T162014Z-3nueaabxsol4rtgj/globals.sql.zst.age"),
        with_kind(8, "aes-256-cbc/postgres-backups/app/20261129T162016Z-tvqx2txeuw6pragr/globals.sql.zst.enc"),
    ];
    let (keys, runtime) = (Keys::of_fixtures(), runtime());
    Target { name: "stored", items, words, once: Vec::new(), bytes_per_byte: 16 }.fuzz(|bytes| {
        let Some((kind, stored)) = bytes.split_first() else { return };
        let (plain_bytes, is_success) = runtime.block_on(decode(stored, keys.opening(*kind)));
        assert!(plain_bytes <= PLAIN_BYTES + CHUNK_BYTES, "{plain_bytes} bytes came out");
        assert!(!is_success, "its digest is of nothing");
    });
}
