//! Reading `/proc`: who runs, since when, in which group, and with which marks.
//!
//! Nothing here changes anything. `process` signals and waits; `adopt` decides whose process it is.

use rustix::process::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Environment variable that names the state folder a process belongs to.
pub(crate) const STATE_MARK: &str = "SLUICE_STATE_ID";
/// Environment variable that names the replica a process belongs to.
pub(crate) const REPLICA_MARK: &str = "SLUICE_REPLICA";

/// What Sluice needs of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: Pid,
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// User and system time, in clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Start, in clock ticks since boot: with the pid and the boot, it names a process for good.
    pub(crate) start_ticks: u64,
    pub(crate) resident_pages: u64,
}

impl Stat {
    /// Whether it still runs: neither a zombie nor dead.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The marks that tell whose process it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) state_id: String,
    pub(crate) replica: Option<String>,
}

/// The number of a process, as the system shows it.
pub(crate) fn number(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

/// The process `pid` now; `None` when there is none, or it cannot be read.
pub(crate) fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read(format!("/proc/{}/stat", number(pid))).ok()?;
    parse_stat(pid, &text)
}

/// The command's name may hold spaces and parentheses; the fields begin after the last `)`
/// (proc_pid_stat(5)).
fn parse_stat(pid: Pid, text: &[u8]) -> Option<Stat> {
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(text.get(name_end + 2..)?)
        .ok()?
        .split_ascii_whitespace()
        .collect();
    // The first of these is field 3 of the manual page.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        cpu_ticks: number(14)?.saturating_add(number(15)?),
        start_ticks: number(22)?,
        resident_pages: number(24)?,
    })
}

/// Every process that can be seen now. Processes that end meanwhile are left out.
pub(crate) fn all() -> io::Result<Vec<Stat>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        if let Some(stat) = pid.and_then(Pid::from_raw).and_then(stat) {
            processes.push(stat);
        }
    }
    Ok(processes)
}

/// The marks in a process's environment; `None` when it has none or may not be read.
pub(crate) fn marks(pid: Pid) -> Option<Marks> {
    let environ = fs::read(format!("/proc/{}/environ", number(pid))).ok()?;
    let mut values = BTreeMap::new();
    for entry in environ.split(|byte| *byte == 0) {
        for name in [STATE_MARK, REPLICA_MARK] {
            let value = entry
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value {
                values
                    .entry(name)
                    .or_insert_with(|| String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    let state_id = values.remove(STATE_MARK)?;
    Some(Marks {
        state_id,
        replica: values.remove(REPLICA_MARK),
    })
}

/// The file below `folder` that is a process's standard output or error, if one of them is. Some
/// programs (nginx) write their title over their environment; their output still tells whose they are.
pub(crate) fn output_below(pid: Pid, folder: &Path) -> Option<PathBuf> {
    [1, 2].into_iter().find_map(|fd| {
        let target = fs::read_link(format!("/proc/{}/fd/{fd}", number(pid))).ok()?;
        // A file that was removed meanwhile reads `/path (deleted)`.
        let bytes = target.as_os_str().as_bytes();
        let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        path.starts_with(folder).then_some(path)
    })
}

/// This boot of the machine: start times of different boots are not comparable.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// How long ago a process started that started at `start_ticks`; `None` when it cannot be told.
pub(crate) fn age(start_ticks: u64) -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = Duration::try_from_secs_f64(uptime.split(' ').next()?.parse().ok()?).ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    let started = Duration::try_from_secs_f64(start_ticks as f64 / per_second as f64).ok()?;
    Some(uptime.saturating_sub(started))
}

/// Open file descriptors of a process; `None` when they may not be counted.
pub(crate) fn open_files(pid: Pid) -> Option<u64> {
    let folder = fs::read_dir(format!("/proc/{}/fd", number(pid))).ok()?;
    u64::try_from(folder.count()).ok()
}

/// The most file descriptors that a process may open (its soft limit); `None` when there is no bound, or it
/// cannot be told (proc_pid_limits(5)).
pub(crate) fn open_files_max(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/limits", number(pid))).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The memory that this machine has, or that the control group of this process allows, whichever is less, in
/// bytes (cgroup v2 `memory.max`, v1 `memory.limit_in_bytes`).
pub(crate) fn memory_max() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1_024)
    });
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let groups = group
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(group_limit);
    total.into_iter().chain(groups).min()
}

/// The limit of one line of `/proc/PID/cgroup`: `hierarchy:controllers:path`.
fn group_limit(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, name) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|one| one == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // `max` is no number, and no limit.
    let text = fs::read_to_string(format!("{root}{path}/{name}")).ok()?;
    text.trim().parse().ok()
}

/// This process and those that started it, which no scan may ever end.
pub(crate) fn own_line() -> Vec<Pid> {
    let mut line = Vec::new();
    let mut next = Some(rustix::process::getpid());
    while let Some(pid) = next.filter(|pid| !line.contains(pid)) {
        line.push(pid);
        next = stat(pid).and_then(|stat| Pid::from_raw(stat.parent));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let pid = Pid::from_raw(42).expect("42 is a pid");
        let text = b"42 (a) R 1 (b)) S 7 42 42 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 1 0 12345 1000 99 18446744073709551615 1";
        let stat = parse_stat(pid, text).expect("it is a stat line");
        assert_eq!((stat.state, stat.parent, stat.group), (b'S', 7, 42));
        assert_eq!(
            (stat.cpu_ticks, stat.start_ticks, stat.resident_pages),
            (56, 12345, 99)
        );
    }

    #[test]
    fn open_files_are_those_of_the_process_and_unknown_for_one_that_is_not_there() {
        let me = rustix::process::getpid();
        let before = open_files(me).expect("they can be counted");
        let held: Vec<_> = (0..100)
            .map(|_| fs::File::open("/proc/self/stat"))
            .collect();
        assert!(held.iter().all(Result::is_ok));
        // Other tests open and close files meanwhile.
        assert!(
            open_files(me).expect("they can be counted") >= 100,
            "before: {before}"
        );
        assert!(open_files_max(me).is_none_or(|most| most >= 100));
        let nobody = Pid::from_raw(i32::MAX).expect("a number");
        assert_eq!((open_files(nobody), open_files_max(nobody)), (None, None));
        assert!(memory_max().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_running_test_finds_itself() {
        let me = rustix::process::getpid();
        let seen = all().expect("/proc can be read");
        assert!(
            seen.iter()
                .any(|process| process.pid == me && process.is_alive())
        );
        assert_eq!(own_line().first(), Some(&me));
        assert!(!boot_id().expect("a boot has an id").is_empty());
    }
}
