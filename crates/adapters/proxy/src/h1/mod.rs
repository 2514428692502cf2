//! HTTP/1.1 by the proxy itself, on httparse; HTTP/2 is hyper's.
//!
//! Two reasons. A proxy has to be stricter than a server: it must see `Content-Length` beside
//! `Transfer-Encoding`, a bare LF or a list of lengths, and refuse them, where hyper quietly repairs them.
//! And here one task carries a request from the client's socket to the replica's and back,
//! without a channel or another task between them, which takes about a quarter less CPU time for a request.
//!
//! `parse` reads heads (`fields` those lines that frame or belong to the connection), `framing` reads bodies, `write` writes both; `server` and `answering` are the
//! side of the clients, `client` that of the replicas.

mod answering;
pub(crate) mod client;
pub(crate) mod fields;
pub(crate) mod framing;
pub(crate) mod parse;
pub(crate) mod server;
pub(crate) mod write;
