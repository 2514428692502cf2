//! A killed Sluice leaves its hook commands running; the next one ends them before it starts the
//! same effects again.

use crate::support::{effect, is_alive, pids, script, until};
use sluice_hooks::HookRunner;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::runtime::Handle;

/// Tells the child of this test its folder, which is also the owner's name.
const FOLDER: &str = "SLUICE_HOOKS_TEST_FOLDER";

/// In the child: a hook that hangs, with a grandchild, and with a process that is to live on.
async fn hang(folder: &str) {
    let file = Path::new(folder).join("pids");
    let text = format!(
        "sleep 600 & echo $! >> '{0}'; echo $$ >> '{0}'; setsid sleep 600 & echo $! >> '{0}'; wait",
        file.display()
    );
    HookRunner::new(folder, Handle::current())
        .run(&effect("hang", script(&text)))
        .await;
}

#[tokio::test]
async fn hooks_of_a_killed_sluice_are_ended_and_no_others() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return hang(folder.to_str().unwrap()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let owner = folder.path().to_str().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "leftovers::hooks_of_a_killed_sluice_are_ended_and_no_others",
        ])
        .env(FOLDER, owner)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let file = folder.path().join("pids");
    until("the hook runs", || pids(&file).len() == 3).await;
    child.kill().unwrap();
    child.wait().unwrap();

    let pids = pids(&file);
    assert!(
        pids.iter().all(|pid| is_alive(*pid)),
        "hooks outlive a killed Sluice"
    );
    let somebody_else = HookRunner::new(format!("{owner}2"), Handle::current());
    assert_eq!(somebody_else.end_leftovers(), 0);
    let restarted = HookRunner::new(owner, Handle::current());
    assert_eq!(restarted.end_leftovers(), 2);
    until("the hook has ended", || {
        !is_alive(pids[0]) && !is_alive(pids[1])
    })
    .await;
    assert!(
        is_alive(pids[2]),
        "a process in a session of its own lives on"
    );
    assert_eq!(restarted.end_leftovers(), 0);

    let pid = rustix::process::Pid::from_raw(i32::try_from(pids[2]).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
