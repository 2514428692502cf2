//! Addresses: what is wrong with one is said in words that help.

use crate::support::{Client, Plan, STABLE, Server};
use sluice_model::ServiceName;
use sluice_model::workload::Protocol;
use sluice_proxy::{ListenerRole, Proxy, ProxyConfig};

#[tokio::test]
async fn a_port_in_use_names_the_address_and_its_owner() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let proxy = Proxy::start(ProxyConfig {
        workers: 1,
        ..ProxyConfig::default()
    })
    .unwrap();
    let service = ServiceName::new("shop").unwrap();
    let mut listener = Plan::http().listener;
    listener.address.clone_from(&address);
    let error = proxy
        .listen(&service, ListenerRole::Main, &listener, None)
        .unwrap_err()
        .to_string();
    let owner = format!("(pid {})", std::process::id());
    assert!(
        error.contains(&address) && error.contains("in use") && error.contains(&owner),
        "{error}"
    );
    drop(taken);
    let bound = proxy
        .listen(&service, ListenerRole::Main, &listener, None)
        .unwrap();
    assert_eq!(bound.to_string(), address);
    // Another service of the same proxy is told the same.
    let other = ServiceName::new("other").unwrap();
    let error = proxy
        .listen(&other, ListenerRole::Main, &listener, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`other`") && error.contains("in use"),
        "{error}"
    );
}

#[tokio::test]
async fn texts_that_are_no_addresses_are_refused() {
    let proxy = Proxy::start(ProxyConfig {
        workers: 1,
        ..ProxyConfig::default()
    })
    .unwrap();
    let service = ServiceName::new("shop").unwrap();
    for address in [
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:99999",
        "no.such.host.invalid:80",
    ] {
        let mut listener = Plan::http().listener;
        listener.address = address.into();
        let error = proxy
            .listen(&service, ListenerRole::Main, &listener, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`shop`") && error.contains("host:port"),
            "{address}: {error}"
        );
    }
    let preview = proxy.listen(
        &service,
        ListenerRole::Preview,
        &Plan::http().listener,
        None,
    );
    assert!(
        preview
            .unwrap_err()
            .to_string()
            .contains("no preview address")
    );
}

#[tokio::test]
async fn a_socket_that_does_not_listen_cannot_be_inherited() {
    let proxy = Proxy::start(ProxyConfig {
        workers: 1,
        ..ProxyConfig::default()
    })
    .unwrap();
    let service = ServiceName::new("shop").unwrap();
    let server = Server::saying("ok").await;
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    let listener = Plan::http().listener;
    let inherited = Some(vec![stream.into()]);
    let error = proxy
        .listen(&service, ListenerRole::Main, &listener, inherited)
        .unwrap_err();
    assert!(error.to_string().contains("handed over"), "{error}");
}

#[tokio::test]
async fn listening_again_changes_limits_without_losing_the_socket() {
    let server = Server::saying("ok").await;
    let mut plan = Plan::http().with(STABLE, &[server.address]).split(0.0);
    plan.listener.address = "127.0.0.1:0".into();
    let mut listener = plan.listener.clone();
    let setup = plan.start();
    let mut before = setup.client().await;
    assert_eq!(before.get("/").await.body(), "ok");
    listener.limits.headers_max = 1;
    let bound = setup
        .proxy
        .listen(&setup.service, ListenerRole::Main, &listener, None)
        .unwrap();
    assert_eq!(bound, setup.address);
    let old = before.get("/").await;
    assert_eq!(
        (
            old.status().as_u16(),
            old.headers()["connection"].as_bytes()
        ),
        (200, &b"close"[..])
    );
    let mut after = Client::connect(setup.address).await;
    let request = hyper::Request::get("/")
        .header("x-a", "1")
        .body(crate::support::full(""))
        .unwrap();
    assert_eq!(after.send(request).await.status(), 431);
}

#[tokio::test]
async fn several_services_keep_to_themselves() {
    let (shop, pay) = (Server::saying("shop").await, Server::saying("pay").await);
    let setup = Plan::http()
        .with(STABLE, &[shop.address])
        .split(0.0)
        .start();
    let name = ServiceName::new("pay").unwrap();
    let listener = Plan::new(Protocol::Http).listener;
    let address = setup
        .proxy
        .listen(&name, ListenerRole::Main, &listener, None)
        .unwrap();
    let endpoints = crate::support::endpoints(STABLE, &[pay.address]);
    setup.proxy.set_endpoints(&name, STABLE, endpoints).unwrap();
    let routes = sluice_model::Routes {
        weights: crate::support::weights(0.0),
        ..Default::default()
    };
    setup.proxy.set_routes(&name, &routes).unwrap();
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body(), "pay");
    }
    assert_eq!(setup.get("/").await.1, "shop");
    assert_eq!(setup.counters(STABLE).requests, 1);
    assert_eq!(setup.proxy.counters(&name)[&STABLE].requests, 10);
    setup.proxy.unlisten(&name);
    assert_eq!(setup.get("/").await.1, "shop");
}
