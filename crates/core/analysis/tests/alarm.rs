//! Alarms against CloudWatch's documented tables, and as a state machine.
//!
//! The tables are those of the CloudWatch user guide, "How alarm state is evaluated when data is missing"
//! (awsdocs/amazon-cloudwatch-user-guide, doc_source/AlarmThatSendsEmail.md; `0` is a good datapoint, `X`
//! a breaching one, `-` a missing one, newest on the right).

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use sluice_analysis::alarm::{
    Alarm, AlarmFacts, AlarmSettings, AlarmState, BadAlarmSettings, Breach, HISTORY_MAX,
    LateDatapoint, MissingData, judge,
};
use sluice_model::{Timestamp, Verdict};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn settings(needed: u32, of: u32, missing: MissingData) -> AlarmSettings {
    AlarmSettings {
        breach: Breach::Above,
        threshold: 5.0,
        period: MINUTE,
        evaluation_periods: of,
        datapoints_to_alarm: needed,
        missing,
    }
}

fn minute(number: i64) -> Timestamp {
    Timestamp(number * 60_000)
}

/// The state of an alarm now, by its facts alone.
fn state(alarm: &mut Alarm, settings: &AlarmSettings, now: Timestamp) -> AlarmState {
    judge(settings, &alarm.facts(now), |value| value.to_string()).0
}

/// The states after each datapoint of a row.
fn states(settings: AlarmSettings, row: &str) -> Vec<AlarmState> {
    let mut alarm = Alarm::new(settings, minute(0)).unwrap();
    let points = row.chars().filter(|sign| !sign.is_whitespace());
    points
        .zip(1..)
        .map(|(sign, number)| {
            let value = match sign {
                '0' => Some(1.0),
                'X' => Some(9.0),
                _ => None,
            };
            alarm.push(minute(number), value).unwrap();
            let state = state(&mut alarm, &settings, minute(number));
            assert_eq!(state, alarm.state());
            state
        })
        .collect()
}

#[test]
fn the_tables_of_cloudwatch() {
    use AlarmState::{Alarm, InsufficientData, Ok};
    // What "retain current state" is, from an alarm that was OK before.
    let retained = Ok;
    // M, N, row, then the states for missing, ignore, breaching, notBreaching.
    let rows = [
        (3, 3, "0 - X - X", [Ok, Ok, Ok, Ok]),
        (3, 3, "0 - - - -", [Ok, Ok, Ok, Ok]),
        (3, 3, "- - - - -", [InsufficientData, retained, Alarm, Ok]),
        (3, 3, "0 X X - X", [Alarm, Alarm, Alarm, Alarm]),
        (3, 3, "- - X - -", [Alarm, retained, Alarm, Ok]),
        (2, 3, "0 - X - X", [Alarm, Alarm, Alarm, Alarm]),
        (2, 3, "0 0 X 0 X", [Alarm, Alarm, Alarm, Alarm]),
        (2, 3, "0 - X - -", [Ok, Ok, Alarm, Ok]),
        (2, 3, "- - - - 0", [Ok, Ok, Alarm, Ok]),
        (2, 3, "- - - X -", [Alarm, retained, Alarm, Ok]),
        // From an older edition of the same page, and from "Avoiding premature transitions".
        (3, 3, "- - - - X", [InsufficientData, retained, Alarm, Ok]),
        (3, 3, "- - - X -", [InsufficientData, retained, Alarm, Ok]),
        (3, 3, "X - - - -", [Alarm, retained, Alarm, Ok]),
        (2, 3, "- - - - X", [InsufficientData, retained, Alarm, Ok]),
    ];
    let treatments = [
        MissingData::Missing,
        MissingData::Ignore,
        MissingData::Breaching,
        MissingData::NotBreaching,
    ];
    for (needed, of, row, expected) in rows {
        for (missing, expected) in treatments.into_iter().zip(expected) {
            // Good datapoints first, so that there is a state to retain, and enough periods.
            let row_after = format!("0 0 0 {row}");
            let found = states(settings(needed, of, missing), &row_after);
            assert_eq!(
                *found.last().unwrap(),
                expected,
                "{needed} of {of}, {row}, {missing:?}"
            );
        }
    }
}

#[test]
fn the_states_of_an_alarm_over_time() {
    // One letter for the state after each datapoint: - not enough data, o OK, A alarm.
    for (needed, of, missing, row, expected) in [
        (2, 3, MissingData::Missing, "00000", "--ooo"),
        (2, 3, MissingData::Missing, "XX000", "-AAoo"),
        (1, 1, MissingData::Missing, "0X0X", "oAoA"),
        (1, 3, MissingData::Missing, "X000", "AAAo"),
        (3, 3, MissingData::Missing, "00XXXX0", "--ooAAo"),
        (3, 3, MissingData::Ignore, "XXX-----", "--AAAAAA"),
        (3, 3, MissingData::Ignore, "000-----", "--oooooo"),
        (3, 3, MissingData::NotBreaching, "XXX-----", "--AAAooo"),
        (3, 3, MissingData::Breaching, "000-----", "--oooooA"),
        (3, 3, MissingData::Breaching, "-----", "--AAA"),
        (3, 3, MissingData::Missing, "000-----0", "--ooooo-o"),
    ] {
        let found: String = states(settings(needed, of, missing), row)
            .into_iter()
            .map(|state| match state {
                AlarmState::InsufficientData => '-',
                AlarmState::Ok => 'o',
                AlarmState::Alarm => 'A',
            })
            .collect();
        assert_eq!(found, expected, "{needed} of {of}, {missing:?}, {row}");
    }
}

#[test]
fn the_threshold_itself_belongs_to_one_side() {
    for (breach, values, expected) in [
        (Breach::Above, [4.0, 5.0, 6.0], [false, false, true]),
        (Breach::AtOrAbove, [4.0, 5.0, 6.0], [false, true, true]),
        (Breach::Below, [4.0, 5.0, 6.0], [true, false, false]),
        (Breach::AtOrBelow, [4.0, 5.0, 6.0], [true, true, false]),
    ] {
        for (value, expected) in values.into_iter().zip(expected) {
            let settings = AlarmSettings {
                breach,
                ..settings(1, 1, MissingData::Missing)
            };
            let mut alarm = Alarm::new(settings, minute(0)).unwrap();
            alarm.push(minute(1), Some(value)).unwrap();
            let expected = if expected {
                Verdict::Fail
            } else {
                Verdict::Pass
            };
            assert_eq!(alarm.state().verdict(), expected, "{breach:?} {value}");
        }
    }
}

#[test]
fn what_is_not_a_number_is_missing() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut alarm = Alarm::new(settings(1, 1, MissingData::Missing), minute(0)).unwrap();
        alarm.push(minute(1), Some(value)).unwrap();
        assert_eq!(alarm.state(), AlarmState::InsufficientData);
    }
}

#[test]
fn periods_that_nobody_reported_are_missing() {
    let settings = settings(2, 3, MissingData::Missing);
    let mut alarm = Alarm::new(settings, minute(0)).unwrap();
    for number in 1..=3 {
        alarm.push(minute(number), Some(1.0)).unwrap();
    }
    // A period of grace for a late report, then one missing datapoint a period.
    let after = |alarm: &mut Alarm, number| alarm.facts(minute(number)).datapoints.len();
    assert_eq!(after(&mut alarm, 4), 3);
    assert_eq!(after(&mut alarm, 5), 4);
    assert_eq!(state(&mut alarm, &settings, minute(5)), AlarmState::Ok);
    let (silent, message) = judge(&settings, &alarm.facts(minute(60)), |value| {
        value.to_string()
    });
    assert_eq!(silent, AlarmState::InsufficientData);
    assert_eq!(silent.verdict(), Verdict::NoData);
    assert_eq!(
        message,
        "0 of the last 5 datapoints above 5, alarm at 2 of 3; 5 missing"
    );
    // A report that skips periods leaves a gap, one that is a little late does not.
    alarm.push(minute(60), Some(9.0)).unwrap();
    alarm
        .push(Timestamp(minute(61).0 + 20_000), Some(9.0))
        .unwrap();
    assert_eq!(state(&mut alarm, &settings, minute(61)), AlarmState::Alarm);
}

#[test]
fn late_and_repeated_datapoints_are_refused() {
    let mut alarm = Alarm::new(settings(2, 3, MissingData::Missing), minute(0)).unwrap();
    alarm.push(minute(2), Some(9.0)).unwrap();
    let before = alarm.clone();
    for number in [0, 1, 2] {
        let error = alarm.push(minute(number), Some(9.0)).unwrap_err();
        let last = minute(2);
        assert_eq!(
            error,
            LateDatapoint {
                end: minute(number),
                last
            }
        );
    }
    assert_eq!(alarm, before);
}

#[test]
fn settings_that_are_no_alarm_are_refused() {
    let refused = |settings| Alarm::new(settings, minute(0)).map(|_| ()).unwrap_err();
    let good = settings(1, 1, MissingData::Missing);
    for of in [0, 1_441] {
        let bad = AlarmSettings {
            evaluation_periods: of,
            ..good
        };
        assert_eq!(refused(bad), BadAlarmSettings::EvaluationPeriods(of));
    }
    for needed in [0, 4] {
        let bad = settings(needed, 3, MissingData::Missing);
        let expected = BadAlarmSettings::DatapointsToAlarm { needed, of: 3 };
        assert_eq!(refused(bad), expected);
    }
    let bad = AlarmSettings {
        threshold: f64::INFINITY,
        ..good
    };
    assert_eq!(refused(bad), BadAlarmSettings::Threshold(f64::INFINITY));
    let bad = AlarmSettings {
        period: Duration::ZERO,
        ..good
    };
    assert_eq!(refused(bad), BadAlarmSettings::Period);
}

/// However long it runs and however the clock jumps, what it keeps is bounded and can be stored.
#[test]
fn what_an_alarm_keeps_is_bounded() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..50 {
        let settings = settings(1, 2, MissingData::Missing);
        let mut alarm = Alarm::new(settings, minute(0)).unwrap();
        let mut now = 0_i64;
        for _ in 0..500 {
            now = now.saturating_add(random.i64(-100_000..200_000) << random.u32(0..40));
            let value = random.bool().then(|| 10.0 * random.f64());
            if let Err(late) = alarm.push(Timestamp(now), value) {
                assert!(late.end <= late.last);
            }
            let by_facts = state(&mut alarm, &settings, Timestamp(now));
            assert_eq!(by_facts, alarm.state());
            assert!(alarm.facts(Timestamp(now)).datapoints.len() <= 4);
        }
        assert!(alarm.history().count() <= HISTORY_MAX);
        let stored = serde_json::to_string(&alarm).unwrap();
        let read: Alarm = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, alarm);
        let facts = alarm.facts(Timestamp(now));
        let stored = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<AlarmFacts>(&stored).unwrap(), facts);
    }
}

#[test]
fn changes_of_state_are_remembered() {
    let mut alarm = Alarm::new(settings(1, 1, MissingData::Missing), minute(0)).unwrap();
    for (number, value) in [(1, 1.0), (2, 9.0), (3, 9.0), (4, 1.0)] {
        alarm.push(minute(number), Some(value)).unwrap();
    }
    let changes: Vec<(Timestamp, AlarmState)> = alarm
        .history()
        .map(|change| (change.at, change.to))
        .collect();
    assert_eq!(
        changes,
        [
            (minute(1), AlarmState::Ok),
            (minute(2), AlarmState::Alarm),
            (minute(4), AlarmState::Ok)
        ]
    );
}
