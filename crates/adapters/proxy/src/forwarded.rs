//! `X-Forwarded-*`: who asked, how, and for which host. `traceparent` and all else pass untouched.

use crate::connection::Client;
use crate::head::RequestHead;
use http::header::{HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Adds what a replica cannot see any more. The list in `X-Forwarded-For` is extended, so that its
/// last entry can be trusted; the others are replaced unless a trusted proxy stands in front.
pub(crate) fn extend(client: &Client, head: &mut RequestHead) {
    let before = join(head);
    let address = match before {
        None => client.address.clone(),
        Some(before) => {
            let list = [before.as_slice(), b", ", client.address.as_bytes()].concat();
            HeaderValue::from_maybe_shared(bytes::Bytes::from(list))
                .unwrap_or_else(|_| client.address.clone())
        }
    };
    let headers = &mut head.headers;
    headers.insert(FORWARDED_FOR, address);
    let trusted = client.worker.shared.config.trust_forwarded;
    if !(trusted && headers.contains_key(FORWARDED_PROTO)) {
        let scheme = HeaderValue::from_static(if client.is_tls { "https" } else { "http" });
        headers.insert(FORWARDED_PROTO, scheme);
    }
    if !(trusted && headers.contains_key(FORWARDED_HOST)) {
        match &head.host {
            Some(host) => headers.insert(FORWARDED_HOST, host.clone()),
            None => headers.remove(FORWARDED_HOST),
        };
    }
}

/// The list as it came, its lines joined.
fn join(head: &RequestHead) -> Option<Vec<u8>> {
    let mut lines = head.headers.get_all(FORWARDED_FOR).iter();
    let mut list = lines.next()?.as_bytes().to_vec();
    for line in lines {
        list.extend_from_slice(b", ");
        list.extend_from_slice(line.as_bytes());
    }
    Some(list)
}
