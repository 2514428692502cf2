//! Alarms: M of the last N datapoints beyond a threshold.
//!
//! A datapoint is one value of one period; what counts is whether it breaches the threshold. Missing ones are
//! treated as CloudWatch documents it (user guide, "Configuring how CloudWatch alarms treat missing
//! data"): more periods than N are looked at ([`RANGE_EXTRA`]), real datapoints are preferred to filled
//! ones, and the treatment is needed only when fewer than N are real. Where the guide's text and its tables
//! disagree (the *premature alarm state*), the tables win: all their rows are tests.
//!
//! Two things are Sluice's own. Periods before the alarm began are not missing, they are not there yet: until N
//! have ended there is no OK. And a period that nobody reported becomes a missing datapoint one period
//! later, so that a silent source cannot keep an alarm OK. It knows no metric and no clock.

pub use sluice_model::analysis::{
    AlarmFacts, AlarmSettings, AlarmState, Breach, Datapoint, MissingData,
};

use serde::{Deserialize, Serialize};
use sluice_model::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Periods beyond N that are looked at for real datapoints; CloudWatch does not document its own number, and
/// its examples have 5 for N = 3.
pub const RANGE_EXTRA: u32 = 2;
/// Largest N: a day of minutes.
pub const EVALUATION_PERIODS_MAX: u32 = 1_440;
/// Most changes of state that an alarm remembers.
pub const HISTORY_MAX: usize = 32;

/// Settings that are no alarm.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadAlarmSettings {
    /// N is out of range.
    #[error("an alarm evaluates 1 to {EVALUATION_PERIODS_MAX} datapoints, not {0}")]
    EvaluationPeriods(u32),
    /// M is out of range.
    #[error("an alarm over {of} datapoints needs 1 to {of} of them, not {needed}")]
    DatapointsToAlarm {
        /// M.
        needed: u32,
        /// N.
        of: u32,
    },
    /// The threshold is not a number.
    #[error("the threshold of an alarm is a number, not {0}")]
    Threshold(f64),
    /// The period has no length.
    #[error("the period of an alarm is a millisecond or longer")]
    Period,
}

/// A datapoint that was not taken: its period is not after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a datapoint for the period ending {end} came after the one ending {last}")]
pub struct LateDatapoint {
    /// End of its period.
    pub end: Timestamp,
    /// End of the last period known.
    pub last: Timestamp,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// End of the period that changed it.
    pub at: Timestamp,
    /// Before.
    pub from: AlarmState,
    /// After.
    pub to: AlarmState,
}

/// The state of these facts, and the same for people; `show` writes a value in its unit.
#[must_use]
pub fn judge(
    settings: &AlarmSettings,
    facts: &AlarmFacts,
    show: impl Fn(f64) -> String,
) -> (AlarmState, String) {
    let state = evaluate(settings, &facts.datapoints, facts.periods, facts.before);
    (state, message(settings, facts, show))
}

/// An alarm. It can be stored and read back at any moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    settings: AlarmSettings,
    datapoints: VecDeque<Datapoint>,
    periods: u64,
    state: AlarmState,
    before: AlarmState,
    history: VecDeque<Transition>,
}

impl Alarm {
    /// An alarm whose first period begins at `start`.
    ///
    /// # Errors
    /// When the settings are none.
    pub fn new(settings: AlarmSettings, start: Timestamp) -> Result<Alarm, BadAlarmSettings> {
        let of = settings.evaluation_periods;
        if !(1..=EVALUATION_PERIODS_MAX).contains(&of) {
            return Err(BadAlarmSettings::EvaluationPeriods(of));
        }
        let needed = settings.datapoints_to_alarm;
        if !(1..=of).contains(&needed) {
            return Err(BadAlarmSettings::DatapointsToAlarm { needed, of });
        }
        if !settings.threshold.is_finite() {
            return Err(BadAlarmSettings::Threshold(settings.threshold));
        }
        if settings.period < Duration::from_millis(1) {
            return Err(BadAlarmSettings::Period);
        }
        // The period before the first one, so that the first one has a place in time.
        let datapoints = VecDeque::from([Datapoint {
            end: start,
            value: None,
        }]);
        Ok(Alarm {
            settings,
            datapoints,
            periods: 0,
            state: AlarmState::default(),
            before: AlarmState::default(),
            history: VecDeque::new(),
        })
    }

    /// Takes the value of the period that ended at `end`. Periods in between that nobody reported are missing;
    /// so is a value that is not a finite number.
    ///
    /// # Errors
    /// When that period is not after the last one known; the alarm is as it was.
    pub fn push(&mut self, end: Timestamp, value: Option<f64>) -> Result<(), LateDatapoint> {
        let last = self.last_end();
        if end <= last {
            return Err(LateDatapoint { end, last });
        }
        // A period that ends half a period late is still the next one.
        let apart = end.since(last).as_millis() + self.period_ms() / 2;
        let periods = (apart / self.period_ms()).max(1);
        self.miss(periods - 1);
        let value = value.filter(|value| value.is_finite());
        self.take(Datapoint { end, value });
        Ok(())
    }

    /// What the state depends on now. A period that ended a whole period ago and was not reported is missing.
    pub fn facts(&mut self, now: Timestamp) -> AlarmFacts {
        let silent = now.since(self.last_end()).as_millis() / self.period_ms();
        self.miss(silent.saturating_sub(1));
        AlarmFacts {
            datapoints: self.known().copied().collect(),
            periods: self.periods,
            before: self.before,
        }
    }

    /// End of the last period that is known; its start, before the first one has ended.
    #[must_use]
    pub fn known_until(&self) -> Timestamp {
        self.last_end()
    }

    /// The state after the last period.
    #[must_use]
    pub fn state(&self) -> AlarmState {
        self.state
    }

    /// The last changes of state, oldest first, at most [`HISTORY_MAX`].
    pub fn history(&self) -> impl Iterator<Item = &Transition> {
        self.history.iter()
    }

    fn period_ms(&self) -> u128 {
        self.settings.period.as_millis().max(1)
    }

    fn range(&self) -> usize {
        (self.settings.evaluation_periods + RANGE_EXTRA) as usize
    }

    fn last_end(&self) -> Timestamp {
        self.datapoints
            .back()
            .map_or(Timestamp(i64::MIN), |last| last.end)
    }

    /// The datapoints since the alarm began, at most the evaluation range.
    fn known(&self) -> impl Iterator<Item = &Datapoint> {
        let known = self
            .range()
            .min(usize::try_from(self.periods).unwrap_or(usize::MAX));
        let before = self.datapoints.len().saturating_sub(known);
        self.datapoints.iter().skip(before)
    }

    /// Takes so many missing periods; beyond the evaluation range one is like the other.
    fn miss(&mut self, periods: u128) {
        let step = i64::try_from(self.period_ms()).unwrap_or(i64::MAX);
        let taken = periods.min(self.range() as u128 + 1);
        let skipped = i64::try_from(periods - taken).unwrap_or(i64::MAX);
        let mut end = self.last_end().shifted(step.saturating_mul(skipped));
        self.periods = self
            .periods
            .saturating_add(u64::try_from(periods - taken).unwrap_or(u64::MAX));
        for _ in 0..taken {
            end = end.shifted(step);
            self.take(Datapoint { end, value: None });
        }
    }

    fn take(&mut self, datapoint: Datapoint) {
        self.datapoints.push_back(datapoint);
        while self.datapoints.len() > self.range() {
            self.datapoints.pop_front();
        }
        self.periods = self.periods.saturating_add(1);
        let known: Vec<Datapoint> = self.known().copied().collect();
        self.before = self.state;
        self.state = evaluate(&self.settings, &known, self.periods, self.before);
        if self.state != self.before {
            self.history.push_back(Transition {
                at: datapoint.end,
                from: self.before,
                to: self.state,
            });
            while self.history.len() > HISTORY_MAX {
                self.history.pop_front();
            }
        }
    }
}

fn message(settings: &AlarmSettings, facts: &AlarmFacts, show: impl Fn(f64) -> String) -> String {
    let datapoints = &facts.datapoints;
    let breaching = datapoints.iter().filter(|point| breaks(settings, point));
    let real = datapoints.iter().filter(|point| point.value.is_some());
    let bound = match settings.breach {
        Breach::Above => "above",
        Breach::AtOrAbove => "at or above",
        Breach::Below => "below",
        Breach::AtOrBelow => "at or below",
    };
    let mut text = format!(
        "{} of the last {} datapoints {bound} {}, alarm at {} of {}",
        breaching.count(),
        datapoints.len(),
        show(settings.threshold),
        settings.datapoints_to_alarm,
        settings.evaluation_periods
    );
    let missing = datapoints.len() - real.count();
    if missing > 0 {
        text.push_str(&format!("; {missing} missing"));
    }
    if let Some(last) = datapoints.iter().rev().find_map(|point| point.value) {
        text.push_str(&format!("; the last {}", show(last)));
    }
    text
}

fn breaks(settings: &AlarmSettings, datapoint: &Datapoint) -> bool {
    datapoint.value.is_some_and(|value| match settings.breach {
        Breach::Above => value > settings.threshold,
        Breach::AtOrAbove => value >= settings.threshold,
        Breach::Below => value < settings.threshold,
        Breach::AtOrBelow => value <= settings.threshold,
    })
}

/// The state after these datapoints (oldest first, at most the evaluation range), of `periods` in all.
fn evaluate(
    settings: &AlarmSettings,
    datapoints: &[Datapoint],
    periods: u64,
    before: AlarmState,
) -> AlarmState {
    let needed = settings.datapoints_to_alarm as usize;
    let of = settings.evaluation_periods as usize;
    // Newest first: how many periods ago, and whether it breaches.
    let real: Vec<(usize, bool)> = datapoints
        .iter()
        .rev()
        .enumerate()
        .filter(|(_, point)| point.value.is_some())
        .map(|(ago, point)| (ago + 1, breaks(settings, point)))
        .take(of)
        .collect();
    let breaching = real.iter().filter(|(_, breaks)| *breaks).count();
    if breaching >= needed {
        return AlarmState::Alarm;
    }
    if periods < u64::from(settings.evaluation_periods) {
        return AlarmState::InsufficientData;
    }
    let filled = of - real.len();
    if filled == 0 {
        return AlarmState::Ok;
    }
    match settings.missing {
        MissingData::Breaching if breaching + filled >= needed => AlarmState::Alarm,
        MissingData::Breaching | MissingData::NotBreaching => AlarmState::Ok,
        // A good value among the real ones.
        _ if breaching < real.len() => AlarmState::Ok,
        MissingData::Ignore => before,
        // The premature alarm state: nothing good is known, and the bad is old enough that M periods
        // have gone by since.
        MissingData::Missing if real.last().is_some_and(|(ago, _)| *ago >= needed) => {
            AlarmState::Alarm
        }
        MissingData::Missing => AlarmState::InsufficientData,
    }
}
