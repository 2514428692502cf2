//! `plugin: {sluice/sequential: …}`: an analysis that decides per request, with stated error rates, on counters
//! from Prometheus.
//!
//! It is one measurement that lasts until it is decided: at each look, what the counters have grown by is
//! added to the `books`, which are kept in the measurement's metadata, and judged by the same code as the
//! comparisons of a service of one machine. `config` is what a template writes.

mod books;
mod config;
#[cfg(test)]
mod tests;

use super::providers::prometheus;
use super::{Asked, Servers};
use books::{Books, Leaning, SERIES_MAX, Shown, too_many};
use config::Config;
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisPhase, DEFAULT_CONSECUTIVE_ERROR_LIMIT, IntOrString, Metric};
use sluice_kubernetes::{Answer, Meaning, Question};
use sluice_metrics::{PrometheusQuery, Query, Sample, Window};
use sluice_model::{Verdict, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use config::NAME;

/// Time between looks while there is no answer.
const RETRY: Duration = Duration::from_secs(10);

pub(super) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    written: &Value,
) -> Result<Answer, String> {
    let config = Config::read(written)?;
    let books = kept(question)?;
    match (look(servers, question, &config).await, books) {
        (Ok((weight, shown)), books) => follow(question, &config, books, weight, shown),
        // Prometheus may be back at the next look; what was counted is kept.
        (Err(cause), Some(mut books)) if books.failures < errors_max(question.metric) => {
            books.failures += 1;
            let why = format!("no answer {} times in a row: {cause}", books.failures);
            let again = Meaning::Unfinished(question.now.after(RETRY), why);
            answer(&books, String::new(), again)
        }
        (Err(cause), _) => Err(cause),
    }
}

/// What a look means.
fn follow(
    question: &Question<'_>,
    config: &Config,
    books: Option<Books>,
    weight: Weight,
    shown: Shown,
) -> Result<Answer, String> {
    let now = question.now;
    let mut books = match books {
        Some(mut books) => {
            books.take(now, weight, shown, config)?;
            books
        }
        None => Books::open(now, weight, shown),
    };
    books.failures = 0;
    let judgement = books.judge(now, config);
    let leaning = match judgement.verdict {
        Verdict::Fail => Leaning::Worse,
        Verdict::Pass => Leaning::NotWorse,
        Verdict::Inconclusive | Verdict::NoData => Leaning::Neither,
    };
    let is_decided = leaning != Leaning::Neither && leaning == books.leaning;
    books.leaning = leaning;
    let sides = judgement.measurement.as_ref();
    let text = sides.map_or_else(String::new, |sides| {
        json!({
            "canary": {"requests": sides.canary.count, "badRatio": sides.canary.value},
            "stable": {"requests": sides.baseline.count, "badRatio": sides.baseline.value},
        })
        .to_string()
    });
    let late = config
        .within
        .is_some_and(|within| now.since(books.began) >= within);
    let why = judgement.message;
    let meaning = match (leaning, is_decided) {
        (Leaning::Worse, true) => Meaning::Decided(AnalysisPhase::Failed, why),
        (Leaning::NotWorse, true) => Meaning::Decided(AnalysisPhase::Successful, why),
        _ if late => Meaning::Decided(AnalysisPhase::Inconclusive, why),
        _ => Meaning::Unfinished(now.after(config.every), why),
    };
    answer(&books, text, meaning)
}

fn answer(books: &Books, text: String, meaning: Meaning) -> Result<Answer, String> {
    let kept = serde_json::to_string(books)
        .map_err(|cause| format!("{NAME}: the counts cannot be kept: {cause}; report this"))?;
    Ok(Answer {
        text,
        meaning,
        metadata: BTreeMap::new(),
        notes: BTreeMap::from([(NAME.to_owned(), kept)]),
    })
}

/// The books of the measurement that is looked at again, or of the metric's last one: a measurement that ended in
/// error, or was decided and is repeated, is gone on with.
fn kept(question: &Question<'_>) -> Result<Option<Books>, String> {
    let results = &question.run.status.metric_results;
    let result = results.iter().find(|it| it.name == question.metric.name);
    let last = result.and_then(|result| result.measurements.last());
    let Some(kept) = question
        .before
        .or(last)
        .and_then(|it| it.metadata.get(NAME))
    else {
        return Ok(None);
    };
    let mut books: Books = serde_json::from_str(kept).map_err(|cause| {
        format!("{NAME}: the counts of the measurement before cannot be read: {cause}; begin another run")
    })?;
    if question.before.is_none() {
        books.failures = 0;
    }
    Ok(Some(books))
}

/// Looks without an answer, in a row, that a measurement survives.
fn errors_max(metric: &Metric) -> u32 {
    let limit = metric.consecutive_error_limit.as_ref();
    let limit = limit.map_or(DEFAULT_CONSECUTIVE_ERROR_LIMIT, IntOrString::int_value);
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// The weight, and what the counters show.
async fn look(
    servers: &Servers,
    question: &Question<'_>,
    config: &Config,
) -> Result<(Weight, Shown), String> {
    let weight = match config.weight {
        Some(weight) => weight,
        None => {
            let weight = question.lookup.canary_weight(question.run).await;
            let weight = weight.map_err(|cause| format!("{NAME}: {cause}"))?;
            let weight = weight.ok_or_else(|| {
                format!("{NAME}: no router says the canary's weight; write `weight`, in percent")
            })?;
            Weight::from_percent(weight).map_err(|cause| format!("{NAME}: {cause}"))?
        }
    };
    let mut shown = Shown::default();
    let queries = [
        &config.canary.total,
        &config.canary.bad,
        &config.stable.total,
        &config.stable.bad,
    ];
    for (shown, query) in shown.iter_mut().zip(queries) {
        *shown = counter(servers, question, config, query).await?;
    }
    Ok((weight, shown))
}

/// What a counter shows, by series.
async fn counter(
    servers: &Servers,
    question: &Question<'_>,
    config: &Config,
    query: &str,
) -> Result<BTreeMap<String, f64>, String> {
    let (server, secrets) = prometheus::server(servers, &config.prometheus).await?;
    let asked = Asked {
        name: NAME,
        server,
        secrets,
        query: Query::Prometheus(PrometheusQuery::instant(query)),
        window: Window::ending(question.now, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    let elements = match answered.sample {
        Sample::Vector(elements) => elements,
        _ => {
            return Err(format!(
                "{NAME}: `{query}` yields no vector; write a counter as in `sum by (pod) (requests_total)`"
            ));
        }
    };
    if elements.len() > SERIES_MAX {
        return Err(too_many(elements.len()));
    }
    let mut shown = BTreeMap::new();
    for element in elements {
        if !element.value.is_finite() || element.value < 0.0 {
            return Err(format!(
                "{NAME}: `{query}` yields {}, which no counter shows; query the counter itself, without `rate`",
                element.value
            ));
        }
        shown.insert(series(&element.labels), element.value);
    }
    Ok(shown)
}

/// A short name of a series: FNV-1a over its labels.
fn series(labels: &BTreeMap<String, String>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    // 48 bits tell a hundred series apart.
    format!("{:012x}", hash >> 16)
}
