//! The commands that serve instead of asking: `up`, `demo`, and the demo's service.

use super::args::{DemoArgs, DemoServiceArgs, Global, UpArgs};
use super::failure::{Exit, Failure};
use super::locate;
use super::output::{Output, takes_colour};
use crate::{daemon, demo};
use sluice_server::{ApiError, ClientError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

/// Threads of the runtime that serves the API and runs the daemon; the proxy has its own.
const RUNTIME_THREADS: usize = 2;

/// Which messages Sluice prints about itself: a filter such as `debug` or `sluice_proxy=trace`.
const LOG_VARIABLE: &str = "SLUICE_LOG";

pub(crate) fn up(global: &Global, args: UpArgs) -> Result<ExitCode, Failure> {
    log_messages("info");
    let document = absolute(&locate::document(args.file.as_deref())?)?;
    if !document.is_file() {
        let message = format!("there is no document {}", document.display());
        return Err(Failure::new(Exit::Missing, "no-document", message)
            .with_help("write one, or name another with --file"));
    }
    let state_dir = match &global.state {
        Some(named) => absolute(named)?,
        None => locate::beside(&document),
    };
    serve(async move {
        let actor = sluice_server::identity::current_user().await;
        let options = daemon::Options {
            document,
            state_dir,
            api: args.api,
            workers: args.workers.map(|workers| workers as usize),
            take_over: args.take_over,
            actor,
        };
        daemon::run(options).await.map(|()| ExitCode::SUCCESS)
    })
}

pub(crate) fn demo(args: DemoArgs, output: Output) -> Result<ExitCode, Failure> {
    log_messages("error");
    let show = demo::Show {
        json: args.json || output.is_json(),
        colour: output.colour,
    };
    serve(demo::run(show))
}

pub(crate) fn demo_service(args: DemoServiceArgs) -> Result<ExitCode, Failure> {
    log_messages("warn");
    let options = demo::service::Options {
        address: (args.host, args.port).into(),
        version: args.name,
        fail_ratio: args.fail_ratio,
        leak_bytes: args.leak_bytes,
    };
    serve(async move {
        demo::service::serve(options)
            .await
            .map(|()| ExitCode::SUCCESS)
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}

/// Runs to the end. An error that the API would report keeps its exit code and its diagnostics.
fn serve(work: impl Future<Output = anyhow::Result<ExitCode>>) -> Result<ExitCode, Failure> {
    serving_runtime()?
        .block_on(work)
        .map_err(|error| match error.downcast::<ApiError>() {
            Ok(error) => Failure::from(ClientError::Api(error)),
            Err(error) => Failure::new(Exit::Failed, "failed", format!("{error:#}")),
        })
}

/// A runtime for a command that serves.
fn serving_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, "system", format!("cannot start: {error}")))
}

/// Messages go to standard error, from this level on unless the environment says otherwise.
pub(crate) fn log_messages(level: &str) {
    log_messages_as(level, false);
}

/// As [`log_messages`], each as a JSON object if that is wanted.
pub(crate) fn log_messages_as(level: &str, json: bool) {
    match std::env::var(LOG_VARIABLE) {
        Ok(named) if EnvFilter::try_new(&named).is_ok() => log_at(&named, json),
        _ => log_at(level, json),
    }
}

/// Messages go to standard error, from this level on.
pub(crate) fn log_at(level: &str, json: bool) {
    let messages = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr);
    if json {
        messages.json().flatten_event(true).init();
    } else {
        messages.with_ansi(takes_colour(&std::io::stderr())).init();
    }
}
