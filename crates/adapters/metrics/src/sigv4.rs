//! AWS Signature Version 4, in the `Authorization` header.
//!
//! Source: "Create a signed AWS API request", AWS Identity and Access Management User Guide. Pure:
//! the time comes from the caller. Own code, because the known crates bring an SDK's runtime for
//! what is a hash of a few lines (`aws-sigv4`), or encode paths as S3 alone wants it (`reqsign`);
//! held against AWS' published test suite.

use crate::secret::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use ring::{digest, hmac};
use sluice_model::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// All but RFC 3986's unreserved characters.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same, for paths.
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// Who signs, and for what.
pub(crate) struct Signer {
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) access_key_id: Secret,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// What is signed of a request. The headers are those to be signed, by their lower-case names,
/// without the ones that signing adds; `host` has to be among them.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) headers: BTreeMap<&'a str, &'a str>,
    pub(crate) body: &'a [u8],
}

impl Signer {
    /// The headers that make this a signed request: date, security token, authorization.
    pub(crate) fn headers(
        &self,
        request: &Signable<'_>,
        now: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let (year, month, day, hour, minute, second, _) = now.civil();
        let date = format!("{year:04}{month:02}{day:02}");
        let moment = format!("{date}T{hour:02}{minute:02}{second:02}Z");
        let mut added = vec![("x-amz-date", moment.clone())];
        if let Some(token) = &self.session_token {
            added.push(("x-amz-security-token", token.expose().to_owned()));
        }
        let mut headers = request.headers.clone();
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_str())));

        let names = headers.keys().copied().collect::<Vec<_>>().join(";");
        let canonical = canonical_request(request, &headers, &names);
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!(
            "{ALGORITHM}\n{moment}\n{scope}\n{}",
            sha256(canonical.as_bytes())
        );
        let signature = hex(sign(&self.key(&date), &to_sign).as_ref());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id.expose()
        );
        added.push(("authorization", authorization));
        added
    }

    fn key(&self, date: &str) -> hmac::Tag {
        let first = format!("AWS4{}", self.secret_access_key.expose());
        let first = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        [&self.region, &self.service, "aws4_request"]
            .into_iter()
            .fold(hmac::sign(&first, date.as_bytes()), |key, part| {
                sign(&key, part)
            })
    }
}

fn canonical_request(
    request: &Signable<'_>,
    headers: &BTreeMap<&str, &str>,
    names: &str,
) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        // Writing into a string cannot fail.
        let _written = writeln!(lines, "{name}:{value}");
    }
    format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        canonical_path(request.url.path()),
        canonical_query(request.url),
        sha256(request.body)
    )
}

/// The path as it is sent, with empty segments left out, and encoded once more: so every service
/// but S3 wants it.
fn canonical_path(sent: &str) -> String {
    let segments: Vec<&str> = sent
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let end = if sent.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    let path = format!("/{}{end}", segments.join("/"));
    utf8_percent_encode(&path, RESERVED_IN_PATHS).to_string()
}

fn canonical_query(url: &Url) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn sign(key: &hmac::Tag, text: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    hmac::sign(&key, text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z, the time of the whole suite.
    const NOW: Timestamp = Timestamp(1_440_938_160_000);

    fn signer(session_token: Option<&str>) -> Signer {
        Signer {
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
            access_key_id: Secret::new("AKIDEXAMPLE"),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session_token.map(Secret::new),
        }
    }

    fn signature(signer: &Signer, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let url = Url::parse(&format!("https://example.amazonaws.com{path}")).expect("url");
        let mut all = BTreeMap::from([("host", "example.amazonaws.com")]);
        all.extend(headers.iter().copied());
        let request = Signable {
            method,
            url: &url,
            headers: all,
            body: b"",
        };
        let added = signer.headers(&request, NOW);
        let (_, authorization) = added.last().expect("authorization");
        let (_, signature) = authorization.split_once("Signature=").expect("signature");
        signature.to_owned()
    }

    /// Cases of the AWS Signature Version 4 test suite, by their names there. Cases whose paths the
    /// URL parser changes before they are sent (spaces, letters beyond ASCII) are not among them:
    /// what is sent is what is signed.
    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (name, method, path, headers, expected) in [
            (
                "get-vanilla",
                "GET",
                "/".to_owned(),
                &[][..],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-relative-relative-normalized",
                "GET",
                "/example1/example2/../..".to_owned(),
                &[],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-slash-normalized",
                "GET",
                "//".to_owned(),
                &[],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-slashes-normalized",
                "GET",
                "//example//".to_owned(),
                &[],
                "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            ),
            (
                "get-slash-pointless-dot-normalized",
                "GET",
                "/./example".to_owned(),
                &[],
                "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            ),
            (
                "get-unreserved",
                "GET",
                format!("/{unreserved}"),
                &[],
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "/?Param2=value2&Param1=value1".to_owned(),
                &[],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-order-encoded",
                "GET",
                "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1".to_owned(),
                &[],
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "get-vanilla-query-unreserved",
                "GET",
                format!("/?{unreserved}={unreserved}"),
                &[],
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-vanilla-utf8-query",
                "GET",
                "/?ሴ=bar".to_owned(),
                &[],
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-header-value-trim",
                "GET",
                "/".to_owned(),
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "post-vanilla",
                "POST",
                "/".to_owned(),
                &[],
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-vanilla-query",
                "POST",
                "/?Param1=value1".to_owned(),
                &[],
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            (
                "post-header-value-case",
                "POST",
                "/".to_owned(),
                &[("my-header1", "VALUE1")],
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
        ] {
            let signature = signature(&signer(None), method, &path, headers);
            assert_eq!(signature, expected, "{name}");
        }
    }

    #[test]
    fn a_session_token_is_signed_with_the_rest() {
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        assert_eq!(
            signature(&signer(Some(token)), "GET", "/", &[]),
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            "get-vanilla-with-session-token"
        );
    }

    /// The suite's case `post-x-www-form-urlencoded`, which has a body.
    #[test]
    fn the_body_is_signed() {
        let url = Url::parse("https://example.amazonaws.com/").expect("url");
        let body = b"Param1=value1";
        let hash = sha256(body);
        let request = Signable {
            method: "POST",
            url: &url,
            headers: BTreeMap::from([
                ("content-length", "13"),
                ("content-type", "application/x-www-form-urlencoded"),
                ("host", "example.amazonaws.com"),
                ("x-amz-content-sha256", hash.as_str()),
            ]),
            body,
        };
        let added = signer(None).headers(&request, NOW);
        assert_eq!(
            added.last().expect("authorization").1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date, \
             Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
        );
    }
}
