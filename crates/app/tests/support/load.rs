//! A steady load of real requests on loopback: keep-alive connections that reconnect only when told
//! to, and note every request that got no proper answer.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the load saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// Requests without an answer of a replica, each with its cause.
    pub(crate) failures: Vec<String>,
    /// Answers by version and status.
    pub(crate) answers: BTreeMap<(String, u16), u64>,
}

/// A running load.
pub(crate) struct Load {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    users: Vec<JoinHandle<()>>,
}

/// Starts `users` connections of `rate` requests a second each.
pub(crate) fn start(address: SocketAddr, users: usize, rate: u32) -> Load {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let users = (0..users)
        .map(|_| {
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            std::thread::spawn(move || user(address, rate, &seen, &stop))
        })
        .collect();
    Load { seen, stop, users }
}

impl Load {
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Ends the load and returns what it saw.
    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        for user in self.users {
            user.join().unwrap();
        }
        let seen = self.seen.lock().unwrap();
        seen.clone()
    }
}

fn user(address: SocketAddr, rate: u32, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let period = Duration::from_secs(1) / rate;
    let mut connection = None;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let answer = ask(address, &mut connection);
        {
            let mut seen = seen.lock().unwrap();
            seen.requests += 1;
            match answer {
                Ok(answer) => *seen.answers.entry(answer).or_default() += 1,
                Err(cause) => {
                    connection = None;
                    seen.failures.push(cause);
                }
            }
        }
        next += period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

type Connection = BufReader<TcpStream>;

/// One request; answers with version and status.
pub(crate) fn ask(
    address: SocketAddr,
    connection: &mut Option<Connection>,
) -> Result<(String, u16), String> {
    if connection.is_none() {
        let stream = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        *connection = Some(BufReader::new(stream));
    }
    let stream = connection.as_mut().unwrap();
    stream
        .get_mut()
        .write_all(b"GET /reserve HTTP/1.1\r\nhost: web\r\n\r\n")
        .map_err(|error| format!("send: {error}"))?;
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .map_err(|error| format!("receive: {error}"))?;
    let status: u16 = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| format!("no status in {line:?}"))?;
    let (mut length, mut version, mut closes) = (0, None, false);
    loop {
        line.clear();
        stream
            .read_line(&mut line)
            .map_err(|error| format!("receive: {error}"))?;
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no header: {line:?}"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "x-demo-version" => version = Some(value.trim().to_owned()),
            "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .map_err(|error| format!("receive: {error}"))?;
    if closes {
        *connection = None;
    }
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    version
        .map(|version| (version, status))
        .ok_or(format!("{status} by the proxy: {text}"))
}
