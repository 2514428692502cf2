//! The commands that talk to a running Sluice, as a shell sees them: the real binary against the
//! real API over a fake daemon.

#[path = "../../adapters/server/tests/fake/mod.rs"]
mod fake;

use fake::{Fake, abort, entry, healthy, line, progressing, promote, start_rollout};
use serde_json::Value;
use sluice_model::ids::RevisionNumber;
use sluice_model::view::{Phase, RolloutOutcome, ServiceView};
use sluice_server::serve::Limits;
use sluice_server::wire::*;
use sluice_server::{ServerOptions, bind};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Longest run of a command; far above what any takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A project folder with a document, and a fake daemon on its state folder.
struct Project {
    folder: TempDir,
    fake: Arc<Fake>,
    tcp: SocketAddr,
    server: JoinHandle<()>,
}

/// What a command did.
struct Ran {
    exit: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl Project {
    async fn new(views: impl IntoIterator<Item = ServiceView>) -> Project {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sluice.yaml"), "services: {}\n").expect("write");
        std::fs::create_dir(folder.path().join(".sluice")).expect("a state folder");
        let (fake, server, tcp) = serve(folder.path(), views).await;
        Project {
            folder,
            fake,
            tcp,
            server,
        }
    }

    async fn run(&self, words: &[&str]) -> Ran {
        run_in(self.folder.path(), words, &[]).await
    }
}

async fn serve(
    folder: &Path,
    views: impl IntoIterator<Item = ServiceView>,
) -> (Arc<Fake>, JoinHandle<()>, SocketAddr) {
    let (fake, stopped) = Fake::new(views);
    let options = ServerOptions {
        tcp: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        limits: Limits {
            command_timeout: Duration::from_millis(500),
            ..Limits::default()
        },
        ..ServerOptions::local(folder.join(".sluice"))
    };
    let bound = bind(&options).await.expect("bind");
    let tcp = bound.tcp_address().expect("an address");
    let backend = Arc::clone(&fake);
    let server = tokio::spawn(async move {
        bound.serve(backend, async { drop(stopped.await) }).await;
    });
    (fake, server, tcp)
}

fn command_in(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command
        .args(words)
        .current_dir(folder)
        .env_remove("SLUICE_STATE")
        .env_remove("SLUICE_SERVER")
        .env_remove("SLUICE_TOKEN")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run_in(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Ran {
    let output = tokio::time::timeout(PATIENCE, command_in(folder, words, env).output())
        .await
        .unwrap_or_else(|_| panic!("{words:?} does not end"))
        .expect("the binary runs");
    Ran {
        exit: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

#[tokio::test]
async fn status_keeps_the_names_that_scripts_rely_on() {
    let project = Project::new([progressing("checkout"), healthy("mail")]).await;
    let ran = project.run(&["status", "checkout", "-o", "json"]).await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let view = ran.json();
    for (field, expected) in [
        ("service", serde_json::json!("checkout")),
        ("phase", serde_json::json!("Progressing")),
        ("strategy", serde_json::json!("canary")),
        ("step", serde_json::json!(2)),
        ("steps", serde_json::json!(5)),
        ("weights", serde_json::json!({ "3": 95.0, "4": 5.0 })),
        ("stable", serde_json::json!(3)),
        ("canary", serde_json::json!(4)),
        (
            "message",
            serde_json::json!("step 2 of 5 bakes for 40s more"),
        ),
        ("startedAt", serde_json::json!("2026-11-21T15:05:00.000Z")),
    ] {
        assert_eq!(view[field], expected, "{field}");
    }
    let all = project.run(&["status", "-o", "json"]).await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn status_for_people_is_a_table_or_the_whole_service() {
    let project = Project::new([progressing("checkout"), healthy("mail")]).await;
    let all = project.run(&["status"]).await;
    assert_eq!(all.exit, 0, "{}", all.err);
    insta::assert_snapshot!("status_of_all", all.out);
    let one = project.run(&["status", "checkout"]).await;
    insta::assert_snapshot!("status_of_one", one.out);
    assert!(!all.out.contains('\u{1b}'), "no colours in a pipe");

    let picture = project.folder.path().join("view.svg");
    let ran = project
        .run(&["status", "--picture", picture.to_str().expect("text")])
        .await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let svg = std::fs::read_to_string(picture).expect("the picture");
    assert!(
        svg.starts_with("<svg ") && svg.contains("checkout"),
        "{svg}"
    );
}

#[tokio::test]
async fn scripts_can_tell_failures_apart() {
    let project = Project::new([progressing("checkout"), healthy("mail")]).await;
    let refused = "nothing is being rolled out";
    for (words, exit, said) in [
        ("status chekout", 3, "did you mean `checkout`?"),
        ("promote", 2, "one of: checkout, mail"),
        ("pause mail", 1, refused),
        ("abort checkout", 2, "--reason"),
        ("deploy nothing", 3, "no service `nothing`"),
        ("status --state elsewhere", 3, "sluice up"),
        ("status --server 127.0.0.1:1", 3, "cannot reach"),
    ] {
        project.fake.world().refuse = Some(refused.into());
        let words: Vec<&str> = words.split(' ').collect();
        let ran = project.run(&words).await;
        assert_eq!(ran.exit, exit, "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{words:?}");
    }
    project.fake.world().refuse = None;
    project.fake.world().store_broken = true;
    let ran = project.run(&["resume", "checkout", "-o", "json"]).await;
    assert_eq!(ran.exit, 1);
    let error: Value = serde_json::from_str(&ran.err).expect("a JSON error");
    assert_eq!(error["code"], "store-unavailable");
    assert!(
        error["help"].as_str().expect("help").contains("free space"),
        "{error}"
    );

    project.fake.world().hang = true;
    let ran = project.run(&["resume", "checkout"]).await;
    assert_eq!(ran.exit, 4, "{}", ran.err);
    assert!(ran.err.contains("sluice status"), "{}", ran.err);
}

#[tokio::test]
async fn without_a_document_or_a_daemon_the_next_step_is_said() {
    let empty = tempfile::tempdir().expect("a folder");
    let ran = run_in(empty.path(), &["status"], &[]).await;
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("--state"), "{}", ran.err);

    std::fs::write(empty.path().join("sluice.yaml"), "").expect("write");
    let below = empty.path().join("a/b");
    std::fs::create_dir_all(&below).expect("folders");
    let ran = run_in(&below, &["status"], &[]).await;
    assert_eq!(ran.exit, 3);
    assert!(
        ran.err.contains("no Sluice runs on the state folder"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("`sluice up`"), "{}", ran.err);
}

#[tokio::test]
async fn the_only_service_need_not_be_named() {
    let project = Project::new([progressing("checkout")]).await;
    project.fake.world().on_command = Some(abort);
    let ran = project.run(&["abort", "--reason", "wrong prices"]).await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    assert!(ran.out.contains("Degraded"), "{}", ran.out);
    let asked = project.fake.world().asked.clone();
    assert_eq!(asked[0].0, "checkout Abort { reason: \"wrong prices\" }");
}

#[tokio::test]
async fn a_deployment_can_be_waited_for() {
    for (name, ends, exit) in [
        ("promoted", Some(promote as fn(&mut ServiceView)), 0),
        ("aborted", Some(abort as fn(&mut ServiceView)), 1),
        ("too slow", None, 4),
    ] {
        let project = Project::new([healthy("checkout")]).await;
        project.fake.world().on_command = Some(start_rollout);
        let fake = Arc::clone(&project.fake);
        let ending = tokio::spawn(async move {
            while fake.world().asked.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if let Some(ends) = ends {
                tokio::time::sleep(Duration::from_millis(200)).await;
                fake.change("checkout", ends);
            }
        });
        let timeout = if ends.is_some() { "1m" } else { "1s" };
        let words = [
            "deploy",
            "--env",
            "VERSION=2",
            "--note",
            "two",
            "--wait",
            "--timeout",
            timeout,
        ];
        let ran = project.run(&words).await;
        assert_eq!(ran.exit, exit, "{name}: {}{}", ran.out, ran.err);
        assert!(
            ran.out.contains("revision 4 is being rolled out"),
            "{name}: {}",
            ran.out
        );
        assert!(
            ran.out.contains(" Progressing 2/5 5 % "),
            "{name}: {}",
            ran.out
        );
        ending.await.expect("the end of the rollout");
        let deployed = project.fake.world().deployed.clone().expect("a deployment");
        assert_eq!(deployed.env["VERSION"], "2");
        assert_eq!(deployed.note.as_deref(), Some("two"));
    }
}

#[tokio::test]
async fn the_outcome_of_a_wait_is_one_json_object() {
    let project = Project::new([progressing("checkout")]).await;
    project.fake.change("checkout", abort);
    let ran = project
        .run(&["wait", "--for", "promoted", "-o", "json"])
        .await;
    assert_eq!(ran.exit, 1, "{}", ran.err);
    let outcome = ran.json();
    assert_eq!(
        (&outcome["outcome"], &outcome["stable"]),
        (&"aborted".into(), &3.into())
    );
    let ran = project
        .run(&["wait", "--for", "healthy", "--timeout", "100ms"])
        .await;
    assert_eq!(ran.exit, 4, "{}", ran.err);
    assert!(ran.err.contains("sluice explain checkout"), "{}", ran.err);
}

#[tokio::test]
async fn a_wait_goes_on_over_a_restart_of_sluice() {
    let project = Project::new([progressing("checkout")]).await;
    let mut waiting = command_in(project.folder.path(), &["wait", "--timeout", "50s"], &[])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(waiting.stdout.take().expect("piped")).lines();
    lines
        .next_line()
        .await
        .expect("a line")
        .expect("the rollout is seen");
    let stopped = run_in(project.folder.path(), &["stop"], &[]).await;
    assert_eq!(stopped.exit, 0, "{}", stopped.err);

    let mut promoted = progressing("checkout");
    promote(&mut promoted);
    let _second = serve(project.folder.path(), [promoted]).await;
    let ended = tokio::time::timeout(PATIENCE, waiting.wait())
        .await
        .expect("ends")
        .expect("exit");
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn undo_waits_for_the_revision_it_goes_back_to() {
    let project = Project::new([healthy("checkout")]).await;
    project.fake.world().on_command = Some(|view| {
        start_rollout(view);
        view.canary = Some(RevisionNumber(2));
        view.rollout = fake::rollout(4, RevisionNumber(2), RolloutOutcome::Running);
    });
    let fake = Arc::clone(&project.fake);
    let ending = tokio::spawn(async move {
        while fake.world().asked.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        fake.change("checkout", |view| {
            view.stable = view.canary.take();
            view.rollout = fake::rollout(4, RevisionNumber(2), RolloutOutcome::Promoted);
            view.phase = Phase::Healthy;
        });
    });
    let ran = project.run(&["undo", "--wait"]).await;
    assert_eq!(ran.exit, 0, "{}{}", ran.out, ran.err);
    ending.await.expect("the end of the rollout");
}

#[tokio::test]
async fn history_explanation_checklist_and_output_are_for_people_and_scripts() {
    let project = Project::new([progressing("checkout")]).await;
    {
        let mut world = project.fake.world();
        world.history = vec![
            revision(4, RevisionMark::Canary, Some("ticket 12")),
            revision(3, RevisionMark::Stable, None),
        ];
        world.entries = vec![entry(
            7,
            "checkout",
            "stepEntered",
            "step 2: 5 % to revision 4",
        )];
        world.lines = vec![line("one"), line("two")];
        world.checklist = vec![
            item("readiness-probe", CheckState::Ok, None),
            item("capacity", CheckState::Warn, Some("add a replica")),
        ];
    }
    let explained = project.run(&["explain"]).await;
    assert_eq!(explained.exit, 0, "{}", explained.err);
    insta::assert_snapshot!("explain", explained.out);
    insta::assert_snapshot!("history", project.run(&["history"]).await.out);
    insta::assert_snapshot!("logs", project.run(&["logs", "--tail", "2"]).await.out);

    let checked = project.run(&["check"]).await;
    assert_eq!(checked.exit, 0, "a warning is no failure");
    insta::assert_snapshot!("check", checked.out);
    project
        .fake
        .world()
        .checklist
        .push(item("hooks", CheckState::Fail, None));
    let checked = project.run(&["check", "checkout", "-o", "json"]).await;
    assert_eq!(checked.exit, 1);
    assert_eq!(checked.json()["items"][2]["state"], "fail");

    let lines = project.run(&["logs", "-o", "json"]).await.out;
    let texts: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (&texts[0]["text"], &texts[1]["text"]),
        (&"one".into(), &"two".into())
    );
}

#[tokio::test]
async fn over_tcp_the_token_decides() {
    let project = Project::new([healthy("checkout")]).await;
    let address = project.tcp.to_string();
    let words = ["status", "-o", "json", "--server", &address];
    // The token of the state folder that belongs to the current folder.
    let ran = project.run(&words).await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let token = std::fs::read_to_string(project.folder.path().join(".sluice/api.token"));
    let token = token.expect("a token");
    let elsewhere = tempfile::tempdir().expect("a folder");
    for (env, exit, said) in [
        (vec![("SLUICE_TOKEN", token.trim())], 0, ""),
        (vec![], 2, "SLUICE_TOKEN"),
        (vec![("SLUICE_TOKEN", "abc")], 2, "64 hex digits"),
        (
            vec![("SLUICE_TOKEN", &*"0".repeat(64))],
            1,
            "not the right one",
        ),
    ] {
        let ran = run_in(elsewhere.path(), &words, &env).await;
        assert_eq!(ran.exit, exit, "{}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[tokio::test]
async fn watching_into_a_pipe_tells_changes_and_ends_with_its_reader() {
    let project = Project::new([progressing("checkout"), healthy("mail")]).await;
    let mut watching = command_in(project.folder.path(), &["watch"], &[])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("in time");
        line.expect("text").expect("a line")
    };
    assert!(
        next()
            .await
            .contains(" checkout Progressing 2/5 5 % [3: 95 %, 4: 5 %] ")
    );
    assert!(next().await.contains(" mail Healthy [3: 100 %] "));
    project.fake.change("checkout", |view| {
        view.message = "step 2 of 5 bakes for 9s more".into()
    });
    project
        .fake
        .change("mail", |view| view.phase = Phase::Degraded);
    assert!(
        next().await.contains(" mail Degraded "),
        "a countdown is no news"
    );

    drop(lines);
    // It notices at its next line.
    project.fake.change("checkout", promote);
    let ended = tokio::time::timeout(PATIENCE, watching.wait())
        .await
        .expect("ends")
        .expect("exit");
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn stop_returns_when_nobody_is_there_any_more() {
    let project = Project::new([healthy("checkout")]).await;
    let ran = project.run(&["stop"]).await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    assert_eq!(project.fake.world().asked[0].0, "stop graceful=true");
    let again = project.run(&["stop"]).await;
    assert_eq!(again.exit, 3, "{}", again.err);
    project.server.await.expect("it has ended");
}

#[tokio::test]
async fn shells_complete_the_names_of_services() {
    let project = Project::new([progressing("checkout"), healthy("mail")]).await;
    let env = [("SLUICE_COMPLETE", "fish")];
    let ran = run_in(
        project.folder.path(),
        &["--", "sluice", "status", "ch"],
        &env,
    )
    .await;
    assert_eq!(ran.out.trim(), "checkout", "{}", ran.err);
    let ran = run_in(project.folder.path(), &["--", "sluice", "und"], &env).await;
    assert!(ran.out.starts_with("undo\t"), "{}", ran.out);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = project.run(&["completion", shell]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert!(ran.out.contains("SLUICE_COMPLETE"), "{shell}: {}", ran.out);
    }
    // Without a Sluice there are no names, and no noise.
    let empty = tempfile::tempdir().expect("a folder");
    let ran = run_in(empty.path(), &["--", "sluice", "status", "ch"], &env).await;
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

fn revision(number: u32, mark: RevisionMark, note: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        revision: RevisionNumber(number),
        digest: "0123456789abcdef".repeat(4),
        created_at: fake::NOW,
        actor: "ana".into(),
        note: note.map(str::to_owned),
        mark,
    }
}

fn item(name: &str, state: CheckState, help: Option<&str>) -> CheckItem {
    CheckItem {
        name: name.into(),
        state,
        message: "as found".into(),
        help: help.map(str::to_owned),
    }
}
