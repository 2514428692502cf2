//! Runs on several threads, with results in the order of the runs: what comes out depends on the seeds
//! and not on the machine. The only place with threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `job` for each of `numbers` on so many threads. `done` is told each result as it comes, in any
/// order, one at a time; the results come back in the order of `numbers`. After an error no new job begins.
///
/// # Errors
/// The first that `done` returned.
///
/// # Panics
/// When a job panics.
pub fn each<T: Send, E: Send>(
    threads: usize,
    numbers: &[u64],
    job: impl Fn(u64) -> T + Sync,
    done: impl FnMut(u64, &T) -> Result<(), E> + Send,
) -> Result<Vec<T>, E> {
    struct Shared<T, F, E> {
        results: Vec<Option<T>>,
        done: F,
        failed: Option<E>,
    }
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(Shared {
        results: numbers.iter().map(|_| None).collect(),
        done,
        failed: None,
    });
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, numbers.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(number) = numbers.get(index) else {
                        return;
                    };
                    let result = job(*number);
                    let mut shared = shared.lock().unwrap_or_else(|it| it.into_inner());
                    if shared.failed.is_some() {
                        return;
                    }
                    if let Err(error) = (shared.done)(*number, &result) {
                        shared.failed = Some(error);
                        next.store(numbers.len(), Ordering::Relaxed);
                        return;
                    }
                    shared.results[index] = Some(result);
                }
            });
        }
    });
    let shared = shared.into_inner().unwrap_or_else(|it| it.into_inner());
    match shared.failed {
        Some(error) => Err(error),
        None => Ok(shared.results.into_iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn results_come_in_the_order_of_the_runs_whatever_the_threads() {
        let numbers: Vec<u64> = (0..200).rev().collect();
        let squares: Vec<u64> = numbers.iter().map(|number| number * number).collect();
        for threads in [0, 1, 3, 500] {
            let mut told = 0;
            let results = each(
                threads,
                &numbers,
                |number| number * number,
                |number, square| {
                    assert_eq!(number * number, *square);
                    told += 1;
                    Ok::<_, Infallible>(())
                },
            );
            assert_eq!(results, Ok(squares.clone()), "{threads} threads");
            assert_eq!(told, 200);
        }
    }

    #[test]
    fn an_error_ends_it() {
        let numbers: Vec<u64> = (0..1_000).collect();
        let began = AtomicUsize::new(0);
        let result = each(
            2,
            &numbers,
            |number| {
                began.fetch_add(1, Ordering::Relaxed);
                number
            },
            |number, _| if number >= 5 { Err(number) } else { Ok(()) },
        );
        assert!(result.expect_err("an error") >= 5);
        assert!(began.into_inner() < 1_000);
    }
}
