//! Open files: each connection is one, on both sides of the proxy, and a process usually starts with
//! a limit far below what its administrator allows it. What happens at the limit is in `upstream`
//! (towards replicas) and `worker::accept` (from clients).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sluice_model::ServiceName;

/// Descriptors that one client takes: its own connection, and one to a replica.
const EACH: u64 = 2;

/// Raises the soft limit to the hard one, and answers what it was; absent when there was none.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = ?limit.current, "cannot raise the limit of open files");
    }
    limit.current
}

/// Tells when a service may have more connections than there are descriptors for.
pub(crate) fn note_shortage(service: &ServiceName, connections_max: u32) {
    let needed = u64::from(connections_max) * EACH;
    if let Some(limit) = getrlimit(Resource::Nofile).current
        && limit < needed
    {
        tracing::warn!(
            %service, connections_max, limit, needed,
            "the limit of open files is below what so many connections need; raise the hard limit \
             (ulimit -Hn, LimitNOFILE), or lower the service's connections"
        );
    }
}
