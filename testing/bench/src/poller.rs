//! Readiness of many sockets, and a precise timer, on one thread.
//!
//! A timer of its own, because an ordinary wait is rounded to a millisecond, which is ten times what
//! a request takes.

use anyhow::{Context, Result};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::time::Duration;

/// Events taken at once, at most; the rest come with the next call.
const EVENTS_MAX: usize = 256;
/// The timer's token; no socket has it.
const TIMER: u64 = u64::MAX;

/// Waits for sockets and time.
pub struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<epoll::Event>,
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The token under which the socket was added.
    pub token: u64,
    /// It can be read, or has ended.
    pub readable: bool,
    /// It can be written.
    pub writable: bool,
}

impl Poller {
    /// A poller without sockets.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("no epoll")?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .context("no timer")?;
        epoll::add(
            &epoll,
            &timer,
            EventData::new_u64(TIMER),
            EventFlags::IN | EventFlags::ET,
        )
        .context("the timer cannot be waited for")?;
        Ok(Self {
            epoll,
            timer,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Watches a socket; `token` below `u64::MAX` comes back with its events.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&self, socket: impl AsFd, token: u64, write: bool) -> Result<()> {
        epoll::add(
            &self.epoll,
            socket,
            EventData::new_u64(token),
            interest(write),
        )
        .context("a socket cannot be watched")
    }

    /// Watches a known socket for writing too, or no longer.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn change(&self, socket: impl AsFd, token: u64, write: bool) -> Result<()> {
        epoll::modify(
            &self.epoll,
            socket,
            EventData::new_u64(token),
            interest(write),
        )
        .context("a socket cannot be watched differently")
    }

    /// Waits until a socket is ready, `wait` is over, or a signal came. The sockets that are ready
    /// are put into `ready`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn wait(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> Result<()> {
        ready.clear();
        self.arm(wait)?;
        self.events.clear();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let timeout = wait.is_zero().then_some(&at_once);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut self.events),
            timeout,
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for sockets"),
        }
        for event in &self.events {
            let token = event.data.u64();
            let flags = event.flags;
            if token != TIMER {
                let ended = EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP;
                ready.push(Ready {
                    token,
                    readable: flags.intersects(EventFlags::IN | ended),
                    writable: flags.contains(EventFlags::OUT),
                });
            }
        }
        Ok(())
    }

    /// Sets the timer; a wait of zero needs none, and a zero would switch it off.
    fn arm(&self, wait: Duration) -> Result<()> {
        if wait.is_zero() {
            return Ok(());
        }
        let value = Timespec::try_from(wait).context("a wait beyond the timer's range")?;
        let none = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let setting = Itimerspec {
            it_interval: none,
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting)
            .context("the timer cannot be set")?;
        Ok(())
    }
}

fn interest(write: bool) -> EventFlags {
    if write {
        EventFlags::IN | EventFlags::OUT
    } else {
        EventFlags::IN
    }
}
