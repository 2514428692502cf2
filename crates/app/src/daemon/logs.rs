//! `sluice logs`: the lines of a service's replicas, on their way from the platform to the API.

use super::parts::Parts;
use sluice_model::ServiceName;
use sluice_server::ApiError;
use sluice_server::wire::{LogLine, LogStream, LogsQuery};
use tokio::sync::mpsc;

/// Lines that wait for a slow reader.
const WAITING_MAX: usize = 64;

/// Streams the lines that the query asks for.
pub(super) fn stream(
    parts: &Parts,
    service: &ServiceName,
    query: &LogsQuery,
) -> Result<mpsc::Receiver<LogLine>, ApiError> {
    let local = sluice_local::LogQuery {
        revision: query.revision,
        replica: None,
        tail_lines: query.tail() as usize,
        follow: query.follow,
    };
    let lines = parts.platform.follow_logs(service, local);
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(forward(lines, sender));
    Ok(receiver)
}

/// Passes the lines on until there are no more, or nobody reads them: also a reader who leaves while
/// nothing is written ends the following.
async fn forward(mut lines: mpsc::Receiver<sluice_local::LogLine>, sender: mpsc::Sender<LogLine>) {
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = sender.closed() => return,
        };
        let Some(line) = line else {
            return;
        };
        let line = LogLine {
            at: None,
            revision: line.revision,
            replica: line.replica,
            stream: LogStream::Stdout,
            text: line.text,
        };
        if sender.send(line).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_reader_who_leaves_a_silent_service_ends_the_following() {
        let (writer, lines) = mpsc::channel(1);
        let (sender, receiver) = mpsc::channel(1);
        let forwarding = tokio::spawn(forward(lines, sender));
        drop(receiver);
        tokio::time::timeout(Duration::from_secs(10), writer.closed())
            .await
            .expect("the follower is told that nobody reads");
        forwarding.await.expect("it ends");
    }
}
