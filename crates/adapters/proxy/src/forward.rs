//! One request: decide where it goes, ask a replica, try another where that is allowed, charge what
//! happened to the revision that caused it, and hand the answer back.

use crate::answer::{Answer, made_up};
use crate::body::{AnswerBody, BodyError, RequestBody};
use crate::charge::{Charge, Failure, charge_missing};
use crate::config::ListenerRole;
use crate::connection::Client;
use crate::forwarded;
use crate::head::{RequestHead, spare};
use crate::mirror::{self, Recorder};
use crate::timer::Timer;
use crate::upstream::{self, Attempt, Raw, SendError};
use crate::worker::local::{ReplicaLocal, RevisionLocal, View};
use http::{HeaderValue, StatusCode, header};
use sluice_model::RevisionNumber;
use sluice_routing::{DecidedBy, MirrorDecision, RouteDecision, UnitId};
use std::rc::Rc;

/// How long a browser keeps its side: longer than a rollout should take, in seconds (30 days).
const COOKIE_MAX_AGE: u32 = 30 * 24 * 3_600;

/// Where a request goes, with replicas reserved.
struct Route {
    decision: RouteDecision,
    leased: Option<Leased>,
    copy: Option<(MirrorDecision, Charge)>,
    cookie: Option<(String, UnitId)>,
}

/// Forwards a request and answers it, one way or the other.
pub(crate) async fn forward(
    client: &Rc<Client>,
    timer: &Timer,
    mut head: RequestHead,
    mut body: RequestBody,
) -> Answer {
    let Some(route) = route(client, &head) else {
        client.service.count_failure();
        let reason =
            "no revision has traffic here; nothing was released yet, or all of it was taken back";
        return made_up(
            client,
            StatusCode::SERVICE_UNAVAILABLE,
            reason,
            head.is_grpc(),
        );
    };
    let Some(leased) = route.leased else {
        client.service.count_failure();
        let reason = format!(
            "no replica of revision {} is ready",
            route.decision.revision
        );
        return made_up(
            client,
            StatusCode::SERVICE_UNAVAILABLE,
            reason,
            head.is_grpc(),
        );
    };
    forwarded::extend(client, &mut head);
    let recorder = route
        .copy
        .and_then(|(decision, copy)| mirror::start(client, decision, copy, &head, &mut body));
    let number = route.decision.revision;
    let answer = match attempts(client, timer, leased.begin(), number, &head, &mut body).await {
        Ok((raw, charge)) => finish(client, raw, charge, recorder, route.cookie),
        Err((status, reason)) => made_up(client, status, reason, head.is_grpc()),
    };
    spare::give(head.headers);
    answer
}

/// Decides, and reserves replicas, on one and the same view of the routing.
fn route(client: &Client, head: &RequestHead) -> Option<Route> {
    let worker = &client.worker;
    let draw = worker.draw();
    client.service.settled(|view| {
        let table = &view.snapshot.table;
        let decision = match client.listener.role {
            ListenerRole::Main => table.decide(head, draw),
            ListenerRole::Preview => table.decide_preview(),
        }?;
        let mut leased = lease(client, view, decision.revision, &[]);
        if let (DecidedBy::Weight, Some(leased)) = (decision.by, &mut leased) {
            leased.assigned_by_chance(decision.unit, table.goals_of(head));
        }
        let copy = decision.mirror.and_then(|mirror| {
            mirror::has_room(worker)
                .then(|| view.lease(worker, mirror.revision, &[]))
                .flatten()
                .map(|charge| (mirror, charge))
        });
        let cookie = decision.set_unit.zip(table.cookie());
        let cookie = cookie.map(|(unit, name)| (name.to_owned(), unit));
        Some(Route {
            decision,
            leased,
            copy,
            cookie,
        })
    })
}

/// A reserved replica.
pub(crate) struct Leased {
    charge: Charge,
    /// The revision that should have served, and had nothing to serve with.
    missing: Option<Rc<RevisionLocal>>,
    /// Set when the weights alone chose the revision: the user, where users are kept on their side. See
    /// [`Charge::assigned_by_chance`].
    by_chance: Option<Option<u64>>,
    /// The goals that the request reaches: a bit for each place.
    goals: u8,
}

impl Leased {
    /// The weights alone chose the revision, for a request that reaches these goals.
    pub(crate) fn assigned_by_chance(&mut self, user: Option<u64>, goals: u8) {
        self.by_chance = Some(user);
        self.goals = goals;
    }

    /// Begins the attempt.
    pub(crate) fn begin(mut self) -> Charge {
        if let Some(missing) = self.missing {
            charge_missing(&missing, self.by_chance);
        } else if let Some(user) = self.by_chance {
            self.charge.assigned_by_chance(user);
            self.charge.aims_at(self.goals);
        }
        self.charge.begin();
        self.charge
    }
}

/// Reserves a replica of a revision that was not tried yet; when it has none, one of the revision with
/// the largest weight. The preview address never shows anything but the preview.
pub(crate) fn lease(
    client: &Client,
    view: &View,
    number: RevisionNumber,
    tried: &[Rc<ReplicaLocal>],
) -> Option<Leased> {
    let worker = &client.worker;
    if let Some(charge) = view.lease(worker, number, tried) {
        return Some(Leased {
            charge,
            missing: None,
            by_chance: None,
            goals: 0,
        });
    }
    if client.listener.role == ListenerRole::Preview {
        return None;
    }
    let other = view
        .snapshot
        .table
        .fallback()
        .filter(|other| *other != number)?;
    let charge = view.lease(worker, other, tried)?;
    let missing = view.revision(number).filter(|_| tried.is_empty()).cloned();
    Some(Leased {
        charge,
        missing,
        by_chance: None,
        goals: 0,
    })
}

/// Asks one replica, then others where that is allowed.
async fn attempts(
    client: &Client,
    timer: &Timer,
    mut charge: Charge,
    number: RevisionNumber,
    head: &RequestHead,
    body: &mut RequestBody,
) -> Result<(Raw, Charge), (StatusCode, String)> {
    let listener = &client.listener;
    let (protocol, limits) = (listener.protocol, &listener.limits);
    let mut fresh = false;
    let mut tried = Vec::new();
    loop {
        let attempt = Attempt {
            protocol,
            limits,
            timer,
            fresh,
        };
        let error = match upstream::send(attempt, &charge, head, body).await {
            Ok(raw) => return Ok((raw, charge)),
            Err(error) => error,
        };
        let may_repeat = match &error {
            SendError::Unreached(_) => body.is_untouched(),
            SendError::Closed { .. } => body.is_untouched() && head.is_idempotent(),
            SendError::Exhausted(_)
            | SendError::Malformed(_)
            | SendError::Timeout
            | SendError::Client(_) => false,
        };
        if let SendError::Closed { stale: true, .. } = error
            && may_repeat
            && !fresh
        {
            // The replica closed an idle connection while we took it: nobody's failure.
            fresh = true;
            continue;
        }
        fresh = false;
        let answer = answer_for(&error, &charge);
        match error {
            // Dropped, the charge tells of a client that left.
            SendError::Client(_) => return Err(answer),
            SendError::Exhausted(_) => {
                client.service.count_failure();
                charge.withdrawn();
                return Err(answer);
            }
            SendError::Timeout => {
                charge.failed(Failure::Timeout);
                return Err(answer);
            }
            SendError::Unreached(_) | SendError::Closed { .. } | SendError::Malformed(_) => {
                tried.push(Rc::clone(charge.replica()));
                charge.failed(Failure::Broken);
            }
        }
        if !may_repeat || tried.len() > limits.retries_max as usize {
            return Err(answer);
        }
        let next = client
            .service
            .settled(|view| lease(client, view, number, &tried));
        charge = next.ok_or(answer)?.begin();
    }
}

fn answer_for(error: &SendError, charge: &Charge) -> (StatusCode, String) {
    let replica = &charge.replica().replica.id;
    let revision = charge.revision().number;
    let of = |what: &str| format!("replica {replica} of revision {revision} {what}");
    match error {
        SendError::Unreached(error) => (
            StatusCode::BAD_GATEWAY,
            of(&format!("cannot be reached: {error}")),
        ),
        SendError::Exhausted(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the proxy cannot open a connection to a replica: {error}"),
        ),
        SendError::Closed { error, .. } => (
            StatusCode::BAD_GATEWAY,
            of(&format!("did not answer: {error}")),
        ),
        SendError::Malformed(reason) => (
            StatusCode::BAD_GATEWAY,
            of(&format!("sent no valid answer: {reason}")),
        ),
        SendError::Timeout => (StatusCode::GATEWAY_TIMEOUT, of("did not answer in time")),
        SendError::Client(BodyError::TooLarge) => (
            StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooLarge.to_string(),
        ),
        SendError::Client(error @ (BodyError::ClientSilent | BodyError::ClientLeft)) => {
            (StatusCode::REQUEST_TIMEOUT, error.to_string())
        }
        SendError::Client(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn finish(
    client: &Client,
    raw: Raw,
    mut charge: Charge,
    mut recorder: Option<Recorder>,
    cookie: Option<(String, UnitId)>,
) -> Answer {
    let Raw {
        mut head,
        source,
        upgrade,
    } = raw;
    charge.answered(head.status, &head.headers);
    if let Some(recorder) = &mut recorder {
        recorder.status(head.status);
    }
    if let Some((name, unit)) = cookie {
        let secure = if client.is_tls { "; Secure" } else { "" };
        let text = format!(
            "{name}={unit}; Path=/; Max-Age={COOKIE_MAX_AGE}; HttpOnly; SameSite=Lax{secure}"
        );
        match HeaderValue::try_from(text) {
            Ok(value) => {
                head.headers.append(header::SET_COOKIE, value);
            }
            Err(error) => {
                tracing::warn!(%name, %error, "the name of the sticky cookie cannot be sent")
            }
        }
    }
    let body = if upgrade.is_some() {
        AnswerBody::tunnelled(charge)
    } else {
        AnswerBody::from_replica(source, charge, recorder)
    };
    Answer {
        head,
        body,
        upgrade,
    }
}
