//! Running another program under a deadline, with its output shown and read line by line.
//!
//! A program that overstays is ended together with the processes that it started; nothing else is
//! ever ended. Children share this process's group, so that an interrupt from the terminal reaches them too.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Lines read but not yet handled, at most: the child waits when nobody reads.
const LINES_PENDING_MAX: usize = 1_024;
/// How often the child is looked at while it prints nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the output of an ended child is still read: a descendant may hold it open for ever.
const OUTPUT_AFTER_END_MAX: Duration = Duration::from_secs(2);

/// Runs `command` to its end and hands each line of its standard output to `each_line`. Its standard
/// error goes where ours goes.
pub(crate) fn run(
    mut command: Command,
    deadline: Duration,
    mut each_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{name}` could not be started"))?;
    let lines = read_lines(&mut child)?;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let open = match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => {
                each_line(&line);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        match ended {
            Some((status, at)) if !open || at.elapsed() > OUTPUT_AFTER_END_MAX => {
                return Ok(status);
            }
            Some(_) => {}
            None => {
                let status = child
                    .try_wait()
                    .with_context(|| format!("waiting for `{name}`"))?;
                ended = status.map(|status| (status, Instant::now()));
                if ended.is_none() && started.elapsed() > deadline {
                    end_with_descendants(&mut child);
                    bail!(
                        "`{name}` did not end within {} s and was ended",
                        deadline.as_secs()
                    );
                }
                if ended.is_none() && !open {
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
    }
}

/// Runs `command` to its end and shows its output.
pub(crate) fn show(command: Command, deadline: Duration) -> Result<bool> {
    Ok(run(command, deadline, |line| println!("{line}"))?.success())
}

/// Runs `command` to its end; its standard output as text when it succeeded, `None` when it failed.
pub(crate) fn text(command: Command, deadline: Duration) -> Result<Option<String>> {
    let mut text = String::new();
    let status = run(command, deadline, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    Ok(status.success().then_some(text))
}

fn read_lines(child: &mut Child) -> Result<Receiver<String>> {
    let output = child
        .stdout
        .take()
        .context("the child's output was not captured")?;
    let (sender, receiver) = sync_channel(LINES_PENDING_MAX);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        // A read error means that there is no more to read, as an end does.
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|count| count > 0)
        {
            let line = String::from_utf8_lossy(&bytes);
            if sender
                .send(line.trim_end_matches(['\n', '\r']).to_owned())
                .is_err()
            {
                break;
            }
            bytes.clear();
        }
    });
    Ok(receiver)
}

/// Ends the child and everything that descends from it, parents first so that none is started anew.
fn end_with_descendants(child: &mut Child) {
    let Ok(root) = i32::try_from(child.id()) else {
        return;
    };
    let children = children_by_parent();
    let mut pending = vec![root];
    while let Some(process) = pending.pop() {
        if let Some(pid) = Pid::from_raw(process) {
            // One that has ended by itself meanwhile is what was wanted.
            let _ended_already = kill_process(pid, Signal::KILL);
        }
        pending.extend(children.get(&process).into_iter().flatten());
    }
    let _status = child.wait();
}

/// The processes of this machine by their parent.
fn children_by_parent() -> BTreeMap<i32, Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in parentheses, may contain anything; the state and the parent follow it.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1))
            .and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(process);
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn every_line_arrives_and_the_status_is_the_childs() {
        let mut lines = Vec::new();
        let status = run(
            shell("echo one; printf two; exit 3"),
            Duration::from_secs(60),
            |line| {
                lines.push(line.to_owned());
            },
        )
        .expect("the shell runs");
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_child_that_overstays_is_ended_with_its_descendants() {
        let mut grandchild = None;
        let error = run(
            shell("sleep 600 & echo $!; wait"),
            Duration::from_millis(300),
            |line| {
                grandchild = line.parse::<i32>().ok();
            },
        )
        .expect_err("it overstays");
        assert!(error.to_string().contains("did not end"), "{error}");
        let grandchild = grandchild.expect("the shell printed the process id");
        let gone_by = Instant::now() + Duration::from_secs(30);
        while is_running(grandchild) {
            assert!(Instant::now() < gone_by, "process {grandchild} still runs");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn output_held_open_by_a_descendant_does_not_hold_the_caller() {
        let mut descendant = None;
        let status = run(
            shell("sleep 600 & echo $!"),
            Duration::from_secs(300),
            |line| {
                descendant = line.parse().ok().and_then(Pid::from_raw);
            },
        );
        kill_process(
            descendant.expect("the shell printed the process id"),
            Signal::KILL,
        )
        .expect("the descendant still ran when the caller was free again");
        assert!(status.expect("the shell ended in time").success());
    }

    /// A zombie has ended; whoever adopted it just has not asked for its status yet.
    fn is_running(process: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{process}/stat"))
            .ok()
            .and_then(|stat| {
                stat.rsplit_once(')')
                    .map(|(_, rest)| rest.trim().to_owned())
            })
            .is_some_and(|rest| !rest.starts_with('Z'))
    }
}
