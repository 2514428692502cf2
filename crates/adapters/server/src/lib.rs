//! The local API of a running Sluice: its server, and the client that the command line uses.
//!
//! The server listens on a unix socket in the state folder, open to the folder's owner alone, and
//! on request on TCP with a bearer token. It knows who asks ([`identity`]), bounds what they may
//! send ([`serve`]), and translates HTTP into calls of a [`Backend`], which the daemon implements.
//! It decides nothing and stores nothing. Read [`wire`] for what is exchanged, [`error`] for what
//! can go wrong, `routes` for the addresses, and [`client`] for the other end.

pub mod backend;
pub mod client;
pub mod error;
pub mod identity;
mod routes;
pub mod serve;
pub mod socket;
mod stream;
pub mod token;
pub mod wire;

pub use backend::Backend;
pub use client::{Client, ClientError, Events};
pub use error::{ApiError, ErrorCode};
pub use serve::{BindError, Bound, ServerOptions, bind};
pub use socket::{SOCKET_FILE, socket_path};
pub use token::Token;
