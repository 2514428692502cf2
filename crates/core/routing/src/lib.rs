//! Which revision a request goes to: `sluice_model::Routes` compiled into a [`RouteTable`].
//!
//! Pure: no clock, no IO, no HTTP library, no hidden randomness. The caller gives the facts of a request ([`RequestFacts`])
//! and a 64-bit random draw, and gets a [`RouteDecision`]. What happens next (finding a replica,
//! retrying, setting the cookie) is the proxy's business. Start with `table`; `bucket` says how a
//! unit becomes a number, `matching` how conditions are tested.

mod bucket;
mod matching;
mod table;

pub use bucket::{BUCKETS, Salt};
pub use matching::{RequestFacts, cookie_value};
pub use table::{DecidedBy, MirrorDecision, RouteDecision, RouteError, RouteTable, UnitId};
