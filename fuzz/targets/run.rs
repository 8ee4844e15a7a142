//! How a target runs: every item of its corpus as it is, then changed items until its time is over.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestError, TestRunner};

use crate::memory::most_during;
use crate::mutation::{Material, inputs};

/// How long a target runs unless `FUZZ_SECONDS` says otherwise.
const DEFAULT_SECONDS: u64 = 2;

/// Inputs between two looks at the clock.
const BATCH: u32 = 64;

/// What a reader may compute for an input, without optimization: more means that its time grows faster than its input.
const MAX_SECONDS_OF_READER: f64 = 3.0;

/// An input that takes longer does not end. Far above what the slowest one takes on a busy machine.
const MAX_SECONDS_OF_INPUT: u64 = 60;

/// What a reader may hold for any input: buffers and tables of its own.
const FREE_BYTES: usize = 3 * 1024 * 1024;

/// A reader of foreign bytes.
pub(crate) struct Target {
    /// Its folder below `fuzz/corpus/`.
    pub(crate) name: &'static str,
    /// Further items: files of the repository, and texts made of such.
    pub(crate) items: Vec<Vec<u8>>,
    /// Items that are run as they are and never changed: large ones.
    pub(crate) once: Vec<Vec<u8>>,
    /// What the reader looks for.
    pub(crate) words: Vec<Vec<u8>>,
    /// How many bytes it may hold for each byte of its input.
    pub(crate) bytes_per_byte: usize,
}

impl Target {
    /// Runs `property` over inputs; it panics if it does not hold.
    pub(crate) fn fuzz(self, property: impl Fn(&[u8])) {
        let Self { name, items, once, words, bytes_per_byte } = self;
        let seed = number("FUZZ_SEED").unwrap_or_else(|| u64::from(process::id()) << 32 | nanoseconds());
        let seconds = number("FUZZ_SECONDS").unwrap_or(DEFAULT_SECONDS);
        // Not with `eprintln`, which libtest keeps until the end: a process that dies has none.
        say(&format!("fuzz {name}: FUZZ_SEED={seed}, {seconds} s"));
        let watch = Watch::new(name);
        let run = |input: &[u8]| {
            watch.begin(input);
            let most = most_during(|| property(input));
            if watch.end() > MAX_SECONDS_OF_READER {
                let seconds = processor_seconds(|| property(input));
                assert!(seconds <= MAX_SECONDS_OF_READER, "{seconds:.1} s were needed for an input of {}", input.len());
            }
            let allowed = FREE_BYTES + bytes_per_byte * input.len();
            assert!(most <= allowed, "{most} bytes were held for an input of {}", input.len());
        };
        let mut all = corpus(name);
        all.extend(items);
        assert!(!all.is_empty(), "no corpus");
        all.iter().chain(&once).for_each(|item| run(item));
        let end = Instant::now() + Duration::from_secs(seconds);
        let strategy = inputs(Arc::new(Material { items: all, words }));
        let mut batch = 0;
        while Instant::now() < end {
            let config = Config {
                cases: BATCH,
                failure_persistence: None,
                rng_algorithm: RngAlgorithm::ChaCha,
                rng_seed: RngSeed::Fixed(seed.wrapping_add(batch)),
                ..Config::default()
            };
            batch += 1;
            let outcome = TestRunner::new(config).run(&strategy, |input| {
                run(&input);
                Ok::<(), TestCaseError>(())
            });
            if let Err(TestError::Fail(reason, input)) = outcome {
                let found = watch.keep(&input);
                panic!("{reason}; FUZZ_SEED={seed}; the input is {}, see fuzz/README.md", found.display());
            }
        }
        say(&format!("fuzz {name}: {} inputs", watch.count.load(Ordering::Relaxed)));
    }
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Texts as words.
pub(crate) fn words(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The items of a target in the order of their names, so that a seed repeats a run.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("list the corpus").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("read the corpus")).collect()
}

/// How long the processor works on `work` alone.
fn processor_seconds(work: impl FnOnce()) -> f64 {
    let nanoseconds = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = nanoseconds();
    work();
    Duration::from_nanos(nanoseconds().saturating_sub(before)).as_secs_f64()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

fn nanoseconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::from(now.unwrap_or_default().subsec_nanos())
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("write to standard error");
}

/// Keeps the input that is being read in a file, since a stack overflow or an abort leaves nothing else, and ends the
/// process if an input takes too long.
struct Watch {
    name: &'static str,
    current: File,
    begun: Arc<Mutex<Option<Instant>>>,
    count: AtomicU64,
}

impl Watch {
    fn new(name: &'static str) -> Self {
        let path = folder().join(format!("{name}.current"));
        let current = File::create(&path).expect("create the file of the current input");
        let begun: Arc<Mutex<Option<Instant>>> = Arc::default();
        let watched = Arc::downgrade(&begun);
        thread::spawn(move || {
            while let Some(begun) = watched.upgrade() {
                let begun = *begun.lock().unwrap_or_else(PoisonError::into_inner);
                if begun.is_some_and(|begun| begun.elapsed().as_secs() >= MAX_SECONDS_OF_INPUT) {
                    say(&format!(
                        "fuzz {name}: no end after {MAX_SECONDS_OF_INPUT} s; the input is {}",
                        path.display()
                    ));
                    process::abort();
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { name, current, begun, count: AtomicU64::new(0) }
    }

    fn begin(&self, input: &[u8]) {
        self.current.set_len(input.len() as u64).expect("keep the input");
        self.current.write_all_at(input, 0).expect("keep the input");
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many seconds have passed.
    fn end(&self) -> f64 {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    /// Keeps an input for which the property does not hold.
    fn keep(&self, input: &[u8]) -> PathBuf {
        let path = folder().join(format!("{}.found", self.name));
        fs::write(&path, input).expect("keep what was found");
        path
    }
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&folder).expect("create the folder of inputs");
    folder
}
