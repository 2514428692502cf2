#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;
use crate::resource::ANALYSIS_TEMPLATE;
use futures_util::{Stream, stream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// What becomes of a watch.
#[derive(Clone)]
enum Next {
    /// It does not begin.
    Refused(Reason),
    /// It tells this, and ends.
    Tells(Vec<Result<Notice, ApiError>>),
    /// It tells nothing more.
    Hangs,
}

/// An API server with a list, and what its watches do, in their order.
struct Server {
    items: Vec<Stored>,
    pages: AtomicU32,
    watches: Mutex<Vec<Next>>,
    /// From which versions watches were asked for.
    asked: Mutex<Vec<u64>>,
}

impl Server {
    fn new(items: Vec<Stored>, mut watches: Vec<Next>) -> Self {
        watches.reverse();
        Server {
            items,
            pages: AtomicU32::new(0),
            watches: Mutex::new(watches),
            asked: Mutex::default(),
        }
    }
}

impl Feed for Server {
    async fn page(
        &self,
        _: &Resource,
        _: Selection<'_>,
        _: Option<&str>,
    ) -> Result<Page, ApiError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        Ok(Page {
            items: self.items.clone(),
            version: 10,
            next: None,
        })
    }

    async fn watch(
        &self,
        _: &Resource,
        _: Selection<'_>,
        version: u64,
    ) -> Result<impl Stream<Item = Result<Notice, ApiError>> + Send + use<>, ApiError> {
        self.asked.lock().unwrap().push(version);
        let next = self.watches.lock().unwrap().pop().unwrap_or(Next::Hangs);
        let (told, hangs) = match next {
            Next::Refused(reason) => return Err(ApiError::new(reason, "not now")),
            Next::Tells(told) => (told, false),
            Next::Hangs => (Vec::new(), true),
        };
        let rest = stream::pending().take(usize::from(hangs));
        Ok(stream::iter(told).chain(rest))
    }
}

fn object(name: &str, version: u64, depth: usize) -> Stored {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","resourceVersion":"{version}"}},"spec":{open}{close}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// Watches for a minute; which objects are known then, and in which order of versions watches were asked for.
async fn watched(server: &Server) -> (Vec<String>, Vec<u64>) {
    let cache = Cache::default();
    let watching = watch(
        server,
        &cache,
        ANALYSIS_TEMPLATE,
        Selection::default(),
        |_| {},
    );
    let minute = Duration::from_secs(60);
    assert!(tokio::time::timeout(minute, watching).await.is_err());
    assert!(cache.is_synced(&ANALYSIS_TEMPLATE));
    let keys = cache.keys(&ANALYSIS_TEMPLATE).into_iter();
    let names = keys.map(|key| key.name).collect();
    (names, server.asked.lock().unwrap().clone())
}

/// An API server takes objects that nest deeper than is read here. One of them, of anybody, kept its kind from being known.
#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_keeps_no_other_from_being_known() {
    let listed = vec![object("deep", 3, 200), object("flat", 4, 1)];
    let news = [object("flat-too", 11, 1), object("flat", 12, 200)];
    let news = news.map(|object| Ok(Notice::Changed(object))).to_vec();
    let server = Server::new(listed, vec![Next::Tells(news), Next::Hangs]);
    let (names, asked) = watched(&server).await;
    assert_eq!(
        names,
        ["flat-too"],
        "what is not known as it is, is not known"
    );
    assert_eq!(asked, [10, 12]);
    assert_eq!(server.pages.load(Ordering::Relaxed), 1);
}

/// Each refused watch listed thousands of objects again, four times a second, from a server that has too much to do.
#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_begin_lists_nothing_again() {
    let busy = vec![Next::Refused(Reason::TooManyRequests); 4];
    let server = Server::new(Vec::new(), busy);
    let (_, asked) = watched(&server).await;
    assert_eq!(asked, [10; 5]);
    assert_eq!(server.pages.load(Ordering::Relaxed), 1);
    let forbidden = vec![Next::Refused(Reason::Refused); 1_000];
    let server = Server::new(Vec::new(), forbidden);
    let (_, asked) = watched(&server).await;
    assert!(asked.len() < 12, "{}", asked.len());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_goes_on_and_one_that_is_too_old_begins_anew() {
    let broken = || Err(ApiError::new(Reason::Unavailable, "reset"));
    let server = Server::new(
        Vec::new(),
        vec![
            Next::Tells(vec![Ok(Notice::Bookmark(15)), broken()]),
            Next::Tells(vec![Ok(Notice::Ended {
                code: 410,
                message: "too old".to_owned(),
            })]),
            Next::Refused(Reason::Expired),
        ],
    );
    let (_, asked) = watched(&server).await;
    assert_eq!(asked, [10, 15, 10, 10]);
    assert_eq!(server.pages.load(Ordering::Relaxed), 3);
}

/// A server that ends each watch at once is not asked without a pause.
#[tokio::test(start_paused = true)]
async fn watches_that_tell_nothing_are_asked_for_less_and_less() {
    let server = Server::new(Vec::new(), vec![Next::Tells(Vec::new()); 1_000]);
    let (_, asked) = watched(&server).await;
    assert!(asked.len() < 12, "{}", asked.len());
}
