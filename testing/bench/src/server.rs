//! A program under test: started on one core, asked what it costs, ended when it is dropped.

use crate::cpus::on_core;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server to accept connections.
const START_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server.
pub struct Server {
    child: Child,
    /// What it is called in the results.
    pub name: String,
    /// Where it accepts connections.
    pub address: SocketAddr,
}

/// What a server has used up.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time of all its threads since its start.
    pub cpu: Duration,
    /// Its resident memory, in bytes.
    pub memory: u64,
}

impl Server {
    /// Starts a server, on one core if one is named, and waits until it accepts connections. Its output goes to a file
    /// in `logs`. It is killed when this process ends, however it ends.
    ///
    /// # Errors
    /// When it cannot be started or does not listen in time; the end of its output is in the message.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        core: Option<usize>,
        address: SocketAddr,
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("{} is needed", log.display()))?;
        // It becomes the program itself, under the same process id.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut spawn = || {
            command
                .spawn()
                .with_context(|| format!("{} could not be started", program.display()))
        };
        let child = match core {
            Some(core) => on_core(core, spawn)?,
            None => spawn()?,
        };
        let mut server = Self {
            child,
            name: name.to_owned(),
            address,
        };
        server.wait_until_listening(&log)?;
        Ok(server)
    }

    fn wait_until_listening(&mut self, log: &Path) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect_timeout(&self.address, LOOK_EVERY).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || started.elapsed() > START_MAX {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                bail!(
                    "{} does not listen on {}: {}",
                    self.name,
                    self.address,
                    last.join(" | ")
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits until it has ended by itself; `false` when it has not within `wait`.
    ///
    /// # Errors
    /// When its status cannot be asked for.
    pub fn has_ended(&mut self, wait: Duration) -> Result<bool> {
        let started = Instant::now();
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(true);
            }
            if started.elapsed() > wait {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What it has used up to now.
    ///
    /// # Errors
    /// When it does not run any more.
    pub fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let read = |file: &str| {
            std::fs::read_to_string(folder.join(file))
                .with_context(|| format!("{} does not run any more", self.name))
        };
        let ticks =
            cpu_ticks(&read("stat")?).with_context(|| format!("{}: no times", self.name))?;
        let pages: u64 = read("statm")?
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .with_context(|| format!("{}: no memory", self.name))?;
        Ok(Usage {
            cpu: Duration::from_secs_f64(
                ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            ),
            memory: pages * rustix::param::page_size() as u64,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself is what is wanted.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

/// User and system time from a line of `/proc/PID/stat`, in clock ticks, all threads together.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may contain anything; the state follows it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(number(11)? + number(12)?)
}

/// A loopback address that is free now.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_whatever_the_programs_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("12 (a) S"), None);
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let logs = tempfile::tempdir().expect("a folder");
        let arguments = ["-c", "echo port taken; exit 1"].map(str::to_owned);
        let address = free_address().expect("a free port");
        let result = Server::start(
            "sh",
            Path::new("/bin/sh"),
            &arguments,
            Some(0),
            address,
            logs.path(),
        );
        let error = result.err().expect("it does not listen");
        assert!(error.to_string().contains("port taken"), "{error}");
    }
}
