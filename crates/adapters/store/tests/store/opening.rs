//! Opening a state folder: one at a time, no newer one, none that is not Sluice's.

use crate::samples::{commit, shop, status};
use rusqlite::Connection;
use sluice_store::{DATABASE_FILE, Reader, SCHEMA_VERSION, Store, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join(DATABASE_FILE)).unwrap()
}

#[test]
fn a_second_open_is_refused_and_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let clone = store.clone();
    drop(store);
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let text = error.to_string();
    let pid = format!("another Sluice (process {})", std::process::id());
    assert!(
        text.contains(&pid) && text.contains("stop it first"),
        "{text}"
    );
    drop(clone);
    Store::open(folder.path()).unwrap();
}

#[test]
fn a_reader_follows_a_running_sluice_without_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    commit(&store, 5, &["one"]);
    assert_eq!(reader.statuses().unwrap(), [status(5)]);
    drop(store);
    commit(&Store::open(folder.path()).unwrap(), 6, &["two"]);
    assert_eq!(reader.status(&shop()).unwrap(), Some(status(6)));
    assert_eq!(reader.verify().unwrap().entries, 2);
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    commit(&Store::open(folder.path()).unwrap(), 1, &["one"]);
    let newer = SCHEMA_VERSION + 1;
    raw(folder.path())
        .execute_batch(&format!(
            "PRAGMA user_version = {newer};
             UPDATE meta SET value = '99.1.0' WHERE key = 'sluice.version';"
        ))
        .unwrap();
    let before = fs::read(folder.path().join(DATABASE_FILE)).unwrap();
    for error in [
        Store::open(folder.path()).unwrap_err(),
        Reader::open(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        let text = error.to_string();
        for part in [
            format!("Sluice 99.1.0 (state format {newer})"),
            format!(
                "Sluice {} (state format {SCHEMA_VERSION})",
                env!("CARGO_PKG_VERSION")
            ),
            "run Sluice 99.1.0 or newer".to_owned(),
        ] {
            assert!(text.contains(&part), "{text} does not say: {part}");
        }
    }
    assert_eq!(fs::read(folder.path().join(DATABASE_FILE)).unwrap(), before);
}

#[test]
fn what_is_not_a_state_folder_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let error = Reader::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");

    raw(folder.path())
        .execute_batch("CREATE TABLE theirs (n INTEGER);")
        .unwrap();
    for error in [
        Store::open(folder.path()).unwrap_err(),
        Reader::open(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    }

    fs::write(
        folder.path().join(DATABASE_FILE),
        "not a database, ".repeat(500),
    )
    .unwrap();
    for error in [
        Store::open(folder.path()).unwrap_err(),
        Reader::open(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("from a backup"), "{error}");
    }

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
}

#[test]
fn damage_in_the_middle_of_the_file_is_told_and_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = Store::open(folder.path()).unwrap();
        (1..50).for_each(|at| commit(&store, at, &["one", "two", "three"]));
    }
    let place = folder.path().join(DATABASE_FILE);
    let mut bytes = fs::read(&place).unwrap();
    // All but the first page, which holds the schema.
    bytes[4096..].fill(0xA5);
    fs::write(&place, bytes).unwrap();
    let store = Store::open(folder.path());
    let error = match store {
        Ok(store) => store.statuses().unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn only_the_owner_can_read_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep").join("state");
    let store = Store::open(&state).unwrap();
    commit(&store, 1, &["one"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&state).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(
        files >= 3,
        "database, write-ahead log and lock, not {files} files"
    );
}
