//! The addresses of the API, under `/v1`: HTTP in, calls of the [`Backend`] out.
//!
//! | Address | Does |
//! |---|---|
//! | `GET /info` | facts about the process |
//! | `GET /services`, `GET /services/NAME` | views |
//! | `POST /services/NAME/commands` | a `CommandKind`; answers with the view after it |
//! | `POST /services/NAME/restart`, `POST /services/NAME/check` | no body |
//! | `GET /services/NAME/history`, `…/replicas`, `…/explain` | |
//! | `GET /services/NAME/minutes?from&until` | what was counted in each minute |
//! | `GET /services/NAME/logs?revision&tail&follow` | lines |
//! | `GET /watch?service` | lines of `WatchEvent` |
//! | `POST /deploy` | a `DeployRequest` |
//! | `GET /audit?service&limit&before`, `GET /audit/verify` | the decision log |
//! | `POST /stop` | a `StopRequest` |
//!
//! Who asks was found out before (`serve`). Every answer has a deadline.

use crate::backend::Backend;
use crate::error::{ApiError, ErrorCode};
use crate::identity::Caller;
use crate::serve::Limits;
use crate::stream;
use crate::wire::{AuditQuery, DeployRequest, LogsQuery, MinutesQuery, StopRequest};
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::ids::ServiceName;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the handlers share.
struct Api<B> {
    backend: Arc<B>,
    limits: Limits,
    closing: watch::Receiver<bool>,
}

type Shared<B> = State<Arc<Api<B>>>;
type Answer = Result<Response, ApiError>;

/// The API over a backend.
pub(crate) fn router<B: Backend>(
    backend: Arc<B>,
    limits: Limits,
    closing: watch::Receiver<bool>,
) -> Router {
    let service = Router::new()
        .route("/", get(service))
        .route("/commands", post(command))
        .route("/restart", post(restart))
        .route("/check", post(check))
        .route("/history", get(history))
        .route("/replicas", get(replicas))
        .route("/explain", get(explain))
        .route("/minutes", get(minutes))
        .route("/logs", get(logs));
    let v1 = Router::new()
        .route("/info", get(info))
        .route("/services", get(services))
        .nest("/services/{name}", service)
        .route("/watch", get(watch_views))
        .route("/deploy", post(deploy))
        .route("/audit", get(audit))
        .route("/audit/verify", get(verify))
        .route("/stop", post(stop));
    Router::new()
        .nest("/v1", v1)
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::new(Api {
            backend,
            limits,
            closing,
        }))
}

async fn no_such_address(request: http::Request<Body>) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("there is nothing at {}", request.uri().path()),
    )
    .with_help("the API is under /v1; the client and the server may be of different versions")
}

async fn no_such_method(method: Method, request: http::Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    let error = ApiError::new(ErrorCode::Invalid, format!("{path} does not take {method}"));
    (http::StatusCode::METHOD_NOT_ALLOWED, Json(error)).into_response()
}

async fn info<B: Backend>(State(api): Shared<B>) -> Answer {
    let info = within(api.limits.look_timeout, async {
        Ok(api.backend.info().await)
    })
    .await?;
    Ok(Json(info).into_response())
}

async fn services<B: Backend>(State(api): Shared<B>) -> Answer {
    let views = within(api.limits.look_timeout, api.backend.services()).await?;
    Ok(Json(views).into_response())
}

async fn service<B: Backend>(State(api): Shared<B>, Path(name): Path<String>) -> Answer {
    within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.view_of(&name).await?).into_response())
    })
    .await
}

async fn command<B: Backend>(
    State(api): Shared<B>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Body,
) -> Answer {
    within(api.limits.command_timeout, async {
        let kind: CommandKind = api.read(body).await?;
        let name = api.known(&name).await?;
        match api.backend.command(&name, &caller.actor, kind).await? {
            CommandOutcome::Accepted => Ok(Json(api.view_of(&name).await?).into_response()),
            CommandOutcome::Refused { message } => Err(ApiError::refused(message)),
        }
    })
    .await
}

async fn restart<B: Backend>(
    State(api): Shared<B>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    within(api.limits.work_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.restart(&name, &caller.actor).await?).into_response())
    })
    .await
}

async fn check<B: Backend>(
    State(api): Shared<B>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    within(api.limits.work_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.check(&name, &caller.actor).await?).into_response())
    })
    .await
}

async fn history<B: Backend>(State(api): Shared<B>, Path(name): Path<String>) -> Answer {
    within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.history(&name).await?).into_response())
    })
    .await
}

async fn replicas<B: Backend>(State(api): Shared<B>, Path(name): Path<String>) -> Answer {
    within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.replicas(&name).await?).into_response())
    })
    .await
}

async fn explain<B: Backend>(State(api): Shared<B>, Path(name): Path<String>) -> Answer {
    within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.explain(&name).await?).into_response())
    })
    .await
}

async fn minutes<B: Backend>(
    State(api): Shared<B>,
    Path(name): Path<String>,
    query: Result<Query<MinutesQuery>, QueryRejection>,
) -> Answer {
    let query = parsed(query)?;
    within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        Ok(Json(api.backend.minutes(&name, query).await?).into_response())
    })
    .await
}

async fn logs<B: Backend>(
    State(api): Shared<B>,
    Path(name): Path<String>,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Answer {
    let query = parsed(query)?;
    let lines = within(api.limits.look_timeout, async {
        let name = api.known(&name).await?;
        api.backend.logs(&name, query).await
    })
    .await?;
    Ok(stream::logs(lines, api.closing.clone()))
}

#[derive(Deserialize)]
struct WatchQuery {
    service: Option<String>,
}

async fn watch_views<B: Backend>(
    State(api): Shared<B>,
    query: Result<Query<WatchQuery>, QueryRejection>,
) -> Answer {
    let only = match parsed(query)?.service {
        Some(name) => Some(within(api.limits.look_timeout, api.known(&name)).await?),
        None => None,
    };
    Ok(stream::views(
        Arc::clone(&api.backend),
        only,
        api.closing.clone(),
    ))
}

async fn deploy<B: Backend>(
    State(api): Shared<B>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    within(api.limits.work_timeout, async {
        // The name is not looked up here: the document may be about to bring the service.
        let request: DeployRequest = api.read(body).await?;
        Ok(Json(api.backend.deploy(request, &caller.actor).await?).into_response())
    })
    .await
}

async fn audit<B: Backend>(
    State(api): Shared<B>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Answer {
    let query = parsed(query)?;
    let entries = within(api.limits.look_timeout, api.backend.audit(query)).await?;
    Ok(Json(entries).into_response())
}

async fn verify<B: Backend>(State(api): Shared<B>) -> Answer {
    let report = within(api.limits.work_timeout, api.backend.verify()).await?;
    Ok(Json(report).into_response())
}

async fn stop<B: Backend>(
    State(api): Shared<B>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    within(api.limits.command_timeout, async {
        let request: StopRequest = api.read(body).await?;
        api.backend.stop(request, &caller.actor).await?;
        Ok(Json(serde_json::json!({})).into_response())
    })
    .await
}

impl<B: Backend> Api<B> {
    /// The service of this name, or the error that offers the nearest one.
    async fn known(&self, name: &str) -> Result<ServiceName, ApiError> {
        if let Ok(name) = ServiceName::new(name)
            && self.backend.service(&name).await?.is_some()
        {
            return Ok(name);
        }
        Err(self.unknown(name).await?)
    }

    async fn unknown(&self, name: &str) -> Result<ApiError, ApiError> {
        let names: Vec<ServiceName> = self
            .backend
            .services()
            .await?
            .into_iter()
            .map(|view| view.service)
            .collect();
        Ok(ApiError::unknown_service(name, &names))
    }

    async fn view_of(
        &self,
        name: &ServiceName,
    ) -> Result<sluice_model::view::ServiceView, ApiError> {
        match self.backend.service(name).await? {
            Some(view) => Ok(view),
            None => Err(self.unknown(name.as_str()).await?),
        }
    }

    /// A request's body as a value.
    async fn read<T: DeserializeOwned>(&self, body: Body) -> Result<T, ApiError> {
        let bytes_max = self.limits.body_bytes_max;
        let bytes = to_bytes(body, bytes_max).await.map_err(|error| {
            let too_large = std::error::Error::source(&error)
                .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
            if too_large {
                let message = format!("the request is larger than {bytes_max} bytes");
                ApiError::new(ErrorCode::TooLarge, message)
            } else {
                ApiError::new(
                    ErrorCode::Invalid,
                    format!("the request broke off: {error}"),
                )
            }
        })?;
        serde_json::from_slice(&bytes).map_err(|error| {
            ApiError::new(
                ErrorCode::Invalid,
                format!("the request is not understood: {error}"),
            )
            .with_help("the client and the server may be of different versions")
        })
    }
}

fn parsed<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|rejection| {
        ApiError::new(
            ErrorCode::Invalid,
            format!("the query is not understood: {rejection}"),
        )
    })
}

/// The answer, unless it takes too long.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(_) => Err(ApiError::timed_out(format!(
            "Sluice did not answer within {}",
            sluice_model::time::format_span(limit)
        ))),
    }
}
