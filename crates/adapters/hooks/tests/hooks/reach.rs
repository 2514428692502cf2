//! The checklist's question: could this hook run?

use crate::support::{Server, command, webhook};
use sluice_hooks::reachable;
use sluice_model::plan::HookAction;
use std::collections::BTreeMap;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_program_is_looked_for_where_the_hook_would_look() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.txt");
    std::fs::write(&plain, "no program").unwrap();
    for (action, expected) in [
        (command(&["sh", "-c", "exit 1"]), None),
        (command(&["/bin/sh"]), None),
        (
            command(&["no-such-program-here"]),
            Some("was not found; install it"),
        ),
        (
            command(&["/no/such/path"]),
            Some("was not found; install it"),
        ),
        (
            command(&[plain.to_str().unwrap()]),
            Some("make it executable"),
        ),
        (
            command(&[folder.path().to_str().unwrap()]),
            Some("was not found"),
        ),
        (command(&[]), Some("there is no command")),
    ] {
        match (reachable(&action).await, expected) {
            (Ok(()), None) => {}
            (Err(message), Some(expected)) => assert!(message.contains(expected), "{message}"),
            (result, _) => panic!("{action:?}: {result:?}"),
        }
    }
    let elsewhere = HookAction::Command {
        command: vec!["sh".to_owned()],
        env: BTreeMap::from([("PATH".to_owned(), folder.path().display().to_string())]),
    };
    assert!(
        reachable(&elsewhere).await.is_err(),
        "the hook's own PATH counts"
    );
}

#[tokio::test]
async fn a_webhook_host_has_to_take_a_connection_and_is_sent_nothing() {
    let server = Server::answering("HTTP/1.1 500 Oops\r\n\r\n").await;
    assert_eq!(reachable(&webhook(&server.url("/hook"))).await, Ok(()));
    assert_eq!(server.requests().len(), 0);

    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("https://rosa:hunter2@{closed}/path?key=t0ken");
    let message = reachable(&webhook(&url)).await.unwrap_err();
    let expected = format!("https://{closed} cannot be reached: ");
    assert!(
        message.starts_with(&expected) && message.contains("refused"),
        "{message}"
    );
    assert!(reachable(&webhook("not a url")).await.is_err());
}
