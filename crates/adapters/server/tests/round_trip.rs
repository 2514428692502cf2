//! Every call of the client through a real unix socket, against a fake daemon.

mod fake;

use fake::{Fake, abort, entry, healthy, line, named, progressing, start_rollout};
use sluice_model::command::CommandKind;
use sluice_model::ids::RevisionNumber;
use sluice_model::view::Phase;
use sluice_server::serve::Limits;
use sluice_server::wire::*;
use sluice_server::{ApiError, Client, ClientError, ErrorCode, ServerOptions, bind};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A server over a fake daemon, and a client of it.
struct Running {
    fake: Arc<Fake>,
    client: Client,
    server: JoinHandle<()>,
    _folder: TempDir,
}

async fn start(limits: Limits) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let (fake, stopped) = Fake::new([progressing("checkout"), healthy("mail")]);
    let mut options = ServerOptions::local(folder.path());
    options.limits = limits;
    let bound = bind(&options).await.expect("bind");
    let backend = Arc::clone(&fake);
    let server = tokio::spawn(async move {
        bound.serve(backend, async { drop(stopped.await) }).await;
    });
    let client = Client::local(folder.path());
    Running {
        fake,
        client,
        server,
        _folder: folder,
    }
}

fn refusal(error: ClientError) -> ApiError {
    match error {
        ClientError::Api(error) => error,
        other => panic!("not an answer of the server: {other}"),
    }
}

/// The user that runs the tests.
async fn me() -> String {
    let output = tokio::process::Command::new("id")
        .arg("-un")
        .output()
        .await
        .expect("id");
    String::from_utf8(output.stdout)
        .expect("a name")
        .trim()
        .to_owned()
}

#[tokio::test]
async fn views_arrive_as_they_were_sent() {
    let running = start(Limits::default()).await;
    let all = running.client.services().await.expect("services");
    assert_eq!(all, [progressing("checkout"), healthy("mail")]);
    let one = running
        .client
        .service(&named("mail"))
        .await
        .expect("service");
    assert_eq!(one, healthy("mail"));
    let info = running.client.info().await.expect("info");
    assert_eq!((info.pid, info.services, info.requests), (4242, 2, 17));
}

#[tokio::test]
async fn a_command_carries_its_user_and_answers_with_the_view_after_it() {
    let running = start(Limits::default()).await;
    running.fake.world().on_command = Some(abort);
    let kind = CommandKind::Abort {
        reason: "prices are wrong".into(),
    };
    let after = running
        .client
        .command(&named("checkout"), &kind)
        .await
        .expect("abort");
    assert_eq!((after.phase, after.canary), (Phase::Degraded, None));
    let asked = running.fake.world().asked.clone();
    assert_eq!(
        asked,
        [(
            "checkout Abort { reason: \"prices are wrong\" }".into(),
            me().await
        )]
    );
}

#[tokio::test]
async fn a_refused_command_a_broken_store_and_a_strange_name_are_told_apart() {
    let running = start(Limits::default()).await;
    let name = named("checkout");

    running.fake.world().refuse = Some("nothing is being rolled out".into());
    let error = refusal(
        running
            .client
            .command(&name, &CommandKind::Resume)
            .await
            .expect_err("409"),
    );
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::Refused, "nothing is being rolled out")
    );

    running.fake.world().refuse = None;
    running.fake.world().store_broken = true;
    let error = refusal(
        running
            .client
            .command(&name, &CommandKind::Resume)
            .await
            .expect_err("503"),
    );
    assert_eq!(error.code, ErrorCode::StoreUnavailable);
    assert!(error.message.contains("disk full"), "{error}");

    let strange = named("chekout");
    for error in [
        running.client.service(&strange).await.expect_err("404"),
        running
            .client
            .command(&strange, &CommandKind::Resume)
            .await
            .expect_err("404"),
        running.client.explain(&strange).await.expect_err("404"),
        running
            .client
            .watch(Some(&strange))
            .await
            .err()
            .expect("404"),
        running
            .client
            .logs(&strange, &LogsQuery::default())
            .await
            .err()
            .expect("404"),
    ] {
        let error = refusal(error);
        assert_eq!(error.code, ErrorCode::UnknownService);
        assert_eq!(error.help.as_deref(), Some("did you mean `checkout`?"));
    }
}

#[tokio::test]
async fn a_command_that_no_decision_answers_is_given_up_on() {
    let limits = Limits {
        command_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = start(limits).await;
    running.fake.world().hang = true;
    let error = running
        .client
        .command(&named("checkout"), &CommandKind::Resume)
        .await;
    let error = refusal(error.expect_err("504"));
    assert_eq!(error.code, ErrorCode::TimedOut);
    assert!(error.message.contains("50ms"), "{error}");
}

#[tokio::test]
async fn a_deployment_keeps_all_that_was_asked() {
    let running = start(Limits::default()).await;
    let request = DeployRequest {
        service: Some(named("mail")),
        env: [("VERSION".to_owned(), "ü \"2\"\n".to_owned())].into(),
        document: Some(DocumentText {
            file: "sluice.yaml".into(),
            base_dir: "/project".into(),
            text: "services: {}\n".into(),
        }),
        note: Some("ticket 12".into()),
    };
    running.fake.world().on_command = Some(start_rollout);
    let reply = running.client.deploy(&request).await.expect("deploy");
    assert_eq!(
        (reply.revision, reply.unchanged),
        (RevisionNumber(4), false)
    );
    assert_eq!(running.fake.world().deployed, Some(request));

    let reply = running
        .client
        .restart(&named("mail"))
        .await
        .expect("restart");
    assert_eq!(reply.service, named("mail"));
}

#[tokio::test]
async fn a_request_larger_than_the_bound_is_refused() {
    let limits = Limits {
        body_bytes_max: 1000,
        ..Limits::default()
    };
    let running = start(limits).await;
    let request = DeployRequest {
        note: Some("x".repeat(2000)),
        ..DeployRequest::default()
    };
    let error = refusal(running.client.deploy(&request).await.expect_err("413"));
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert_eq!(running.fake.world().deployed, None);
}

#[tokio::test]
async fn history_explanation_checklist_and_audit_log_arrive() {
    let running = start(Limits::default()).await;
    let name = named("checkout");
    {
        let mut world = running.fake.world();
        world.entries = vec![
            entry(1, "checkout", "rolloutStarted", "revision 4 over 3"),
            entry(2, "mail", "promoted", "revision 3 is stable"),
            entry(3, "checkout", "stepEntered", "5 %"),
        ];
        world.history = vec![HistoryEntry {
            revision: RevisionNumber(4),
            digest: "ab".repeat(32),
            created_at: fake::NOW,
            actor: "ana".into(),
            note: None,
            mark: RevisionMark::Canary,
        }];
        world.checklist = vec![CheckItem {
            name: "readiness-probe".into(),
            state: CheckState::Warn,
            message: "there is none".into(),
            help: Some("add `ready: /healthz`".into()),
        }];
    }
    let history = running.client.history(&name).await.expect("history");
    assert_eq!(history, running.fake.world().history);
    let replicas = running.client.replicas(&name).await.expect("replicas");
    assert_eq!(
        (replicas[0].pid, replicas[0].port),
        (Some(4_711), Some(20_001))
    );
    let explanation = running.client.explain(&name).await.expect("explain");
    assert_eq!(explanation.view, progressing("checkout"));
    assert_eq!(explanation.recent, running.fake.world().entries);
    let checklist = running.client.check(&name).await.expect("check");
    assert!(checklist.passes(), "a warning does not fail it");
    assert_eq!(checklist.items.len(), 1);

    for (query, expected) in [
        (AuditQuery::default(), vec![1, 2, 3]),
        (
            AuditQuery {
                service: Some(name.clone()),
                ..AuditQuery::default()
            },
            vec![1, 3],
        ),
        (
            AuditQuery {
                limit: Some(1),
                ..AuditQuery::default()
            },
            vec![3],
        ),
        (
            AuditQuery {
                before: Some(3),
                limit: Some(1),
                ..AuditQuery::default()
            },
            vec![2],
        ),
    ] {
        let found = running.client.audit(&query).await.expect("audit");
        let places: Vec<u64> = found.iter().map(|entry| entry.sequence).collect();
        assert_eq!(places, expected, "{query:?}");
    }
    assert!(running.client.verify().await.expect("verify").intact);
}

#[tokio::test]
async fn output_is_streamed_to_its_end_and_followed_until_the_reader_leaves() {
    let running = start(Limits::default()).await;
    let name = named("checkout");
    running.fake.world().lines = (0..2000).map(|n| line(&format!("line {n}"))).collect();

    let query = LogsQuery {
        tail: Some(1500),
        ..LogsQuery::default()
    };
    let mut lines = running.client.logs(&name, &query).await.expect("logs");
    let mut texts = Vec::new();
    while let Some(line) = lines.next().await.expect("a line") {
        texts.push(line.text);
    }
    assert_eq!(texts.len(), 1500);
    assert_eq!(
        (texts[0].as_str(), texts[1499].as_str()),
        ("line 500", "line 1999")
    );

    let query = LogsQuery {
        tail: Some(1),
        follow: true,
        ..LogsQuery::default()
    };
    let mut lines = running.client.logs(&name, &query).await.expect("logs");
    assert_eq!(lines.next().await.expect("a line"), Some(line("line 1999")));
    let more = tokio::time::timeout(Duration::from_millis(100), lines.next()).await;
    assert!(more.is_err(), "a followed stream stays open");
}

#[tokio::test]
async fn a_watcher_sees_all_services_then_each_change_and_each_end() {
    let running = start(Limits::default()).await;
    let mut events = running.client.watch(None).await.expect("watch");
    let mut next = async || {
        events
            .next()
            .await
            .expect("an event")
            .expect("the stream goes on")
    };
    assert_eq!(
        next().await,
        WatchEvent::View(Box::new(progressing("checkout")))
    );
    assert_eq!(next().await, WatchEvent::View(Box::new(healthy("mail"))));
    assert_eq!(next().await, WatchEvent::Synced);

    running
        .fake
        .change("mail", |view| view.message = "news".into());
    match next().await {
        WatchEvent::View(view) => {
            assert_eq!((view.service, view.message), (named("mail"), "news".into()))
        }
        other => panic!("{other:?}"),
    }
    // The time alone is no news: the next event is the removal.
    running.fake.change("mail", |view| view.at.0 += 5);
    running.fake.remove("mail");
    assert_eq!(next().await, WatchEvent::Gone(named("mail")));
}

#[tokio::test]
async fn a_slow_watcher_misses_views_in_between_and_never_the_last() {
    let running = start(Limits::default()).await;
    let mut events = running
        .client
        .watch(Some(&named("mail")))
        .await
        .expect("watch");
    for n in 0..5000 {
        running.fake.change("mail", |view| {
            view.message = format!("{n} {}", "x".repeat(500))
        });
    }
    running
        .fake
        .change("mail", |view| view.message = "last".into());
    for _ in 0..5000 {
        if let Some(WatchEvent::View(view)) = events.next().await.expect("an event")
            && view.message == "last"
        {
            return;
        }
    }
    panic!("the last view never came");
}

#[tokio::test]
async fn stopping_ends_streams_and_then_nobody_is_there() {
    let running = start(Limits::default()).await;
    let mut events = running.client.watch(None).await.expect("watch");
    while events.next().await.expect("an event") != Some(WatchEvent::Synced) {}
    running
        .client
        .stop(StopRequest { graceful: true })
        .await
        .expect("stop");
    running.server.await.expect("the server ends by itself");
    // Ended in order, or broken off: either way at once, and not by silence.
    match events.next().await {
        Ok(None) | Err(ClientError::Lost { .. }) => {}
        other => panic!("{other:?}"),
    }
    let error = running.client.info().await.expect_err("nobody");
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error}");
    assert!(error.help().expect("help").contains("sluice up"), "{error}");
}

#[tokio::test]
async fn a_followed_output_ends_in_order_when_the_server_ends() {
    let running = start(Limits::default()).await;
    running.fake.world().lines = vec![line("line 1")];
    let query = LogsQuery {
        follow: true,
        ..LogsQuery::default()
    };
    let mut lines = running
        .client
        .logs(&named("checkout"), &query)
        .await
        .expect("logs");
    assert_eq!(lines.next().await.expect("a line"), Some(line("line 1")));
    running
        .client
        .stop(StopRequest { graceful: true })
        .await
        .expect("stop");
    let end = tokio::time::timeout(Duration::from_secs(20), lines.next())
        .await
        .expect("an end");
    assert_eq!(end.expect("an end without an error"), None);
}
