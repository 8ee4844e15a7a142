//! What a thief finds in `backup` after a run, with public keys only: nothing that decrypts the backup.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use base64_simd::STANDARD_NO_PAD;
use e2e::skip::skip;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use super::{AgePair, PASSPHRASE};
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// Where a key may begin in memory: compilers and allocators put arrays of bytes there, or further apart.
const ALIGNMENT: usize = 8;

/// Random keys hardly ever repeat their bytes as often as most of memory does.
const DISTINCT_BYTES: usize = 11;

/// An age file, and how to tell its keys when one sees them.
struct AgeFile {
    header: Vec<u8>,
    mac: Vec<u8>,
    payload: Vec<u8>,
}

impl AgeFile {
    fn parse(file: &[u8]) -> Self {
        let mac_line = file.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
        let end = mac_line + file[mac_line..].iter().position(|byte| *byte == b'\n').unwrap();
        let mac = STANDARD_NO_PAD.decode_to_vec(&file[mac_line + 4..end]).unwrap();
        // Behind the header is the nonce, of 16 bytes.
        Self { header: file[..mac_line + 3].to_vec(), mac, payload: file[end + 1 + 16..].to_vec() }
    }

    /// The key of the file, from which all others follow.
    fn is_file_key(&self, key: &[u8]) -> bool {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
        let key = hmac::Key::from(key.expand(&[b"header"], hmac::HMAC_SHA256).unwrap());
        hmac::verify(&key, &self.header, &self.mac).is_ok()
    }

    /// The key of the chunks; the file has one.
    fn is_payload_key(&self, key: &[u8]) -> bool {
        let mut nonce = [0; 12];
        nonce[11] = 1;
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap());
        key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut self.payload.clone()).is_ok()
    }

    /// Whether either is anywhere in `memory`.
    fn is_opened_by(&self, memory: &[u8]) -> bool {
        let looks_random = |window: &[u8]| window.iter().collect::<BTreeSet<_>>().len() >= DISTINCT_BYTES;
        let starts = (0..memory.len().saturating_sub(15)).step_by(ALIGNMENT);
        starts.filter(|start| looks_random(&memory[*start..*start + 16])).any(|start| {
            let is_payload_key = || memory.get(start..start + 32).is_some_and(|key| self.is_payload_key(key));
            self.is_file_key(&memory[start..start + 16]) || is_payload_key()
        })
    }
}

/// Everything that the process may write to, as it is now; `None` if this user may not look.
fn memory(pid: u32) -> Option<Vec<Vec<u8>>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw")));
    let regions = writable.filter_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut region = vec![0; usize::try_from(end - start).ok()?];
        memory.read_exact_at(&mut region, start).ok()?;
        Some(region)
    });
    Some(regions.collect())
}

/// Learns the key of a file while it is opened with the private key.
struct Spy {
    identity: age::x25519::Identity,
    file_key: Cell<Option<[u8; 16]>>,
}

impl age::Identity for Spy {
    fn unwrap_stanza(
        &self,
        stanza: &age_core::format::Stanza,
    ) -> Option<Result<age_core::format::FileKey, age::DecryptError>> {
        let unwrapped = self.identity.unwrap_stanza(stanza);
        if let Some(Ok(key)) = &unwrapped {
            self.file_key.set(Some(*key.expose_secret()));
        }
        unwrapped
    }
}

/// Runs the daemon once; the memory that it has afterwards.
fn memory_after_a_run(stand: &Stand, variables: &[(&str, &str)]) -> Option<Vec<Vec<u8>>> {
    let run = stand.backup().env("RUN_ON_STARTUP", "true").envs(variables.iter().copied());
    let mut daemon = Running::start(run);
    daemon.process.wait_for_line("backup committed", SOON);
    memory(daemon.process.pid())
}

#[test]
fn nothing_in_the_memory_of_backup_decrypts_what_it_has_made_r079() {
    let (stand, pair) = (Stand::with_rows(20), AgePair::generate());
    let Some(regions) = memory_after_a_run(&stand, &[("AGE_RECIPIENTS", &pair.recipient)]) else {
        skip("encryption::nothing_in_the_memory_of_backup_decrypts_what_it_has_made_r079", "the memory cannot be read");
        return;
    };
    let files: Vec<(String, Vec<u8>)> =
        stand.s3.objects().into_keys().map(|key| (key.clone(), stand.s3.read(&key))).collect();
    let files: Vec<_> = files.into_iter().filter(|(key, _)| key.ends_with(".age")).collect();
    assert_eq!(files.len(), 2, "dump and roles");
    for (key, stored) in &files {
        let file = AgeFile::parse(stored);
        for region in &regions {
            assert!(!file.is_opened_by(region), "a key of {key} is still in memory");
        }
    }
    let (_, stored) = &files[1];
    let file = AgeFile::parse(stored);
    // That the search finds what it looks for: the key, as the holder of the private one sees it.
    let identity = age::x25519::Identity::from_str(pair.identity.lines().last().unwrap()).unwrap();
    let spy = Spy { identity, file_key: Cell::new(None) };
    let decryptor = age::Decryptor::new_buffered(stored.as_slice()).unwrap();
    decryptor.decrypt(std::iter::once(&spy as &dyn age::Identity)).unwrap();
    let file_key = spy.file_key.get().unwrap();
    assert!(file.is_opened_by(&[[0; 8].as_slice(), &file_key, &[0; 40]].concat()));
    // That a key which is there is seen: of the other encryption, which cannot do without.
    let variables = [("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)];
    let regions = memory_after_a_run(&Stand::with_rows(1), &variables).unwrap();
    let shows = |region: &Vec<u8>| region.windows(PASSPHRASE.len()).any(|window| window == PASSPHRASE.as_bytes());
    assert!(regions.iter().any(shows));
}
