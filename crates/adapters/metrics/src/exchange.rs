//! One request over the network: its answer within bounds, or why there is none.
//!
//! Of an address, messages show scheme, host and port alone.

use crate::error::{FetchError, FetchErrorKind};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};
use std::error::Error;

/// Longest answer that is read, in bytes: ten thousand series with their labels.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest body of a refusal that is read.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// An answer, whatever its status; redirections are errors before.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends a finished request and reads its answer.
pub(crate) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    origin: &str,
) -> Result<Reply, FetchError> {
    let response = client
        .execute(request)
        .await
        .map_err(|error| failed(error, origin))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(redirected(&response, origin));
    }
    let headers = response.headers().clone();
    let body = read(response, origin).await?;
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// Reads a body; a refusal's only as far as a message shows it.
async fn read(mut response: Response, origin: &str) -> Result<Vec<u8>, FetchError> {
    let is_refusal = !response.status().is_success();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failed(error, origin))?
    {
        body.extend_from_slice(&chunk);
        if is_refusal && body.len() >= REFUSAL_BYTES_MAX {
            body.truncate(REFUSAL_BYTES_MAX);
            return Ok(body);
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Err(FetchError::new(
                FetchErrorKind::TooLarge,
                format!("{origin} answered more than {ANSWER_BYTES_MAX} bytes"),
                "ask for fewer series or points: aggregate in the query",
            ));
        }
    }
    Ok(body)
}

fn redirected(response: &Response, origin: &str) -> FetchError {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|target| response.url().join(target).ok())
        .map_or_else(
            || "elsewhere".to_owned(),
            |target| format!("to {}", target.origin().ascii_serialization()),
        );
    FetchError::new(
        FetchErrorKind::Redirected,
        format!(
            "{origin} answered {} and points {target}, which is not followed",
            response.status()
        ),
        "set the source's address to the final one (a login page means that credentials are missing)",
    )
}

fn failed(error: reqwest::Error, origin: &str) -> FetchError {
    let error = error.without_url();
    let causes = causes(&error);
    if is_untrusted(&error) {
        return FetchError::new(
            FetchErrorKind::Untrusted,
            format!("{origin} is not trusted: {causes}"),
            "name its authority in the source's `tls.authorities`, or give the server a certificate of one that this machine trusts",
        );
    }
    FetchError::new(
        FetchErrorKind::Unreachable,
        format!("{origin} cannot be asked: {causes}"),
        "see that it runs and that this machine reaches it",
    )
}

/// Whether TLS came to the certificate and refused it.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // The source of an I/O error is that of the error within it, which would be passed over.
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|within| within as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    false
}

/// An error with what is underneath it, outermost first, without repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}
