//! Which users were seen, and which of them had a failure: for services that keep users on their side.
//!
//! A user's requests resemble each other. Compared request by request, one user with a broken account would
//! count a hundred times and break the comparison's error rate. So where users are kept on their side, each
//! counts once: when first seen at a weight, and once more with the first event of each kind, after which the user is
//! out; and once when first seen to reach a goal. The sides of users without an event are never looked at one by one, so that the next event's side is still a
//! matter of the weight alone.
//!
//! A table of fixed size without locks, shared by the workers. When it is full, further users are not counted, whatever
//! they meet.

use sluice_model::RolloutId;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Places of the table: 2 MiB for each service whose users are being compared.
const PLACES: usize = 1 << 18;
/// Users that are counted; beyond half of the places, looking for one would take long.
const USERS_MAX: usize = PLACES / 2;
/// Places that are looked at for one user.
const LOOKS_MAX: usize = 64;

const FINGERPRINT_SHIFT: u32 = 24;
const SEGMENT_SHIFT: u32 = 8;
const SEGMENT_MASK: u64 = 0xffff << SEGMENT_SHIFT;

/// Events after which a user is out.
const OUT_MASK: u64 = 0x03;

/// What may happen to a user's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It failed.
    Failed,
    /// It was refused with 4xx.
    Refused,
    /// It reached the goal with this place, below [`GOALS_MAX`](sluice_model::plan::GOALS_MAX).
    Goal(usize),
}

impl Event {
    fn bit(self) -> u64 {
        match self {
            Event::Failed => 1,
            Event::Refused => 2,
            Event::Goal(place) => 4 << place,
        }
    }
}

/// The users of one rollout.
#[derive(Debug)]
pub(crate) struct Units {
    pub(crate) rollout: RolloutId,
    /// 40 bits of the user's hash, 16 of the segment in which it was seen last (from 1), 8 for events.
    places: Box<[AtomicU64]>,
    users: AtomicUsize,
}

impl Units {
    pub(crate) fn new(rollout: RolloutId) -> Units {
        Units {
            rollout,
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            users: AtomicUsize::new(0),
        }
    }

    /// Whether this is the user's first request in the segment. Never for one that had an event.
    pub(crate) fn is_first_in(&self, user: u64, segment: u64) -> bool {
        let segment = (segment % 0xffff + 1) << SEGMENT_SHIFT;
        self.place(user).is_some_and(|place| {
            let seen = |value: u64| {
                let new = value & OUT_MASK == 0 && value & SEGMENT_MASK != segment;
                new.then_some(value & !SEGMENT_MASK | segment)
            };
            place.fetch_update(Relaxed, Relaxed, seen).is_ok()
        })
    }

    /// Whether this is the user's first event of that kind.
    pub(crate) fn is_first_event(&self, user: u64, event: Event) -> bool {
        let event = event.bit();
        self.place(user)
            .is_some_and(|place| place.fetch_or(event, Relaxed) & event == 0)
    }

    /// The place of a user; none when there is no room for a new one.
    fn place(&self, user: u64) -> Option<&AtomicU64> {
        let fingerprint = (user >> FINGERPRINT_SHIFT).max(1);
        (0..LOOKS_MAX).find_map(|step| {
            let place = &self.places[(user as usize).wrapping_add(step) % PLACES];
            let mut value = place.load(Relaxed);
            if value == 0 {
                if self.users.load(Relaxed) >= USERS_MAX {
                    return Some(None);
                }
                match place.compare_exchange(0, fingerprint << FINGERPRINT_SHIFT, Relaxed, Relaxed)
                {
                    Ok(_) => {
                        self.users.fetch_add(1, Relaxed);
                        return Some(Some(place));
                    }
                    Err(taken) => value = taken,
                }
            }
            (value >> FINGERPRINT_SHIFT == fingerprint).then_some(Some(place))
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_counts_once_in_a_segment_and_once_with_each_event() {
        let units = Units::new(RolloutId(1));
        let (ada, grace) = (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321);
        assert!(units.is_first_in(ada, 3) && !units.is_first_in(ada, 3));
        assert!(units.is_first_in(grace, 3));
        assert!(units.is_first_in(ada, 4), "another weight");
        assert!(units.is_first_event(ada, Event::Failed));
        assert!(!units.is_first_event(ada, Event::Failed));
        assert!(units.is_first_event(ada, Event::Refused));
        assert!(!units.is_first_in(ada, 5), "who had an event is out");
        assert!(units.is_first_in(grace, 5));
        assert!(units.is_first_event(grace, Event::Goal(3)));
        assert!(!units.is_first_event(grace, Event::Goal(3)));
        assert!(units.is_first_event(grace, Event::Goal(0)));
        assert!(units.is_first_in(grace, 6), "a goal puts nobody out");
    }

    #[test]
    fn a_full_table_counts_those_it_knows_and_nobody_else() {
        let units = Units::new(RolloutId(1));
        let user = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let counted = (1..=PLACES as u64).filter(|n| units.is_first_in(user(*n), 1));
        assert_eq!(counted.count(), USERS_MAX);
        assert!(units.is_first_in(user(1), 2));
        assert!(!units.is_first_in(user(PLACES as u64), 2));
        assert!(!units.is_first_event(user(PLACES as u64), Event::Failed));
    }
}
