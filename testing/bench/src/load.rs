//! The clients: many connections on one thread, at a fixed rate or as fast as answers come.
//!
//! At a fixed rate requests are due at equal distances, whatever the server does. A request that
//! finds no free connection waits, and its time counts from when it was due (otherwise a stalled
//! server would be asked less and look good: "coordinated omission"). Every answer is compared with
//! what the backend sent.

use crate::poller::{Poller, Ready};
use crate::wire::{AnswerReader, Side};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longest wait for an answer; then the request has failed.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long answers are still taken after the last request was due.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Longest sleep, so that overdue answers are noticed.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Requests that are due but wait for a connection, at most; more have failed.
const WAITING_MAX: usize = 50_000;
/// Read at once.
const READ_BYTES: usize = 256 * 1024;

/// What to send, and how.
pub struct Load<'a> {
    /// Where to.
    pub target: SocketAddr,
    /// The request's bytes.
    pub request: &'a [u8],
    /// The body that every answer must have.
    pub expected: &'a [u8],
    /// Connections, all open from the beginning.
    pub connections: usize,
    /// How requests follow each other.
    pub pace: Pace,
    /// Time before the measurement.
    pub warmup: Duration,
    /// Time of the measurement, at most.
    pub measure: Duration,
    /// Ends the measurement earlier when it becomes true.
    pub stop: Option<&'a AtomicBool>,
}

/// How requests follow each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many a second, at equal distances; above 0.
    Rate(f64),
    /// On each connection the next one as soon as the answer came.
    Saturate,
}

/// Where in the measurement a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The warm-up is over.
    Begin,
    /// The last request was due.
    End,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers between the marks.
    pub answers: u64,
    /// Time between the marks.
    pub elapsed: Duration,
    /// Right answers from each side, warm-up included.
    pub stable: u64,
    /// The same of the other side.
    pub canary: u64,
    /// Requests without a right answer by cause, warm-up included.
    pub failures: BTreeMap<String, u64>,
    /// Time of the first of them, from the beginning of the measurement.
    pub first_failure: Option<Duration>,
    /// Nanoseconds from due to answered of the requests due between the marks, ascending.
    pub latencies: Vec<u64>,
}

impl Outcome {
    /// The latency in microseconds that a share `quantile` (0 to 1) of the requests kept; 0 without any.
    #[must_use]
    pub fn latency_us(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.latencies.len() as f64).ceil() as usize;
        self.latencies
            .get(rank.saturating_sub(1))
            .map_or(0.0, |nanos| *nanos as f64 / 1_000.0)
    }
}

struct Connection {
    stream: TcpStream,
    reader: AnswerReader,
    /// When the request that is out was due, and when it was sent.
    out: Option<(Instant, Instant)>,
}

struct Run<'a, 'm> {
    load: &'a Load<'a>,
    poller: Poller,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    waiting: VecDeque<Instant>,
    begin: Instant,
    end: Instant,
    outcome: Outcome,
    mark: &'m mut dyn FnMut(Mark) -> Result<()>,
}

/// Sends the load; `mark` is called when the measurement begins and when it ends.
///
/// # Errors
/// When the target does not accept connections, or `mark` fails. Wrong answers are no error here:
/// they are counted.
pub fn run(load: &Load<'_>, mark: &mut dyn FnMut(Mark) -> Result<()>) -> Result<Outcome> {
    if load.connections == 0 || matches!(load.pace, Pace::Rate(rate) if rate <= 0.0) {
        bail!("a load needs a connection and a rate above 0");
    }
    let poller = Poller::new()?;
    let mut connections = Vec::new();
    for index in 0..load.connections {
        connections.push(connect(load.target, &poller, index)?);
    }
    let begin = Instant::now() + load.warmup;
    let mut run = Run {
        load,
        poller,
        idle: (0..connections.len()).collect(),
        connections,
        waiting: VecDeque::new(),
        begin,
        end: begin + load.measure,
        outcome: Outcome::default(),
        mark,
    };
    run.send_all()?;
    run.outcome.latencies.sort_unstable();
    Ok(run.outcome)
}

fn connect(target: SocketAddr, poller: &Poller, index: usize) -> Result<Connection> {
    let stream = TcpStream::connect_timeout(&target, CONNECT_MAX)
        .with_context(|| format!("{target} does not accept a connection"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    poller.add(&stream, index as u64, false)?;
    Ok(Connection {
        stream,
        reader: AnswerReader::default(),
        out: None,
    })
}

impl Run<'_, '_> {
    fn send_all(&mut self) -> Result<()> {
        let mut due = Instant::now();
        let (mut begun, mut ended) = (None, false);
        let mut looked = Instant::now();
        let mut ready = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let now = Instant::now();
            if begun.is_none() && now >= self.begin {
                (self.mark)(Mark::Begin)?;
                begun = Some(Instant::now());
                self.outcome.answers = 0;
            }
            if self.load.stop.is_some_and(|stop| stop.load(Relaxed)) {
                self.end = self.end.min(now);
            }
            if !ended {
                due = self.enqueue(due, now.min(self.end));
            }
            if !ended && now >= self.end {
                self.outcome.elapsed = begun.map(|begun| begun.elapsed()).unwrap_or_default();
                (self.mark)(Mark::End)?;
                ended = true;
            }
            self.send_waiting(now);
            let all_answered = self.waiting.is_empty() && self.idle.len() == self.connections.len();
            if ended && (all_answered || now > self.end + DRAIN_MAX) {
                break;
            }
            let next = if ended {
                now + SLEEP_MAX
            } else {
                due.min(self.end)
            };
            self.poller.wait(
                next.saturating_duration_since(now).min(SLEEP_MAX),
                &mut ready,
            )?;
            for event in &ready {
                self.receive(event, &mut buffer, ended)?;
            }
            if looked.elapsed() > SLEEP_MAX {
                looked = Instant::now();
                self.give_up_overdue(looked)?;
            }
        }
        let unanswered = self.connections.len() - self.idle.len() + self.waiting.len();
        self.fail("no answer before the end", unanswered as u64);
        Ok(())
    }

    /// Puts everything that is due by `now` into the queue; when the next request is due.
    fn enqueue(&mut self, mut due: Instant, now: Instant) -> Instant {
        let Pace::Rate(rate) = self.load.pace else {
            // As many as there are free connections, due now.
            self.waiting.extend(self.idle.iter().map(|_| now));
            return now + SLEEP_MAX;
        };
        let distance = Duration::from_secs_f64(1.0 / rate);
        while due <= now {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.push_back(due);
            } else {
                self.fail("never sent: too many were waiting for a connection", 1);
            }
            due += distance;
        }
        due
    }

    fn send_waiting(&mut self, now: Instant) {
        while let (Some(&due), Some(&index)) = (self.waiting.front(), self.idle.front()) {
            self.waiting.pop_front();
            self.idle.pop_front();
            let connection = &mut self.connections[index];
            connection.out = Some((due, now));
            // A request fits into an empty socket's buffer at once; if it does not, the connection
            // is broken, and reading from it tells so.
            let sent = connection.stream.write(self.load.request);
            if !sent.is_ok_and(|count| count == self.load.request.len()) {
                let _already_broken = connection.stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }

    fn receive(&mut self, event: &Ready, buffer: &mut [u8], ended: bool) -> Result<()> {
        let index = event.token as usize;
        let connection = &mut self.connections[index];
        let count = match connection.stream.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => 0,
        };
        if count == 0 {
            return self.replace(index, "the connection was closed instead of an answer");
        }
        let Some((due, _)) = connection.out else {
            return self.replace(index, "bytes came that nobody asked for");
        };
        match connection.reader.read(&buffer[..count], self.load.expected) {
            Ok(None) => {}
            Ok(Some(side)) => {
                connection.out = None;
                self.idle.push_back(index);
                match side {
                    Side::Stable => self.outcome.stable += 1,
                    Side::Canary => self.outcome.canary += 1,
                }
                self.outcome.answers += u64::from(!ended);
                if due >= self.begin {
                    self.outcome.latencies.push(due.elapsed().as_nanos() as u64);
                }
            }
            Err(error) => return self.replace(index, &format!("wrong answer: {error}")),
        }
        Ok(())
    }

    fn give_up_overdue(&mut self, now: Instant) -> Result<()> {
        for index in 0..self.connections.len() {
            let overdue = |sent: Instant| now.saturating_duration_since(sent) > ANSWER_MAX;
            if self.connections[index]
                .out
                .is_some_and(|(_, sent)| overdue(sent))
            {
                self.replace(index, "no answer in time")?;
            }
        }
        Ok(())
    }

    /// Opens a connection in place of a broken one. A connection that the server closed while
    /// nothing was asked for is no failure.
    fn replace(&mut self, index: usize, cause: &str) -> Result<()> {
        if self.connections[index].out.is_some() {
            self.fail(cause, 1);
            self.idle.push_back(index);
        }
        self.connections[index] = connect(self.load.target, &self.poller, index)?;
        Ok(())
    }

    fn fail(&mut self, cause: &str, count: u64) {
        if count > 0 {
            let since = self.begin.elapsed();
            self.outcome.first_failure.get_or_insert(since);
            *self.outcome.failures.entry(cause.to_owned()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend;
    use crate::wire::{Body, request};
    use std::net::TcpListener;

    /// Starts a backend for the time of a test and gives the address of its canary side.
    fn canary_backend() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let listeners = [(listener, Side::Canary)];
        std::thread::spawn(move || backend::serve(&listeners, Duration::from_secs(60)));
        address
    }

    fn send(target: SocketAddr, pace: Pace, body: Body) -> (Outcome, Vec<Mark>) {
        let mut marks = Vec::new();
        let load = Load {
            target,
            request: &request(body.path(), "bench"),
            expected: &body.bytes(),
            connections: 4,
            pace,
            warmup: Duration::from_millis(50),
            measure: Duration::from_millis(300),
            stop: None,
        };
        let outcome = run(&load, &mut |mark| {
            marks.push(mark);
            Ok(())
        });
        (outcome.expect("the load is sent"), marks)
    }

    #[test]
    fn at_a_fixed_rate_every_request_that_was_due_is_answered() {
        let (outcome, marks) = send(canary_backend(), Pace::Rate(1_000.0), Body::Large);
        assert_eq!(outcome.failures, BTreeMap::new());
        assert_eq!(marks, [Mark::Begin, Mark::End]);
        // What is due follows from the rate and the time alone, not from the server's speed.
        assert!(
            (350..=351).contains(&outcome.canary),
            "{} answers",
            outcome.canary
        );
        assert_eq!(outcome.stable, 0);
        assert!(
            outcome.latency_us(0.5) > 0.0 && outcome.latency_us(0.5) <= outcome.latency_us(0.99)
        );
    }

    #[test]
    fn saturation_keeps_every_connection_busy() {
        let (outcome, _) = send(canary_backend(), Pace::Saturate, Body::Small);
        assert_eq!(outcome.failures, BTreeMap::new());
        assert!(
            outcome.canary > 4,
            "a connection was not used again: {} answers",
            outcome.canary
        );
    }

    #[test]
    fn a_server_that_sends_something_else_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _one_connection_may_end_early =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
            }
        });
        let (outcome, _) = send(address, Pace::Rate(100.0), Body::Small);
        assert_eq!(outcome.stable + outcome.canary, 0);
        assert!(!outcome.failures.is_empty());
    }
}
