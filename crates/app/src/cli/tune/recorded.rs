//! The recorded minutes of a service: from a running Sluice, or from a file that was written by another call.
//!
//! The file has one JSON value per line: first what it is and of which service, then the minutes, oldest first.

use crate::cli::failure::{Exit, Failure};
use crate::cli::progress::Progress;
use serde::{Deserialize, Serialize};
use sluice_model::ids::ServiceName;
use sluice_model::{Minute, Timestamp};
use sluice_server::Client;
use sluice_server::wire::{MINUTES_SPAN_MAX, MinutesQuery};
use sluice_store::{MINUTES_KEPT, REVISIONS_IN_A_MINUTE};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Most minutes of a file: all that is ever kept of a service.
const MINUTES_MAX: usize = MINUTES_KEPT.as_secs() as usize / 60 * REVISIONS_IN_A_MINUTE;
/// Longest line of a file, in bytes: a minute with every latency bucket in use has less.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// More than any machine serves in a minute.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    format: String,
    version: u32,
    service: ServiceName,
}

const FORMAT: &str = "sluice-minutes";
const VERSION: u32 = 1;

/// The minutes of the last `since` that a running Sluice has of a service.
pub(super) async fn of_running(
    client: &Client,
    service: &ServiceName,
    since: Duration,
) -> Result<Vec<Minute>, Failure> {
    let now = client.service(service).await?.at;
    let kept = i64::try_from(since.min(MINUTES_KEPT).as_millis()).unwrap_or(i64::MAX);
    let mut from = now.shifted(-kept);
    let all = now.since(from).as_secs();
    let mut progress = Progress::new("reading", all);
    let mut minutes = Vec::new();
    while from < now {
        let until = from.after(MINUTES_SPAN_MAX).min(now);
        minutes.extend(
            client
                .minutes(service, MinutesQuery { from, until })
                .await?,
        );
        from = until;
        progress.tell(
            all - now.since(from).as_secs(),
            &format!("minutes of {service}"),
        );
    }
    progress.clear();
    Ok(minutes)
}

/// Writes minutes of a service into a file.
pub(super) fn write(path: &Path, service: &ServiceName, minutes: &[Minute]) -> Result<(), Failure> {
    let head = Head {
        format: FORMAT.to_owned(),
        version: VERSION,
        service: service.clone(),
    };
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer(&mut file, &head)?;
        for minute in minutes {
            file.write_all(b"\n")?;
            serde_json::to_writer(&mut file, minute)?;
        }
        file.write_all(b"\n")?;
        file.flush()?;
        file.get_ref().sync_all()
    };
    write().map_err(|error| {
        Failure::file("write", path, &error)
            .with_help("name a file that can be written, in a folder that exists")
    })
}

/// Reads the minutes of a service from a file, of the last `since` before its newest.
pub(super) fn read(
    path: &Path,
    service: &ServiceName,
    since: Duration,
) -> Result<Vec<Minute>, Failure> {
    let failed = |error: &io::Error| Failure::file("read", path, error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut lines = Lines {
        file: BufReader::new(file),
        number: 0,
    };
    let broken = |number: usize, message: &str| {
        let message = format!("{}:{number}: {message}", path.display());
        Failure::new(Exit::Usage, "history", message)
            .with_help("a file that `sluice tune --export` wrote is wanted")
    };
    let head = lines.next().map_err(|error| failed(&error))?;
    let head: Head = serde_json::from_slice(&head.unwrap_or_default())
        .map_err(|error| broken(1, &format!("this is no recorded history: {error}")))?;
    if head.format != FORMAT || head.version != VERSION {
        let message = format!(
            "`{}` of version {} is not understood, only `{FORMAT}` of version {VERSION}",
            head.format, head.version
        );
        return Err(broken(1, &message));
    }
    if head.service != *service {
        let message = format!(
            "the history is that of `{}`, not of `{service}`",
            head.service
        );
        return Err(broken(1, &message));
    }
    let mut minutes: Vec<Minute> = Vec::new();
    while let Some(line) = lines.next().map_err(|error| failed(&error))? {
        if minutes.len() == MINUTES_MAX {
            return Err(broken(
                lines.number,
                &format!("there are more than {MINUTES_MAX} minutes"),
            ));
        }
        let minute: Minute = serde_json::from_slice(&line)
            .map_err(|error| broken(lines.number, &format!("this is no minute: {error}")))?;
        let most = minute.classes.into_iter().chain([minute.requests]).max();
        if most > Some(COUNT_MAX) {
            let message = format!("more than {COUNT_MAX} requests in a minute");
            return Err(broken(lines.number, &message));
        }
        minutes.push(minute);
    }
    let newest = minutes.iter().map(|minute| minute.at).max();
    let newest = newest.unwrap_or(Timestamp(0));
    minutes.retain(|minute| newest.since(minute.at) < since);
    Ok(minutes)
}

/// Lines of bounded length.
struct Lines {
    file: BufReader<File>,
    number: usize,
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut within = (&mut self.file).take(LINE_BYTES_MAX);
        if within.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.len() as u64 == LINE_BYTES_MAX {
            let message = format!("line {} has more than {LINE_BYTES_MAX} bytes", self.number);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Some(line))
    }
}
