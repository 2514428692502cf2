//! Replicas, clients, and a proxy between them.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sluice_model::workload::{Listener, Protocol, TrafficLimits};
use sluice_model::{ReplicaId, RevisionNumber, Routes, ServiceName, SideCounters, Weight};
use sluice_proxy::{Endpoint, ListenerRole, Proxy, ProxyConfig};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const STABLE: RevisionNumber = RevisionNumber(1);
pub(crate) const CANARY: RevisionNumber = RevisionNumber(2);
/// Waits that only a defect can reach.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

/// A server that answers by a function, over HTTP/1.1. It ends when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
    pub(crate) connections: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(SeqCst)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }

    /// Answers every request with the same text.
    pub(crate) async fn saying(text: &'static str) -> Server {
        Server::http(move |_| async move { Response::new(full(text)) }).await
    }

    /// Answers by a function.
    pub(crate) async fn http<H, F>(handler: H) -> Server
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        let mut server = Server::raw(move |stream| {
            let (handler, count) = (handler.clone(), Arc::clone(&count));
            async move {
                let service = service_fn(move |request| {
                    count.fetch_add(1, SeqCst);
                    let answer = handler(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .half_close(true)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.with_upgrades().await;
            }
        })
        .await;
        server.requests = requests;
        server
    }

    /// Does with each connection whatever a function does.
    pub(crate) async fn raw<H, F>(handler: H) -> Server
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                stream.set_nodelay(true).unwrap();
                count.fetch_add(1, SeqCst);
                serving.spawn(handler(stream));
                while serving.try_join_next().is_some() {}
            }
        });
        Server {
            address,
            requests: Arc::default(),
            connections,
            task,
        }
    }

    /// Reads one request head from each connection, writes `answer` as it is, and closes.
    pub(crate) async fn scripted(answer: &'static [u8]) -> Server {
        Server::raw(move |mut stream| async move {
            if read_head(&mut stream).await.is_some() {
                let _ = stream.write_all(answer).await;
            }
        })
        .await
    }
}

/// Reads up to the end of a head; `None` when the connection ends before.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
    Some(head)
}

/// An address at which nothing listens.
pub(crate) fn dead_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A proxy with one service.
pub(crate) struct Setup {
    pub(crate) proxy: Proxy,
    pub(crate) service: ServiceName,
    pub(crate) address: SocketAddr,
    routes: Mutex<Routes>,
}

/// What a [`Setup`] is made of.
pub(crate) struct Plan {
    pub(crate) config: ProxyConfig,
    pub(crate) listener: Listener,
    pub(crate) routes: Routes,
    pub(crate) replicas: BTreeMap<RevisionNumber, Vec<SocketAddr>>,
}

impl Plan {
    pub(crate) fn new(protocol: Protocol) -> Plan {
        Plan {
            config: ProxyConfig {
                workers: 2,
                seed: Some(7),
                ..ProxyConfig::default()
            },
            listener: Listener {
                address: "127.0.0.1:0".into(),
                preview: None,
                protocol,
                tls: None,
                limits: TrafficLimits::default(),
            },
            routes: Routes::default(),
            replicas: BTreeMap::new(),
        }
    }

    pub(crate) fn http() -> Plan {
        Plan::new(Protocol::Http)
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut TrafficLimits)) -> Plan {
        change(&mut self.listener.limits);
        self
    }

    pub(crate) fn routes(mut self, change: impl FnOnce(&mut Routes)) -> Plan {
        change(&mut self.routes);
        self
    }

    /// Replicas of a revision.
    pub(crate) fn with(mut self, revision: RevisionNumber, addresses: &[SocketAddr]) -> Plan {
        self.replicas.insert(revision, addresses.to_vec());
        self
    }

    /// The canary's share, in percent.
    pub(crate) fn split(mut self, canary: f64) -> Plan {
        self.routes.weights = weights(canary);
        self.routes.canary = Some(CANARY);
        self
    }

    pub(crate) fn start(self) -> Setup {
        let proxy = Proxy::start(self.config).unwrap();
        let service = ServiceName::new("shop").unwrap();
        for (revision, addresses) in &self.replicas {
            proxy
                .set_endpoints(&service, *revision, endpoints(*revision, addresses))
                .unwrap();
        }
        proxy.set_routes(&service, &self.routes).unwrap();
        let address = proxy
            .listen(&service, ListenerRole::Main, &self.listener, None)
            .unwrap();
        Setup {
            proxy,
            service,
            address,
            routes: Mutex::new(self.routes),
        }
    }
}

pub(crate) fn weights(canary: f64) -> BTreeMap<RevisionNumber, Weight> {
    let weight = Weight::from_percent(canary).unwrap();
    BTreeMap::from([(STABLE, weight.rest()), (CANARY, weight)])
}

pub(crate) fn endpoints(revision: RevisionNumber, addresses: &[SocketAddr]) -> Vec<Endpoint> {
    let endpoint = |(index, address): (usize, &SocketAddr)| Endpoint {
        id: ReplicaId(format!("r{revision}-{index}")),
        address: *address,
    };
    addresses.iter().enumerate().map(endpoint).collect()
}

impl Setup {
    pub(crate) fn set_routes(&self, change: impl FnOnce(&mut Routes)) {
        let mut routes = self.routes.lock().unwrap();
        change(&mut routes);
        self.proxy.set_routes(&self.service, &routes).unwrap();
    }

    pub(crate) fn counters(&self, revision: RevisionNumber) -> SideCounters {
        self.proxy
            .counters(&self.service)
            .remove(&revision)
            .unwrap_or_default()
    }

    /// Waits until the counters of a revision are as `expected` says; a request is counted when its
    /// last byte is out, which its client may see first.
    pub(crate) async fn counted(
        &self,
        revision: RevisionNumber,
        expected: impl Fn(&SideCounters) -> bool,
    ) -> SideCounters {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counters = self.counters(revision);
            if expected(&counters) {
                assert_eq!(counters.requests, counters.classes.iter().sum::<u64>());
                return counters;
            }
            let short = SideCounters {
                latency: Default::default(),
                ..counters.clone()
            };
            assert!(
                Instant::now() < deadline,
                "revision {revision} never came to it: {short:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Sends bytes on a connection of its own; all that comes back until it is closed.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        raw(self.address, request).await
    }

    /// The status and body of a GET on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(full("")).unwrap();
        let answer = self.client().await.send(request).await;
        (answer.status(), answer.into_body())
    }
}

/// Sends bytes on a connection of its own; all that comes back until it is closed.
pub(crate) async fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

/// Reads until the connection is closed; a reset ends it too.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = async {
        let mut buffer = [0; 16 * 1_024];
        while let Ok(count) = stream.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the connection never ends");
    String::from_utf8_lossy(&all).into_owned()
}

/// An HTTP/1.1 client on one connection.
pub(crate) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Body>,
    address: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Client { sender, address }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Response<String> {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<String>> {
        let answer = self.stream(request).await?;
        let (parts, body) = answer.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect())
            .await
            .expect("a body without end");
        let text = String::from_utf8_lossy(&body?.to_bytes()).into_owned();
        Ok(Response::from_parts(parts, text))
    }

    /// Sends a request; the answer's body is still to come.
    pub(crate) async fn stream(
        &mut self,
        mut request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        if !request.headers().contains_key("host") {
            let host = self.address.to_string().parse().unwrap();
            request.headers_mut().insert("host", host);
        }
        self.sender.ready().await?;
        let sending = self.sender.send_request(request);
        tokio::time::timeout(PATIENCE, sending)
            .await
            .expect("no answer comes")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response<String> {
        self.send(Request::get(path).body(full("")).unwrap()).await
    }
}

/// The status code of an answer as it came.
pub(crate) fn status(answer: &str) -> u16 {
    answer
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
