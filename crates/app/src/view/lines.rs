//! Changes as plain lines, one each: for pipes, CI logs, and the waits of the command line.

use super::facts;
use sluice_model::view::ServiceView;
use std::collections::BTreeMap;

/// The service in one line: `checkout Progressing 2/5 5 % [3: 95 %, 4: 5 %] step 2 of 5 bakes`.
pub(crate) fn line(view: &ServiceView) -> String {
    let (_, phase) = facts::phase(view.phase);
    let step = facts::step(view)
        .map(|step| format!(" {step}"))
        .unwrap_or_default();
    let weights = facts::weights(view);
    let text = format!(
        "{} {} {phase}{step} [{weights}] {}",
        view.at, view.service, view.message
    );
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// Which views are news. Rates, times and counts move all the time; a line for each of these would
/// hide what matters.
#[derive(Debug, Default)]
pub(crate) struct News {
    told: BTreeMap<String, String>,
}

impl News {
    /// Whether nothing was told yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The line for this view, unless it says what was said before but for its figures.
    pub(crate) fn tell(&mut self, view: &ServiceView) -> Option<String> {
        let verdicts: Vec<&str> = view
            .checks
            .iter()
            .map(|judgement| facts::verdict(judgement.verdict).2)
            .collect();
        let gist = format!(
            "{:?} {:?} {} {:?} {:?} {verdicts:?} {}",
            view.phase,
            facts::step(view),
            facts::weights(view),
            view.stable,
            view.canary,
            without_figures(&view.message)
        );
        if self.told.get(view.service.as_str()) == Some(&gist) {
            return None;
        }
        self.told.insert(view.service.to_string(), gist);
        Some(line(view))
    }
}

/// A message without its numbers and the units of spans: "bakes for 1m40s more" and "bakes for 39s
/// more" say the same.
fn without_figures(message: &str) -> String {
    message
        .split_whitespace()
        .map(|word| {
            if word.starts_with(|first: char| first.is_ascii_digit()) {
                "#"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use sluice_model::view::Phase;

    #[test]
    fn a_countdown_is_no_news_and_a_new_weight_is() {
        let mut news = News::default();
        let mut view = samples::progressing("checkout");
        assert_eq!(
            news.tell(&view).as_deref(),
            Some(
                "2026-11-21T15:06:07.000Z checkout Progressing 2/5 5 % [3: 95 %, 4: 5 %] \
                 step 2 of 5 bakes for 40s more"
            )
        );
        view.message = "step 2 of 5 bakes for 39s more".into();
        view.at.0 += 1000;
        assert_eq!(news.tell(&view), None);

        view.weights.insert(samples::CANARY, samples::percent(25.0));
        view.weights.insert(samples::STABLE, samples::percent(75.0));
        assert!(
            news.tell(&view)
                .expect("news")
                .contains("[3: 75 %, 4: 25 %]")
        );
        view.phase = Phase::Paused;
        assert!(news.tell(&view).expect("news").contains(" Paused "));
        view.message = "held by ana".into();
        assert!(news.tell(&view).expect("news").contains("held by ana"));
        assert!(
            news.tell(&samples::healthy("mail")).is_some(),
            "another service"
        );
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let mut view = samples::healthy("checkout");
        view.message = "two\nlines".into();
        assert!(!line(&view).contains('\n'));
    }
}
