//! From a unit (a user, a session, or one request) to a bucket in `0..10_000`.
//!
//! A revision owns a range of buckets, and the canary's range starts at 0: raising its weight from
//! w1 to w2 moves exactly the units in `[w1, w2)` towards it, and never one back. The hash is
//! SipHash-1-3 (Aumasson and Bernstein, <https://www.aumasson.jp/siphash/siphash.pdf>) keyed by the
//! rollout's number: stable over versions and machines, and without a visible pattern in sequential
//! or similar units, so that who is on the canary says nothing about who somebody is.

use siphasher::sip::SipHasher13;
use sluice_model::RolloutId;
use std::hash::Hasher;

/// Buckets of an assignment: one for each basis point of a [`sluice_model::Weight`].
pub const BUCKETS: u16 = 10_000;

/// Second half of the hash key, so that no other use of the same hash shares its values
/// (the bytes of `sluice.1`).
const KEY: u64 = u64::from_be_bytes(*b"sluice.1");

/// The salt of a split: the same unit falls into unrelated buckets under two different salts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(u64);

impl Salt {
    /// The salt of a rollout.
    #[must_use]
    pub const fn of_rollout(rollout: RolloutId) -> Salt {
        Salt(rollout.0)
    }

    /// The bucket of a unit's name.
    #[must_use]
    pub fn bucket(self, unit: &[u8]) -> u16 {
        scale(self.hash(unit))
    }

    /// The hash that the bucket is made from: another rollout, another hash.
    #[must_use]
    pub fn hash(self, unit: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0, KEY);
        hasher.write(unit);
        hasher.finish()
    }
}

/// Maps a uniform 64-bit number to a bucket, each with the same chance to within 2⁻⁵⁰
/// (Lemire, "Fast Random Integer Generation in an Interval", without the rejection step).
pub(crate) const fn scale(uniform: u64) -> u16 {
    ((uniform as u128 * BUCKETS as u128) >> 64) as u16
}

/// A second number from the same draw that tells nothing about the first one's bucket: the
/// finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators").
pub(crate) const fn remix(draw: u64) -> u64 {
    let mut z = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_known_units_never_change() {
        // A change here re-shuffles every user in the middle of a rollout.
        let salt = Salt::of_rollout(RolloutId(7));
        let buckets: Vec<u16> = ["", "a", "user-1", "user-2"]
            .iter()
            .map(|unit| salt.bucket(unit.as_bytes()))
            .collect();
        assert_eq!(buckets, KNOWN);
    }

    const KNOWN: [u16; 4] = [8_787, 8_910, 7_959, 7_092];

    #[test]
    fn the_ends_of_the_range_are_the_first_and_the_last_bucket() {
        assert_eq!(scale(0), 0);
        assert_eq!(scale(u64::MAX), BUCKETS - 1);
    }
}
