//! Real servers as processes of a test.

use rustix::process::{Pid, Signal, kill_process};
use sluice_metrics::Window;
use sluice_model::Timestamp;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Ends a server when its test was killed and could not.
const LIFETIME_SECONDS: &str = "120";

/// A running server, in a folder of its own. It is run under `timeout`, and ends with the test.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts it in this folder.
    pub(crate) fn start(command: Command, folder: TempDir) -> Program {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut bounded = Command::new("timeout");
        bounded
            .args(["--kill-after=5", LIFETIME_SECONDS])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            bounded.env(name, value.unwrap_or_default());
        }
        let child = bounded
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Program { child, folder }
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // `timeout` hands the signal on.
        let _sent = kill_process(pid, Signal::TERM);
        let _status = self.child.wait();
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The last so many seconds.
pub(crate) fn last(seconds: u64) -> Window {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp(i64::try_from(now.as_millis()).unwrap());
    Window::ending(now, Duration::from_secs(seconds))
}
