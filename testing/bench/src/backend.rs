//! The servers behind the proxies: all of them on one thread, as cheap as they can be, so that the
//! core they share with the clients is not what limits a comparison.

use crate::poller::{Poller, Ready};
use crate::wire::{self, Body, Side};
use anyhow::{Context, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Connections at a time; more are refused.
const CONNECTIONS_MAX: usize = 4_096;
/// Read at once.
const READ_BYTES: usize = 16 * 1024;
/// How often the lifetime is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tokens from here on are listeners; connections have lower ones.
const LISTENERS: u64 = 1 << 32;

struct Connection {
    stream: TcpStream,
    side: Side,
    input: Vec<u8>,
    /// The answer that is being sent, and how much of it is.
    output: Option<(usize, usize)>,
}

/// Serves each listener as one side until `lifetime` is over.
///
/// # Errors
/// When the listeners cannot be used.
pub fn serve(listeners: &[(TcpListener, Side)], lifetime: Duration) -> Result<()> {
    let started = Instant::now();
    let mut poller = Poller::new()?;
    for ((listener, _), token) in listeners.iter().zip(LISTENERS..) {
        listener
            .set_nonblocking(true)
            .context("a listener cannot be used")?;
        poller.add(listener, token, false)?;
    }
    let mut server = Backend {
        poller: &mut poller,
        connections: Vec::new(),
        answers: answers(),
    };
    let mut ready = Vec::new();
    while started.elapsed() < lifetime {
        server.poller.wait(LOOK_EVERY, &mut ready)?;
        for event in &ready {
            let listener = event
                .token
                .checked_sub(LISTENERS)
                .map(|index| index as usize);
            match listener.and_then(|index| listeners.get(index)) {
                Some((listener, side)) => server.accept(listener, *side)?,
                None => server.advance(event),
            }
        }
    }
    Ok(())
}

/// All answers, by [`answer_index`].
fn answers() -> Vec<Vec<u8>> {
    [Side::Stable, Side::Canary]
        .into_iter()
        .flat_map(|side| Body::ALL.map(|body| wire::answer(side, body)))
        .chain([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()])
        .collect()
}

fn answer_index(side: Side, path: &str) -> usize {
    let first = match side {
        Side::Stable => 0,
        Side::Canary => Body::ALL.len(),
    };
    match Body::ALL.iter().position(|body| body.path() == path) {
        Some(body) => first + body,
        None => 2 * Body::ALL.len(),
    }
}

struct Backend<'a> {
    poller: &'a mut Poller,
    connections: Vec<Option<Connection>>,
    answers: Vec<Vec<u8>>,
}

impl Backend<'_> {
    fn accept(&mut self, listener: &TcpListener, side: Side) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("connections cannot be accepted"),
            };
            let free = self.connections.iter().position(Option::is_none);
            let index = free.unwrap_or(self.connections.len());
            if index >= CONNECTIONS_MAX {
                continue;
            }
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.poller.add(&stream, index as u64, false)?;
            let connection = Connection {
                stream,
                side,
                input: Vec::new(),
                output: None,
            };
            if index == self.connections.len() {
                self.connections.push(Some(connection));
            } else {
                self.connections[index] = Some(connection);
            }
        }
    }

    /// Reads and answers what a connection has; one that ended or broke is dropped.
    fn advance(&mut self, event: &Ready) {
        let index = event.token as usize;
        let Some(slot) = self.connections.get_mut(index) else {
            return;
        };
        let Some(connection) = slot else { return };
        let was_sending = connection.output.is_some();
        let goes_on = connection.advance(event, &self.answers);
        let is_sending = connection.output.is_some();
        let watched = was_sending == is_sending
            || self
                .poller
                .change(&connection.stream, event.token, is_sending)
                .is_ok();
        if !goes_on || !watched {
            *slot = None;
        }
    }
}

impl Connection {
    /// `false` when the connection is over.
    fn advance(&mut self, event: &Ready, answers: &[Vec<u8>]) -> bool {
        if event.writable && !self.send(answers) {
            return false;
        }
        if event.readable && self.output.is_none() {
            let mut buffer = [0; READ_BYTES];
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        while self.output.is_none() {
            match wire::next_request(&self.input) {
                Ok(Some((path, length))) => {
                    self.input.drain(..length);
                    self.output = Some((answer_index(self.side, &path), 0));
                    if !self.send(answers) {
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Sends as much of the answer as fits; `false` when the connection is over.
    fn send(&mut self, answers: &[Vec<u8>]) -> bool {
        while let Some((answer, sent)) = self.output {
            let rest = &answers[answer][sent..];
            if rest.is_empty() {
                self.output = None;
                return true;
            }
            match self.stream.write(rest) {
                Ok(count) => self.output = Some((answer, sent + count)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}
