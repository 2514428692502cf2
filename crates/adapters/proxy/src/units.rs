//! Which users were seen, and which of them had a failure: for services that keep users on their side.
//!
//! A user's requests resemble each other. Compared request by request, one user with a broken account would
//! count a hundred times and break the comparison's error rate. So where users are kept on their side, each
//! counts once: when first seen at a weight, and once more with the first event of each kind, after which the user is
//! out. For goals each counts at the weight at which it was first seen at all, once, and once more when it reaches one: who
//! came at a former weight may have reached it there. The sides of users without an event are never looked at one by one, so that the next event's side is still a
//! matter of the weight alone.
//!
//! A table of fixed size without locks, shared by the workers. When it is full, further users are not counted, whatever
//! they meet.

use sluice_model::RolloutId;
use sluice_model::plan::USERS_COUNTED_MAX;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Users that are counted.
pub(crate) const USERS_MAX: usize = USERS_COUNTED_MAX as usize;
/// Places of the table: 2 MiB for each service whose users are being compared. With more than half of them taken,
/// looking for one would take long.
const PLACES: usize = 2 * USERS_MAX;
/// Places that are looked at for one user.
const LOOKS_MAX: usize = 64;

const FINGERPRINT_SHIFT: u32 = 24;
const SEGMENT_SHIFT: u32 = 8;
const SEGMENT_MASK: u64 = 0xffff << SEGMENT_SHIFT;

/// Events after which a user is out.
const OUT_MASK: u64 = 0x03;

/// The first goal; those behind it follow, below [`GOALS_MAX`](sluice_model::plan::GOALS_MAX).
const GOAL: u64 = 0x04;
/// Still in the segment in which the user was first seen.
const NEWCOMER: u64 = 0x40;

/// What may happen to a user's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It failed.
    Failed,
    /// It was refused with 4xx.
    Refused,
}

impl Event {
    fn bit(self) -> u64 {
        match self {
            Event::Failed => 1,
            Event::Refused => 2,
        }
    }
}

/// What a request tells of its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entered {
    /// It is the first in the segment, of a user who had no event.
    pub(crate) first: bool,
    /// It is the first at all.
    pub(crate) exposed: bool,
}

/// A segment as places have it; never 0.
fn segment_bits(segment: u64) -> u64 {
    (segment % 0xffff + 1) << SEGMENT_SHIFT
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

    /// Whether further users are not counted.
    pub(crate) fn is_full(&self) -> bool {
        self.users.load(Relaxed) >= USERS_MAX
    }

    /// Notes a request of a user in a segment.
    pub(crate) fn enter(&self, user: u64, segment: u64) -> Entered {
        let segment = segment_bits(segment);
        let Some(place) = self.place(user) else {
            return Entered::default();
        };
        let seen = |value: u64| {
            let moved = value & SEGMENT_MASK != segment;
            let newcomer = if value & SEGMENT_MASK == 0 {
                NEWCOMER
            } else {
                0
            };
            moved.then_some(value & !(SEGMENT_MASK | NEWCOMER) | segment | newcomer)
        };
        match place.fetch_update(Relaxed, Relaxed, seen) {
            Ok(before) => Entered {
                first: before & OUT_MASK == 0,
                exposed: before & SEGMENT_MASK == 0,
            },
            Err(_) => Entered::default(),
        }
    }

    /// Whether this is the user's first event of that kind.
    pub(crate) fn is_first_event(&self, user: u64, event: Event) -> bool {
        let event = event.bit();
        self.place(user)
            .is_some_and(|place| place.fetch_or(event, Relaxed) & event == 0)
    }

    /// Whether the user reaches the goal for the first time, in the segment in which it was first seen.
    pub(crate) fn reaches(&self, user: u64, goal: usize, segment: u64) -> bool {
        let (segment, goal) = (segment_bits(segment), GOAL << goal);
        self.place(user).is_some_and(|place| {
            let reached = |value: u64| {
                let counts = value & NEWCOMER != 0 && value & SEGMENT_MASK == segment;
                (counts && value & goal == 0).then_some(value | goal)
            };
            place.fetch_update(Relaxed, Relaxed, reached).is_ok()
        })
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
        assert!(units.enter(ada, 3).first && !units.enter(ada, 3).first);
        assert!(units.enter(grace, 3).first);
        assert!(units.enter(ada, 4).first, "another weight");
        assert!(units.is_first_event(ada, Event::Failed));
        assert!(!units.is_first_event(ada, Event::Failed));
        assert!(units.is_first_event(ada, Event::Refused));
        assert!(!units.enter(ada, 5).first, "who had an event is out");
        assert!(units.enter(grace, 5).first);
    }

    #[test]
    fn a_goal_is_reached_where_the_user_was_first_seen_or_nowhere() {
        let units = Units::new(RolloutId(1));
        let (ada, grace) = (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321);
        assert!(units.enter(ada, 3).exposed && !units.enter(ada, 3).exposed);
        assert!(units.reaches(ada, 3, 3) && !units.reaches(ada, 3, 3));
        assert!(units.reaches(ada, 0, 3), "another goal");
        // A failure puts nobody out here: who met the side did meet it.
        assert!(units.enter(grace, 3).exposed && units.is_first_event(grace, Event::Refused));
        assert!(units.reaches(grace, 3, 3));
        // At the next weight those who were seen before count for no goal, whatever they did.
        assert!(!units.enter(ada, 4).exposed && !units.enter(grace, 4).exposed);
        assert!(!units.reaches(ada, 1, 4) && !units.reaches(grace, 1, 4));
        assert!(
            !units.enter(ada, 3).exposed && !units.reaches(ada, 2, 3),
            "nor when they are back"
        );
        assert!(!units.reaches(0x7777, 0, 3), "nobody was seen");
    }

    #[test]
    fn a_full_table_counts_those_it_knows_and_nobody_else() {
        let units = Units::new(RolloutId(1));
        let user = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(!units.is_full());
        let counted = (1..=PLACES as u64).filter(|n| units.enter(user(*n), 1).first);
        assert_eq!(counted.count(), USERS_MAX);
        assert!(units.is_full());
        assert!(units.enter(user(1), 2).first);
        assert!(!units.enter(user(PLACES as u64), 2).first);
        assert!(!units.is_first_event(user(PLACES as u64), Event::Failed));
    }
}
