//! `sluice demo`: a real service under real load; a bad release taken back, a good one promoted.
//!
//! Everything a user would do goes through the same doors: a document, the API, the proxy. Only the
//! state folder is a temporary one.

mod load;
mod report;
pub(crate) mod service;

use crate::daemon::{self, Options, Session, Signals};
use crate::view::frame::{Layout, frame};
use crate::view::lines::News;
use crate::view::screen::{self, Screen};
use anyhow::{Context as _, anyhow, bail};
use load::Load;
use report::{BadRelease, GoodRelease, Report};
use sluice_model::view::{Phase, ServiceView};
use sluice_model::{ServiceName, Timestamp};
use sluice_server::Client;
use sluice_server::wire::{AuditQuery, DeployRequest, LogEntry};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Requests a second.
const RATE: u32 = 1_000;
/// Connections that they come over.
const USERS: u32 = 16;
/// Share of requests that the bad release fails.
const FAIL_RATIO: &str = "0.02";
/// Longest time for one act of the demo.
const ACT_MAX: Duration = Duration::from_secs(45);
/// How often the view is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How the decision log writes the rule of a release that was taken back.
const ABORTED: &str = "aborted";

/// How the demo is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    /// One JSON object at the end, nothing else.
    pub(crate) json: bool,
    /// Whether colours may be used.
    pub(crate) colour: bool,
}

/// Runs the demo; exit code 1 when an expectation was not met.
pub(crate) async fn run(show: Show) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("sluice-demo-")
        .tempdir()
        .context("the demo needs a temporary folder")?;
    let options = Options {
        document: write_document(folder.path())?,
        state_dir: folder.path().join("state"),
        api: None,
        workers: None,
        take_over: false,
        actor: "demo".to_owned(),
    };
    // The replicas are in process groups of their own: nobody but this process ends them.
    let mut signals = Signals::watch()?;
    let proxy = daemon::start_proxy(&options)?;
    let mut session = Session::open(&options, proxy).await?;
    let mut stage = Stage::new(show, &options.state_dir);
    let played = tokio::select! {
        played = play(&mut stage, &session) => played,
        () = signals.next() => Err(anyhow!("the demo was interrupted")),
    };
    stage.close();
    session.stop(signals.next()).await?;
    let report = played?;
    tell(&report, show)
}

fn tell(report: &Report, show: Show) -> anyhow::Result<ExitCode> {
    let misses = report.misses();
    if show.json {
        let text = serde_json::to_string_pretty(report).context("the report cannot be written")?;
        crate::out::line(&text)?;
    } else {
        for sentence in report.sentences() {
            crate::out::line(&sentence)?;
        }
    }
    for miss in &misses {
        crate::out::error(&format!("not as expected: {miss}"));
    }
    Ok(if misses.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The demo's document: the default checks, and short steps, so that the whole takes about a minute.
fn write_document(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let program = std::env::current_exe().context("the demo cannot find its own program")?;
    let program = serde_json::to_string(&program.display().to_string())?;
    let text = format!(
        r#"services:
  reserve:
    run: [{program}, demo-service, --port, $PORT]
    env: {{ DEMO_VERSION: "1", DEMO_FAIL_RATIO: "0" }}
    listen: 127.0.0.1:0
    ready: /healthz
    replicas: 2
    stop: {{ drain: 5s, grace: 5s }}
    release:
      strategy: canary
      bake: 3s
      steps: [{{ weight: 5 }}, {{ weight: 25 }}, {{ weight: 50 }}, {{ weight: 100, bake: 0s }}]
      keepWarm: 1m
"#
    );
    let path = folder.join("sluice.yaml");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

async fn play(stage: &mut Stage, session: &Session) -> anyhow::Result<Report> {
    stage.say("A service with two replicas starts behind the proxy.");
    let first = stage
        .until(session, "the service to come up", |view| {
            view.phase == Phase::Healthy
        })
        .await?;
    let address: SocketAddr = first
        .listen
        .as_deref()
        .context("the service has no address")?
        .parse()
        .context("the service's address cannot be read")?;
    stage.say(&format!(
        "{RATE} requests a second go through it, on {address}."
    ));
    let load = load::start(address, RATE, USERS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bad = bad_release(stage, session, &load).await;
    let good = match &bad {
        Ok(_) => good_release(stage, session).await,
        Err(_) => Ok(GoodRelease::default()),
    };
    let tally = load.stop().await;
    if let Some(failure) = &tally.last_failure {
        stage.say(&format!(
            "The last request that failed in the proxy: {failure}"
        ));
    }
    Ok(Report {
        requests: tally.requests,
        failed_by_proxy: tally.failed_by_proxy,
        bad_release: bad?,
        good_release: good?,
    })
}

async fn bad_release(
    stage: &mut Stage,
    session: &Session,
    load: &Load,
) -> anyhow::Result<BadRelease> {
    stage.say(&format!(
        "Version 2 fails {} % of its requests. It is released.",
        2
    ));
    stage.deploy("2", FAIL_RATIO).await?;
    stage
        .until(session, "the bad release to be taken back", |view| {
            view.canary.is_none()
        })
        .await?;
    // Requests that were under way at the decision are counted as well.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let entries = stage.entries().await?;
    let decision = entries.iter().rev().find(|entry| entry.rule == ABORTED);
    let seen = load.tally().versions.get("2").copied().unwrap_or_default();
    let since = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to?.0 - from?.0);
    let decided_at = decision.map(|entry| entry.at);
    Ok(BadRelease {
        detected_after_ms: since(seen.first_sent, decided_at),
        requests_to_canary: seen.requests,
        canary_errors: seen.errors,
        zero_traffic_after_ms: since(decided_at, seen.last_sent).map(|late| late.max(0)),
        reason: decision.map(|entry| entry.message.clone()),
    })
}

async fn good_release(stage: &mut Stage, session: &Session) -> anyhow::Result<GoodRelease> {
    stage.say("Version 3 is fine. It is released.");
    let began = Instant::now();
    let revision = stage.deploy("3", "0").await?;
    let view = stage
        .until(session, "the good release to end", |view| {
            view.canary.is_none()
        })
        .await?;
    let promoted = view.stable == Some(revision);
    Ok(GoodRelease {
        promoted_after_ms: promoted
            .then(|| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)),
    })
}

/// Where the demo is shown, and the API that it goes through.
struct Stage {
    client: Client,
    news: News,
    screen: Option<Screen>,
    show: Show,
}

impl Stage {
    fn new(show: Show, state_dir: &Path) -> Stage {
        let screen = (!show.json && screen::is_interactive())
            .then(Screen::open)
            .and_then(Result::ok);
        Stage {
            client: Client::local(state_dir),
            news: News::default(),
            screen,
            show,
        }
    }

    /// A sentence of the story.
    fn say(&mut self, text: &str) {
        if self.show.json {
            return;
        }
        if let Some(screen) = &mut self.screen
            && let Err(error) = screen.restart()
        {
            tracing::debug!(%error, "the screen cannot be drawn");
        }
        crate::out::notice(text);
    }

    fn draw(&mut self, view: &ServiceView) {
        if let Some(screen) = &mut self.screen {
            let (width, height) = screen::room();
            let lines = frame(
                std::slice::from_ref(view),
                Layout {
                    width,
                    height,
                    selected: None,
                },
            );
            if let Err(error) = screen.draw(&lines, self.show.colour) {
                tracing::debug!(%error, "the screen cannot be drawn");
            }
        } else if !self.show.json
            && let Some(line) = self.news.tell(view)
        {
            crate::out::notice(&line);
        }
    }

    fn close(&mut self) {
        self.screen = None;
    }

    /// Shows the service until it is as wanted.
    async fn until(
        &mut self,
        session: &Session,
        what: &str,
        wanted: impl Fn(&ServiceView) -> bool,
    ) -> anyhow::Result<ServiceView> {
        let until = Instant::now() + ACT_MAX;
        while Instant::now() < until {
            if let Some(view) = session.views().into_iter().next() {
                self.draw(&view);
                if wanted(&view) {
                    return Ok(view);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "the demo waited {} s for {what}, in vain",
            ACT_MAX.as_secs()
        )
    }

    async fn deploy(
        &self,
        version: &str,
        fail_ratio: &str,
    ) -> anyhow::Result<sluice_model::RevisionNumber> {
        let request = DeployRequest {
            env: BTreeMap::from([
                ("DEMO_VERSION".to_owned(), version.to_owned()),
                ("DEMO_FAIL_RATIO".to_owned(), fail_ratio.to_owned()),
            ]),
            note: Some(format!("version {version}")),
            ..DeployRequest::default()
        };
        Ok(self.client.deploy(&request).await?.revision)
    }

    async fn entries(&self) -> anyhow::Result<Vec<LogEntry>> {
        let service = ServiceName::new("reserve").map_err(anyhow::Error::msg)?;
        Ok(self
            .client
            .audit(&AuditQuery {
                service: Some(service),
                ..AuditQuery::default()
            })
            .await?)
    }
}
