//! The decision log takes no change through SQL, and shows those made behind its back.

use crate::samples::commit;
use proptest::prelude::*;
use rusqlite::Connection;
use sluice_store::{BrokenEntry, DATABASE_FILE, LogProblem, LogQuery, Reader, Store};
use std::path::Path;
use tempfile::TempDir;

/// Removes what guards the log, as somebody with the file in their hands can.
const UNGUARD: &str = "
    DROP TRIGGER log_keeps_entries; DROP TRIGGER log_keeps_contents;
    DROP TRIGGER log_grows_at_its_end; DROP TRIGGER log_head_stays;
    DROP TRIGGER log_head_moves_by_one;";

fn log_of(entries: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for entry in 1..=entries {
        commit(
            &store,
            i64::try_from(entry).unwrap(),
            &[&format!("entry {entry}")],
        );
    }
    drop(store);
    folder
}

fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join(DATABASE_FILE)).unwrap()
}

fn first_bad(folder: &Path) -> Option<BrokenEntry> {
    Reader::open(folder).unwrap().verify().unwrap().first_bad
}

#[test]
fn sql_alone_cannot_change_the_log() {
    let folder = log_of(5);
    let connection = raw(folder.path());
    for sql in [
        "UPDATE log SET json = '{}' WHERE seq = 3",
        "UPDATE log SET seq = 9 WHERE seq = 5",
        "DELETE FROM log WHERE seq = 5",
        "DELETE FROM log",
        "INSERT OR REPLACE INTO log SELECT seq, at, service, '{}', prev_hash, hash FROM log
         WHERE seq = 3",
        "INSERT INTO log SELECT 8, at, service, json, prev_hash, hash FROM log WHERE seq = 3",
        "DELETE FROM log_head",
        "UPDATE log_head SET seq = 2",
        "UPDATE log_head SET hash = zeroblob(32)",
    ] {
        let error = connection.execute(sql, ()).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let report = Reader::open(folder.path()).unwrap().verify().unwrap();
    assert_eq!(
        (report.entries, report.head.seq, report.first_bad),
        (5, 5, None)
    );
}

#[test]
fn an_empty_log_verifies() {
    let folder = log_of(0);
    let report = Reader::open(folder.path()).unwrap().verify().unwrap();
    assert_eq!(
        (report.entries, report.head.seq, report.first_bad),
        (0, 0, None)
    );
}

#[test]
fn a_change_behind_its_back_is_named() {
    let swap = "
        UPDATE log SET seq = -1 WHERE seq = 3; UPDATE log SET seq = 3 WHERE seq = 4;
        UPDATE log SET seq = 4 WHERE seq = -1;";
    let swap_texts = "
        UPDATE log SET json = (SELECT json FROM log b WHERE b.seq = 7 - log.seq)
        WHERE seq IN (3, 4);";
    for (sql, seq, problem) in [
        (
            "UPDATE log SET json = replace(json, 'rosa', 'lee') WHERE seq = 3",
            3,
            LogProblem::Changed,
        ),
        (
            "UPDATE log SET at = at + 1 WHERE seq = 3",
            3,
            LogProblem::Changed,
        ),
        (
            "UPDATE log SET service = 'till' WHERE seq = 1",
            1,
            LogProblem::Changed,
        ),
        (
            "UPDATE log SET service = NULL WHERE seq = 6",
            6,
            LogProblem::Changed,
        ),
        (
            "UPDATE log SET hash = x'00' WHERE seq = 2",
            2,
            LogProblem::Changed,
        ),
        (
            "UPDATE log SET prev_hash = zeroblob(32) WHERE seq = 2",
            2,
            LogProblem::Unlinked,
        ),
        (
            "DELETE FROM log WHERE seq = 3",
            3,
            LogProblem::Removed { next: 4 },
        ),
        (
            "DELETE FROM log WHERE seq = 1",
            1,
            LogProblem::Removed { next: 2 },
        ),
        (
            "DELETE FROM log WHERE seq >= 5",
            5,
            LogProblem::CutOff { recorded: 6 },
        ),
        ("DELETE FROM log", 1, LogProblem::CutOff { recorded: 6 }),
        (swap, 3, LogProblem::Unlinked),
        (swap_texts, 3, LogProblem::Changed),
        (
            "INSERT INTO log SELECT 7, at, service, json, prev_hash, hash FROM log WHERE seq = 6",
            7,
            LogProblem::Added,
        ),
        (
            "INSERT INTO log SELECT 0, 0, NULL, '', x'', x'' FROM log_head",
            0,
            LogProblem::Added,
        ),
        ("UPDATE log_head SET seq = 5", 6, LogProblem::Added),
        (
            "UPDATE log_head SET hash = zeroblob(32)",
            6,
            LogProblem::HeadChanged,
        ),
    ] {
        let folder = log_of(6);
        raw(folder.path())
            .execute_batch(&format!("{UNGUARD}{sql}"))
            .expect(sql);
        assert_eq!(
            first_bad(folder.path()),
            Some(BrokenEntry { seq, problem }),
            "{sql}"
        );
    }
}

#[test]
fn new_entries_do_not_cover_up_a_cut_off_end() {
    let folder = log_of(6);
    raw(folder.path())
        .execute_batch(&format!("{UNGUARD} DELETE FROM log WHERE seq > 4"))
        .unwrap();
    commit(&Store::open(folder.path()).unwrap(), 9, &["life goes on"]);
    let bad = first_bad(folder.path()).unwrap();
    assert_eq!(
        bad,
        BrokenEntry {
            seq: 5,
            problem: LogProblem::Removed { next: 7 }
        }
    );
    assert_eq!(bad.to_string(), "entry 5 was removed (the next one is 7)");
}

#[test]
fn an_unreadable_entry_is_shown_as_such() {
    let folder = log_of(3);
    raw(folder.path())
        .execute_batch(&format!(
            "{UNGUARD} UPDATE log SET json = 'gone' WHERE seq = 2"
        ))
        .unwrap();
    let log = Reader::open(folder.path())
        .unwrap()
        .log(&LogQuery::default())
        .unwrap();
    let rules: Vec<_> = log.iter().map(|entry| entry.rule.as_str()).collect();
    assert_eq!(rules, ["stepEntered", "unreadable", "stepEntered"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever byte of whatever hashed column changes, the entry is found.
    #[test]
    fn any_changed_byte_is_found(
        seq in 1_i64..=8,
        column in prop::sample::select(vec!["json", "service"]),
        position in any::<prop::sample::Index>(),
        replacement in 1_u8..=127,
    ) {
        let folder = log_of(8);
        let connection = raw(folder.path());
        connection.execute_batch(UNGUARD).unwrap();
        let text: String = connection
            .query_row(&format!("SELECT {column} FROM log WHERE seq = ?1"), [seq], |row| row.get(0))
            .unwrap();
        let mut bytes = text.into_bytes();
        let position = position.index(bytes.len());
        prop_assume!(bytes[position].is_ascii() && bytes[position] != replacement);
        bytes[position] = replacement;
        let text = String::from_utf8(bytes).unwrap();
        connection
            .execute(&format!("UPDATE log SET {column} = ?2 WHERE seq = ?1"), (seq, text))
            .unwrap();
        drop(connection);
        let bad = first_bad(folder.path());
        let seq = u64::try_from(seq).unwrap();
        prop_assert_eq!(bad, Some(BrokenEntry { seq, problem: LogProblem::Changed }));
    }
}
