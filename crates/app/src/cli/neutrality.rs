//! `audit neutrality`: users are assigned uniformly, by chance, and whoever they are.
//!
//! Works on the state folder and on a list of users that whoever asks brings along; no Sluice has to run. The
//! assignment is computed by the very code that routes (`sluice-routing`), the tests are `sluice_analysis`'s.

use super::args::AuditNeutralityArgs;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::table::Table;
use crate::view::text::{Line, Tone};
use serde::Serialize;
use sluice_analysis::SPLIT_ALPHA;
use sluice_analysis::neutrality::{ChiSquare, goodness_of_fit, independence, stand_out};
use sluice_model::routes::Assignment;
use sluice_model::{RolloutId, Sequential, ServiceName, ServiceStatus, Weight};
use sluice_routing::{BUCKETS, Salt};
use sluice_store::{LogQuery, Reader, StoreError};
use std::collections::BTreeMap;
use std::path::Path;

/// Names that the hash is tried on, of each kind.
const NAMES: u64 = 100_000;
/// Equal ranges of buckets that they are counted in.
const RANGES: usize = 100;
/// Level of the tests: with neutral assignments, at most one of a thousand reports shows anything.
const LEVEL: f64 = 0.001;
/// Users that are read from a list.
const USERS_MAX: usize = 10_000_000;
/// Attributes of a user that are looked at.
const ATTRIBUTES_MAX: usize = 64;
/// Different values of an attribute; beyond, it is a name, and not an attribute.
const VALUES_MAX: usize = 10_000;

/// The report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    service: ServiceName,
    assignment: Assignment,
    rollout: Option<RolloutId>,
    canary_weight: Weight,
    level: f64,
    /// The hash over names that have a pattern, and over those of the list.
    uniformity: Vec<Test>,
    /// The side against each attribute of the list.
    independence: Vec<Test>,
    /// What the proxy counted in each rollout.
    recorded: Vec<Recorded>,
    neutral: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    of: String,
    users: u64,
    /// Absent when there were too few for a test.
    chi_square: Option<f64>,
    degrees: Option<u64>,
    p: Option<f64>,
    stands_out: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    rollout: RolloutId,
    attempt: u32,
    requests: u64,
    to_canary: u64,
    due: f64,
    log_e: f64,
    stands_out: bool,
}

/// Reports on the present, or last, rollout of a service, and on the splits of all that are in the log.
pub(super) fn neutrality(
    reader: &Reader,
    args: &AuditNeutralityArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let status = status_of(reader, args.one.service.as_ref())?;
    let report = report(reader, &status, args.users.as_deref())?;
    if output.is_json() {
        output.json(&report)?;
    } else {
        output.lines(&lines(&report))?;
    }
    Ok(if report.neutral {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn status_of(reader: &Reader, wanted: Option<&ServiceName>) -> Result<ServiceStatus, Failure> {
    let mut statuses = reader
        .statuses()
        .map_err(|error| super::audit::unreadable(&error))?;
    statuses.retain(|status| wanted.is_none_or(|wanted| status.service == *wanted));
    let several = statuses.len() > 1;
    match statuses.pop() {
        Some(status) if !several => Ok(status),
        Some(_) => Err(Failure::new(
            Exit::Usage,
            "service",
            "there are several services; name one",
        )),
        None => Err(
            Failure::new(Exit::Missing, "service", "there is no such service")
                .with_help("`sluice status` lists those there are"),
        ),
    }
}

fn report(
    reader: &Reader,
    status: &ServiceStatus,
    users: Option<&Path>,
) -> Result<Report, Failure> {
    let rollout = status.rollout.as_ref().map(|rollout| rollout.id);
    let salt = Salt::of_rollout(rollout.unwrap_or(status.next_rollout));
    let target = status.running().map(|rollout| rollout.target);
    let weight = target
        .and_then(|target| status.routes.weights.get(&target).copied())
        .filter(|weight| *weight > Weight::ZERO && *weight < Weight::FULL)
        // Between rollouts a half shows most.
        .unwrap_or(Weight::from_basis_points(BUCKETS / 2).unwrap_or(Weight::FULL));
    let mut uniformity = names_with_a_pattern(salt);
    let mut of_attributes = Vec::new();
    if let Some(path) = users {
        let list = read_list(path, salt, weight)?;
        uniformity.push(test(
            "the users of the list",
            list.users,
            goodness(&list.ranges),
        ));
        of_attributes = list
            .attributes
            .iter()
            .map(|(name, values)| test(name, list.users, independence(values)))
            .collect();
    }
    let p_values: Vec<f64> = uniformity
        .iter()
        .chain(&of_attributes)
        .map(|test| test.p.unwrap_or(f64::NAN))
        .collect();
    let tests = uniformity.iter_mut().chain(&mut of_attributes);
    for (test, stands_out) in tests.zip(stand_out(&p_values, LEVEL)) {
        test.stands_out = stands_out;
    }
    let recorded =
        recorded(reader, &status.service).map_err(|error| super::audit::unreadable(&error))?;
    let neutral = !uniformity
        .iter()
        .chain(&of_attributes)
        .any(|test| test.stands_out)
        && !recorded.iter().any(|split| split.stands_out);
    Ok(Report {
        service: status.service.clone(),
        assignment: status.routes.assignment.clone(),
        rollout,
        canary_weight: weight,
        level: LEVEL,
        uniformity,
        independence: of_attributes,
        recorded,
        neutral,
    })
}

fn test(of: &str, users: u64, result: Option<ChiSquare>) -> Test {
    Test {
        of: of.to_owned(),
        users,
        chi_square: result.map(|it| it.statistic),
        degrees: result.map(|it| it.degrees),
        p: result.map(|it| it.p),
        stands_out: false,
    }
}

fn goodness(ranges: &[u64]) -> Option<ChiSquare> {
    let shares = vec![1.0 / ranges.len() as f64; ranges.len()];
    goodness_of_fit(ranges, &shares)
}

fn range_of(bucket: u16) -> usize {
    usize::from(bucket) * RANGES / usize::from(BUCKETS)
}

/// Names as they occur: numbered, mail addresses, hexadecimal. A weak hash shows in these first.
fn names_with_a_pattern(salt: Salt) -> Vec<Test> {
    let of_kind = |of: &str, name: &dyn Fn(u64) -> String| {
        let mut ranges = vec![0; RANGES];
        for n in 1..=NAMES {
            ranges[range_of(salt.bucket(name(n).as_bytes()))] += 1;
        }
        test(of, NAMES, goodness(&ranges))
    };
    vec![
        of_kind("numbered users (user-1 …)", &|n| format!("user-{n}")),
        of_kind("mail addresses", &|n| {
            format!("{}.{}@example.org", n % 317, n / 317)
        }),
        of_kind("hexadecimal ids", &|n| format!("{n:016x}")),
    ]
}

/// For each value of an attribute, how many are on the canary and how many are not.
type Values = BTreeMap<String, (u64, u64)>;

struct List {
    users: u64,
    ranges: Vec<u64>,
    attributes: Vec<(String, Values)>,
}

/// A CSV file with a header: the users in its first column, attributes of theirs in the others.
fn read_list(path: &Path, salt: Salt, weight: Weight) -> Result<List, Failure> {
    let place = || path.display().to_string();
    let unreadable = |error: &csv::Error| {
        Failure::new(Exit::Usage, "users", format!("{}: {error}", place())).with_help(
            "a CSV file with a header is wanted: users in the first column, attributes in the others",
        )
    };
    let mut reader = csv::Reader::from_path(path).map_err(|error| unreadable(&error))?;
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let names = header.iter().skip(1).take(ATTRIBUTES_MAX);
    let mut list = List {
        users: 0,
        ranges: vec![0; RANGES],
        attributes: names.map(|name| (name.to_owned(), Values::new())).collect(),
    };
    for record in reader.records().take(USERS_MAX) {
        let record = record.map_err(|error| unreadable(&error))?;
        let bucket = salt.bucket(record.get(0).unwrap_or_default().as_bytes());
        let on_canary = bucket < weight.basis_points();
        list.users += 1;
        list.ranges[range_of(bucket)] += 1;
        for ((name, values), value) in list.attributes.iter_mut().zip(record.iter().skip(1)) {
            if values.len() == VALUES_MAX && !values.contains_key(value) {
                return Err(Failure::new(
                    Exit::Usage,
                    "users",
                    format!(
                        "{}: `{name}` has more than {VALUES_MAX} different values",
                        place()
                    ),
                )
                .with_help("leave columns out that name a user, or group their values"));
            }
            let cell = values.entry(value.to_owned()).or_default();
            if on_canary {
                cell.0 += 1;
            } else {
                cell.1 += 1;
            }
        }
    }
    Ok(list)
}

/// The last known split of every rollout in the log.
fn recorded(reader: &Reader, service: &ServiceName) -> Result<Vec<Recorded>, StoreError> {
    let mut query = LogQuery {
        service: Some(service.clone()),
        ..LogQuery::default()
    };
    let mut splits = BTreeMap::new();
    loop {
        let page = reader.log(&query)?;
        let Some(last) = page.last() else {
            return Ok(splits.into_values().collect());
        };
        query.since_seq = last.seq;
        let evidence = page
            .iter()
            .filter_map(sluice_store::LogEntry::report)
            .flat_map(|report| report.evidence)
            .filter_map(|judgement| judgement.measurement?.sequential().cloned());
        splits.extend(evidence.map(|it| ((it.rollout, it.attempt), recorded_split(&it))));
    }
}

fn recorded_split(evidence: &Sequential) -> Recorded {
    let split = &evidence.split;
    let requests = split.iter().map(|it| it.canary + it.baseline).sum();
    let due = split
        .iter()
        .map(|it| it.weight.percent() / 100.0 * (it.canary + it.baseline) as f64)
        .sum();
    Recorded {
        rollout: evidence.rollout,
        attempt: evidence.attempt,
        requests,
        to_canary: split.iter().map(|it| it.canary).sum(),
        due,
        log_e: evidence.log_e_split,
        stands_out: evidence.log_e_split >= -SPLIT_ALPHA.ln(),
    }
}

fn lines(report: &Report) -> Vec<Line> {
    let strong = |text: &str| Line::new().with(Tone::Strong, text);
    let plain = |text: String| Line::new().with(Tone::Plain, format!("  {text}"));
    let mut lines = vec![strong("How requests are assigned")];
    lines.push(plain(match &report.assignment {
        Assignment::PerRequest => {
            "each request by a random number of its own; nothing of the request enters".to_owned()
        }
        Assignment::Header { name } => of_unit("header", name),
        Assignment::Cookie { name } => of_unit("cookie", name),
    }));
    lines.push(Line::default());
    lines.push(strong("Is the hash uniform?"));
    lines.extend(tests("USERS", &report.uniformity));
    if !report.independence.is_empty() {
        lines.push(Line::default());
        lines.push(strong(&format!(
            "Is the side ({} on the new revision) independent of who somebody is?",
            report.canary_weight
        )));
        lines.extend(tests("ATTRIBUTE", &report.independence));
    }
    lines.push(Line::default());
    lines.push(strong(
        "Did the splits of the rollouts follow their weights?",
    ));
    if report.recorded.is_empty() {
        lines.push(plain(
            "no rollout has compared two revisions yet".to_owned(),
        ));
    } else {
        let mut table = Table::new(&[
            "ROLLOUT",
            "COUNTED",
            "ON THE NEW SIDE",
            "DUE",
            "E-VALUE",
            "",
        ]);
        for split in &report.recorded {
            table.row(vec![
                (Tone::Plain, format!("{}.{}", split.rollout, split.attempt)),
                (Tone::Plain, split.requests.to_string()),
                (Tone::Plain, split.to_canary.to_string()),
                (Tone::Plain, format!("{:.0}", split.due)),
                (Tone::Plain, format!("{:.3}", split.log_e.exp())),
                word(!split.stands_out),
            ]);
        }
        lines.extend(table.lines());
    }
    lines.push(Line::default());
    lines.push(if report.neutral {
        Line::new().with(
            Tone::Good,
            format!(
                "neutral: nothing stands out at {} % over all tests",
                report.level * 100.0
            ),
        )
    } else {
        Line::new().with(Tone::Bad, "NOT NEUTRAL: see above")
    });
    lines
}

fn of_unit(what: &str, name: &str) -> String {
    format!(
        "each user by the value of the {what} `{name}` alone: SipHash-1-3, keyed by the rollout's number; nothing else of the request enters"
    )
}

fn tests(title: &'static str, tests: &[Test]) -> Vec<Line> {
    let mut table = Table::new(&[title, "COUNTED", "CHI-SQUARE", "DEGREES", "P", ""]);
    for test in tests {
        let figure = |figure: Option<String>| (Tone::Plain, figure.unwrap_or_else(|| "–".into()));
        let verdict = match test.p {
            None => (Tone::Quiet, "too few".to_owned()),
            Some(_) => word(!test.stands_out),
        };
        table.row(vec![
            (Tone::Plain, test.of.clone()),
            (Tone::Plain, test.users.to_string()),
            figure(test.chi_square.map(|it| format!("{it:.1}"))),
            figure(test.degrees.map(|it| it.to_string())),
            figure(test.p.map(|it| format!("{it:.4}"))),
            verdict,
        ]);
    }
    table.lines()
}

fn word(is_neutral: bool) -> (Tone, String) {
    if is_neutral {
        (Tone::Good, "neutral".to_owned())
    } else {
        (Tone::Bad, "NOT NEUTRAL".to_owned())
    }
}
