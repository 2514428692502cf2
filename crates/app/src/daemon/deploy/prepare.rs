//! From a document to a version that can be deployed: read, checked, its files copied.
//!
//! Nothing here touches what runs; where a service is reached is in `listen`.

use super::super::clock;
use super::super::parts::Parts;
use super::blocking;
use super::restart::is_restart;
use sluice_local::artifacts;
use sluice_model::{Diagnostic, Revision, RevisionNumber, ServiceName, Severity};
use sluice_native::{Document, ServiceSpec};
use sluice_server::{ApiError, ErrorCode};
use sluice_store::NewRevision;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Reads a document from its file.
pub(in crate::daemon) fn read_document(
    path: &Path,
) -> Result<(Document, Vec<Diagnostic>), ApiError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ApiError::new(
            ErrorCode::Invalid,
            format!("cannot read {}: {error}", path.display()),
        )
        .with_help("name the document with `--file`, or go to the folder of sluice.yaml")
    })?;
    let base = path.parent().unwrap_or(Path::new("/"));
    parse(
        &path.display().to_string(),
        &text,
        &base.display().to_string(),
    )
}

pub(super) fn parse(
    file: &str,
    text: &str,
    base: &str,
) -> Result<(Document, Vec<Diagnostic>), ApiError> {
    let parsed = sluice_native::parse(file, text, base);
    match parsed.document {
        Some(document) => Ok((document, parsed.diagnostics)),
        None => {
            let errors = parsed
                .diagnostics
                .into_iter()
                .filter(|diagnostic| diagnostic.severity == Severity::Error)
                .collect();
            Err(ApiError::invalid_document(errors))
        }
    }
}

pub(super) fn choose<'d>(
    document: &'d Document,
    name: Option<&ServiceName>,
) -> Result<&'d ServiceSpec, ApiError> {
    let names = || {
        document
            .services
            .iter()
            .map(|spec| spec.name.clone())
            .collect::<Vec<_>>()
    };
    match (name, document.services.as_slice()) {
        (Some(name), services) => services
            .iter()
            .find(|spec| spec.name == *name)
            .ok_or_else(|| ApiError::unknown_service(name.as_str(), &names())),
        (None, [only]) => Ok(only),
        (None, services) => {
            let listed: Vec<String> = names().iter().map(ToString::to_string).collect();
            Err(ApiError::new(
                ErrorCode::Invalid,
                format!("the document has {} services; name one", services.len()),
            )
            .with_help(format!("the services are: {}", listed.join(", "))))
        }
    }
}

pub(super) fn with_env(mut spec: ServiceSpec, env: &BTreeMap<String, String>) -> ServiceSpec {
    spec.workload.env.extend(env.clone());
    spec
}

/// A version of a service: checked, its files copied.
pub(in crate::daemon) struct Version {
    pub(super) spec: ServiceSpec,
    captured: artifacts::Captured,
}

impl Version {
    /// Of which service.
    pub(in crate::daemon) fn service(&self) -> &ServiceName {
        &self.spec.name
    }

    /// SHA-256 (hex) over what runs.
    pub(super) fn digest(&self) -> &str {
        &self.captured.digest
    }

    /// Tells this version from any other: its digest, and everything that the digest does not cover.
    pub(super) fn mark(&self) -> Result<String, ApiError> {
        let rest = serde_json::to_string(&(&self.spec.listener, &self.spec.plan))
            .map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(format!("{} {rest}", self.captured.digest))
    }
}

/// Copies what a service runs.
pub(in crate::daemon) async fn capture(
    parts: &Arc<Parts>,
    spec: ServiceSpec,
) -> Result<Version, ApiError> {
    let (keeper, workload) = (Arc::clone(parts), spec.workload.clone());
    let captured = blocking(move || artifacts::capture(&keeper.state_dir, &workload))
        .await?
        .map_err(|error| {
            ApiError::new(ErrorCode::Invalid, format!("`{}`: {error}", spec.name))
                .with_help("nothing was changed; correct `run` or `artifacts` and deploy again")
        })?;
    Ok(Version { spec, captured })
}

/// The revision of a version: an earlier one that is the same, or a new one.
pub(super) async fn make(
    parts: &Arc<Parts>,
    version: Version,
    actor: &str,
    note: Option<String>,
) -> Result<RevisionNumber, ApiError> {
    if let Some(same) = same_revision(parts, &version.spec, &version.captured.digest).await? {
        return Ok(same);
    }
    let new = NewRevision {
        service: version.spec.name,
        digest: version.captured.digest,
        created_at: clock::now(),
        actor: actor.to_owned(),
        note,
        workload: version.captured.workload,
        listener: version.spec.listener,
        plan: version.spec.plan,
    };
    create(parts, new).await
}

pub(super) async fn create(
    parts: &Arc<Parts>,
    new: NewRevision,
) -> Result<RevisionNumber, ApiError> {
    let keeper = Arc::clone(parts);
    let made = blocking(move || keeper.store.create_revision(new)).await?;
    made.map(|revision| revision.number)
        .map_err(ApiError::store_unavailable)
}

/// The newest revision that is the same in everything, if there is one.
async fn same_revision(
    parts: &Arc<Parts>,
    spec: &ServiceSpec,
    digest: &str,
) -> Result<Option<RevisionNumber>, ApiError> {
    let (keeper, service) = (Arc::clone(parts), spec.name.clone());
    let all = blocking(move || keeper.store.revisions(&service))
        .await?
        .map_err(ApiError::store_unavailable)?;
    let is_same = |revision: &&Revision| {
        revision.digest == digest
            && revision.listener == spec.listener
            && revision.plan == spec.plan
            && !is_restart(revision)
    };
    Ok(all
        .iter()
        .filter(is_same)
        .map(|revision| revision.number)
        .max())
}
