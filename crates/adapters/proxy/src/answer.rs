//! Answers, and those that the proxy has to make up: short texts that name the service and the cause.

use crate::body::AnswerBody;
use crate::connection::Client;
use crate::h1::client::ReplicaConnection;
use crate::head::{AnswerHead, BodyLength};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::fmt::Display;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// An answer on its way to a client.
pub(crate) struct Answer {
    pub(crate) head: AnswerHead,
    pub(crate) body: AnswerBody,
    /// The replica's connection, when both sides switch protocols.
    pub(crate) upgrade: Option<Box<ReplicaConnection>>,
}

/// An answer of the proxy itself.
pub(crate) fn made_up(
    client: &Client,
    status: StatusCode,
    reason: impl Display,
    is_grpc: bool,
) -> Answer {
    let text = format!("service `{}`: {reason}", client.service.state.name);
    let mut headers = HeaderMap::new();
    if is_grpc {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(status)));
        if let Ok(message) = HeaderValue::from_str(&text) {
            headers.insert(GRPC_MESSAGE, message);
        }
        return Answer {
            head: AnswerHead {
                status: StatusCode::OK,
                headers,
                length: BodyLength::Empty,
            },
            body: AnswerBody::default(),
            upgrade: None,
        };
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let text = text + "\n";
    Answer {
        head: AnswerHead {
            status,
            headers,
            length: BodyLength::Known(text.len() as u64),
        },
        body: AnswerBody::text(text),
        upgrade: None,
    }
}

/// The gRPC status for an HTTP status, as far as the proxy makes them up: DEADLINE_EXCEEDED,
/// RESOURCE_EXHAUSTED, INVALID_ARGUMENT, or UNAVAILABLE.
fn grpc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GATEWAY_TIMEOUT => "4",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "8",
        status if status.is_client_error() => "3",
        _ => "14",
    }
}
