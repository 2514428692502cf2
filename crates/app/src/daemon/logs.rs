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
    let mut lines = parts.platform.follow_logs(service, local);
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
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
    });
    Ok(receiver)
}
