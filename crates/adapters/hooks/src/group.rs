//! The process group of a hook command: all that the command started, unless it moved to a session
//! of its own.
//!
//! Not here: when a group is ended (`command`), and groups of a Sluice that is gone (`leftover`).

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// A process group that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Pid,
}

impl Group {
    /// The group that is led by the process `leader`; none for a number that is no process id.
    pub(crate) fn led_by(leader: u32) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(leader).ok()?)?;
        Some(Self { leader })
    }

    /// Asks the whole group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether no process of the group is left.
    pub(crate) fn is_gone(&self) -> bool {
        test_kill_process_group(self.leader) == Err(rustix::io::Errno::SRCH)
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.leader, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            // A process of another user in the group (a setuid program): nobody else can end it.
            Err(error) => {
                tracing::warn!(group = %self.leader.as_raw_nonzero(), ?signal, %error, "cannot signal a hook's processes");
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
