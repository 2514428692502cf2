//! Checks that remember: trends, alarms and scores of one attempt of a rollout.
//!
//! A trend follows the eldest replica of each side through all steps. An alarm and a score begin anew with each step's traffic:
//! what was seen before a step, or by a former process, is no evidence in it. Both are fed at every look and measured when they
//! are judged; [`judge`](crate::judge()) tells what they say. Comparisons are the ledger's business
//! ([`ledger`](crate::ledger)), thresholds the window's ([`window`](crate::window)).

use crate::alarm::Alarm;
use crate::outside::{self, Round};
use crate::period::Period;
use crate::score::Samples;
use crate::trend::{self, BLOCKS_MAX, Trend};
use crate::window::{ReplicaGauges, Snapshot, value_of};
use serde::{Deserialize, Serialize};
use sluice_model::analysis::{AlarmSettings, Evidence};
use sluice_model::outside::OutsideQuery;
use sluice_model::plan::{Check, Limit, Metric};
use sluice_model::{
    CheckName, Measurement, RevisionNumber, RolloutId, Side, SideCounters, Timestamp,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module. It can be stored and read back at any moment; what an alarm counted in the period that is
/// under way is lost then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    rollout: RolloutId,
    attempt: u32,
    started_at: Timestamp,
    trends: BTreeMap<CheckName, Trend>,
    /// The step whose traffic flows, which the alarms belong to.
    step: Option<u32>,
    alarms: BTreeMap<CheckName, Watched>,
    scores: BTreeMap<CheckName, Samples>,
    #[serde(skip)]
    last_look: LastLook,
}

/// When this process looked last: no part of what is stored, nor of what is the same.
#[derive(Clone, Copy, Debug, Default)]
struct LastLook(Option<Timestamp>);

impl PartialEq for LastLook {
    fn eq(&self, _: &LastLook) -> bool {
        true
    }
}

/// Longest time between two looks that counts as watched; the engine's waits say the same. An alarm of longer periods
/// bears as much as one of them.
const GAP_MAX: Duration = Duration::from_secs(15);

/// An alarm at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Watched {
    alarm: Alarm,
    since: Timestamp,
    /// The value of the last period that ended.
    last: Side,
    /// The period under way, with the canary's counters when it began.
    #[serde(skip)]
    period: Period<SideCounters>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The time of it.
    pub now: Timestamp,
    /// The new revision.
    pub canary: RevisionNumber,
    /// The stable one.
    pub baseline: Option<RevisionNumber>,
    /// The step whose traffic flows.
    pub step: Option<u32>,
    /// What is counted and used at that time.
    pub snapshot: &'a Snapshot,
}

impl Standing {
    /// The first moment of an attempt.
    #[must_use]
    pub fn open(rollout: RolloutId, attempt: u32, now: Timestamp) -> Standing {
        Standing {
            rollout,
            attempt,
            started_at: now,
            trends: BTreeMap::new(),
            step: None,
            alarms: BTreeMap::new(),
            scores: BTreeMap::new(),
            last_look: LastLook::default(),
        }
    }

    /// Whether it belongs to this attempt.
    #[must_use]
    pub fn is_of(&self, rollout: RolloutId, attempt: u32) -> bool {
        (self.rollout, self.attempt) == (rollout, attempt)
    }

    /// The same in another process: time in which nobody looked is no missing data, so alarms and scores begin anew.
    #[must_use]
    pub fn reopened(mut self) -> Standing {
        self.alarms.clear();
        self.scores.clear();
        self
    }

    /// Takes a look for these checks; others than these are left out.
    pub fn observe<'c>(&mut self, checks: impl IntoIterator<Item = &'c Check>, look: &Look<'_>) {
        if self.step != look.step {
            self.step = look.step;
            self.alarms.clear();
            self.scores.clear();
        }
        let unwatched = Unwatched::between(self.last_look.0.replace(look.now), look.now);
        for check in checks {
            match &check.limit {
                Limit::Trend(limit) => {
                    let known = self.trends.remove(&check.name);
                    // Settings without sense are refused when a plan is made.
                    let Some(mut trend) = known.or_else(|| Trend::new(limit.settings).ok()) else {
                        continue;
                    };
                    follow(&mut trend, check.metric, self.started_at, look);
                    self.trends.insert(check.name.clone(), trend);
                }
                // Fed by the answers of its source.
                Limit::Alarm(_) if check.metric == Metric::Outside => {}
                Limit::Alarm(settings) => {
                    let known = self.alarms.remove(&check.name);
                    let known = known.filter(|_| !unwatched.spoils(settings.period));
                    let Some(mut watched) = known.or_else(|| Watched::new(*settings, look)) else {
                        continue;
                    };
                    watched.observe(check, settings, look);
                    self.alarms.insert(check.name.clone(), watched);
                }
                Limit::Score(limit) => {
                    let samples = self.scores.entry(check.name.clone());
                    let samples = samples.or_insert_with(|| Samples::new(look.now));
                    samples.observe(limit, look);
                }
                _ => {}
            }
        }
    }

    /// Takes an outside server's latest answer for an alarm on it. Each that looks back on this step alone, whose traffic began
    /// at `since`, is a datapoint; one without a number is a missing one.
    pub fn answered(
        &mut self,
        check: &Check,
        query: &OutsideQuery,
        round: &Round,
        since: Timestamp,
    ) {
        let Limit::Alarm(settings) = &check.limit else {
            return;
        };
        if outside::looks_back_to(query, round) < since {
            return;
        }
        let known = self.alarms.remove(&check.name);
        let Some(mut watched) = known.or_else(|| Watched::of_answers(*settings, round, since))
        else {
            return;
        };
        watched.answered(round);
        self.alarms.insert(check.name.clone(), watched);
    }

    /// The measurement of a check that remembers; `None` for other checks, and while nothing is known.
    pub fn measure(&mut self, check: &Check, look: &Look<'_>) -> Option<Measurement> {
        match &check.limit {
            Limit::Trend(limit) => {
                let trend = self.trends.get_mut(&check.name)?;
                let canary = gauge(check.metric, look.canary, self.started_at, look)?;
                let ceiling = limit.ceiling.or(canary.ceiling);
                let facts = trend.facts(canary.age, ceiling, limit.horizon);
                let baseline = look
                    .baseline
                    .and_then(|side| gauge(check.metric, side, self.started_at, look));
                let side = |gauge: Option<Gauge>, count| Side {
                    value: gauge.map(|gauge| gauge.value),
                    count,
                };
                Some(Measurement {
                    canary: side(Some(canary), u64::from(facts.known_blocks)),
                    baseline: side(baseline, 0),
                    from: self.started_at,
                    window: look.now.since(self.started_at),
                    evidence: Some(Evidence::Trend(facts)),
                })
            }
            Limit::Alarm(_) => {
                let watched = self.alarms.get_mut(&check.name)?;
                Some(Measurement {
                    canary: watched.last,
                    baseline: Side::default(),
                    from: watched.since,
                    window: look.now.since(watched.since),
                    evidence: Some(Evidence::Alarm(watched.alarm.facts(look.now))),
                })
            }
            Limit::Score(_) => Some(self.scores.get(&check.name)?.measurement(look)),
            _ => None,
        }
    }
}

/// What was not seen before a look.
#[derive(Clone, Copy, Debug)]
enum Unwatched {
    /// Nobody looked for so long: the machine slept, or the clock jumped ahead.
    For(Duration),
    /// The clock went back: how long it was is not known.
    Unknown,
}

impl Unwatched {
    fn between(last: Option<Timestamp>, now: Timestamp) -> Unwatched {
        match last {
            Some(last) if now < last => Unwatched::Unknown,
            Some(last) => Unwatched::For(now.since(last)),
            None => Unwatched::For(Duration::ZERO),
        }
    }

    /// Whether an alarm with such periods begins anew: what nobody looked at is no missing data.
    fn spoils(self, period: Duration) -> bool {
        match self {
            Unwatched::For(gap) => gap > period.max(GAP_MAX),
            Unwatched::Unknown => true,
        }
    }
}

/// One value of a gauge.
#[derive(Clone, Copy, Debug)]
struct Gauge {
    age: Duration,
    value: f64,
    ceiling: Option<f64>,
}

fn gauge(
    metric: Metric,
    revision: RevisionNumber,
    started_at: Timestamp,
    look: &Look<'_>,
) -> Option<Gauge> {
    let of_replica = |value: fn(&ReplicaGauges) -> (Option<u64>, Option<u64>)| {
        let eldest = look.snapshot.usage.get(&revision)?.eldest?;
        let (value, ceiling) = value(&eldest);
        Some(Gauge {
            age: eldest.age,
            value: value? as f64,
            ceiling: ceiling.map(|ceiling| ceiling as f64),
        })
    };
    match metric {
        Metric::Memory => of_replica(|it| (Some(it.memory_bytes), it.memory_bytes_ceiling)),
        Metric::OpenFiles => of_replica(|it| (it.open_files, it.open_files_ceiling)),
        Metric::InFlight => Some(Gauge {
            age: look.now.since(started_at),
            value: look.snapshot.counters.get(&revision)?.in_flight as f64,
            ceiling: None,
        }),
        _ => None,
    }
}

fn follow(trend: &mut Trend, metric: Metric, started_at: Timestamp, look: &Look<'_>) {
    let Some(canary) = gauge(metric, look.canary, started_at, look) else {
        return;
    };
    if trend.last_age() == Some(canary.age) {
        // Looks come more often than the gauges are read.
        return;
    }
    let _late_samples_are_left_out = trend.push(trend::Side::Canary, canary.age, canary.value);
    let baseline = look
        .baseline
        .and_then(|side| gauge(metric, side, started_at, look));
    // An old replica says nothing about the first hours of a new one.
    let reach = trend.block().saturating_mul(BLOCKS_MAX as u32);
    if let Some(baseline) = baseline.filter(|it| it.age <= canary.age.saturating_add(reach)) {
        let _late_samples_are_left_out =
            trend.push(trend::Side::Baseline, baseline.age, baseline.value);
    }
}

impl Watched {
    fn new(settings: AlarmSettings, look: &Look<'_>) -> Option<Watched> {
        Some(Watched {
            alarm: Alarm::new(settings, look.now).ok()?,
            since: look.now,
            last: Side::default(),
            period: Period::default(),
        })
    }

    /// An alarm whose first period ends with this round.
    fn of_answers(settings: AlarmSettings, round: &Round, since: Timestamp) -> Option<Watched> {
        let period = i64::try_from(settings.period.as_millis()).unwrap_or(i64::MAX);
        let start = round.asked_at.shifted(period.saturating_neg());
        Some(Watched {
            alarm: Alarm::new(settings, start).ok()?,
            since: start.max(since),
            last: Side::default(),
            period: Period::default(),
        })
    }

    fn answered(&mut self, round: &Round) {
        let value = round.canary.value.as_ref().ok().copied();
        let value = value.filter(|value| value.is_finite());
        let is_new = self.alarm.push(round.asked_at, value).is_ok();
        if is_new {
            self.last = Side {
                value,
                count: u64::from(value.is_some()),
            };
        }
    }

    fn observe(&mut self, check: &Check, settings: &AlarmSettings, look: &Look<'_>) {
        let counters = look.snapshot.counters.get(&look.canary);
        let present = counters.cloned().unwrap_or_default();
        // After a clock that went back, what is known of later periods stays.
        let Some(ended) = self
            .period
            .look(look.now, settings.period, || present.clone())
        else {
            return;
        };
        let counted = present.since(&ended.before);
        let usage = look.snapshot.usage.get(&look.canary);
        self.last = value_of(check.metric, &counted, usage, ended.length);
        let enough = check.metric.is_gauge() || self.last.count >= check.samples_min;
        let value = self.last.value.filter(|_| enough);
        let _a_period_that_was_told_before_is_left_out = self.alarm.push(look.now, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;
    use crate::outside::Answer;
    use crate::window::Usage;
    use sluice_model::analysis::{Breach, MissingData, TrendSettings, Unit};
    use sluice_model::plan::{OnTrouble, TrendLimit};
    use sluice_model::{SourceName, Verdict};

    const CANARY: RevisionNumber = RevisionNumber(2);
    const MIB: f64 = 1_048_576.0;

    fn check(metric: Metric, limit: Limit) -> Check {
        Check {
            name: CheckName("c".into()),
            metric,
            limit,
            window: Duration::from_secs(60),
            samples_min: 1,
            on_fail: OnTrouble::Abort,
        }
    }

    fn snapshot(memory: f64, age_s: u64, requests: u64, errors: u64) -> Snapshot {
        let counters = SideCounters {
            requests,
            classes: [0, requests - errors, 0, 0, errors],
            ..SideCounters::default()
        };
        let eldest = ReplicaGauges {
            age: Duration::from_secs(age_s),
            memory_bytes: memory as u64,
            memory_bytes_ceiling: Some(8 << 30),
            ..ReplicaGauges::default()
        };
        let usage = Usage {
            memory_bytes: memory as u64,
            eldest: Some(eldest),
            ..Usage::default()
        };
        Snapshot {
            counters: [(CANARY, counters)].into(),
            usage: [(CANARY, usage)].into(),
        }
    }

    fn look(second: u64, step: u32, snapshot: &Snapshot) -> Look<'_> {
        Look {
            now: Timestamp(second as i64 * 1_000),
            canary: CANARY,
            baseline: None,
            step: Some(step),
            snapshot,
        }
    }

    /// The verdicts of a gauge over so many seconds, one step a minute, and when it first failed.
    fn first_failure(check: &Check, seconds: u64, memory: impl Fn(u64) -> f64) -> Option<u64> {
        let mut standing = Standing::open(RolloutId(1), 1, Timestamp(0));
        (1..seconds).find(|second| {
            let now = snapshot(memory(*second), *second, 0, 0);
            let look = look(*second, (*second / 60) as u32, &now);
            standing.observe([check], &look);
            if second % 97 == 0 {
                // As after a restart of Sluice.
                let stored = serde_json::to_string(&standing).expect("it can be stored");
                let read: Standing = serde_json::from_str(&stored).expect("it can be read");
                standing = read.reopened();
            }
            let measured = standing.measure(check, &look);
            judge(check, measured.as_ref()).verdict == Verdict::Fail
        })
    }

    #[test]
    fn a_leak_is_found_through_steps_and_restarts_and_a_sawtooth_is_none() {
        let limit = |ceiling| {
            Limit::Trend(TrendLimit {
                ceiling,
                horizon: Duration::from_secs(86_400),
                settings: TrendSettings {
                    unit: Unit::Bytes,
                    ..TrendSettings::default()
                },
            })
        };
        let leak = |second: u64| (200.0 + 6.0 * second as f64 / 60.0) * MIB;
        let sawtooth = |second: u64| (200.0 + 80.0 * (second % 45) as f64 / 45.0) * MIB;
        // The ceiling of the check, and that of the machine (8 GiB: 22 h at this rate).
        for ceiling in [Some(512.0 * MIB), None] {
            let check = check(Metric::Memory, limit(ceiling));
            let found = first_failure(&check, 900, leak);
            assert!(found.is_some_and(|second| second <= 600), "{found:?}");
            assert_eq!(first_failure(&check, 3_600, sawtooth), None);
        }
    }

    #[test]
    fn time_in_which_nobody_looked_is_no_missing_data() {
        let settings = AlarmSettings {
            breach: Breach::Above,
            threshold: 0.01,
            period: Duration::from_secs(10),
            evaluation_periods: 3,
            datapoints_to_alarm: 2,
            missing: MissingData::Breaching,
        };
        let check = check(Metric::ErrorRatio, Limit::Alarm(settings));
        let mut standing = Standing::open(RolloutId(1), 1, Timestamp(0));
        let verdict = |standing: &mut Standing, second: u64| {
            let now = snapshot(0.0, second, second * 100, 0);
            let look = look(second, 0, &now);
            standing.observe([&check], &look);
            judge(&check, standing.measure(&check, &look).as_ref()).verdict
        };
        let told: Vec<Verdict> = (0..=4).map(|n| verdict(&mut standing, n * 10)).collect();
        assert_eq!(told.last(), Some(&Verdict::Pass));
        let mut standing = standing.reopened();
        assert_eq!(verdict(&mut standing, 140), Verdict::NoData);
        // Nor is that in which the machine slept, and a clock that went back does not silence it.
        for from in [1_000, 400] {
            let told: Vec<Verdict> = (0..=3)
                .map(|n| verdict(&mut standing, from + n * 10))
                .collect();
            use Verdict::{NoData, Pass};
            assert_eq!(told, [NoData, NoData, NoData, Pass]);
        }
    }

    #[test]
    fn an_alarm_on_answers_takes_those_of_its_step_and_misses_those_without_a_number() {
        let settings = AlarmSettings {
            breach: Breach::Below,
            threshold: 5.0,
            period: Duration::from_secs(15),
            evaluation_periods: 3,
            datapoints_to_alarm: 2,
            missing: MissingData::Missing,
        };
        let check = check(Metric::Outside, Limit::Alarm(settings));
        let query = OutsideQuery {
            source: SourceName("prod".into()),
            text: "orders".into(),
            per_side: false,
            window: Duration::from_secs(60),
            interval: settings.period,
        };
        let nothing = Snapshot::default();
        for (answers, told) in [
            // The first four look back on what was before the step.
            (
                &[0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0] as &[f64],
                Verdict::Pass,
            ),
            (&[0.0, 0.0, 0.0, 0.0, 9.0, 9.0], Verdict::NoData),
            (&[9.0, 9.0, 9.0, 9.0, 4.0, 9.0, 4.0], Verdict::Fail),
            (&[9.0, 9.0, 9.0, 9.0, 4.0, 9.0, 9.0], Verdict::Pass),
            (
                &[9.0, 9.0, 9.0, 9.0, f64::NAN, f64::NAN, f64::NAN],
                Verdict::NoData,
            ),
        ] {
            let mut standing = Standing::open(RolloutId(1), 1, Timestamp(0));
            let mut last = None;
            for (at, answer) in answers.iter().enumerate() {
                let second = 1 + at as u64 * 15;
                let look = look(second, 0, &nothing);
                let round = Round {
                    asked_at: look.now,
                    canary: Answer {
                        query: query.text.clone(),
                        answered_at: look.now,
                        value: Ok(*answer),
                    },
                    baseline: None,
                };
                standing.observe([&check], &look);
                // The same answer is looked at more often than it comes.
                standing.answered(&check, &query, &round, Timestamp(1_000));
                standing.answered(&check, &query, &round, Timestamp(1_000));
                last = standing.measure(&check, &look);
            }
            assert_eq!(judge(&check, last.as_ref()).verdict, told, "{answers:?}");
        }
    }

    #[test]
    fn an_alarm_takes_m_of_n_periods_and_begins_anew_with_each_step() {
        let settings = AlarmSettings {
            breach: Breach::Above,
            threshold: 0.01,
            period: Duration::from_secs(10),
            evaluation_periods: 3,
            datapoints_to_alarm: 2,
            missing: MissingData::Missing,
        };
        let check = check(Metric::ErrorRatio, Limit::Alarm(settings));
        let verdict = |standing: &mut Standing, second, step, requests, errors| {
            let now = snapshot(0.0, second, requests, errors);
            let look = look(second, step, &now);
            standing.observe([&check], &look);
            judge(&check, standing.measure(&check, &look).as_ref())
        };
        let mut standing = Standing::open(RolloutId(1), 1, Timestamp(0));
        let mut told = Vec::new();
        for (second, step, errors) in [
            (0, 0, 0),
            (10, 0, 0),
            (20, 0, 0),
            (30, 0, 0),
            (40, 0, 50),
            (50, 0, 50),
            // A second bad period of the last three, but in the next step.
            (55, 1, 60),
            (65, 1, 110),
            (75, 1, 160),
        ] {
            let judgement = verdict(&mut standing, second, step, second * 100, errors);
            told.push(judgement.verdict);
        }
        use Verdict::{Fail, NoData, Pass};
        assert_eq!(
            told,
            [
                NoData, NoData, NoData, Pass, Pass, Pass, NoData, NoData, Fail
            ]
        );
        let last = verdict(&mut standing, 76, 1, 7_600, 160);
        assert_eq!(
            last.message,
            "2 of the last 2 datapoints above 1.00 %, alarm at 2 of 3; the last 5.00 %"
        );
    }
}
