//! Who listens on a port: for the message of a port in use. Reads Linux's `/proc`; best effort.

use std::fs;
use std::path::Path;

/// Processes that are looked at.
const PROCESSES_MAX: usize = 10_000;
/// `TCP_LISTEN` as `/proc/net/tcp` writes it.
const LISTENING: &str = "0A";

/// The program that listens on a TCP port, as `nginx (pid 812)`; `None` when that cannot be told, for
/// instance because it belongs to another user.
pub(crate) fn of_port(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners_on(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc")
        .ok()?
        .flatten()
        .take(PROCESSES_MAX)
        .find_map(|entry| {
            let process = entry.path();
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            holds_one(&process, &sockets).then(|| {
                let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                let name = if name.trim().is_empty() {
                    "a program"
                } else {
                    name.trim()
                };
                format!("{name} (pid {pid})")
            })
        })
}

/// The inodes of the sockets that listen on `port`, from a table as in proc(5).
fn listeners_on(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == LISTENING;
            listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

fn holds_one(process: &Path, sockets: &[String]) -> bool {
    fs::read_dir(process.join("fd")).is_ok_and(|descriptors| {
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| {
                sockets
                    .iter()
                    .any(|socket| target.as_os_str() == socket.as_str())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let owner = of_port(port).expect("it is ours");
        assert!(
            owner.ends_with(&format!("(pid {})", std::process::id())),
            "{owner}"
        );
        drop(listener);
        assert_eq!(of_port(port), None);
    }
}
