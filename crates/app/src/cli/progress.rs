//! A line on standard error that tells how far long work is, where that is a terminal.

use super::output::takes_colour;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Between two words about the progress.
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    /// What is done, as `simulating`.
    doing: &'static str,
    all: u64,
    begun: Instant,
    told: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(super) fn new(doing: &'static str, all: u64) -> Progress {
        Progress {
            doing,
            all,
            begun: Instant::now(),
            told: None,
            shown: takes_colour(&io::stderr()),
        }
    }

    /// So much is done; `at` says what is worked on, for people.
    pub(super) fn tell(&mut self, done: u64, at: &str) {
        let now = Instant::now();
        let since = self.told.unwrap_or(self.begun);
        if !self.shown || now.duration_since(since) < EVERY {
            return;
        }
        self.told = Some(now);
        let share = done as f64 / self.all.max(1) as f64;
        let left = now.duration_since(self.begun).as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
        let line = format!(
            "\r\u{1b}[K{}: {:.0} %, about {left:.0}s left ({at})",
            self.doing,
            share * 100.0,
        );
        self.write(&line);
    }

    /// The work is done: the line goes.
    pub(super) fn clear(&mut self) {
        if self.told.is_some() {
            self.write("\r\u{1b}[K");
        }
    }

    /// Nobody misses the progress when standard error is gone.
    fn write(&mut self, text: &str) {
        let mut stream = io::stderr().lock();
        let written = stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush());
        self.shown &= written.is_ok();
    }
}
