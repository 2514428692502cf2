//! Hook commands: a process group of their own, a bounded time, the end of their output.
//!
//! Exit code 0 is success, and ends the hook: processes that it leaves in its group are killed then.
//! One that is to live on starts a session of its own (`setsid`). Not here: the environment
//! (`environment`), or which hook runs when (`runner`).

use crate::environment;
use crate::group::Group;
use crate::output::Tail;
use crate::runner::HookCall;
use sluice_model::time::format_span;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Time from SIGTERM to SIGKILL for a hook that exceeded its timeout.
pub const TERM_GRACE: Duration = Duration::from_secs(3);

/// Longest wait for the rest of the output after the group has ended: a process that left the group
/// may hold the streams open for ever.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// Time between two looks at whether a group has ended.
const GROUP_POLL: Duration = Duration::from_millis(20);

/// Runs a hook command to its end; the error is the cause and the next step.
pub(crate) async fn run(
    hook: &HookCall<'_>,
    command: &[String],
    env: &BTreeMap<String, String>,
) -> Result<(), String> {
    let [program, arguments @ ..] = command else {
        return Err("there is no command; name a program in the hook's `command`".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment::complete(hook, env))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(program, &error))?;
    // Kills the group when this function is left, by whatever way.
    let group = child.id().and_then(Group::led_by);

    let tail = Tail::default();
    let mut readers = JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        readers.spawn(tail.clone().follow(stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.spawn(tail.clone().follow(stderr));
    }

    let result = match timeout(hook.timeout, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!(
            "`{program}` {}; run it by hand with the same SLUICE_* variables to see why",
            ending(status)
        )),
        Ok(Err(error)) => Err(format!("lost sight of `{program}`: {error}; try again")),
        Err(_elapsed) => {
            if let Some(group) = &group {
                end(group, &mut child).await;
            }
            Err(format!(
                "`{program}` did not end within {} and was stopped; find out what it waits for, or raise the hook's timeout",
                format_span(hook.timeout)
            ))
        }
    };
    drop(group);
    let rest = async { while readers.join_next().await.is_some() {} };
    let complete = timeout(OUTPUT_GRACE, rest).await.is_ok();
    if !complete {
        tracing::debug!(
            hook = hook.name,
            "a process outside the hook's group holds its output"
        );
    }
    result.map_err(|cause| with_output(cause, &tail.text()))
}

/// SIGTERM to the group, and a wait until all of it has ended or the grace is over.
async fn end(group: &Group, child: &mut Child) {
    let until = Instant::now() + TERM_GRACE;
    group.terminate();
    // Reaps the leader; an error here shows again in the group, which is killed either way.
    let _reaped = timeout_at(until, child.wait()).await;
    while !group.is_gone() && Instant::now() < until {
        sleep(GROUP_POLL).await;
    }
}

fn not_started(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "`{program}` was not found; install it, or correct the hook's `command` (a relative path counts from the folder where Sluice runs; a script's first line must name an interpreter that exists)"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "`{program}` may not be executed by this user; make it executable (`chmod +x`), or correct the hook's `command`"
        ),
        io::ErrorKind::ArgumentListTooLong => {
            format!("`{program}` was given too much: {error}; shorten its arguments or environment")
        }
        _ => format!("`{program}` cannot be started: {error}; correct the hook's `command`"),
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => format!("ended unexpectedly ({status})"),
    }
}

fn with_output(cause: String, output: &str) -> String {
    if output.is_empty() {
        cause
    } else {
        format!("{cause}; the end of its output:\n{output}")
    }
}
