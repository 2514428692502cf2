//! Sources that are kept between measurements, with their connections and OAuth 2 tokens.

use sluice_metrics::{FetchError, Secrets, Server, Source};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Most sources that are kept; each may hold connections. The one that was not used for the longest time goes.
const KEPT_MAX: usize = 32;

/// The sources that were used last, newest first.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<Entry>>);

/// A source and what it was made from. Namespaces do not share one: it has a bound on requests at once, and one
/// team's slow queries are not to keep another's waiting.
struct Entry {
    name: &'static str,
    namespace: String,
    server: Server,
    secrets: Secrets,
    source: Arc<Source>,
}

impl Kept {
    /// The source for these settings.
    ///
    /// # Errors
    /// The settings cannot work.
    pub(super) fn source(
        &self,
        name: &'static str,
        namespace: &str,
        server: Server,
        secrets: Secrets,
    ) -> Result<Arc<Source>, FetchError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|entry| {
            (entry.name, entry.namespace.as_str()) == (name, namespace)
                && entry.server == server
                && entry.secrets == secrets
        });
        let entry = match known.and_then(|place| kept.remove(place)) {
            Some(entry) => entry,
            None => Entry {
                name,
                namespace: namespace.to_owned(),
                source: Arc::new(Source::new(name, &server, &secrets)?),
                server,
                secrets,
            },
        };
        let source = Arc::clone(&entry.source);
        kept.push_front(entry);
        kept.truncate(KEPT_MAX);
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_kept_for_its_settings_secrets_and_namespace_alone() {
        let kept = Kept::default();
        let server = || Server::at("http://127.0.0.1:9090");
        let get = |namespace: &str, password: &str| {
            let secrets = Secrets::none().with("password", password);
            kept.source("prometheus", namespace, server(), secrets)
                .expect("a source")
        };
        let first = get("shop", "hunter2");
        assert!(Arc::ptr_eq(&first, &get("shop", "hunter2")));
        assert!(!Arc::ptr_eq(&first, &get("shop", "hunter3")));
        assert!(!Arc::ptr_eq(&first, &get("bank", "hunter2")));
        for port in 0..KEPT_MAX {
            let server = Server::at(format!("http://127.0.0.1:{port}"));
            let made = kept.source("web", "shop", server, Secrets::none());
            assert!(made.is_ok());
        }
        assert!(!Arc::ptr_eq(&first, &get("shop", "hunter2")));
    }
}
