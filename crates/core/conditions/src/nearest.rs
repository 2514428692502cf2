//! "Did you mean": the known name nearest to a misspelt one.

/// Names that are listed when none is near.
const LISTED_MAX: usize = 12;

/// The nearest of `known`, if one is near: a third of the letters may differ. Case and `_` are no
/// difference.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer names than any are not misspelt ones.
    if name.len() > 128 {
        return None;
    }
    let bare = bare(name);
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

/// The help for an unknown name: the nearest known one, or the first of all of them.
pub(crate) fn did_you_mean(name: &str, known: &[&str]) -> Option<String> {
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let quoted: Vec<String> = known
        .iter()
        .take(LISTED_MAX)
        .map(|known| format!("`{known}`"))
        .collect();
    let more = if known.len() > LISTED_MAX {
        " and others"
    } else {
        ""
    };
    match quoted.as_slice() {
        [] => None,
        [one] => Some(format!("there is only {one}")),
        _ => Some(format!("there are {}{more}", quoted.join(", "))),
    }
}

fn bare(name: &str) -> String {
    name.chars()
        .filter(|letter| *letter != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["canary.errorRatio", "canary.requests", "step.weight"];
        for (name, expected) in [
            ("canary.errorRato", Some("canary.errorRatio")),
            ("canary.error_ratio", Some("canary.errorRatio")),
            ("steps.weight", Some("step.weight")),
            ("bananas", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(did_you_mean("x", &[]), None);
        assert_eq!(
            did_you_mean("bananas", &["a", "b"]).as_deref(),
            Some("there are `a`, `b`")
        );
    }
}
