//! Who gets a request, and that it is counted there.

use crate::support::{CANARY, Client, Plan, STABLE, Server, endpoints, full, weights};
use hyper::{Request, Response, StatusCode};
use sluice_model::RevisionNumber;
use sluice_model::routes::{Assignment, Condition, MatchRoute, RequestMatch, TextMatch};
use sluice_proxy::ListenerRole;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_split_follows_the_weights_and_is_counted_by_segment() {
    let (stable, canary) = (
        Server::saying("stable").await,
        Server::saying("canary").await,
    );
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address])
        .split(10.0)
        .routes(|routes| routes.segment = 1)
        .start();
    let mut client = setup.client().await;
    let mut of_canary = 0;
    for _ in 0..2_000 {
        of_canary += u64::from(client.get("/").await.body() == "canary");
    }
    // 10 % of 2,000 ± 5 standard deviations of 13.4; the draws have a fixed seed.
    assert!((133..=267).contains(&of_canary), "{of_canary}");
    setup.set_routes(|routes| {
        routes.weights = weights(100.0);
        routes.segment = 2;
    });
    for _ in 0..50 {
        assert_eq!(
            client.get("/").await.body(),
            "canary",
            "the next request sees the change"
        );
    }
    let counters = setup
        .counted(CANARY, |counters| counters.requests == of_canary + 50)
        .await;
    assert_eq!(counters.classes, [0, of_canary + 50, 0, 0, 0]);
    assert_eq!(counters.latency.total(), of_canary + 50);
    assert_eq!(counters.bytes_out, 6 * (of_canary + 50));
    assert_eq!(counters.in_flight, 0);
    assert_eq!(setup.counters(STABLE).requests, 2_000 - of_canary);
    let segments = setup.proxy.segment_counters(&setup.service);
    assert_eq!(segments[&(CANARY, 1)].requests, of_canary);
    assert_eq!(segments[&(STABLE, 1)].requests, 2_000 - of_canary);
    assert_eq!(segments[&(CANARY, 2)].requests, 50);
    assert_eq!(segments[&(STABLE, 2)].requests, 0);
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 0);
}

#[tokio::test]
async fn matches_win_over_weights() {
    let (stable, canary) = (
        Server::saying("stable").await,
        Server::saying("canary").await,
    );
    let condition = |name: &str, value: &str| Condition::Header {
        name: name.into(),
        value: TextMatch::Exact(value.into()),
    };
    let all = [
        vec![condition("x-side", "canary")],
        vec![Condition::Path {
            value: TextMatch::Prefix("/beta".into()),
        }],
        vec![Condition::Cookie {
            name: "beta".into(),
            value: TextMatch::Present,
        }],
        vec![condition("host", "beta.test")],
    ];
    let matches = all.map(|all| MatchRoute {
        when: RequestMatch { all },
        revision: CANARY,
    });
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address])
        .split(0.0)
        .routes(|routes| routes.matches = matches.to_vec())
        .start();
    let mut client = setup.client().await;
    for (path, name, value, side) in [
        ("/", "x-side", "canary", "canary"),
        ("/", "x-side", "other", "stable"),
        ("/beta/x?y", "x-a", "b", "canary"),
        ("/?/beta", "x-a", "b", "stable"),
        ("/", "cookie", "a=1; beta=0", "canary"),
        ("/", "host", "beta.test", "canary"),
    ] {
        let request = Request::get(path)
            .header(name, value)
            .body(full(""))
            .unwrap();
        assert_eq!(
            client.send(request).await.body(),
            side,
            "{path} {name}: {value}"
        );
    }
    setup
        .counted(CANARY, |counters| counters.requests == 4)
        .await;
    let by_chance = setup.proxy.segment_counters(&setup.service);
    let sum = |side| -> u64 {
        let of_side = by_chance
            .iter()
            .filter(|((revision, _), _)| *revision == side);
        of_side.map(|(_, counters)| counters.assigned).sum()
    };
    assert_eq!(sum(CANARY), 0, "what matches is not assigned by chance");
    assert_eq!(sum(STABLE), 2);
}

#[tokio::test]
async fn a_cookie_keeps_users_on_their_side_while_the_canary_grows() {
    let (stable, canary) = (
        Server::saying("stable").await,
        Server::saying("canary").await,
    );
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address])
        .split(20.0)
        .routes(|routes| {
            routes.assignment = Assignment::Cookie {
                name: "side".into(),
            }
        })
        .start();
    let mut client = setup.client().await;
    let mut users = Vec::new();
    for _ in 0..200 {
        let answer = client.get("/").await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(
            cookie.starts_with("side=") && cookie.contains("; HttpOnly; SameSite=Lax"),
            "{cookie}"
        );
        users.push((
            cookie[..cookie.find(';').unwrap()].to_owned(),
            answer.into_body(),
        ));
    }
    assert_eq!(
        users
            .iter()
            .map(|user| &user.0)
            .collect::<BTreeSet<_>>()
            .len(),
        200
    );
    for percent in [20.0, 50.0] {
        setup.set_routes(|routes| routes.weights = weights(percent));
        let mut moved = 0;
        for (cookie, side) in &users {
            let request = Request::get("/")
                .header("cookie", cookie)
                .body(full(""))
                .unwrap();
            let answer = client.send(request).await;
            assert!(!answer.headers().contains_key("set-cookie"));
            assert!(
                side == "stable" || answer.body() == "canary",
                "{cookie} moved back"
            );
            moved += u32::from(side != answer.body());
        }
        assert_eq!(moved > 0, percent > 20.0, "{moved} moved at {percent} %");
    }
}

#[tokio::test]
async fn the_preview_address_leads_to_the_preview_revision_alone() {
    let (stable, canary) = (
        Server::saying("stable").await,
        Server::saying("canary").await,
    );
    let mut plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address])
        .split(0.0);
    plan.listener.preview = Some("127.0.0.1:0".into());
    let listener = plan.listener.clone();
    let setup = plan.start();
    let preview = setup
        .proxy
        .listen(&setup.service, ListenerRole::Preview, &listener, None)
        .unwrap();
    let mut client = Client::connect(preview).await;
    let answer = client.get("/").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    setup.set_routes(|routes| routes.preview = Some(CANARY));
    assert_eq!(client.get("/").await.body(), "canary");
    assert_eq!(setup.get("/").await.1, "stable");
    setup
        .proxy
        .set_endpoints(&setup.service, CANARY, vec![])
        .unwrap();
    assert_eq!(
        client.get("/").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn nothing_ready_is_the_proxys_own_failure_and_says_so() {
    let setup = Plan::http().start();
    let (status, text) = setup.get("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        text.contains("`shop`") && text.contains("no revision has traffic"),
        "{text}"
    );
    setup.set_routes(|routes| routes.weights = weights(0.0));
    let (status, text) = setup.get("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("no replica of revision 1 is ready"), "{text}");
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 2);
    assert_eq!(setup.counters(STABLE).requests, 0);
}

#[tokio::test]
async fn a_revision_without_replicas_is_charged_though_another_serves() {
    let stable = Server::saying("stable").await;
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .split(100.0)
        .start();
    setup.set_routes(|routes| {
        // The canary has most of the traffic but nothing to serve it.
        routes.weights = weights(40.0);
    });
    let mut client = setup.client().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.body(), "stable");
    }
    let missing = setup
        .counted(CANARY, |counters| counters.requests > 20)
        .await;
    assert_eq!(missing.errors(), missing.requests);
    assert_eq!(missing.connect_failures, missing.requests);
    assert_eq!(
        setup
            .counted(STABLE, |counters| counters.requests == 100)
            .await
            .errors(),
        0
    );
}

#[tokio::test]
async fn replicas_of_a_revision_share_its_requests() {
    let servers = [
        Server::saying("a").await,
        Server::saying("b").await,
        Server::saying("c").await,
    ];
    let addresses = servers.each_ref().map(|server| server.address);
    let setup = Plan::http().with(STABLE, &addresses).split(0.0).start();
    let mut client = setup.client().await;
    for _ in 0..600 {
        client.get("/").await;
    }
    for server in &servers {
        assert!(
            (120..=280).contains(&server.requests()),
            "{}",
            server.requests()
        );
    }
    // One that leaves gets nothing more; one that stays keeps its identity.
    let left = endpoints(STABLE, &addresses[..2]);
    setup
        .proxy
        .set_endpoints(&setup.service, STABLE, left)
        .unwrap();
    let before = servers[2].requests();
    for _ in 0..50 {
        client.get("/").await;
    }
    assert_eq!(servers[2].requests(), before);
}

#[tokio::test]
async fn weights_that_do_not_sum_change_nothing() {
    let stable = Server::saying("stable").await;
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .split(0.0)
        .start();
    let mut routes = sluice_model::Routes {
        weights: weights(0.0),
        ..Default::default()
    };
    routes
        .weights
        .insert(RevisionNumber(9), sluice_model::Weight::FULL);
    let error = setup
        .proxy
        .set_routes(&setup.service, &routes)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`shop`") && error.contains("200 %"),
        "{error}"
    );
    assert_eq!(setup.get("/").await.1, "stable");
}

#[tokio::test]
async fn where_users_stay_on_their_side_each_of_them_counts_once() {
    // Answers what the path asks for.
    let server = Server::http(|request| async move {
        let mut answer = Response::new(full(""));
        let status = request.uri().path().trim_start_matches('/').parse();
        *answer.status_mut() = status.unwrap_or(StatusCode::OK);
        answer
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .with(CANARY, &[server.address])
        .split(50.0)
        .routes(|routes| {
            routes.assignment = Assignment::Header {
                name: "x-user".into(),
            }
        })
        .start();
    let mut client = setup.client().await;
    for user in ["ada", "grace", "linus", "barbara", "edsger", "donald"] {
        for path in ["/200", "/200", "/503", "/500", "/404", "/404", "/200"] {
            let request = Request::get(path)
                .header("x-user", user)
                .body(full(""))
                .unwrap();
            client.send(request).await;
        }
    }
    let sum = |segment: u64| {
        let counters = setup.proxy.segment_counters(&setup.service);
        let of_segment = counters
            .iter()
            .filter(|((_, number), _)| *number == segment);
        of_segment.fold((0, [0; 5]), |(assigned, mut classes), (_, side)| {
            for (sum, class) in classes.iter_mut().zip(side.classes) {
                *sum += class;
            }
            (assigned + side.assigned, classes)
        })
    };
    let all = || setup.counters(STABLE).requests + setup.counters(CANARY).requests;
    for _ in 0..500 {
        if all() == 42 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(all(), 42, "every request counts for its revision");
    // Six users: seen once each, one failure and one refusal each.
    assert_eq!(sum(0), (6, [0, 6, 0, 6, 6]));
    setup.set_routes(|routes| {
        routes.weights = weights(80.0);
        routes.segment = 2;
    });
    let user = |name: &'static str| Request::get("/200").header("x-user", name).body(full(""));
    for name in ["ada", "margaret", "margaret"] {
        client.send(user(name).unwrap()).await;
    }
    for _ in 0..500 {
        if all() == 45 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(sum(2), (1, [0, 1, 0, 0, 0]), "who had an event is out");
}

#[tokio::test]
async fn where_users_stay_on_their_side_a_canary_without_a_replica_fails_each_of_them_once() {
    let server = Server::http(|_| async { Response::new(full("")) }).await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(50.0)
        .routes(|routes| {
            routes.assignment = Assignment::Header {
                name: "x-user".into(),
            }
        })
        .start();
    let mut client = setup.client().await;
    for user in 0..40 {
        for _ in 0..2 {
            let request = Request::get("/")
                .header("x-user", user.to_string())
                .body(full(""))
                .unwrap();
            assert_eq!(client.send(request).await.status(), StatusCode::OK);
        }
    }
    let sides = setup.proxy.segment_counters(&setup.service);
    let (canary, stable) = (&sides[&(CANARY, 0)], &sides[&(STABLE, 0)]);
    assert_eq!(canary.assigned + stable.assigned, 40);
    assert_eq!(
        (canary.exposed, stable.exposed),
        (canary.assigned, stable.assigned)
    );
    assert_eq!(
        (canary.errors(), canary.requests),
        (canary.assigned, canary.assigned)
    );
    assert!(canary.assigned > 0 && stable.errors() == 0);
}
