//! The tables: false rollbacks, each kind of fault, Sluice against its design.

use super::{Results, standing, words};
use crate::cases::{Fault, WATCHED_REQUESTS, WATCHED_US};
use crate::compare::Horizon;
use crate::design::TOLERANCE;
use crate::summary::{Figures, Row};

impl Results {
    fn titles(&self) -> String {
        let titles: Vec<&str> = self.rules.iter().map(|rule| rule.title()).collect();
        titles.join(" | ")
    }

    /// `| 1,000 | 5 % | … |` for the cells of all rules, and one more.
    fn line(&self, row: &Row, cell: impl Fn(&Figures) -> String, more: Option<String>) -> String {
        let mut text = format!(
            "| {} | {} % |",
            words::count(u64::from(row.case.per_second)),
            row.case.weight_percent
        );
        let cells = self.rules.iter().map(|rule| row.of(*rule).map(&cell));
        for cell in cells.chain(more.map(Some)) {
            text.push_str(&format!(" {} |", cell.unwrap_or_default()));
        }
        text
    }

    fn rule_off(&self, more: usize) -> String {
        format!("|---:|---:|{}", "---|".repeat(self.rules.len() + more))
    }
}

pub(super) fn false_rollbacks(results: &Results) -> String {
    let mut text = "\n## False rollbacks\n".to_owned();
    for (horizon, title) in [
        (
            Horizon::Requests(WATCHED_REQUESTS),
            format!(
                "{} requests, of both sides, with a canary that is no worse: share of the releases that were taken back, with its \
                 95 % interval (Clopper–Pearson)",
                words::count(WATCHED_REQUESTS)
            ),
        ),
        (
            Horizon::Time(WATCHED_US),
            "One hour with a canary that is no worse".to_owned(),
        ),
    ] {
        let rows: Vec<&Row> = results.rows(Fault::None, horizon).collect();
        if rows.is_empty() {
            continue;
        }
        text.push_str(&format!(
            "\n{title}:\n\n| requests/s | weight | {} |\n{}\n",
            results.titles(),
            results.rule_off(0)
        ));
        for row in rows {
            let line = results.line(row, |figures| words::share(&figures.decided), None);
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

pub(super) fn detection(results: &Results, fault: Fault) -> String {
    let rows: Vec<&Row> = results.rows(fault, Horizon::Time(WATCHED_US)).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## {}\n\nTime to the rollback, median / 90 %, and the share of the releases that kept the canary for the whole hour. \
         Beside a rule that Sluice is not ahead of: the share of canaries that are no worse that it takes back in an hour of the same traffic.\n\n\
         | requests/s | weight | {} | Sluice is not ahead of |\n{}\n",
        fault.title(),
        results.titles(),
        results.rule_off(1)
    );
    for row in &rows {
        let line = results.line(
            row,
            words::times,
            Some(standing::not_ahead_of(results, row)),
        );
        text.push_str(&format!("{line}\n"));
    }
    let (what, cell): (_, fn(&Figures) -> String) = match fault {
        Fault::Errors(_) => (
            "Requests that the canary got until then, and of these failed",
            |one| {
                format!(
                    "{}, {}",
                    words::count(one.exposed),
                    words::count(one.errors_seen)
                )
            },
        ),
        Fault::Latency(_) | Fault::None => ("Requests that the canary got until then", |one| {
            words::count(one.exposed)
        }),
    };
    text.push_str(&format!(
        "\n{what}, medians:\n\n| requests/s | weight | {} |\n{}\n",
        results.titles(),
        results.rule_off(0)
    ));
    for row in &rows {
        text.push_str(&format!("{}\n", results.line(row, cell, None)));
    }
    text
}

pub(super) fn design(results: &Results) -> String {
    if results.design.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## Against the design\n\nSluice with one metric, in requests of both sides until the rollback, beside the figures of the \
         simulations that the method was chosen by; {} runs each.\n\n\
         | | design: median | 90 % | measured: median | 90 % | measured / design |\n|---|---:|---:|---:|---:|---:|\n",
        results.design_runs
    );
    let number = |count: Option<u64>| count.map_or("–".to_owned(), words::count);
    for one in &results.design {
        let ratio = one
            .ratio()
            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {ratio} |\n",
            one.name,
            words::count(one.design_median),
            words::count(one.design_p90),
            number(one.median),
            number(one.p90),
        ));
    }
    let off: Vec<String> = results
        .design
        .iter()
        .filter(|one| !one.agrees())
        .map(|one| one.name.to_owned())
        .collect();
    let percent = TOLERANCE * 100.0;
    text.push_str(&match off.as_slice() {
        [] => format!("\nAll medians are within {percent} % of the design's.\n"),
        off => format!(
            "\nNot within {percent} % of the design's median: {}.\n",
            words::list(off)
        ),
    });
    text
}
