//! Running the items of a suite, some at once.

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many drills run at once.
const JOBS: &str = "SUITE_JOBS";
const DEFAULT_JOBS: usize = 2;

/// Runs `run` for each item and returns the results in the order of the items. What panics does not stop the others;
/// its message is the result.
pub(super) fn each<T: Sync, R: Send>(items: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<Result<R, String>> {
    let jobs = env::var(JOBS).map_or(DEFAULT_JOBS, |text| text.parse().unwrap_or_else(|_| panic!("{JOBS}: {text}")));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<_>> = Mutex::new(items.iter().map(|_| None).collect());
    let work = || {
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            let result = catch_unwind(AssertUnwindSafe(|| run(item))).map_err(|panic| words(panic.as_ref()));
            results.lock().unwrap()[index] = Some(result);
        }
    };
    thread::scope(|scope| (0..jobs.clamp(1, 64)).for_each(|_| drop(scope.spawn(work))));
    results.into_inner().unwrap().into_iter().map(|result| result.expect("every item was run")).collect()
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_one_panic_is_one_result() {
        let results = each(&[1, 2, 3], |number| match number {
            2 => panic!("two"),
            _ => number * 10,
        });
        assert_eq!(results, [Ok(10), Err("panicked: two".to_owned()), Ok(30)]);
    }
}
