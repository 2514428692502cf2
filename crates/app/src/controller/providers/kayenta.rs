//! Kayenta: a judgement over a window, whose score decides by the metric's thresholds.

use super::duration;
use crate::controller::{Asked, Servers, unexpected};
use sluice_argo::api::{
    AnalysisPhase, KayentaMetric, KayentaScope as Scope, KayentaThreshold, ScopeDetail,
};
use sluice_kubernetes::{Answer, MEASURE_MAX, Meaning, Question};
use sluice_metrics::{
    KayentaQuery, KayentaScope, KayentaSide, Query, Sample, Secrets, Server, Window,
};
use std::collections::BTreeMap;
use std::time::Duration;

const NAME: &str = "kayenta";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &KayentaMetric,
) -> Result<Answer, String> {
    let scopes = metric.scopes.iter().map(scope);
    let scopes = scopes.collect::<Result<Vec<KayentaScope>, String>>()?;
    let mut server = Server::at(&*metric.address);
    // A call lasts as long as the judgement does.
    server.timeout = MEASURE_MAX;
    let threshold = &metric.threshold;
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none(),
        query: Query::Kayenta(KayentaQuery {
            application: metric.application.clone(),
            canary_config_name: metric.canary_config_name.clone(),
            metrics_account_name: metric.metrics_account_name.clone(),
            configuration_account_name: metric.configuration_account_name.clone(),
            storage_account_name: metric.storage_account_name.clone(),
            pass: number("threshold.pass", threshold.pass)?,
            marginal: number("threshold.marginal", threshold.marginal)?,
            scopes,
            poll_interval: servers.kayenta_poll,
        }),
        window: window(question, metric)?,
    };
    let answered = servers.fetch(question, asked).await?;
    let Sample::Scalar(score) = answered.sample else {
        return Err(unexpected(NAME, &answered.sample));
    };
    // What is behind the point does not count.
    let score = score as i64;
    Ok(Answer {
        text: score.to_string(),
        meaning: Meaning::Decided(phase(score, threshold), String::new()),
        metadata: BTreeMap::new(),
        notes: BTreeMap::new(),
    })
}

fn phase(score: i64, threshold: &KayentaThreshold) -> AnalysisPhase {
    if score >= threshold.pass {
        AnalysisPhase::Successful
    } else if score >= threshold.marginal {
        AnalysisPhase::Inconclusive
    } else {
        AnalysisPhase::Failed
    }
}

/// What scopes without times of their own look at: the metric's interval, or all since the run began.
fn window(question: &Question<'_>, metric: &KayentaMetric) -> Result<Window, String> {
    let sides = metric.scopes.iter();
    let needs_start = sides
        .clone()
        .any(|scope| scope.control_scope.start.is_empty());
    if !needs_start {
        return Ok(super::window(question, Duration::ZERO));
    }
    if metric.lookback {
        let started = question.run.status.started_at;
        return Ok(Window {
            start: started.map_or(question.now, |time| time.0),
            end: question.now,
        });
    }
    let span = duration(NAME, "interval", &question.metric.interval, Duration::ZERO)?;
    if span.is_zero() {
        return Err(format!(
            "{NAME}: the scopes have no start and the metric no interval; write one of them, or set lookback"
        ));
    }
    Ok(super::window(question, span))
}

fn scope(scope: &Scope) -> Result<KayentaScope, String> {
    let (control, experiment) = (&scope.control_scope, &scope.experiment_scope);
    for (field, a, b) in [
        ("start", &control.start, &experiment.start),
        ("end", &control.end, &experiment.end),
    ] {
        if a.is_empty() != b.is_empty() {
            return Err(format!(
                "{NAME}: the scope `{}` has a {field} on one side only; write it on both, or on none",
                scope.name
            ));
        }
    }
    Ok(KayentaScope {
        name: scope.name.clone(),
        control: side(control)?,
        experiment: side(experiment)?,
    })
}

fn side(side: &ScopeDetail) -> Result<KayentaSide, String> {
    let own = |time: &String| Some(time.clone()).filter(|time| !time.is_empty());
    Ok(KayentaSide {
        scope: side.scope.clone(),
        location: side.region.clone(),
        step: number("step", side.step)?,
        start: own(&side.start),
        end: own(&side.end),
    })
}

fn number(field: &str, number: i64) -> Result<u32, String> {
    u32::try_from(number)
        .map_err(|_| format!("{NAME}: {field} is {number}; write a number from 0 on"))
}
