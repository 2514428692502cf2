//! Free loopback ports for replicas.
//!
//! They are taken from below the kernel's ephemeral range: a port of that range may become the
//! source of any outgoing connection (the proxy makes thousands) between the choice and the moment
//! the replica listens. A port that is lost all the same shows as a replica that exits; it gets
//! another one with its restart.

use crate::clock;
use rustix::net::{AddressFamily, SocketType, bind, socket};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// Lowest port that is given out.
const LOWEST: u16 = 10_000;
/// A range smaller than this is not worth choosing from.
const RANGE_MIN: u16 = 1_000;
/// Tries before the kernel is asked for one of its ephemeral ports.
const TRIES: u16 = 200;

/// The ports that this platform's replicas have.
#[derive(Debug)]
pub(crate) struct Ports {
    range: Option<RangeInclusive<u16>>,
    taken: Mutex<BTreeSet<u16>>,
}

impl Ports {
    pub(crate) fn new() -> Ports {
        let ephemeral =
            fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        Ports {
            range: choose_range(&ephemeral),
            taken: Mutex::default(),
        }
    }

    /// Takes a free port; [`Ports::give_back`] ends that.
    pub(crate) fn take(&self) -> io::Result<u16> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(range) = &self.range {
            let size = u64::from(range.end() - range.start()) + 1;
            for _ in 0..TRIES {
                let port = range.start() + u16::try_from(clock::random() % size).unwrap_or(0);
                if !taken.contains(&port) && is_free(port) {
                    taken.insert(port);
                    return Ok(port);
                }
            }
        }
        for _ in 0..TRIES {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port();
            if taken.insert(port) {
                return Ok(port);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free loopback port was found",
        ))
    }

    /// Takes this very port: that of a replica which already has it.
    pub(crate) fn keep(&self, port: u16) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(port);
    }

    pub(crate) fn give_back(&self, port: u16) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&port);
    }
}

/// The larger side of the ephemeral range, `LOW HIGH`; `None` when neither is large enough.
fn choose_range(ephemeral: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = ephemeral.split_ascii_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (ends.next(), ends.next()) else {
        return None;
    };
    let below = LOWEST..=low.saturating_sub(1);
    let above = high.saturating_add(1).max(LOWEST)..=u16::MAX;
    let size = |range: &RangeInclusive<u16>| range.end().saturating_sub(*range.start());
    [below, above]
        .into_iter()
        .max_by_key(size)
        .filter(|range| size(range) >= RANGE_MIN)
}

/// Whether a replica could bind the port on any address, without the options that let two share it.
fn is_free(port: u16) -> bool {
    socket(AddressFamily::INET, SocketType::STREAM, None)
        .and_then(|socket| bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_lie_outside_of_the_ephemeral_range() {
        for (ephemeral, range) in [
            ("32768\t60999\n", Some(10_000..=32_767)),
            ("10500 60999", Some(61_000..=65_535)),
            ("1024 65535", None),
            ("", None),
        ] {
            assert_eq!(choose_range(ephemeral), range, "{ephemeral}");
        }
    }

    #[test]
    fn no_port_is_given_twice_and_none_that_somebody_listens_on() {
        let ports = Ports {
            range: Some(20_000..=21_500),
            taken: Mutex::default(),
        };
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            let port = ports.take().expect("there are free ports");
            assert!(seen.insert(port), "{port} twice");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(!is_free(port));
    }
}
