//! Where a service is reached: the listeners of the proxy, and the way back when what asked for them
//! fails.

use super::super::parts::{FileStamp, Listening, Parts};
use super::super::shared::lock;
use sluice_model::ServiceName;
use sluice_model::workload::Listener;
use sluice_proxy::{ListenerRole, ProxyError};
use sluice_server::{ApiError, ErrorCode};
use std::os::fd::OwnedFd;

/// What was listened on before a change.
#[must_use = "a change whose purpose fails is taken back"]
pub(in crate::daemon) struct Moved {
    service: ServiceName,
    /// Absent when nothing was changed.
    change: Option<Change>,
}

struct Change {
    before: Option<Listening>,
    /// The sockets from before, held open: a way back loses no connection that waits.
    sockets: Vec<(ListenerRole, OwnedFd)>,
    /// What was changed so far.
    roles: Vec<ListenerRole>,
}

/// Makes the service reachable where its document says; an address that was bound stays, and certificates
/// that were renewed are read again. After an error everything is as it was.
pub(in crate::daemon) fn listen(
    parts: &Parts,
    service: &ServiceName,
    listener: &Listener,
) -> Result<Moved, ApiError> {
    listen_on(parts, service, listener, None, None)
}

/// The same, on sockets that are open already.
pub(in crate::daemon) fn listen_on(
    parts: &Parts,
    service: &ServiceName,
    listener: &Listener,
    main: Option<OwnedFd>,
    preview: Option<OwnedFd>,
) -> Result<Moved, ApiError> {
    let before = lock(&parts.listeners).get(service).cloned();
    if before
        .as_ref()
        .is_some_and(|before| before.listener == *listener && before.files == stamps(listener))
    {
        return Ok(Moved {
            service: service.clone(),
            change: None,
        });
    }
    let sockets = own_sockets(parts, service)?;
    let mut roles = Vec::new();
    let bound = bind(parts, service, listener, (main, preview), &mut roles);
    let mut moved = Moved {
        service: service.clone(),
        change: Some(Change {
            before,
            sockets,
            roles,
        }),
    };
    match bound {
        Ok(listening) => {
            if listening.preview.is_none() {
                moved.close(parts, ListenerRole::Preview);
            }
            lock(&parts.listeners).insert(service.clone(), listening);
            Ok(moved)
        }
        Err(error) => {
            moved.take_back(parts);
            Err(
                ApiError::new(ErrorCode::Invalid, format!("`{service}`: {error}")).with_help(
                    "nothing was changed; choose another address, or end what uses this one",
                ),
            )
        }
    }
}

/// The preview first: users are on the main address, which moves last.
fn bind(
    parts: &Parts,
    service: &ServiceName,
    listener: &Listener,
    (main, preview): (Option<OwnedFd>, Option<OwnedFd>),
    done: &mut Vec<ListenerRole>,
) -> Result<Listening, ProxyError> {
    let mut open = |role, socket: Option<OwnedFd>| {
        let inherited = socket.map(|socket| vec![socket]);
        let bound = parts.proxy.listen(service, role, listener, inherited)?;
        done.push(role);
        Ok(bound)
    };
    // Taken before the files are read: a change in between is seen by the next deployment.
    let files = stamps(listener);
    let preview = match &listener.preview {
        Some(_) => Some(open(ListenerRole::Preview, preview)?.to_string()),
        None => None,
    };
    let address = open(ListenerRole::Main, main)?.to_string();
    Ok(Listening {
        listener: listener.clone(),
        address,
        preview,
        files,
    })
}

/// What tells a renewed certificate from the one that was read.
fn stamps(listener: &Listener) -> Vec<Option<FileStamp>> {
    let stamp = |path: &String| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.len(), file.modified().ok()?))
    };
    let files = listener.tls.iter();
    files
        .flat_map(|files| [stamp(&files.certificate), stamp(&files.key)])
        .collect()
}

fn own_sockets(
    parts: &Parts,
    service: &ServiceName,
) -> Result<Vec<(ListenerRole, OwnedFd)>, ApiError> {
    let all = parts.proxy.listener_fds().map_err(|error| {
        ApiError::internal(format!(
            "`{service}`: its listening sockets cannot be held: {error}"
        ))
    })?;
    Ok(all
        .into_iter()
        .filter(|(name, _, _)| name == service)
        .map(|(_, role, socket)| (role, socket))
        .collect())
}

impl Moved {
    /// Ends listening on an address that the document no longer names.
    fn close(&mut self, parts: &Parts, role: ListenerRole) {
        parts.proxy.close_listener(&self.service, role);
        if let Some(change) = &mut self.change {
            change.roles.push(role);
        }
    }

    /// Back to the addresses before.
    pub(super) fn take_back(self, parts: &Parts) {
        let service = &self.service;
        let Some(change) = self.change else {
            return;
        };
        let Some(before) = change.before else {
            parts.proxy.unlisten(service);
            lock(&parts.listeners).remove(service);
            return;
        };
        let changed = |role: &ListenerRole| change.roles.contains(role);
        for (role, socket) in change.sockets.into_iter().filter(|(role, _)| changed(role)) {
            let sockets = Some(vec![socket]);
            if let Err(error) = parts.proxy.listen(service, role, &before.listener, sockets) {
                tracing::error!(%error, %service, ?role, "the former address could not be taken again");
            }
        }
        lock(&parts.listeners).insert(service.clone(), before);
    }
}
