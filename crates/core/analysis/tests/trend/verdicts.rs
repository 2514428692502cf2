//! What is said of which gauge, and why.

use crate::heaps::{Heap, MIB, Question, SAMPLE_S, seconds, trend, watched};
use sluice_analysis::trend::{Against, Saturation, Side, Trend, TrendSettings, TrendVerdict, Unit};
use sluice_model::Verdict;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// A gauge by the age in minutes, in MiB.
type Gauge<'a> = &'a dyn Fn(f64) -> f64;
/// Name, new side, baseline, question, minutes until it is asked, and the answer.
type Case<'a> = (
    &'a str,
    Gauge<'a>,
    Option<Gauge<'a>>,
    Question,
    u64,
    Verdict,
    &'a str,
);

/// The verdict on a gauge that is this function of the age, after so many minutes.
fn verdict_of(
    minutes: u64,
    question: Question,
    canary: impl Fn(f64) -> f64,
    baseline: Option<&dyn Fn(f64) -> f64>,
) -> TrendVerdict {
    let mut trend = trend();
    for age_s in (0..=minutes * 60).step_by(SAMPLE_S as usize) {
        let minute = age_s as f64 / 60.0;
        trend
            .push(Side::Canary, seconds(age_s), canary(minute) * MIB)
            .unwrap();
        if let Some(baseline) = baseline {
            let value = baseline(minute) * MIB;
            trend.push(Side::Baseline, seconds(age_s), value).unwrap();
        }
        // Looks are taken when they are due, not when somebody asks for the last time.
        trend.verdict(seconds(age_s), question.limit, question.horizon);
    }
    trend.verdict(seconds(minutes * 60), question.limit, question.horizon)
}

#[test]
fn verdicts() {
    let soon = Question::reaches(512.0, HOUR);
    let flat = |_: f64| 300.0;
    let leak = |minute: f64| 300.0 + 6.0 * minute;
    let slow = |minute: f64| 300.0 + 0.1 * minute;
    let fill = |minute: f64| 300.0 + 50.0 * (1.0 - (-minute / 5.0).exp());
    let full = |_: f64| 512.0;
    let cases: [Case<'_>; 11] = [
        (
            "flat",
            &flat,
            None,
            soon,
            10,
            Verdict::Pass,
            "no growth is proven (0 B/min over 18 blocks of 30s, without a baseline of that age)",
        ),
        (
            "leak",
            &leak,
            None,
            soon,
            10,
            Verdict::Fail,
            "grows by 6.0 MiB/min or more (6.0 MiB/min over 18 blocks of 30s, without a baseline of that age): 512.0 MiB is reached within 26m, sooner than in 1h",
        ),
        (
            "leak that a baseline does not have",
            &leak,
            Some(&flat),
            soon,
            10,
            Verdict::Fail,
            "grows by 6.0 MiB/min or more (6.0 MiB/min over 18 blocks of 30s, more than a baseline of the same age): 512.0 MiB is reached within 26m, sooner than in 1h",
        ),
        (
            "growth on both sides",
            &leak,
            Some(&leak),
            soon,
            10,
            Verdict::Pass,
            "no growth is proven (0 B/min over 18 blocks of 30s, more than a baseline of the same age)",
        ),
        (
            "a cache that fills on both sides",
            &fill,
            Some(&fill),
            soon,
            10,
            Verdict::Pass,
            "no growth is proven (0 B/min over 18 blocks of 30s, more than a baseline of the same age)",
        ),
        (
            "growth that takes days",
            &slow,
            None,
            soon,
            10,
            Verdict::Pass,
            "grows by 102.4 KiB/min or more (102.4 KiB/min over 18 blocks of 30s, without a baseline of that age)",
        ),
        (
            "growth without a limit",
            &leak,
            None,
            Question {
                limit: None,
                ..soon
            },
            10,
            Verdict::Inconclusive,
            "grows by 6.0 MiB/min or more (6.0 MiB/min over 18 blocks of 30s, without a baseline of that age); no limit is known that it could reach",
        ),
        (
            "too early",
            &leak,
            None,
            soon,
            4,
            Verdict::NoData,
            "7 of 8 blocks; the first answer in 30s",
        ),
        (
            "at the limit",
            &full,
            None,
            soon,
            3,
            Verdict::Fail,
            "has not been below its limit of 512.0 MiB for two blocks",
        ),
        (
            "at the limit on both sides",
            &full,
            Some(&full),
            soon,
            3,
            Verdict::Inconclusive,
            "at its limit of 512.0 MiB, and so was the stable side",
        ),
        (
            "a limit that is none",
            &flat,
            None,
            Question {
                limit: Some(f64::NAN),
                ..soon
            },
            10,
            Verdict::NoData,
            "the limit NaN is not a number above zero",
        ),
    ];
    for (name, canary, baseline, question, minutes, expected, message) in cases {
        let found = verdict_of(minutes, question, canary, baseline);
        assert_eq!(
            found.verdict, expected,
            "{name}: {}",
            found.evidence.message
        );
        assert_eq!(found.evidence.message, message, "{name}");
    }
}

/// The median slope projects an outage, the bound does not: hold, neither abort nor go on.
#[test]
fn what_is_likely_but_not_proven_holds() {
    let question = Question::reaches(512.0, seconds(24 * 3_600));
    let mut held = 0;
    for seed in 0..50 {
        let mut heap = Heap::new(seed, 0.5);
        let stop = |found: &TrendVerdict| found.verdict == Verdict::Inconclusive;
        let (_, found) = watched(&mut trend(), &mut heap, None, 600, question, stop);
        if found.verdict == Verdict::Inconclusive {
            held += 1;
            assert!(found.evidence.message.ends_with("within 1d; not proven"));
            assert!(found.evidence.lower_bound.is_none_or(|bound| bound <= 0.0));
            assert!(found.evidence.slope_per_second.unwrap() > 0.0);
        }
    }
    assert!(held > 10, "only {held} of 50 were held");
}

#[test]
fn the_projection_is_the_way_to_the_limit_at_the_bound() {
    let found = verdict_of(
        10,
        Question::reaches(512.0, HOUR),
        |minute| 300.0 + 6.0 * minute,
        None,
    );
    let evidence = found.evidence;
    let bound = evidence.lower_bound.unwrap();
    let level = evidence.facts.level.unwrap();
    let seconds = (512.0 * MIB - level) / bound;
    let projected = evidence.projected_exhaustion.unwrap().as_secs_f64();
    assert!(
        (projected - seconds).abs() < 0.01,
        "{projected} for {seconds}"
    );
    assert_eq!(evidence.facts.look.unwrap().against, Against::Nothing);
}

/// Looks are planned: asking at every sample or only once gives the same answer at the same look.
#[test]
fn asking_more_often_changes_nothing() {
    let question = Question::reaches(512.0, HOUR);
    for seed in 0..20 {
        let mut heap = Heap::new(seed, 2.0);
        let (_, often) = watched(&mut trend(), &mut heap.clone(), None, 570, question, |_| {
            false
        });
        let mut once = trend();
        for age_s in (0..=570).step_by(SAMPLE_S as usize) {
            let value = heap.at(age_s);
            once.push(Side::Canary, seconds(age_s), value).unwrap();
            // The third look is due 540 s after the warm-up.
            if age_s == 570 {
                let once = once.verdict(seconds(age_s), question.limit, question.horizon);
                assert_eq!(once, often);
            }
        }
        assert_eq!(often.evidence.facts.look.unwrap().number, 3);
    }
}

/// The evidence is enough to compute the verdict again, bit for bit, also after it was stored.
#[test]
fn stored_evidence_gives_the_same_verdict() {
    for seed in 0..20 {
        let mut canary = Heap::new(seed, 4.0);
        let mut baseline = Heap::new(seed + 100, 0.0);
        let question = Question::reaches(512.0, HOUR);
        let stop = |found: &TrendVerdict| found.verdict == Verdict::Fail;
        let (_, found) = watched(
            &mut trend(),
            &mut canary,
            Some(&mut baseline),
            900,
            question,
            stop,
        );
        let stored = serde_json::to_string(&found).unwrap();
        let read: TrendVerdict = serde_json::from_str(&stored).unwrap();
        let replayed = sluice_analysis::trend::replay(&read.evidence.facts);
        assert_eq!(
            replayed.evidence.lower_bound.map(f64::to_bits),
            found.evidence.lower_bound.map(f64::to_bits)
        );
        assert_eq!(replayed, read);
        assert_eq!(replayed.verdict, found.verdict);
    }
}

/// A trend that is stored and read back between any two samples goes on as if nothing had happened.
#[test]
fn a_trend_survives_being_stored() {
    let question = Question::reaches(512.0, HOUR);
    let mut heap = Heap::new(7, 3.0);
    let (mut kept, mut stored) = (trend(), trend());
    for age_s in (0..900).step_by(SAMPLE_S as usize) {
        let value = heap.at(age_s);
        for trend in [&mut kept, &mut stored] {
            trend.push(Side::Canary, seconds(age_s), value).unwrap();
        }
        let text = serde_json::to_string(&stored).unwrap();
        stored = serde_json::from_str(&text).unwrap();
        let verdict = |trend: &mut Trend| trend.verdict(seconds(age_s), question.limit, HOUR);
        assert_eq!(verdict(&mut kept), verdict(&mut stored));
    }
}

#[test]
fn counts_are_written_as_counts() {
    let settings = TrendSettings {
        unit: Unit::Count,
        ..TrendSettings::default()
    };
    let mut trend = Trend::new(settings).unwrap();
    for age_s in (0..=600).step_by(SAMPLE_S as usize) {
        let descriptors = 100.0 + age_s as f64 / 6.0;
        trend
            .push(Side::Canary, seconds(age_s), descriptors)
            .unwrap();
    }
    let found = trend.verdict(seconds(600), Some(1_024.0), 2 * HOUR);
    assert_eq!(found.verdict, Verdict::Fail);
    assert_eq!(found.evidence.facts.saturation, Saturation::None);
    assert!(
        found
            .evidence
            .message
            .starts_with("grows by 10/min or more"),
        "{}",
        found.evidence.message
    );
}
