//! What a process uses, as the system tells it.

use anyhow::{Context, Result};

/// What a process uses at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub rss: u64,
    /// The same, pages that others have too counted in part.
    pub pss: u64,
    /// The most resident memory that it ever had.
    pub rss_peak: u64,
    /// Processor time so far, of user and system, in seconds.
    pub cpu_seconds: f64,
}

impl Usage {
    /// What a process uses now.
    ///
    /// # Errors
    /// When it has ended, or the system does not tell.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))
        };
        let ticks = rustix::param::clock_ticks_per_second();
        parse(
            &read("smaps_rollup")?,
            &read("status")?,
            &read("stat")?,
            ticks,
        )
        .with_context(|| format!("what /proc/{process} says has an unknown form"))
    }
}

fn parse(smaps: &str, status: &str, stat: &str, ticks_per_second: u64) -> Option<Usage> {
    let bytes = |text: &str, field: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    // proc(5): the name, in parentheses, may contain anything; utime and stime are the 12th and 13th field after it.
    let times: Vec<u64> = stat
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, system] = times[..] else {
        return None;
    };
    Some(Usage {
        rss: bytes(smaps, "Rss")?,
        pss: bytes(smaps, "Pss")?,
        rss_peak: bytes(status, "VmHWM")?,
        cpu_seconds: (user + system) as f64 / ticks_per_second as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc() {
        let smaps = "00400000-7ffd [rollup]\nRss:    2048 kB\nPss:    1024 kB\nPss_Anon:   9 kB\n";
        let status = "Name:\tx\nVmPeak:\t   9999 kB\nVmHWM:\t    4096 kB\n";
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 8 9 20 0 1 0 5 6 7";
        let usage = parse(smaps, status, stat, 100).expect("all fields");
        let expected = Usage {
            rss: 2 << 20,
            pss: 1 << 20,
            rss_peak: 4 << 20,
            cpu_seconds: 2.0,
        };
        assert_eq!(usage, expected);
        assert_eq!(parse("", status, stat, 100), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id()).expect("/proc");
        assert!(usage.rss > 0 && usage.rss_peak >= usage.rss, "{usage:?}");
    }
}
