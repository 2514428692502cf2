//! The results as a document: tables, and sentences that are made from the figures, so that they say where
//! Sluice is not ahead too. The same results always give the same text.

mod recorded;
mod standing;
mod tables;
mod words;

use crate::cases::Fault;
use crate::compare::{Horizon, Outcome};
use crate::design::Measured;
use crate::recorded::Recording;
use crate::rules::RuleKind;
use crate::stream::{MEDIAN_MS, SIGMA};
use crate::summary::Row;
pub use recorded::{RELEASES, Recorded, Release, WEIGHT_PERCENT};
use serde::Serialize;

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// From which all runs' seeds are made.
    pub seed: u64,
    /// Runs of each case.
    pub runs: u64,
    /// The rules, in the order of the columns.
    pub rules: Vec<RuleKind>,
    /// The cases.
    pub rows: Vec<Row>,
    /// Runs of each figure of the design.
    pub design_runs: u64,
    /// Sluice with one metric against the design's figures.
    pub design: Vec<Measured>,
    /// Recorded releases, judged.
    pub recorded: Vec<Recorded>,
}

impl Results {
    fn rows(&self, fault: Fault, horizon: Horizon) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| row.case.fault == fault && row.case.horizon == horizon)
    }
}

/// The document, in Markdown.
#[must_use]
pub fn document(results: &Results) -> String {
    let mut text = introduction(results);
    let sections = [
        standing::summary(results),
        recorded::section(results),
        tables::false_rollbacks(results),
        Fault::ALL
            .into_iter()
            .map(|fault| tables::detection(results, fault))
            .collect(),
        tables::design(results),
    ];
    for section in sections {
        text.push_str(&section);
    }
    text
}

fn introduction(results: &Results) -> String {
    let mut text = format!(
        "\
# How soon a bad release is taken back

Made by `bench-analysis --write` (`testing/decisions`); changes belong into the program.

Simulated releases: Sluice's analysis and the rules of its peers judge the same requests, {} runs a case, seed {}.
Requests arrive at random and are independent of each other; {} % of the stable side's fail, and latencies are
lognormal with a median of {MEDIAN_MS} ms and σ = {SIGMA}, so a p99 of 404 ms, which Flagger's limit lets pass up to a factor of
1.24. A weight is the canary's share of the traffic and does not change within a release. Times count from the canary's
first request. Every rule sees an outcome at once, which is kind to the peers: theirs come through a monitoring system that
collects every 15 to 60 seconds.

## The rules

",
        results.runs,
        results.seed,
        crate::cases::BASELINE_ERRORS * 100.0,
    );
    for rule in &results.rules {
        text.push_str(&format!("- **{}**: {}\n", rule.title(), rule.description()));
    }
    text
}

/// How each rule judged a recorded release, in Markdown.
#[must_use]
pub fn recorded(recording: &Recording, rules: &[RuleKind], outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "Frozen from {} requests before the release: p50 {:.1} ms, p99 {:.1} ms\n\n\
         | rule | rollback | requests | of the canary | of these failed |\n|---|---|---:|---:|---:|\n",
        words::count(recording.lead_in as u64),
        recording.p50_us as f64 / 1_000.0,
        recording.p99_us as f64 / 1_000.0
    );
    for (rule, outcome) in rules.iter().zip(outcomes) {
        let end = match outcome.decision {
            Some(decision) => format!("{} ({decision})", words::time(outcome.at_us)),
            None => format!("never in {}", words::time(outcome.at_us)),
        };
        text.push_str(&format!(
            "| {} | {end} | {} | {} | {} |\n",
            rule.title(),
            words::count(outcome.requests),
            words::count(outcome.canary.requests),
            words::count(outcome.canary.errors)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::rules::Decision;
    use crate::tick::{Counts, SECOND_US};

    const RULES: [RuleKind; 3] = [RuleKind::Sluice, RuleKind::Flagger, RuleKind::ZTest];

    /// 100 runs of a case in which the rules decide at these seconds.
    fn row(case: cases::Case, seconds: [Option<u64>; 3]) -> Row {
        let run = seconds.map(|second| {
            let end = second.unwrap_or(3_600);
            Outcome {
                decision: second.map(|_| Decision::Errors),
                at_us: end * SECOND_US,
                requests: end * 1_000,
                canary: Counts {
                    requests: end * 50,
                    errors: end,
                    ..Counts::default()
                },
            }
        });
        Row::new(case, &RULES, &vec![run.to_vec(); 100])
    }

    /// Sluice decides after 8 s, Flagger after 6 min, the z-test after 2 s where it is looked at with
    /// 1,000 requests a second; with 20 requests a second only Flagger does. Without a fault the z-test decides.
    fn results() -> Results {
        let rows = cases::all().into_iter().map(|case| {
            let seconds = match (case.fault, case.per_second) {
                (Fault::None, _) => [None, None, Some(60)],
                (_, 20) => [None, Some(360), None],
                (Fault::Errors(_), 1_000) if case.weight_percent == 5 => {
                    [Some(8), Some(360), Some(2)]
                }
                (Fault::Latency(_), 10_000) => [None, None, None],
                _ => [Some(8), Some(360), Some(8)],
            };
            row(case, seconds)
        });
        Results {
            seed: 1,
            runs: 100,
            rules: RULES.to_vec(),
            rows: rows.collect(),
            design_runs: 1_000,
            design: vec![
                Measured {
                    name: "near",
                    design_median: 8_250,
                    design_p90: 20_480,
                    median: Some(8_300),
                    p90: Some(20_000),
                },
                Measured {
                    name: "far",
                    design_median: 100,
                    design_p90: 200,
                    median: Some(120),
                    p90: None,
                },
            ],
            recorded: vec![recorded()],
        }
    }

    /// A recording of seven minutes in which Sluice alone decided.
    fn recorded() -> Recorded {
        let outcome = |decision, at_us| Outcome {
            decision,
            at_us,
            requests: 800,
            canary: Counts {
                requests: 40,
                errors: 2,
                ..Counts::default()
            },
        };
        Recorded {
            title: RELEASES[2].title,
            lead_in: 2_000,
            p50_us: 900,
            p99_us: 2_140,
            length_us: 420 * SECOND_US,
            requests: 42_000,
            outcomes: vec![
                outcome(Some(Decision::Errors), 8 * SECOND_US),
                outcome(None, 420 * SECOND_US),
                outcome(None, 420 * SECOND_US),
            ],
        }
    }

    #[test]
    fn the_document_says_where_sluice_is_not_ahead() {
        let text = document(&results());
        for told in [
            // With enough traffic: 8 faults, 3 rates, 3 weights.
            "- **Flagger**: With 100 requests/s and more, Sluice is sooner in 63 of 72 cases. Even: p99 × 1.2 (10,000/s); ",
            "With fewer, Sluice is sooner in 0 of 24 cases. Later: 0.2 % errors (all); ",
            "Later: 0.2 % errors (1,000/s: 5 %); 0.3 % errors (1,000/s: 5 %); 1 % errors (1,000/s: 5 %); ",
            "it takes back up to 100 % (96.4–100 %) of the canaries that are no worse within the same hour; Sluice up to 0 % (0–3.6 %).",
            "| 1,000 | 5 % | 8.0 s / 8.0 s | 6.0 min / 6.0 min | 2.0 s / 2.0 s | **z-test** (100 % false) |",
            "| 1,000 | 1 % | 8.0 s / 8.0 s | 6.0 min / 6.0 min | 8.0 s / 8.0 s | z-test (even, 100 % false) |",
            "| 20 | 1 % | never | 6.0 min / 6.0 min | never | **Flagger** (0 % false), z-test (even, 100 % false) |",
            "| 10,000 | 25 % | never | never | never | nobody decides |",
            "| 1,000 | 5 % | 400, 8 | 18,000, 360 | 100, 2 |",
            "| 20 | 1 % | 0 % (0–3.6 %) | 0 % (0–3.6 %) | 100 % (96.4–100 %) |",
            "| 5 % errors | 100 | 0.9 ms, 2.1 ms | 8.0 s (errors), 40, 2 | never, 40, 2 | never, 40, 2 |",
            "| near | 8,250 | 20,480 | 8,300 | 20,000 | 1.01 |",
            "Not within 10 % of the design's median: far.",
        ] {
            assert!(text.contains(told), "{told}\n\n{text}");
        }
        assert_eq!(text, document(&results()));
    }

    #[test]
    fn tables_are_whole() {
        let text = document(&results());
        let mut cells = None;
        for line in text.lines() {
            let here = line.starts_with('|').then(|| line.matches('|').count());
            if let (Some(before), Some(here)) = (cells, here) {
                assert_eq!(before, here, "{line}");
            }
            cells = here;
        }
        // Eight faults have two tables each, false rollbacks two, the design and what was recorded one.
        assert_eq!(text.matches("\n|---").count(), 20);
    }
}
