//! The history of minutes: read back by time, bounded by age, and without a future.

use crate::samples::shop;
use sluice_model::minute::minute_of;
use sluice_model::{Minute, RevisionNumber, ServiceName, SideCounters, Timestamp};
use sluice_store::{MINUTES_AT_ONCE, MINUTES_KEPT, REVISIONS_IN_A_MINUTE, Store};

const FIRST: Timestamp = Timestamp(1_795_273_560_000);
const MINUTE_MS: i64 = 60_000;
const KEPT_MS: i64 = 14 * 86_400_000;

fn minute(number: i64, revision: u32, requests: u64) -> (ServiceName, Minute) {
    let mut counted = SideCounters {
        requests,
        classes: [0, requests, 0, 0, 0],
        ..SideCounters::default()
    };
    (0..requests).for_each(|_| counted.latency.record(900));
    let at = minute_of(FIRST).shifted(number * MINUTE_MS);
    (shop(), Minute::of(at, RevisionNumber(revision), &counted))
}

fn all(store: &Store) -> Vec<(i64, u32, u64)> {
    let mut found = Vec::new();
    let mut from = FIRST.shifted(-2 * KEPT_MS);
    while from < FIRST.shifted(3 * KEPT_MS) {
        let until = from.after(MINUTES_AT_ONCE);
        found.extend(store.minutes(&shop(), from..until).unwrap());
        from = until;
    }
    let short = |it: Minute| {
        let number = (it.at.0 - FIRST.0) / MINUTE_MS;
        (number, it.revision.0, it.requests)
    };
    found.into_iter().map(short).collect()
}

#[test]
fn minutes_are_read_back_by_time_and_revision_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let written = [minute(0, 3, 7), minute(1, 3, 5), minute(1, 2, 90)];
    {
        let store = Store::open(folder.path()).unwrap();
        store.append_minutes(&written).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    let range = FIRST..FIRST.shifted(2 * MINUTE_MS);
    let read = store.minutes(&shop(), range).unwrap();
    let expected = [&written[0].1, &written[2].1, &written[1].1];
    assert_eq!(read.iter().collect::<Vec<_>>(), expected);
    let other = ServiceName::new("other").unwrap();
    let none = store.minutes(&other, FIRST..Timestamp(i64::MAX)).unwrap();
    assert!(none.is_empty());
}

#[test]
fn a_minute_that_is_written_twice_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.append_minutes(&[minute(0, 3, 7)]).unwrap();
    store.append_minutes(&[minute(0, 3, 8)]).unwrap();
    assert_eq!(all(&store), [(0, 3, 8)]);
}

#[test]
fn the_history_is_bounded_by_age_and_by_revisions() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let many: Vec<_> = (1..=9).map(|revision| minute(0, revision, 1)).collect();
    store.append_minutes(&many).unwrap();
    assert_eq!(all(&store).len(), REVISIONS_IN_A_MINUTE);
    assert_eq!(all(&store)[0], (0, 6, 1), "the newest revisions are kept");
    let kept = i64::try_from(MINUTES_KEPT.as_secs() / 60).unwrap();
    store.append_minutes(&[minute(kept - 1, 9, 1)]).unwrap();
    assert_eq!(all(&store).len(), REVISIONS_IN_A_MINUTE + 1);
    store.append_minutes(&[minute(kept, 9, 1)]).unwrap();
    assert_eq!(all(&store), [(kept - 1, 9, 1), (kept, 9, 1)]);
}

#[test]
fn a_clock_that_goes_back_leaves_no_minutes_of_the_future() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for number in [5_000, 10, 11] {
        store.append_minutes(&[minute(number, 1, 1)]).unwrap();
    }
    assert_eq!(all(&store), [(10, 1, 1), (11, 1, 1)]);
}
