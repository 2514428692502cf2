//! Commands that change something: deploy, promote, pause, resume, abort, retry, undo, restart, stop.

use super::args::{
    AbortArgs, DeployArgs, Global, One, PauseArgs, PromoteArgs, StopArgs, UndoArgs, WaitArgs,
    WaitableOne, Waiting,
};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::wait::{self, Goal};
use super::{locate, wait::RETRY};
use crate::view::lines;
use sluice_model::command::CommandKind;
use sluice_model::ids::ServiceName;
use sluice_model::time::format_span;
use sluice_model::view::ServiceView;
use sluice_server::wire::{DeployReply, DeployRequest, DocumentText, StopRequest};
use sluice_server::{Client, ClientError};
use std::path::Path;
use tokio::time::{Instant, sleep};

pub(crate) async fn deploy(
    global: &Global,
    args: DeployArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let document = args.file.as_deref().map(read_document).transpose()?;
    let service = match (args.one.service, &document) {
        (Some(name), _) => Some(name),
        // The document that is sent may have the only service; the daemon knows after reading it.
        (None, Some(_)) => None,
        (None, None) => Some(locate::service(&client, None).await?),
    };
    let request = DeployRequest {
        service,
        env: args.env.into_iter().collect(),
        document,
        note: args.note,
    };
    let reply = client.deploy(&request).await?;
    after_deploy(&client, &reply, args.waiting, output).await
}

pub(crate) async fn restart(
    global: &Global,
    args: WaitableOne,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, args.one.service).await?;
    let reply = client.restart(&service).await?;
    after_deploy(&client, &reply, args.waiting, output).await
}

async fn after_deploy(
    client: &Client,
    reply: &DeployReply,
    waiting: Waiting,
    output: Output,
) -> Result<Exit, Failure> {
    let DeployReply {
        service,
        revision,
        unchanged,
        ..
    } = reply;
    if !output.is_json() {
        output.text(if *unchanged {
            format!("{service}: nothing to do, revision {revision} is what is asked for already")
        } else if waiting.wait {
            format!("{service}: revision {revision} is being rolled out")
        } else {
            format!(
                "{service}: revision {revision} is being rolled out; look at it with `sluice watch {service}`"
            )
        })?;
    } else if !waiting.wait {
        output.json(reply)?;
    }
    if !waiting.wait {
        return Ok(Exit::Done);
    }
    wait::wait(
        client,
        service,
        Goal::promoted(*revision),
        waiting.timeout,
        output,
    )
    .await
}

fn read_document(path: &Path) -> Result<DocumentText, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    let absolute =
        std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))?;
    let base_dir = absolute.parent().unwrap_or(Path::new("/"));
    Ok(DocumentText {
        file: path.display().to_string(),
        base_dir: base_dir.display().to_string(),
        text,
    })
}

pub(crate) async fn promote(
    global: &Global,
    args: PromoteArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let kind = CommandKind::Promote { full: args.full };
    command(global, args.one, kind, Some(args.waiting), output).await
}

pub(crate) async fn pause(
    global: &Global,
    args: PauseArgs,
    output: Output,
) -> Result<Exit, Failure> {
    command(
        global,
        args.one,
        CommandKind::Pause {
            reason: args.reason,
        },
        None,
        output,
    )
    .await
}

pub(crate) async fn resume(global: &Global, one: One, output: Output) -> Result<Exit, Failure> {
    command(global, one, CommandKind::Resume, None, output).await
}

pub(crate) async fn abort(
    global: &Global,
    args: AbortArgs,
    output: Output,
) -> Result<Exit, Failure> {
    command(
        global,
        args.one,
        CommandKind::Abort {
            reason: args.reason,
        },
        None,
        output,
    )
    .await
}

pub(crate) async fn retry(
    global: &Global,
    args: WaitableOne,
    output: Output,
) -> Result<Exit, Failure> {
    command(
        global,
        args.one,
        CommandKind::Retry,
        Some(args.waiting),
        output,
    )
    .await
}

pub(crate) async fn undo(global: &Global, args: UndoArgs, output: Output) -> Result<Exit, Failure> {
    command(
        global,
        args.one,
        CommandKind::Undo { to: args.to },
        Some(args.waiting),
        output,
    )
    .await
}

/// Gives a command, shows the service after it, and waits for the end of its rollout if told to.
async fn command(
    global: &Global,
    one: One,
    kind: CommandKind,
    waiting: Option<Waiting>,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, one.service).await?;
    let after = client.command(&service, &kind).await?;
    let waiting = waiting.filter(|waiting| waiting.wait);
    if !output.is_json() {
        output.text(lines::line(&after))?;
    } else if waiting.is_none() {
        output.json(&after)?;
    }
    match waiting {
        None => Ok(Exit::Done),
        Some(waiting) => {
            let goal = goal_after(&service, &kind, &after)?;
            wait::wait(&client, &service, goal, waiting.timeout, output).await
        }
    }
}

/// The end of the rollout that a command started, or moved on.
fn goal_after(
    service: &ServiceName,
    kind: &CommandKind,
    after: &ServiceView,
) -> Result<Goal, Failure> {
    let asked = match kind {
        CommandKind::Undo { to } => *to,
        _ => None,
    };
    asked
        .or(after.canary)
        .or(after.stable)
        .map(Goal::promoted)
        .ok_or_else(|| {
            let message = format!("`{service}` has no revision to wait for");
            Failure::new(Exit::Missing, "not-found", message)
        })
}

pub(crate) async fn wait(global: &Global, args: WaitArgs, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, args.one.service).await?;
    let goal = Goal {
        what: args.what,
        revision: args.revision,
    };
    wait::wait(&client, &service, goal, args.timeout, output).await
}

pub(crate) async fn stop(global: &Global, args: StopArgs, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let before = client.info().await?;
    client
        .stop(StopRequest {
            graceful: !args.now,
        })
        .await?;
    let until = Instant::now() + args.timeout;
    loop {
        match client.info().await {
            // A successor that took over in between is not the one that was told to end.
            Ok(info) if info.pid == before.pid => {}
            Ok(_) => break,
            Err(ClientError::NotRunning { .. } | ClientError::Connect { .. }) => break,
            Err(error) if error.is_absence() => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= until {
            let message = format!(
                "Sluice (process {}) has not ended within {}",
                before.pid,
                format_span(args.timeout)
            );
            return Err(
                Failure::new(Exit::TimedOut, "timed-out", message).with_help(
                    "it goes on ending; `sluice stop --now` does not wait for requests in flight",
                ),
            );
        }
        sleep(RETRY).await;
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "stopped": before.pid }))?;
    } else {
        output.text(format!("Sluice (process {}) has ended", before.pid))?;
    }
    Ok(Exit::Done)
}
