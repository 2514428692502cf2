//! Counting individual tests, from what cargo's test harness prints.

use std::fmt;

/// A test may leave itself to another part of the suite with `#[ignore = "part NAME: …"]`; it is
/// counted there, not here.
const LEFT_TO_A_PART: &str = "part ";

/// Counts of individual tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// What was not run, and why; one for each test or check.
    pub(super) skips: Vec<String>,
}

impl Tally {
    /// One passed check.
    pub(super) fn success() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One failed check.
    pub(super) fn failure() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    /// One check that was not run.
    pub(super) fn skip(what: &str, why: &str) -> Self {
        Self {
            skips: vec![format!("{what}: {why}")],
            ..Self::default()
        }
    }

    /// One check that passed or failed.
    pub(super) fn of(passed: bool) -> Self {
        if passed {
            Self::success()
        } else {
            Self::failure()
        }
    }

    /// Counts these too.
    pub(super) fn add(&mut self, more: &Tally) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skips.extend(more.skips.iter().cloned());
    }

    /// Counts one line of a test program's output.
    pub(super) fn read_line(&mut self, line: &str) {
        if let Some((name, reason)) = ignored(line) {
            if !reason.starts_with(LEFT_TO_A_PART) {
                self.skips.push(format!("{name}: {reason}"));
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
        }
    }
}

impl fmt::Display for Tally {
    /// `N passed, N failed, N skipped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skips.len()
        )
    }
}

/// Name and reason of an ignored test: `test NAME ... ignored, REASON`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = rest
        .strip_prefix(", ")
        .unwrap_or("marked to be ignored, without a reason");
    Some((name, reason))
}

/// The number before `word` in `ok. 12 passed; 0 failed; …`; 0 when there is none.
fn number_before(text: &str, word: &str) -> u64 {
    text.split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_test_programs_are_added_up() {
        let output = "\
running 3 tests
test a::b ... ok
test a::test result ... FAILED
test c ... ignored, needs a cluster
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s

running 2 tests
test d ... ignored, part examples: needs nginx
test e ... ignored
test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.25s
";
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read_line(line));
        assert_eq!((tally.passed, tally.failed), (41, 1));
        assert_eq!(
            tally.skips,
            [
                "c: needs a cluster",
                "e: marked to be ignored, without a reason"
            ]
        );
        assert_eq!(tally.to_string(), "41 passed, 1 failed, 2 skipped");
    }
}
