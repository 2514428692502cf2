//! Where Sluice is ahead of a rule and where it is not, in words made from the figures.

use super::{Results, words};
use crate::cases::{Fault, WATCHED_US};
use crate::compare::Horizon;
use crate::interval::Share;
use crate::rules::RuleKind;
use crate::summary::{Row, Standing};
use std::collections::BTreeMap;

/// From this many requests per second on Sluice is meant to be ahead.
const ENOUGH_PER_SECOND: u32 = 100;

/// The rules that Sluice is not ahead of in a case, with how often they are wrong at the same traffic.
pub(super) fn not_ahead_of(results: &Results, row: &Row) -> String {
    if row.figures.iter().all(|figures| figures.decided.count == 0) {
        return "nobody decides".to_owned();
    }
    let peers = row
        .figures
        .iter()
        .filter(|one| one.rule != RuleKind::Sluice);
    let well = results
        .rows(Fault::None, Horizon::Time(WATCHED_US))
        .find(|well| {
            (well.case.per_second, well.case.weight_percent)
                == (row.case.per_second, row.case.weight_percent)
        });
    let named: Vec<String> = peers
        .filter_map(|figures| {
            let title = figures.rule.title();
            let (title, even) = match figures.standing() {
                Standing::Ahead => return None,
                Standing::Even => (title.to_owned(), Some("even".to_owned())),
                Standing::Behind => (format!("**{title}**"), None),
            };
            let wrong = well.and_then(|well| {
                let share = well.of(figures.rule)?.decided.value();
                Some(format!("{} false", words::percent(share)))
            });
            let notes: Vec<String> = even.into_iter().chain(wrong).collect();
            Some(match notes.as_slice() {
                [] => title,
                notes => format!("{title} ({})", notes.join(", ")),
            })
        })
        .collect();
    named.join(", ")
}

/// One paragraph per peer.
pub(super) fn summary(results: &Results) -> String {
    let mut text = "\n## In short\n\nSooner means: in clearly more of the runs than not, by a sign test at 1 %, on the same requests.\n\n"
        .to_owned();
    let peers = results
        .rules
        .iter()
        .filter(|rule| **rule != RuleKind::Sluice);
    for peer in peers {
        let sentences: Vec<String> = [true, false]
            .into_iter()
            .filter_map(|enough| sentence(results, *peer, enough))
            .chain(price(results, *peer))
            .collect();
        text.push_str(&format!(
            "- **{}**: {}\n",
            peer.title(),
            sentences.join(" ")
        ));
    }
    text
}

/// How often Sluice is sooner than a peer, with enough traffic or with less.
fn sentence(results: &Results, peer: RuleKind, enough: bool) -> Option<String> {
    let rows: Vec<&Row> = bad(results)
        .filter(|row| (row.case.per_second >= ENOUGH_PER_SECOND) == enough)
        .collect();
    let of = |standing: Standing| {
        let stands = |row: &&Row| {
            row.of(peer)
                .is_some_and(|figures| figures.standing() == standing)
        };
        rows.iter().copied().filter(stands).collect::<Vec<&Row>>()
    };
    let (even, behind) = (of(Standing::Even), of(Standing::Behind));
    let traffic = match enough {
        true => format!("With {ENOUGH_PER_SECOND} requests/s and more"),
        false => "With fewer".to_owned(),
    };
    let all = rows.len();
    let mut text = match all - even.len() - behind.len() {
        _ if all == 0 => return None,
        ahead if ahead == all => format!("{traffic}, Sluice is sooner in all {all} cases."),
        ahead => format!("{traffic}, Sluice is sooner in {ahead} of {all} cases."),
    };
    for (some, what) in [(behind, "Later:"), (even, "Even:")] {
        if !some.is_empty() {
            text.push_str(&format!(" {what} {}.", named(&some, &rows)));
        }
    }
    Some(text)
}

/// Cases by fault, rate and weight: `0.2 % errors (all); 1 % errors (100/s; 1,000/s: 1 %, 5 %)`.
fn named(some: &[&Row], all: &[&Row]) -> String {
    let of = |rows: &[&Row], fault| -> Vec<(u32, u32)> {
        let cases = rows.iter().map(|row| row.case);
        cases
            .filter(|case| case.fault == fault)
            .map(|case| (case.per_second, case.weight_percent))
            .collect()
    };
    let faults = Fault::ALL.into_iter().filter_map(|fault| {
        let cases = of(some, fault);
        if cases.is_empty() {
            return None;
        }
        if cases.len() == of(all, fault).len() {
            return Some(format!("{} (all)", fault.title()));
        }
        let mut by_rate: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (per_second, weight) in cases {
            by_rate
                .entry(per_second)
                .or_default()
                .push(format!("{weight} %"));
        }
        let rates = by_rate.into_iter().map(|(rate, weights)| {
            let title = format!("{}/s", words::count(u64::from(rate)));
            let here = of(all, fault).iter().filter(|case| case.0 == rate).count();
            if weights.len() == here {
                title
            } else {
                format!("{title}: {}", weights.join(", "))
            }
        });
        let rates: Vec<String> = rates.collect();
        Some(format!("{} ({})", fault.title(), rates.join("; ")))
    });
    faults.collect::<Vec<String>>().join("; ")
}

/// What a peer pays for being sooner somewhere: how often it takes back a canary that is no worse.
fn price(results: &Results, peer: RuleKind) -> Option<String> {
    let mut cases: Vec<(u32, u32)> = bad(results)
        .filter(|row| {
            row.of(peer)
                .is_some_and(|figures| figures.standing() == Standing::Behind)
        })
        .map(|row| (row.case.per_second, row.case.weight_percent))
        .collect();
    cases.sort_unstable();
    cases.dedup();
    let worst = |rule: RuleKind| {
        results
            .rows(Fault::None, Horizon::Time(WATCHED_US))
            .filter(|row| cases.contains(&(row.case.per_second, row.case.weight_percent)))
            .filter_map(|row| Some(row.of(rule)?.decided))
            .max_by(|one, other| one.value().total_cmp(&other.value()))
    };
    let (theirs, ours): (Share, Share) = (worst(peer)?, worst(RuleKind::Sluice)?);
    Some(format!(
        "Where it beats Sluice, it takes back up to {} of the canaries that are no worse within the same hour; Sluice up to {}.",
        words::share(&theirs),
        words::share(&ours)
    ))
}

/// The cases with a fault.
fn bad(results: &Results) -> impl Iterator<Item = &Row> {
    results
        .rows
        .iter()
        .filter(|row| row.case.fault != Fault::None)
}
