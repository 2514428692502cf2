//! Metric values from outside servers: one question to one server, and its answer as data.
//!
//! A [`Source`] is a server with its credentials; a [`Query`] is what it is asked, in the words of
//! its provider; a [`Sample`] is what it answered. What has no data says so, and is not zero. It
//! knows neither checks nor thresholds nor rollouts: what a sample means is the caller's business,
//! and so is when to ask again. Queries and servers are plain data that may be stored: where they
//! need a secret they name it ([`Text::Secret`]), and the caller hands the value in ([`Secrets`]).
//!
//! Start reading at [`Source`]; then `transport` for what every request has in common (deadline,
//! bound on the answer, no redirections, no proxy), and `providers`, one file for each.

mod answer;
mod credentials;
mod error;
mod jsonpath;
mod oauth2;
mod providers;
mod query;
mod sample;
mod secret;
mod server;
mod sigv4;
mod source;
mod tls;
mod transport;

pub use error::{FetchError, FetchErrorKind, Retry};
pub use providers::prometheus::PrometheusQuery;
pub use providers::web::{WebBody, WebMethod, WebQuery};
pub use query::{Query, Window};
pub use sample::{Answer, Element, Point, Sample, Series};
pub use secret::{Secret, Secrets, Text};
pub use server::{Authentication, Server, TIMEOUT_MAX, Tls};
pub use source::Source;
pub use transport::{ANSWER_BYTES_MAX, REQUESTS_AT_ONCE_MAX};
