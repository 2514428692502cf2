//! Whatever the text: no panic, a document if and only if there is no error, and places within the text.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use sluice_model::plan::Exposure;
use sluice_model::{Severity, Weight};
use sluice_native::{outline, parse};

/// A document that uses most of the schema.
const FULL: &str = include_str!("outline/by-criticality.yaml");
const TARGETED: &str = include_str!("outline/targeted.yaml");
const VALUES: &str = include_str!("bad/values.yaml");
const ALIASES: &str = include_str!("bad/aliases.yaml");

fn holds(text: &str) {
    let parsed = parse("sluice.yaml", text, "/srv/shop");
    let errors = parsed
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    assert_eq!(parsed.document.is_none(), errors > 0, "{text:?}");
    for found in &parsed.diagnostics {
        let Some(place) = &found.place else { continue };
        assert!(
            place.line as usize <= text.lines().count() + 1,
            "{found} in {text:?}"
        );
        if let Some((offset, length)) = place.span {
            assert!(
                text.get(offset..offset + length).is_some(),
                "{found}: {:?} in {text:?}",
                place.span
            );
        }
    }
    for service in parsed
        .document
        .iter()
        .flat_map(|document| &document.services)
    {
        let plan = &service.plan;
        let weights: Vec<Weight> = plan
            .steps
            .iter()
            .map(|step| match &step.exposure {
                Exposure::Split { weight, .. } => *weight,
                Exposure::Rolling {
                    max_surge,
                    max_unavailable,
                } => {
                    assert!(max_surge + max_unavailable > 0, "{text:?}");
                    Weight::FULL
                }
                Exposure::Recreate => Weight::FULL,
            })
            .collect();
        assert_eq!(weights.last(), Some(&Weight::FULL), "{text:?}");
        assert!(weights.is_sorted(), "{text:?}");
        assert!(
            plan.replicas >= 1 && !service.workload.command.is_empty(),
            "{text:?}"
        );
        assert_eq!(outline(plan, true).len(), plan.steps.len());
    }
}

/// A change of a text at a place.
#[derive(Clone, Debug)]
enum Edit {
    Remove(usize),
    Insert(usize, char),
    Replace(usize, String),
    RemoveLine(usize),
    RepeatLine(usize),
    Indent(usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let word = prop::sample::select(vec![
        "none",
        "-1",
        "0",
        "100",
        "1e999",
        ".nan",
        "~",
        "[]",
        "{}",
        "5%",
        "1h",
        "\u{0}",
        "*common",
        "&a",
        "<<",
        "...",
        "---",
        "canary",
        "LOW",
        "é",
        "\u{feff}",
        "18446744073709551616",
        "!!binary x",
        "!custom y",
        "99999999d",
        "'",
        "\"",
        "|",
        ">-",
    ]);
    let edit = prop_oneof![
        (any::<usize>()).prop_map(Edit::Remove),
        (any::<usize>(), any::<char>()).prop_map(|(at, letter)| Edit::Insert(at, letter)),
        (any::<usize>(), word).prop_map(|(at, word)| Edit::Replace(at, word.to_owned())),
        (any::<usize>()).prop_map(Edit::RemoveLine),
        (any::<usize>()).prop_map(Edit::RepeatLine),
        (any::<usize>()).prop_map(Edit::Indent),
    ];
    prop::collection::vec(edit, 1..6)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut text = text.to_owned();
    for edit in edits {
        let place = |at: usize| {
            let mut at = at % (text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        match edit {
            Edit::Remove(at) => {
                let at = place(*at);
                if at < text.len() {
                    text.remove(at);
                }
            }
            Edit::Insert(at, letter) => {
                let at = place(*at);
                text.insert(at, *letter);
            }
            Edit::Replace(at, word) => {
                // The word that stands there.
                let at = place(*at);
                let is_edge = |letter: char| letter.is_whitespace() || ",[]{}:".contains(letter);
                let start = text[..at].rfind(is_edge).map_or(0, |edge| {
                    edge + text[edge..].chars().next().map_or(1, char::len_utf8)
                });
                let end = text[at..]
                    .find(is_edge)
                    .map_or(text.len(), |edge| at + edge);
                text.replace_range(start..end.max(start), word);
            }
            Edit::RemoveLine(at) | Edit::RepeatLine(at) | Edit::Indent(at) => {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                if lines.is_empty() {
                    continue;
                }
                let index = at % lines.len();
                match edit {
                    Edit::RemoveLine(_) => {
                        lines.remove(index);
                    }
                    Edit::RepeatLine(_) => lines.insert(index, lines[index].clone()),
                    _ => lines[index].insert(0, ' '),
                }
                text = lines.join("\n");
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn any_yaml_like_text_is_answered(text in "([a-z]{1,8}|services|release|steps|: |\n|\n  |\n    |- |\\[|\\]|\\{|\\}|, |&a |\\*a|<<: |\"|'|#|5|%){0,60}") {
        holds(&text);
    }

    #[test]
    fn any_slip_of_the_pen_is_answered(
        which in prop::sample::select(vec![FULL, TARGETED, VALUES, ALIASES]),
        edits in edits(),
    ) {
        holds(&edited(which, &edits));
    }

    #[test]
    fn weights_are_accepted_if_they_grow_to_a_hundred(weights in prop::collection::vec(0_u32..=110, 1..6)) {
        let list: Vec<String> = weights.iter().map(ToString::to_string).collect();
        let text = format!("services: {{a: {{run: ./a, listen: 80, release: {{steps: [{}]}}}}}}", list.join(", "));
        holds(&text);
        let good = weights.is_sorted() && weights.last() == Some(&100);
        prop_assert_eq!(parse("sluice.yaml", &text, "/").document.is_some(), good, "{}", text);
    }
}
