//! The top of the document.

use super::{AddressText, Entries, Field, Release, ServiceFields, SourceFields};
use schemars::JsonSchema;
use serde::Deserialize;

/// A Sluice document: the services of one machine, and how their changes reach users. Names that begin
/// with `x-` are free at this level, for YAML anchors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Document", extend("patternProperties" = {"^x-": true}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DocumentFields {
    /// Version of the document's format; 1.
    pub(crate) version: Field<u32>,
    /// The local API that the command line speaks to.
    pub(crate) api: Field<ApiFields>,
    /// The embedded proxy.
    pub(crate) proxy: Field<ProxyFields>,
    /// Outside metric servers by name, for checks to ask with `query` and `source: NAME`.
    pub(crate) sources: Field<Entries<SourceFields>>,
    /// Release definitions by name, for services to refer to with `release: NAME`.
    pub(crate) releases: Field<Entries<Release>>,
    /// The services by name: lower-case letters, digits and `-`.
    #[schemars(required)]
    pub(crate) services: Field<Entries<ServiceFields>>,
}

/// The local API that the command line speaks to. It has a unix socket in the state folder anyway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Api")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiFields {
    /// Address to accept on, with a token; a loopback address unless other machines shall reach it.
    #[schemars(required)]
    pub(crate) listen: Field<AddressText>,
}

/// The embedded proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Proxy")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProxyFields {
    /// Threads that serve traffic, 1 to 256; as many as there are cores by default.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) workers: Field<u32>,
}
