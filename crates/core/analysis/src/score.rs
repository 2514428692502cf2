//! Scores: one value per period of each metric on both sides, judged as Kayenta judges (`sluice-kayenta`).
//!
//! For those who have canary configs. It is a fixed-sample test that is asked again and again, so it has no bound on
//! false rollbacks; comparisons ([`sequential`](crate::sequential)) have.

use crate::period::Period;
use crate::standing::Look;
use crate::window::value_of;
use serde::{Deserialize, Serialize};
use sluice_kayenta::{CanaryConfig, Classification, MetricSamples, Thresholds};
use sluice_model::analysis::{Evidence, ScoreFacts, Scored, SideSamples};
use sluice_model::plan::ScoreLimit;
use sluice_model::{Measurement, RevisionNumber, Side, SideCounters, Timestamp, Verdict};
use std::collections::BTreeMap;

/// Most samples of a metric on a side; older ones are dropped. Eight hours of minutes.
pub(crate) const SAMPLES_MAX: usize = 480;

/// The samples of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Samples {
    since: Timestamp,
    facts: ScoreFacts,
    /// The period under way, with the counters of both sides when it began.
    #[serde(skip)]
    period: Period<[SideCounters; 2]>,
}

impl Samples {
    pub(crate) fn new(now: Timestamp) -> Samples {
        Samples {
            since: now,
            facts: ScoreFacts::default(),
            period: Period::default(),
        }
    }

    pub(crate) fn observe(&mut self, limit: &ScoreLimit, look: &Look<'_>) {
        let sides = [Some(look.canary), look.baseline];
        let counters = |revision: Option<RevisionNumber>| {
            let counters = revision.and_then(|it| look.snapshot.counters.get(&it));
            counters.cloned().unwrap_or_default()
        };
        let present = sides.map(counters);
        let Some(ended) = self.period.look(look.now, limit.period, || present.clone()) else {
            return;
        };
        for (name, metric) in &limit.metrics {
            let value = |side: usize| {
                let counted = present[side].since(&ended.before[side]);
                let usage = sides[side].and_then(|it| look.snapshot.usage.get(&it));
                let value = value_of(*metric, &counted, usage, ended.length).value;
                value.filter(|value| value.is_finite())
            };
            let samples = self.facts.samples.entry(name.clone()).or_default();
            push(&mut samples.canary, value(0));
            push(&mut samples.baseline, value(1));
        }
        self.facts.scored = score(limit, &self.facts.samples);
    }

    pub(crate) fn measurement(&self, look: &Look<'_>) -> Measurement {
        let count = periods(&self.facts.samples) as u64;
        Measurement {
            canary: Side {
                value: self.facts.scored.as_ref().map(|it| it.score),
                count,
            },
            baseline: Side { value: None, count },
            from: self.since,
            window: look.now.since(self.since),
            evidence: Some(Evidence::Score(self.facts.clone())),
        }
    }
}

fn push(samples: &mut Vec<Option<f64>>, value: Option<f64>) {
    if samples.len() >= SAMPLES_MAX {
        samples.remove(0);
    }
    samples.push(value);
}

/// Periods with a value on both sides, of the metric that has the fewest: what was not measured proves nothing, whatever
/// the config makes of it.
fn periods(samples: &BTreeMap<String, SideSamples>) -> usize {
    let known = |side: &[Option<f64>]| side.iter().flatten().count();
    let fewest = samples
        .values()
        .map(|sides| known(&sides.canary).min(known(&sides.baseline)));
    fewest.min().unwrap_or_default()
}

/// The score of these samples; `None` while they are too few, or when the config is none (documents are refused
/// with it).
pub(crate) fn score(limit: &ScoreLimit, samples: &BTreeMap<String, SideSamples>) -> Option<Scored> {
    if periods(samples) < limit.periods_min.max(1) as usize {
        return None;
    }
    let config: CanaryConfig = sluice_kayenta::read("canary config", &limit.config).config?;
    let numbers = |side: &[Option<f64>]| side.iter().map(|it| it.unwrap_or(f64::NAN)).collect();
    let series: Vec<MetricSamples> = samples
        .iter()
        .map(|(name, sides)| MetricSamples {
            name: name.clone(),
            baseline: numbers(&sides.baseline),
            canary: numbers(&sides.canary),
            ..MetricSamples::default()
        })
        .collect();
    let thresholds = Thresholds {
        pass: limit.pass,
        marginal: limit.marginal,
    };
    let judged = sluice_kayenta::judge(&config, Some(thresholds), &series).ok()?;
    let against = judged.results.iter().filter(|result| !result.muted);
    let against = against.filter_map(|result| {
        let how = match result.classification {
            Classification::High => "high",
            Classification::Low => "low",
            Classification::NodataFailMetric => "no data",
            Classification::Pass | Classification::Nodata | Classification::Error => return None,
        };
        Some(format!("{} ({how})", result.name))
    });
    judged.score.score.is_finite().then(|| Scored {
        score: judged.score.score,
        against: against.collect(),
        reason: judged.score.classification_reason,
    })
}

/// What a score says.
pub(crate) fn judge(limit: &ScoreLimit, facts: &ScoreFacts) -> (Verdict, String) {
    let periods = periods(&facts.samples);
    let Some(scored) = &facts.scored else {
        if periods >= limit.periods_min as usize {
            let text = "the score cannot be told from this config";
            return (Verdict::Inconclusive, text.to_owned());
        }
        let text = format!(
            "{periods} of {} periods with data on both sides",
            limit.periods_min
        );
        return (Verdict::NoData, text);
    };
    let verdict = match scored.score {
        score if score >= limit.pass => Verdict::Pass,
        score if score < limit.marginal => Verdict::Fail,
        // A score of which nothing is known is neither.
        _ => Verdict::Inconclusive,
    };
    let mut text = format!(
        "score {} over {periods} periods; passes from {} on, fails below {}",
        scored.score, limit.pass, limit.marginal
    );
    if !scored.against.is_empty() {
        text.push_str(&format!(": {}", scored.against.join(", ")));
    }
    if !scored.reason.is_empty() {
        text.push_str(&format!("; {}", scored.reason));
    }
    (verdict, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::Standing;
    use crate::window::Snapshot;
    use crate::{judge, replay};
    use sluice_model::plan::{Check, Limit, Metric, OnTrouble};
    use sluice_model::{CheckName, RolloutId};
    use std::time::Duration;

    const CONFIG: &str = r#"{
        "name": "shop",
        "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
        "metrics": [
            {"name": "Error Rate", "query": {"type": "prometheus"}, "groups": ["errors"],
             "analysisConfigurations": {"canary": {"direction": "increase", "nanStrategy": "replace"}}},
            {"name": "Latency", "query": {"type": "prometheus"}, "groups": ["latency"],
             "analysisConfigurations": {"canary": {"direction": "increase"}}}
        ],
        "classifier": {"groupWeights": {"errors": 60, "latency": 40}}
    }"#;

    fn check() -> Check {
        Check {
            name: CheckName("canary-score".into()),
            metric: Metric::Score,
            limit: Limit::Score(ScoreLimit {
                config: CONFIG.to_owned(),
                metrics: [
                    ("Error Rate".to_owned(), Metric::ErrorRatio),
                    ("Latency".to_owned(), Metric::Latency(0.99)),
                ]
                .into(),
                period: Duration::from_secs(60),
                periods_min: 20,
                pass: 95.0,
                marginal: 50.0,
            }),
            window: Duration::from_secs(1_200),
            samples_min: 1,
            on_fail: OnTrouble::Abort,
        }
    }

    /// What is told after so many minutes, in which the canary fails this share of 1,000 requests.
    fn told(minutes: u64, failing: f64) -> sluice_model::Judgement {
        let check = check();
        let mut standing = Standing::open(RolloutId(1), 1, Timestamp(0));
        let mut random = fastrand::Rng::with_seed(5);
        let mut totals = [SideCounters::default(), SideCounters::default()];
        let mut last = None;
        for minute in 0..=minutes {
            let snapshot = Snapshot {
                counters: [
                    (RevisionNumber(2), totals[0].clone()),
                    (RevisionNumber(1), totals[1].clone()),
                ]
                .into(),
                ..Snapshot::default()
            };
            let look = Look {
                now: Timestamp(minute as i64 * 60_000),
                canary: RevisionNumber(2),
                baseline: Some(RevisionNumber(1)),
                step: Some(0),
                snapshot: &snapshot,
            };
            standing.observe([&check], &look);
            if minute == 7 {
                let stored = serde_json::to_string(&standing).expect("it can be stored");
                let read: Standing = serde_json::from_str(&stored).expect("it can be read");
                let (mut read, mut kept) = (read, standing.clone());
                assert_eq!(read.measure(&check, &look), kept.measure(&check, &look));
            }
            last = Some(judge(&check, standing.measure(&check, &look).as_ref()));
            for (side, rate) in totals.iter_mut().zip([failing, 0.01]) {
                let errors = (0..1_000).filter(|_| random.f64() < rate).count() as u64;
                side.requests += 1_000;
                side.classes[1] += 1_000 - errors;
                side.classes[4] += errors;
                for _ in 0..1_000 {
                    side.latency.record(10_000 + random.u64(0..5_000));
                }
            }
        }
        last.expect("a look")
    }

    #[test]
    fn a_config_is_scored_on_the_proxys_own_figures() {
        let early = told(19, 0.01);
        assert_eq!(early.verdict, Verdict::NoData);
        assert_eq!(early.message, "19 of 20 periods with data on both sides");
        let good = told(30, 0.01);
        assert_eq!(good.verdict, Verdict::Pass, "{}", good.message);
        let bad = told(30, 0.03);
        assert_eq!(bad.verdict, Verdict::Fail, "{}", bad.message);
        assert_eq!(
            bad.message,
            "score 40 over 30 periods; passes from 95 on, fails below 50: Error Rate (high)"
        );
        for judgement in [early, good, bad] {
            let again = replay(std::slice::from_ref(&judgement));
            assert!(again.iter().all(crate::Replayed::is_same));
        }
    }

    #[test]
    fn periods_without_data_are_no_score_whatever_the_config_makes_of_them() {
        let side = |values: &[Option<f64>]| values.to_vec();
        let samples = |canary: &[Option<f64>]| {
            let sides = SideSamples {
                canary: side(canary),
                baseline: side(&[Some(0.01); 30]),
            };
            ["Error Rate", "Latency"].map(|name| (name.to_owned(), sides.clone()))
        };
        let Limit::Score(limit) = check().limit else {
            panic!("a score");
        };
        let mut few = [None; 30];
        few[..19].fill(Some(0.01));
        for canary in [[None; 30], few] {
            assert_eq!(score(&limit, &samples(&canary).into()), None);
        }
        assert!(score(&limit, &samples(&[Some(0.01); 30]).into()).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut samples = Vec::new();
        (0..2 * SAMPLES_MAX).for_each(|n| push(&mut samples, Some(n as f64)));
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert_eq!(samples[0], Some(SAMPLES_MAX as f64));
    }
}
