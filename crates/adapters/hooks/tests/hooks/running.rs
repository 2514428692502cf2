//! Which effects run: each once, only so many at a time.

use crate::support::{PATIENCE, effect, runner, script, until};
use sluice_hooks::{HOOKS_RUNNING_MAX, HOOKS_WAITING_MAX, HookRunner, Started};
use sluice_model::{Effect, EffectId, EffectOutcome};
use std::path::Path;
use tokio::sync::mpsc;
use tokio::time::timeout;

type Reports = mpsc::UnboundedReceiver<(EffectId, EffectOutcome)>;

/// A way to start effects whose outcomes arrive in one place.
fn reporting(runner: &HookRunner) -> (impl Fn(Effect) -> Started + use<>, Reports) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let runner = runner.clone();
    let start = move |effect| {
        let sender = sender.clone();
        runner.start(effect, move |id, outcome| {
            sender.send((id, outcome)).unwrap()
        })
    };
    (start, receiver)
}

async fn next(reports: &mut Reports) -> (EffectId, EffectOutcome) {
    timeout(PATIENCE, reports.recv())
        .await
        .expect("a report")
        .expect("a report")
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_effect_is_run_once_however_often_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (file, go) = (folder.path().join("runs"), folder.path().join("go"));
    let text = format!(
        "echo run >> '{}'; while [ ! -e '{}' ]; do sleep 0.02; done; exit 4",
        file.display(),
        go.display()
    );
    let runner = runner();
    let (start, mut reports) = reporting(&runner);
    let once = || effect("shop/1/start/0/1", script(&text));

    assert_eq!(start(once()), Started::Now);
    assert_eq!(start(once()), Started::Before);
    assert_eq!(runner.run(&once()).await, EffectOutcome::Running);
    std::fs::write(&go, "").unwrap();
    let (id, outcome) = next(&mut reports).await;
    assert_eq!(id, once().id);
    assert!(matches!(&outcome, EffectOutcome::Failed { message } if message.contains("code 4")));

    // Its outcome may not have been recorded yet: it is told again, and not brought about again.
    assert_eq!(start(once()), Started::Done);
    assert_eq!(next(&mut reports).await, (id, outcome.clone()));
    assert_eq!(runner.run(&once()).await, outcome);
    assert_eq!(lines(&file), ["run"]);
    assert!(
        reports.try_recv().is_err(),
        "one report for each accepted request"
    );

    // The next attempt is another effect.
    assert_eq!(
        start(effect("shop/1/start/0/2", script(&text))),
        Started::Now
    );
    next(&mut reports).await;
    assert_eq!(lines(&file), ["run", "run"]);
}

#[tokio::test]
async fn effects_can_be_started_from_a_thread_outside_the_runtime() {
    let runner = runner();
    let (start, mut reports) = reporting(&runner);
    let thread = std::thread::spawn(move || start(effect("outside", script("exit 0"))));
    assert_eq!(next(&mut reports).await.1, EffectOutcome::Succeeded);
    assert_eq!(thread.join().unwrap(), Started::Now);
}

#[tokio::test]
async fn only_so_many_run_at_a_time_and_all_get_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (file, go) = (folder.path().join("turns"), folder.path().join("go"));
    let text = format!(
        "echo begin >> '{0}'; while [ ! -e '{1}' ]; do sleep 0.02; done; echo end >> '{0}'",
        file.display(),
        go.display()
    );
    let runner = runner();
    let (start, mut reports) = reporting(&runner);
    let all = HOOKS_RUNNING_MAX + 5;
    for number in 0..all {
        assert_eq!(
            start(effect(&format!("turn/{number}"), script(&text))),
            Started::Now
        );
    }
    until("all places are taken", || {
        lines(&file).len() >= HOOKS_RUNNING_MAX
    })
    .await;
    std::fs::write(&go, "").unwrap();
    for _ in 0..all {
        assert_eq!(next(&mut reports).await.1, EffectOutcome::Succeeded);
    }
    let turns = lines(&file);
    assert_eq!(turns.len(), 2 * all);
    let mut running = 0_usize;
    for turn in turns {
        running = if turn == "begin" {
            running + 1
        } else {
            running - 1
        };
        assert!(running <= HOOKS_RUNNING_MAX, "{running} at a time");
    }
}

#[test]
fn the_waiting_line_is_bounded_and_ends_with_the_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let runner = HookRunner::new("/test/state", runtime.handle().clone());
    let hang = |number: usize| effect(&format!("hang/{number}"), script("sleep 600"));
    for number in 0..HOOKS_RUNNING_MAX + HOOKS_WAITING_MAX {
        assert_eq!(runner.start(hang(number), |_, _| {}), Started::Now);
    }
    assert_eq!(runner.start(hang(usize::MAX), |_, _| {}), Started::Full);
    drop(runtime);
}

#[tokio::test]
async fn a_hook_that_finds_no_place_in_time_says_so() {
    let runner = runner();
    for number in 0..HOOKS_RUNNING_MAX {
        runner.start(
            effect(&format!("hang/{number}"), script("sleep 600")),
            |_, _| {},
        );
    }
    tokio::task::yield_now().await;
    let mut late = effect("late", script("exit 0"));
    late.timeout = std::time::Duration::from_millis(300);
    let message = crate::support::failure(runner.run(&late).await);
    assert!(
        message.contains("16 other hooks ran for the whole of its 300ms"),
        "{message}"
    );
}
