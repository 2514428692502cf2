//! Ten metrics of the same requests, which overlap as a service's do: kinds of failure within each other,
//! and thresholds of latency on top of each other. In trouble all of them rise together.

use super::Class;

/// How many there are.
pub(super) const METRICS: usize = 10;

/// Failures of the service: all of them, then each kind. A client's error is none of the service's.
const FAILED: u32 = 1;
const TIMED_OUT: u32 = 1 << 1;
const UNREACHED: u32 = 1 << 2;
const PANICKED: u32 = 1 << 3;
const CLIENT_ERROR: u32 = 1 << 4;
/// Slower than the p50, p90, p95, p99 and p99.9: the bits from here on.
const SLOW: u32 = 5;

/// Shares of the requests between these quantiles of the latency, when nothing is wrong.
const BETWEEN: [f64; 6] = [0.5, 0.4, 0.05, 0.04, 0.009, 0.001];
/// Endings of a request that has a latency of its own, with their shares when nothing is wrong.
const ENDINGS: [(u32, f64); 3] = [
    (CLIENT_ERROR, 0.01),
    (FAILED, 0.000_5),
    (FAILED | PANICKED, 0.000_1),
];
/// Share of the requests that time out, and so are slower than every threshold.
const TIMEOUTS: f64 = 0.000_2;
/// Share of the requests that find no server, and so fail at once.
const UNREACHED_SHARE: f64 = 0.000_2;
/// Largest share of trouble of one kind.
const SHARE_MAX: f64 = 0.15;
/// Largest factor by which trouble makes requests slow.
const SLOWER_MAX: f64 = 8.0;

/// The requests at a level of trouble; 1 is usual.
pub(super) fn classes(level: f64) -> Vec<Class> {
    let troubled = |share: f64| (share * level).min(SHARE_MAX);
    let mut classes = vec![
        Class {
            share: troubled(TIMEOUTS),
            events: FAILED | TIMED_OUT | slow(BETWEEN.len() - 1),
        },
        Class {
            share: troubled(UNREACHED_SHARE),
            events: FAILED | UNREACHED,
        },
    ];
    let between = latencies(level.sqrt().clamp(1.0, SLOWER_MAX));
    let mut well = 1.0 - classes.iter().map(|class| class.share).sum::<f64>();
    for (events, share) in ENDINGS {
        well -= troubled(share);
        add(&mut classes, events, troubled(share), &between);
    }
    add(&mut classes, 0, well, &between);
    classes
}

fn add(classes: &mut Vec<Class>, events: u32, share: f64, between: &[f64]) {
    for (exceeded, part) in between.iter().enumerate() {
        classes.push(Class {
            share: share * part,
            events: events | slow(exceeded),
        });
    }
}

/// The bits of so many exceeded thresholds.
const fn slow(exceeded: usize) -> u32 {
    ((1 << exceeded) - 1) << SLOW
}

/// The shares between the quantiles when what lies above the median is this much more.
fn latencies(factor: f64) -> [f64; BETWEEN.len()] {
    let mut shares = BETWEEN;
    for share in &mut shares[1..] {
        *share *= factor;
    }
    let sum: f64 = shares.iter().sum();
    shares.map(|share| share / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(level: f64, events: u32) -> f64 {
        let with = |class: &Class| class.events & events == events;
        classes(level)
            .into_iter()
            .filter(with)
            .map(|class| class.share)
            .sum()
    }

    #[test]
    fn metrics_overlap_as_they_should() {
        let p99 = 1 << (SLOW + 3);
        assert!((share(1.0, FAILED) - 0.001).abs() < 1e-12);
        assert!((share(1.0, FAILED | PANICKED) - share(1.0, PANICKED)).abs() < 1e-15);
        assert!((share(1.0, TIMED_OUT | p99) - share(1.0, TIMED_OUT)).abs() < 1e-15);
        assert_eq!(share(1.0, UNREACHED | 1 << SLOW), 0.0);
        assert!((share(1.0, p99) - 0.01).abs() < 0.000_5);
    }

    #[test]
    fn in_trouble_everything_is_worse_together() {
        for metric in 0..METRICS {
            let events = 1 << metric;
            assert!(share(30.0, events) > 1.5 * share(1.0, events), "{metric}");
        }
    }
}
