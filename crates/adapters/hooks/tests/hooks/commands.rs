//! Command hooks: what they are told, how they fail, how they are ended.

use crate::support::{command, effect, failure, is_alive, pids, run, runner, script, until};
use sluice_hooks::OUTPUT_BYTES_MAX;
use sluice_model::EffectOutcome;
use std::time::Duration;

#[tokio::test]
async fn a_hook_gets_the_facts_its_own_environment_and_little_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment");
    let write = script(&format!("env > '{}'", file.display()));
    assert_eq!(run(write).await, EffectOutcome::Succeeded);
    let text = std::fs::read_to_string(file).unwrap();
    let variables: Vec<&str> = text.lines().collect();
    for expected in [
        "SLUICE_SERVICE=shop",
        "SLUICE_STEP_NAME=5 %",
        "SLUICE_HOOK=smoke",
        "SLUICE_EFFECT_ID=shop/7/before/0/1",
        "GREETING=hello",
    ] {
        assert!(variables.contains(&expected), "no {expected} in {text}");
    }
    assert!(text.contains("PATH=/"), "{text}");
    // Cargo sets this one for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(
        !text.contains("CARGO_MANIFEST_DIR"),
        "Sluice's own environment leaks: {text}"
    );
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are_without_a_shell() {
    let test = command(&["test", "$HOME; exit 1", "=", "$HOME; exit 1"]);
    assert_eq!(run(test).await, EffectOutcome::Succeeded);
}

#[tokio::test]
async fn a_failing_hook_shows_its_code_and_the_end_of_its_output() {
    let message = failure(run(script("echo asked; echo 'no answer' >&2; exit 3")).await);
    for part in [
        "hook `smoke`: `/bin/sh` ended with exit code 3",
        "asked",
        "no answer",
    ] {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    let message = failure(run(script("kill -USR1 $$")).await);
    assert!(message.contains("was ended by signal 10"), "{message}");
}

#[tokio::test]
async fn a_talkative_hook_neither_blocks_nor_fills_the_message() {
    let talk = script("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 1");
    let message = failure(run(talk).await);
    assert!(message.ends_with("line 19999"), "{message}");
    assert!(
        message.len() < OUTPUT_BYTES_MAX + 300,
        "{} bytes",
        message.len()
    );
}

#[tokio::test]
async fn what_cannot_be_started_is_told_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.txt");
    std::fs::write(&plain, "no program").unwrap();
    for (action, expected) in [
        (
            command(&["no-such-program-here"]),
            "`no-such-program-here` was not found; install it",
        ),
        (command(&["./no/such/path"]), "was not found"),
        (
            command(&[plain.to_str().unwrap()]),
            "make it executable (`chmod +x`)",
        ),
        (command(&[]), "there is no command; name a program"),
        (command(&["echo", "nul\0byte"]), "cannot be started"),
    ] {
        let message = failure(run(action).await);
        assert!(message.starts_with("hook `smoke`: "), "{message}");
        assert!(message.contains(expected), "no {expected:?} in: {message}");
    }
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    // Neither the hook nor its grandchild heeds SIGTERM.
    let hang = script(&format!(
        "trap '' TERM; echo waiting; sh -c 'sleep 600 & echo $! >> \"{0}\"; wait' &
         echo $$ >> '{0}'; echo $! >> '{0}'; while :; do sleep 600; done",
        file.display()
    ));
    let mut effect = effect("hang", hang);
    effect.timeout = Duration::from_secs(3);
    let message = failure(runner().run(&effect).await);
    for part in [
        "did not end within 3s and was stopped",
        "raise the hook's timeout",
        "waiting",
    ] {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    let pids = pids(&file);
    assert_eq!(pids.len(), 3, "the hook started its children");
    for pid in pids {
        until("the whole group has ended", || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn a_hook_that_heeds_sigterm_may_tidy_up_with_its_children() {
    let tidy = script(
        "trap 'echo tidied up; exit 0' TERM
         (trap 'sleep 0.3; echo child tidied up; exit 0' TERM; while :; do sleep 0.05; done) &
         while :; do sleep 0.05; done",
    );
    let mut effect = effect("tidy", tidy);
    effect.timeout = Duration::from_secs(3);
    let message = failure(runner().run(&effect).await);
    assert!(message.contains("\ntidied up"), "{message}");
    assert!(message.contains("child tidied up"), "{message}");
}

#[tokio::test]
async fn a_hook_that_is_done_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let leave = script(&format!("sleep 600 & echo $! > '{}'", file.display()));
    // The child holds the hook's output open: the hook is done all the same.
    assert_eq!(run(leave).await, EffectOutcome::Succeeded);
    let pid = pids(&file)[0];
    until("the hook's child has ended", || !is_alive(pid)).await;
}

#[tokio::test]
async fn a_process_that_left_the_group_does_not_hold_up_the_hook() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let leave = script(&format!(
        "setsid sh -c 'echo $$ > \"{0}\"; exec sleep 600' & while [ ! -s '{0}' ]; do sleep 0.02; done",
        file.display()
    ));
    assert_eq!(run(leave).await, EffectOutcome::Succeeded);
    let pid = pids(&file)[0];
    assert!(is_alive(pid), "it asked to live on");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_dropped_run_ends_its_processes_and_may_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let text = format!(
        "echo $$ >> '{0}'; sleep 600 & echo $! >> '{0}'; wait",
        file.display()
    );
    let runner = runner();
    for round in 1..=2 {
        let effect = effect("dropped", script(&text));
        tokio::select! {
            outcome = runner.run(&effect) => panic!("it should hang: {outcome:?}"),
            () = until("the hook runs", || pids(&file).len() == 2 * round) => {}
        }
        for pid in pids(&file) {
            until("its processes have ended", || !is_alive(pid)).await;
        }
    }
}
