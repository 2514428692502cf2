//! A disk that is full, and one that is read-only: real ones, mounted in a private namespace.
//!
//! Each test starts this program again under `unshare`, on the file system that it mounted there.
//! Where the machine forbids that, the tests say so and pass; the unit test on `max_page_count`
//! covers the full disk there, too.

use crate::samples::{commit, entry, shop, status};
use sluice_model::Timestamp;
use sluice_store::{DATABASE_FILE, Reader, Store, StoreError, Transition};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the process inside the namespace which folder is the mounted one.
const MOUNTED: &str = "SLUICE_STORE_TEST_MOUNTED";

fn mounted() -> Option<PathBuf> {
    std::env::var_os(MOUNTED).map(PathBuf::from)
}

/// Runs the test `name` again in a mount namespace of its own, after the shell command `mount`, in
/// which `$1` is `folder`.
fn run_mounted(name: &str, folder: &Path, mount: &str) {
    let unshare = || {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount"])
            .stdin(Stdio::null());
        command
    };
    let allowed = unshare().arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        let mut stderr = std::io::stderr();
        writeln!(
            stderr,
            "{name}: not run, mount namespaces are not allowed here"
        )
        .unwrap();
        return;
    }
    let script = format!("{mount} && exec \"$0\" --exact {name} --nocapture");
    let output = unshare()
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(folder)
        .env(MOUNTED, folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    assert!(
        told.contains("1 passed"),
        "the test did not run inside: {told}"
    );
}

#[test]
fn a_full_disk_refuses_writes_keeps_the_rest_and_recovers() {
    let Some(folder) = mounted() else {
        let folder = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=1m tmpfs \"$1\"";
        let name = "disk::a_full_disk_refuses_writes_keeps_the_rest_and_recovers";
        return run_mounted(name, folder.path(), mount);
    };
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![0_u8; 200_000]).unwrap();
    let store = Store::open(&folder).unwrap();
    let try_commit = |at: i64| {
        let entries = [entry(&"long ".repeat(2_000))];
        let status = status(at);
        store.commit(&Transition {
            status: &status,
            entries: &entries,
            answers: &[],
            at: Timestamp(at),
        })
    };
    let mut last = 0;
    let error = loop {
        match try_commit(last + 1) {
            Ok(_) => last += 1,
            Err(error) => break error,
        }
        assert!(last < 1_000, "1 MB took {last} commits of 10 kB");
    };
    assert!(last > 0, "{error}");
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_eq!(
        store.statuses().unwrap(),
        [status(last)],
        "what was committed is readable"
    );
    assert_eq!(store.verify().unwrap().first_bad, None);
    assert!(matches!(
        try_commit(last + 1),
        Err(StoreError::DiskFull { .. })
    ));

    fs::remove_file(&ballast).unwrap();
    try_commit(last + 1).unwrap();
    assert_eq!(store.statuses().unwrap(), [status(last + 1)]);
    assert_eq!(store.verify().unwrap().first_bad, None);
}

#[test]
fn a_full_disk_refuses_a_new_state_folder() {
    let Some(folder) = mounted() else {
        let folder = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=64k tmpfs \"$1\"";
        return run_mounted(
            "disk::a_full_disk_refuses_a_new_state_folder",
            folder.path(),
            mount,
        );
    };
    // Filled to the last byte but for the page that the folder and its lock take.
    let mut ballast = fs::File::create(folder.join("ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    ballast.set_len(12 * 4096).unwrap();
    let error = Store::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
}

#[test]
fn a_read_only_folder_is_refused_for_writing_and_readable() {
    let name = "disk::a_read_only_folder_is_refused_for_writing_and_readable";
    let Some(folder) = mounted() else {
        let folder = tempfile::tempdir().unwrap();
        {
            let store = Store::open(folder.path()).unwrap();
            commit(&store, 7, &["one", "two"]);
        }
        let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"";
        return run_mounted(name, folder.path(), mount);
    };
    let error = Store::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("mount it writable"), "{error}");
    let reader = Reader::open(&folder).unwrap();
    assert_eq!(reader.status(&shop()).unwrap(), Some(status(7)));
    assert_eq!(reader.verify().unwrap().entries, 2);
}

#[test]
fn a_read_only_crashed_folder_is_never_read_without_its_last_commits() {
    let name = "disk::a_read_only_crashed_folder_is_never_read_without_its_last_commits";
    let Some(folder) = mounted() else {
        let (running, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(running.path()).unwrap();
        commit(&store, 7, &["one", "two"]);
        for suffix in ["", "-wal"] {
            let file = format!("{DATABASE_FILE}{suffix}");
            fs::copy(running.path().join(&file), copy.path().join(&file)).unwrap();
        }
        let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"";
        return run_mounted(name, copy.path(), mount);
    };
    let error = Reader::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("copy the folder to a writable place"),
        "{error}"
    );
}
