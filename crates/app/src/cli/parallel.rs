//! Much work of the same kind on all cores: the same results in the same order, however many threads there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Pieces that a thread takes at a time.
const PORTION: u64 = 4;
/// Portions that may wait to be collected.
const WAITING_MAX: usize = 64;

/// The results of the pieces of work from 0 to `count`, in their order. `progress` hears of each portion, how many
/// pieces are done.
pub(super) fn all<T: Send>(
    count: u64,
    work: impl Fn(u64) -> T + Sync,
    mut progress: impl FnMut(u64),
) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    on_threads(count, threads, &work, &mut progress)
}

/// The same on so many threads.
pub(super) fn on_threads<T: Send>(
    count: u64,
    threads: usize,
    work: &(impl Fn(u64) -> T + Sync),
    progress: &mut impl FnMut(u64),
) -> Vec<T> {
    let next = AtomicU64::new(0);
    let (done, collected) = mpsc::sync_channel::<(u64, Vec<T>)>(WAITING_MAX);
    let mut portions = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let from = next.fetch_add(PORTION, Ordering::Relaxed);
                    if from >= count {
                        break;
                    }
                    let to = from.saturating_add(PORTION).min(count);
                    let portion = (from..to).map(work).collect();
                    if done.send((from, portion)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut finished = 0;
        for (from, portion) in collected {
            finished += portion.len() as u64;
            portions.push((from, portion));
            progress(finished);
        }
    });
    portions.sort_by_key(|(from, _)| *from);
    portions
        .into_iter()
        .flat_map(|(_, portion)| portion)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_are_in_order_on_any_number_of_threads() {
        let mut told = Vec::new();
        let squares = |n: u64| n * n;
        let alone = on_threads(21, 1, &squares, &mut |done| told.push(done));
        assert_eq!(told, [4, 8, 12, 16, 20, 21]);
        assert_eq!(alone, (0..21).map(squares).collect::<Vec<u64>>());
        for threads in [2, 5] {
            assert_eq!(on_threads(21, threads, &squares, &mut |_| {}), alone);
        }
        assert!(on_threads(0, 2, &squares, &mut |_| {}).is_empty());
    }
}
