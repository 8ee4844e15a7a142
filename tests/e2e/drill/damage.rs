//! Bytes that are not those that were stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use e2e::proxy::{Fault, Operation, Rule};

use super::{Drill, DrillStand};

const COMPRESSIONS: [&str; 3] = ["none", "gzip", "zstd"];

/// Single bits of each stored object that are flipped, each in a drill of its own, unless the variable `FLIPS`
/// asks for another number.
const FLIPS: u64 = 100;

/// So many of them at once.
const WORKERS: u64 = 2;

#[test]
fn a_cut_object_fails_a_drill_however_little_is_missing_r020() {
    for compression in COMPRESSIONS {
        let stand = DrillStand::small(compression);
        let key = stand.dump_key();
        let whole = stand.pristine(&key);
        for left in [whole.len() - 1, whole.len() - 100, whole.len() / 2, 0] {
            stand.stand.s3.write(&key, &whole[..left]);
            assert_damaged(&stand.drill(), &key);
        }
    }
}

/// What cannot be had says nothing about the backup.
#[test]
fn a_bucket_that_does_not_answer_is_no_verdict_about_the_backup_r020() {
    let stand = DrillStand::small("zstd");
    for (operation, key) in
        [(Operation::ListObjectsV2, ""), (Operation::GetObject, "manifest.json"), (Operation::GetObject, ".dump")]
    {
        stand.stand.proxy.rule(Rule::new(operation, Fault::status(503, "SlowDown")).key(key));
        let drill = stand.drill();
        drill.assert_verdict("could_not_run", 4);
        assert_eq!(drill.findings(), Vec::<String>::new());
        assert!(drill.report["error"].as_str().unwrap().contains("SlowDown"), "{}", drill.report["error"]);
        stand.stand.proxy.clear_rules();
    }
}

/// Three hundred whole drills; the codecs' own tests flip thousands of bits.
#[test]
fn any_flipped_bit_fails_a_drill_r021() {
    let flips = std::env::var("FLIPS").map_or(FLIPS, |flips| flips.parse().unwrap());
    for (index, compression) in COMPRESSIONS.iter().enumerate() {
        let next = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    let stand = DrillStand::small(compression);
                    let key = stand.dump_key();
                    let whole = stand.pristine(&key);
                    for number in std::iter::from_fn(|| {
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < flips)
                    }) {
                        let bit = scattered(number + flips * index as u64) % (whole.len() as u64 * 8);
                        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
                        let mut damaged = whole.to_vec();
                        damaged[byte] ^= mask;
                        stand.stand.s3.write(&key, &damaged);
                        let drill = stand.drill();
                        assert_damaged(&drill, &key);
                        assert!(drill.report["server"].is_null(), "a server was started for damaged bytes");
                    }
                });
            }
        });
    }
}

/// A finding of the digests that names the object, and nothing else.
#[track_caller]
fn assert_damaged(drill: &Drill, key: &str) {
    drill.assert_found_by("digests", key.rsplit('/').next().unwrap());
}

/// SplitMix64: positions that look random and are the same in every run.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
