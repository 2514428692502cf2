//! Bad input: what is not a number, comes late, is missing, starts again, never changes, or never ends.

use crate::heaps::{Heap, MIB, Question, SAMPLE_S, seconds, trend, watched};
use sluice_analysis::trend::{
    Against, BLOCKS_MAX, BadSample, BadTrendSettings, Side, Trend, TrendSettings, TrendVerdict,
};
use sluice_model::Verdict;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn leaking() -> Question {
    Question::reaches(512.0, DAY)
}

fn ask(trend: &mut Trend, age_s: u64) -> TrendVerdict {
    trend.verdict(seconds(age_s), leaking().limit, leaking().horizon)
}

#[test]
fn samples_that_are_none_are_refused_and_change_nothing() {
    let mut trend = trend();
    trend.push(Side::Canary, seconds(100), 5.0).unwrap();
    let before = trend.clone();
    for (value, refused) in [
        (f64::INFINITY, "not a number that a gauge can have"),
        (1e300, "not a number that a gauge can have"),
        (-1.0, "below zero"),
    ] {
        let error = trend.push(Side::Canary, seconds(105), value).unwrap_err();
        assert!(error.to_string().ends_with(refused), "{error}");
    }
    let nan = trend.push(Side::Canary, seconds(105), f64::NAN);
    assert!(matches!(nan, Err(BadSample::NotFinite { .. })));
    let late = trend.push(Side::Canary, seconds(95), 5.0);
    assert_eq!(
        late,
        Err(BadSample::OutOfOrder {
            age: seconds(95),
            last: seconds(100)
        })
    );
    assert_eq!(trend, before);
}

#[test]
fn settings_with_which_nothing_can_be_told_are_refused() {
    let with = |block_ms, false_alarm_max| {
        Trend::new(TrendSettings {
            block: Duration::from_millis(block_ms),
            false_alarm_max,
            ..TrendSettings::default()
        })
        .map(|_| ())
    };
    assert_eq!(with(0, 0.01), Err(BadTrendSettings::Block));
    assert_eq!(with(30_000, 0.0), Err(BadTrendSettings::FalseAlarm(0.0)));
    assert_eq!(with(30_000, 0.5), Err(BadTrendSettings::FalseAlarm(0.5)));
    assert!(matches!(
        with(30_000, f64::NAN),
        Err(BadTrendSettings::FalseAlarm(_))
    ));
    assert_eq!(with(1, 0.01), Ok(()));
}

#[test]
fn without_samples_there_is_no_data_and_nothing_else() {
    let mut trend = trend();
    for age_s in [0, 100, 100_000] {
        let found = ask(&mut trend, age_s);
        assert_eq!(found.verdict, Verdict::NoData);
    }
    let found = Trend::new(TrendSettings::default()).map(|mut trend| ask(&mut trend, 0));
    assert_eq!(
        found.unwrap().evidence.message,
        "0 of 8 blocks; the first answer in 4m"
    );
}

#[test]
fn a_gap_neither_hides_a_leak_nor_makes_one() {
    for seed in 0..20 {
        for leak in [6.0, 0.0] {
            let mut heap = Heap::new(seed, leak);
            let mut trend = trend();
            for age_s in (0..=900).step_by(SAMPLE_S as usize) {
                let value = heap.at(age_s);
                if !(200..380).contains(&age_s) {
                    trend.push(Side::Canary, seconds(age_s), value).unwrap();
                }
            }
            let found = ask(&mut trend, 900);
            assert_eq!(
                found.verdict == Verdict::Fail,
                leak > 0.0,
                "{}",
                found.evidence.message
            );
        }
    }
}

#[test]
fn silence_is_no_data_until_samples_come_again() {
    let mut heap = Heap::new(3, 6.0);
    let mut trend = trend();
    let (age_s, found) = watched(&mut trend, &mut heap, None, 600, leaking(), |_| false);
    assert_eq!(found.verdict, Verdict::Fail);
    let silent = ask(&mut trend, age_s + 125);
    assert_eq!(silent.verdict, Verdict::NoData);
    assert_eq!(
        silent.evidence.message,
        "no sample of the new side for 2m5s"
    );
    let value = heap.at(age_s + 130);
    trend
        .push(Side::Canary, seconds(age_s + 130), value)
        .unwrap();
    assert_eq!(ask(&mut trend, age_s + 130).verdict, Verdict::Fail);
}

#[test]
fn blocks_with_a_single_sample_do_not_count() {
    let mut trend = trend();
    for age_s in (0..=600).step_by(30) {
        trend.push(Side::Canary, seconds(age_s), MIB).unwrap();
    }
    let found = ask(&mut trend, 600);
    assert_eq!(found.verdict, Verdict::NoData);
    assert_eq!(
        found.evidence.message,
        "0 of 8 blocks; the first answer in 4m (19 blocks had too few samples)"
    );
}

/// The gauge drops to the floor with every restart; the leak shows within the lives all the same.
#[test]
fn restarts_neither_hide_a_leak_nor_make_one() {
    for leak in [6.0, 0.0] {
        for told in [true, false] {
            let mut trend = trend();
            let mut found = None;
            for life in 0..5 {
                let mut heap = Heap::new(life, leak);
                for age_s in (0..420).step_by(SAMPLE_S as usize) {
                    trend
                        .push(Side::Canary, seconds(age_s), heap.at(age_s))
                        .unwrap();
                    found = Some(ask(&mut trend, age_s));
                }
                if told {
                    trend.restarted(Side::Canary);
                }
            }
            let found = found.unwrap();
            let failed = found.verdict == Verdict::Fail;
            assert_eq!(failed, leak > 0.0, "{}", found.evidence.message);
            assert_eq!(found.evidence.facts.restarts, 4);
        }
    }
}

/// After a restart there is no floor yet to project from.
#[test]
fn a_restart_is_waited_out() {
    let mut heap = Heap::new(3, 6.0);
    let mut trend = trend();
    watched(&mut trend, &mut heap, None, 600, leaking(), |_| false);
    trend.restarted(Side::Canary);
    trend.push(Side::Canary, seconds(5), 300.0 * MIB).unwrap();
    let found = ask(&mut trend, 5);
    assert_eq!(found.verdict, Verdict::NoData);
    assert!(
        found.evidence.message.starts_with("restarted; "),
        "{}",
        found.evidence.message
    );
}

/// A counter is not a gauge; pushed as one, with resets, it says nothing wrong of a limit that it never nears.
#[test]
fn a_counter_that_resets_does_not_fail() {
    let mut trend = trend();
    let mut counter = 0.0;
    for age_s in (0..=3_600).step_by(SAMPLE_S as usize) {
        counter = if age_s % 100 == 0 { 0.0 } else { counter + MIB };
        trend.push(Side::Canary, seconds(age_s), counter).unwrap();
        let found = ask(&mut trend, age_s);
        assert_ne!(found.verdict, Verdict::Fail, "{}", found.evidence.message);
    }
}

#[test]
fn a_baseline_that_is_too_old_is_not_one() {
    let mut trend = trend();
    for age_s in (0..=600).step_by(SAMPLE_S as usize) {
        let old = seconds(3 * 86_400 + age_s);
        trend.push(Side::Canary, seconds(age_s), MIB).unwrap();
        trend.push(Side::Baseline, old, 2.0 * MIB).unwrap();
    }
    let look = ask(&mut trend, 600).evidence.facts.look.unwrap();
    assert_eq!(look.against, Against::Nothing);
    assert!(look.points.iter().all(|point| point.baseline.is_none()));
}

#[test]
fn a_baseline_that_died_early_is_not_used_for_the_rest() {
    let mut trend = trend();
    for age_s in (0..=1_800).step_by(SAMPLE_S as usize) {
        trend.push(Side::Canary, seconds(age_s), MIB).unwrap();
        if age_s < 400 {
            trend.push(Side::Baseline, seconds(age_s), MIB).unwrap();
        }
        ask(&mut trend, age_s);
    }
    let look = ask(&mut trend, 1_800).evidence.facts.look.unwrap();
    assert_eq!(look.against, Against::Nothing);
}

/// Two days of samples fit into the same memory, and the leak is seen.
#[test]
fn a_long_bake_is_bounded() {
    let mut trend = trend();
    let mut heap = Heap::new(5, 0.0);
    for age_s in (0..2 * 86_400).step_by(2 * SAMPLE_S as usize) {
        let leaked = age_s as f64 * MIB / 1_000.0;
        let value = heap.at(age_s) + leaked;
        trend.push(Side::Canary, seconds(age_s), value).unwrap();
        trend
            .push(Side::Baseline, seconds(age_s), value - leaked)
            .unwrap();
        if age_s % 60 == 0 {
            ask(&mut trend, age_s);
        }
    }
    let found = ask(&mut trend, 2 * 86_400);
    let look = found.evidence.facts.look.clone().unwrap();
    assert!(look.points.len() as u64 <= BLOCKS_MAX);
    assert_eq!(look.against, Against::Baseline);
    assert_eq!(found.verdict, Verdict::Fail, "{}", found.evidence.message);
    let stored = serde_json::to_string(&trend).unwrap();
    assert!(stored.len() < 64 * 1_024, "{} bytes", stored.len());
}

/// No order of samples, however wild, makes it panic or keep more than it may.
#[test]
fn wild_samples_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let mut trend = trend();
        for _ in 0..200 {
            let side = if random.bool() {
                Side::Canary
            } else {
                Side::Baseline
            };
            let age = Duration::from_secs(random.u64(..) >> random.u32(0..64));
            let value = random.f64() * 10f64.powi(random.i32(-30..40));
            let taken = trend.push(side, age, value);
            if let Err(BadSample::NotFinite { value }) = taken {
                assert!(value > 1e29);
            }
            let now = Duration::from_secs(random.u64(..) >> random.u32(0..64));
            let found = trend.verdict(now, Some(random.f64() * 1e9), now);
            assert_eq!(sluice_analysis::trend::replay(&found.evidence.facts), found);
            assert!(u64::from(found.evidence.blocks) <= BLOCKS_MAX);
        }
    }
}
