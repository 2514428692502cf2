//! Any HTTP server: a request, and a value out of the answer.
//!
//! An answer that is no JSON is a text. Paths are in the dialect of `jsonpath`.

use crate::answer;
use crate::error::FetchError;
use crate::jsonpath::Path;
use crate::sample::{Answer, Sample};
use crate::secret::{Secrets, Text};
use crate::transport::{Body, Request, Transport, resolve};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request to the server's address, which is the whole URL here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebQuery {
    /// What is asked.
    #[serde(default)]
    pub method: WebMethod,
    /// What is sent along; only with POST and PUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<WebBody>,
    /// Which value of the answer is the sample, as in `{$.data.ok}`; without it, all of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WebMethod {
    /// GET.
    #[default]
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WebBody {
    /// Text as it is; its type is a header of the server's settings.
    Text(Text),
    /// JSON, with its content type.
    Json(Value),
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &WebQuery,
    secrets: &Secrets,
) -> Result<Answer, FetchError> {
    let path = query.json_path.as_deref().map(Path::parse).transpose();
    let path = path.map_err(|cause| {
        FetchError::misconfigured(
            format!("its JSON path cannot be used: {cause}"),
            "write one as in `{$.data.ok}`",
        )
    })?;
    let reply = transport.send(request(query, secrets)?).await?;
    let origin = transport.origin();
    if !reply.status.is_success() {
        let next_step = "correct the URL, the method or the body";
        return Err(answer::refusal(&reply, &origin, None, next_step));
    }
    let Ok(value) = serde_json::from_slice::<Value>(&reply.body) else {
        return text(&reply.body, path.is_some(), &origin);
    };
    match path {
        None => Ok(Sample::Json(value).into()),
        Some(path) => pick(&path, &value, &origin),
    }
}

fn request(query: &WebQuery, secrets: &Secrets) -> Result<Request, FetchError> {
    let method = match query.method {
        WebMethod::Get => Method::GET,
        WebMethod::Post => Method::POST,
        WebMethod::Put => Method::PUT,
    };
    let body = match &query.body {
        None => Body::None,
        Some(_) if query.method == WebMethod::Get => {
            return Err(FetchError::misconfigured(
                "it sends a body with GET",
                "leave the body out, or set the method to POST or PUT",
            ));
        }
        Some(WebBody::Text(text)) => Body::Text {
            content_type: "text/plain; charset=utf-8",
            text: resolve(text, secrets)?,
        },
        Some(WebBody::Json(value)) => Body::json(value),
    };
    Ok(Request {
        method,
        accept: "application/json, text/plain;q=0.9, */*;q=0.1",
        body,
        ..Request::get("", Vec::new())
    })
}

fn text(body: &[u8], has_path: bool, origin: &str) -> Result<Answer, FetchError> {
    let malformed = |cause: String| {
        Err(FetchError::malformed(
            cause,
            "see that the URL is the right one, or leave out the JSON path",
        ))
    };
    match std::str::from_utf8(body) {
        Ok(_) if has_path => malformed(format!(
            "{origin} answered no JSON, and a JSON path asks for a value of it"
        )),
        Ok(text) => Ok(Sample::Json(Value::String(text.to_owned())).into()),
        Err(_) => malformed(format!("{origin} answered neither JSON nor text")),
    }
}

/// The first value that the path finds, as those who know the dialect expect; that there were more
/// is a warning.
fn pick(path: &Path, value: &Value, origin: &str) -> Result<Answer, FetchError> {
    let found = path.find(value).map_err(|cause| {
        FetchError::malformed(
            format!("{origin} answered JSON in which the path finds nothing: {cause}"),
            "correct the JSON path, or see why the answer lacks the value",
        )
    })?;
    let Some(first) = found.first() else {
        return Ok(Sample::Nothing.into());
    };
    let warnings = match found.len() {
        1 => Vec::new(),
        count => vec![format!(
            "the JSON path finds {count} values; the first is taken"
        )],
    };
    Ok(Answer {
        sample: Sample::Json((*first).clone()),
        warnings,
    })
}
