//! A running Sluice, and the commands that are given to it.

use crate::server::Server;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time of a command that does not wait for a release.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// Longest time until services are up for the first time.
const HEALTHY_MAX: Duration = Duration::from_secs(60);
/// Longest time for a replaced Sluice to end.
const END_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running Sluice. Dropping it ends its services too.
pub(super) struct Daemon {
    program: PathBuf,
    document: PathBuf,
    folder: PathBuf,
    listen: SocketAddr,
    /// How many there have been.
    generation: u32,
    server: Server,
    stopped: bool,
}

impl Daemon {
    /// Starts Sluice with its state in `folder`, and waits until it listens on `listen`.
    pub(super) fn start(
        program: &Path,
        document: &Path,
        folder: &Path,
        listen: SocketAddr,
    ) -> Result<Self> {
        let server = up(program, document, folder, listen, 1)?;
        Ok(Self {
            program: program.to_owned(),
            document: document.to_owned(),
            folder: folder.to_owned(),
            listen,
            generation: 1,
            server,
            stopped: false,
        })
    }

    pub(super) fn wait_healthy(&self, service: &str) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.command(
                &["wait", service, "--for", "healthy", "--timeout", "20s"],
                COMMAND_MAX,
            ) {
                Ok(()) => return Ok(()),
                // The command line may be quicker than the socket that it talks to.
                Err(error) if started.elapsed() > HEALTHY_MAX => return Err(error),
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Releases a revision that answers as `side`, and waits until it is promoted.
    pub(super) fn deploy(&self, service: &str, side: &str, wait: Duration) -> Result<()> {
        let side = format!("SIDE={side}");
        let timeout = format!("{}s", wait.as_secs());
        let arguments = [
            "deploy",
            service,
            "--env",
            &side,
            "--wait",
            "--timeout",
            &timeout,
        ];
        self.command(&arguments, wait + COMMAND_MAX)
    }

    /// Replaces the processes of a service.
    pub(super) fn restart(&self, service: &str, wait: Duration) -> Result<()> {
        let timeout = format!("{}s", wait.as_secs());
        let arguments = ["restart", service, "--wait", "--timeout", &timeout];
        self.command(&arguments, wait + COMMAND_MAX)
    }

    /// Starts another Sluice in place of the running one, and waits until that one has ended.
    pub(super) fn replace(&mut self) -> Result<()> {
        self.generation += 1;
        let next = up(
            &self.program,
            &self.document,
            &self.folder,
            self.listen,
            self.generation,
        )?;
        let mut former = std::mem::replace(&mut self.server, next);
        if !former.has_ended(END_MAX)? {
            bail!(
                "the former Sluice did not end within {} s",
                END_MAX.as_secs()
            );
        }
        Ok(())
    }

    /// Resident memory, in bytes.
    pub(super) fn memory(&self) -> Result<u64> {
        Ok(self.server.usage()?.memory)
    }

    /// Ends Sluice and its services.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.stopped = true;
        self.command(&["stop", "--now"], COMMAND_MAX)?;
        if !self.server.has_ended(END_MAX)? {
            bail!("Sluice did not stop within {} s", END_MAX.as_secs());
        }
        Ok(())
    }

    /// Runs a command of `sluice`; its output is in the message when it fails.
    fn command(&self, arguments: &[&str], deadline: Duration) -> Result<()> {
        let mut child = Command::new(&self.program)
            .arg("--state")
            .arg(state(&self.folder))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", self.program.display()))?;
        let started = Instant::now();
        while child.try_wait()?.is_none() {
            if started.elapsed() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("`sluice {}` did not end in time", arguments.join(" "));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`sluice {}` failed ({}): {}",
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Replicas outlive a Sluice that is killed, so it is asked to stop first; if that fails, the
        // service still ends by itself.
        if !self.stopped {
            let _asked = self.stop();
        }
    }
}

fn state(folder: &Path) -> PathBuf {
    folder.join("state")
}

fn up(
    program: &Path,
    document: &Path,
    folder: &Path,
    listen: SocketAddr,
    generation: u32,
) -> Result<Server> {
    let mut arguments: Vec<String> = ["--state", &state(folder).display().to_string(), "up"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--file".to_owned(), document.display().to_string()]);
    if generation > 1 {
        arguments.push("--take-over".to_owned());
    }
    Server::start(
        &format!("sluice-{generation}"),
        program,
        &arguments,
        None,
        listen,
        folder,
    )
}
