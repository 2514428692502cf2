//! "Did you mean": the known word nearest to a misspelt one.

/// The nearest of `known`, if one is near: a third of the letters may differ. Case, `-` and `_` are
/// no difference, so that `max-surge` finds `maxSurge`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words than any name are not misspelt names.
    if word.len() > 64 {
        return None;
    }
    let bare = bare(word);
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&bare, &self::bare(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(bare.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The help for an unknown word: the nearest known one, or all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", listed(known)),
    }
}

/// `a`, `b` or `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

fn bare(word: &str) -> String {
    word.chars()
        .filter(|letter| !matches!(letter, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["ready", "replicas", "maxSurge", "release", "run"];
        for (word, expected) in [
            ("redy", Some("ready")),
            ("max-surge", Some("maxSurge")),
            ("MAXSURGE", Some("maxSurge")),
            ("relaese", Some("release")),
            ("rn", Some("run")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
