//! Running another program to its end under a deadline, and waiting for something to come about.

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Pause between two looks at something that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// How a program ended, and what it said.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end with `input` as its standard input. One that overstays is killed, and is an error.
pub(crate) fn finish(command: &mut Command, input: &str, deadline: Duration) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    // Files, not pipes: whoever inherits one cannot keep us waiting, and nothing has to be read meanwhile.
    let mut stdin = tempfile::tempfile().context("a temporary file is needed")?;
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout.try_clone()?))
        .stderr(Stdio::from(stderr.try_clone()?))
        .spawn()
        .with_context(|| format!("`{name}` could not be started"))?;
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
        .with_context(|| format!("`{name}` cannot be waited for"))?;
    if !ends_by(&pidfd, Instant::now() + deadline)? {
        child
            .kill()
            .with_context(|| format!("`{name}` overstayed and cannot be ended"))?;
        child.wait()?;
        bail!(
            "`{name}` did not end within {} s and was ended",
            deadline.as_secs()
        );
    }
    Ok(Output {
        status: child
            .wait()
            .with_context(|| format!("waiting for `{name}`"))?,
        stdout: read_all(&mut stdout)?,
        stderr: read_all(&mut stderr)?,
    })
}

/// Runs `command` to its end; its standard output if it succeeded, else an error with its own words.
pub(crate) fn succeed(command: &mut Command, input: &str, deadline: Duration) -> Result<String> {
    let output = finish(command, input, deadline)?;
    if !output.status.success() {
        bail!(
            "`{}` failed, {}: {}",
            line(command),
            output.status,
            output.stderr.trim()
        );
    }
    Ok(output.stdout)
}

/// Waits until the process behind `pidfd` has ended; `false` when it has not by `deadline`.
pub(crate) fn ends_by(pidfd: &impl AsFd, deadline: Instant) -> Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).context("a deadline that far away")?;
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("a process cannot be waited for"),
        }
    }
}

/// Looks again and again until `look` answers `None`; what it answers instead says why it is not so yet, and becomes the error when
/// `patience` is over.
///
/// # Errors
/// When `look` fails, or `patience` is over.
pub fn wait_until(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    let started = Instant::now();
    loop {
        let Some(why) = look()? else { return Ok(()) };
        if started.elapsed() > patience {
            bail!(
                "{what} did not come about within {} s: {why}",
                patience.as_secs()
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A command as one would type it, for messages.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn read_all(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
    fn input_output_and_status_are_the_programs() {
        let output = finish(
            &mut shell("cat; echo no >&2; exit 3"),
            "in",
            Duration::from_secs(60),
        )
        .expect("the shell runs");
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("in", "no\n")
        );
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn one_that_overstays_is_ended_and_named() {
        let error = finish(
            Command::new("sleep").arg("600"),
            "",
            Duration::from_millis(50),
        )
        .err()
        .expect("it overstays");
        assert!(
            error.to_string().contains("`sleep` did not end"),
            "{error:#}"
        );
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error =
            succeed(&mut shell("echo why >&2; false"), "", LOOK_EVERY * 100).expect_err("it fails");
        assert!(error.to_string().ends_with(": why"), "{error:#}");
    }

    #[test]
    fn what_does_not_come_about_says_why() {
        let error = wait_until("rain", Duration::ZERO, || {
            Ok(Some("the sky is blue".into()))
        })
        .expect_err("it does not");
        assert_eq!(
            error.to_string(),
            "rain did not come about within 0 s: the sky is blue"
        );
    }
}
