//! Figures as people read them: times, counts, shares.

use crate::interval::Share;
use crate::summary::Figures;
use crate::tick::{MINUTE_US, SECOND_US};

/// `0.8 s`, `91 s`, `5.2 min`, `12 min`.
pub(super) fn time(us: u64) -> String {
    let seconds = us as f64 / SECOND_US as f64;
    let minutes = us as f64 / MINUTE_US as f64;
    if us < 10 * SECOND_US {
        format!("{seconds:.1} s")
    } else if us < 2 * MINUTE_US {
        format!("{seconds:.0} s")
    } else if us < 10 * MINUTE_US {
        format!("{minutes:.1} min")
    } else {
        format!("{minutes:.0} min")
    }
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage with as many digits as it takes to tell it from 0 and from 100 %.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        _ if percent == 0.0 || percent == 100.0 => 0,
        _ if !(0.1..=99.9).contains(&percent) => 2,
        _ if !(10.0..=90.0).contains(&percent) => 1,
        _ => 0,
    };
    format!("{percent:.digits$} %")
}

/// `0.27 % (0.1–0.6 %)`.
pub(super) fn share(share: &Share) -> String {
    let ends = format!("{}–{}", percent(share.low), percent(share.high));
    format!(
        "{} ({})",
        percent(share.value()),
        ends.replacen(" %–", "–", 1)
    )
}

/// `8.3 s / 20 s`, with what is never decided.
pub(super) fn times(figures: &Figures) -> String {
    let never = format!("{} never", percent(figures.undecided()));
    match (figures.decided.count, figures.median_us) {
        (0, _) => "never".to_owned(),
        (_, None) => never,
        (decided, Some(median_us)) => {
            let p90 = figures.p90_us.map_or("–".to_owned(), time);
            let text = format!("{} / {p90}", time(median_us));
            if decided == figures.decided.of {
                text
            } else {
                format!("{text}, {never}")
            }
        }
    }
}

/// Titles as a list: `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        for (us, text) in [
            (100_000, "0.1 s"),
            (9_900_000, "9.9 s"),
            (91_400_000, "91 s"),
            (312_000_000, "5.2 min"),
            (3_600_000_000, "60 min"),
        ] {
            assert_eq!(time(us), text);
        }
        for (number, text) in [
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (2_000_000, "2,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
        for (part, text) in [
            (0.0, "0 %"),
            (0.000_4, "0.04 %"),
            (0.002_7, "0.3 %"),
            (0.226, "23 %"),
            (0.995, "99.5 %"),
            (0.999_9, "99.99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(part), text);
        }
        assert_eq!(share(&Share::of(0, 200)), "0 % (0–1.8 %)");
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&items), "a, b and c");
        assert_eq!(list(&items[..1]), "a");
    }
}
