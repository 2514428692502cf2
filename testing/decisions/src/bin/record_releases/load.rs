//! Users: connections that send requests at random times, and note what became of each.

use anyhow::{Context as _, Result, anyhow, bail};
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution as _, Exp};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Connections; each sends its part of the requests.
const USERS: u64 = 8;
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest answer, in bytes; the service's have a few.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Most requests of a user: an hour of a thousand a second, shared by all.
const SEEN_MAX: usize = 3_600_000;
/// The header by which the service says which revision it is.
const VERSION_HEADER: &str = "x-demo-version:";

/// A request, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// When it was sent, in microseconds since the Unix epoch.
    pub(super) at_us: u64,
    /// Whether the new revision answered it.
    pub(super) canary: bool,
    pub(super) failed: bool,
    /// To the answer's head.
    pub(super) latency_us: u64,
}

/// Users at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    users: Vec<JoinHandle<Result<Vec<Seen>>>>,
}

impl Load {
    /// So many requests a second, at random.
    pub(super) fn start(address: SocketAddr, rate: f64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let users = (0..USERS).map(|number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || user(address, rate / USERS as f64, number, &stop))
        });
        Load {
            users: users.collect(),
            stop,
        }
    }

    /// What all of them saw.
    pub(super) fn stop(self) -> Result<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for user in self.users {
            match user.join() {
                Ok(seen) => all.extend(seen?),
                Err(_) => bail!("a user of the load panicked"),
            }
        }
        all.sort_by_key(|it: &Seen| it.at_us);
        Ok(all)
    }
}

fn user(address: SocketAddr, rate: f64, number: u64, stop: &AtomicBool) -> Result<Vec<Seen>> {
    let pauses = Exp::new(rate).map_err(|error| anyhow!("{rate} a second: {error}"))?;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(number);
    let mut connection = Connection::open(address)?;
    let mut seen = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) && seen.len() < SEEN_MAX {
        next += Duration::from_secs_f64(pauses.sample(&mut random));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        seen.push(connection.ask()?);
    }
    Ok(seen)
}

/// A connection over HTTP/1.1 that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_MAX)
            .with_context(|| format!("{address} does not accept connections"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self) -> Result<Seen> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let sent = Instant::now();
        self.stream
            .get_mut()
            .write_all(b"GET / HTTP/1.1\r\nhost: recorded\r\n\r\n")?;
        let (status, mut length, mut version) = (self.line()?, 0, None);
        let latency = sent.elapsed();
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if let Some(value) = line.strip_prefix(VERSION_HEADER) {
                version = Some(value.trim() == crate::product::CANARY_VERSION);
            }
        }
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes");
        }
        std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        let Some(canary) = version else {
            bail!("`{status}` is an answer of the proxy's own, not of the service");
        };
        Ok(Seen {
            at_us: u64::try_from(at.as_micros())?,
            canary,
            failed: status.contains(" 500"),
            latency_us: u64::try_from(latency.as_micros())?,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let mut within = self.stream.by_ref().take(ANSWER_BYTES_MAX);
        if within.read_line(&mut line)? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end().to_owned())
    }
}
