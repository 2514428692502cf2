//! The environment of a hook command: little from Sluice's own, then the hook's, then the facts.
//!
//! Not here: running it (`command`).

use crate::runner::HookCall;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What a hook inherits from Sluice; nothing else of its environment reaches a hook.
const INHERITED: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR",
];

/// `PATH` where Sluice itself has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names the effect, for hooks that must not do their work twice.
const EFFECT_ID: &str = "SLUICE_EFFECT_ID";

/// Names the hook.
const HOOK: &str = "SLUICE_HOOK";

/// Tells whose hook it is; see `leftover`.
pub(crate) const OWNER: &str = "SLUICE_OWNER";

/// The environment in which a hook's program is looked for, before any facts.
pub(crate) fn base(env: &BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
    let mut all = BTreeMap::from([(OsString::from("PATH"), OsString::from(DEFAULT_PATH))]);
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            all.insert(name.into(), value);
        }
    }
    all.extend(env.iter().map(|(name, value)| (name.into(), value.into())));
    all
}

/// The whole environment of a hook. The facts come last: a hook cannot be lied to by its own `env`.
pub(crate) fn complete(
    hook: &HookCall<'_>,
    env: &BTreeMap<String, String>,
) -> BTreeMap<OsString, OsString> {
    let mut all = base(env);
    for (fact, value) in hook.facts {
        all.insert(variable(fact).into(), value.into());
    }
    all.insert(EFFECT_ID.into(), hook.id.as_str().into());
    all.insert(HOOK.into(), hook.name.into());
    all.insert(OWNER.into(), hook.owner.into());
    all
}

/// The variable of a fact: `stepName` and `step-name` become `SLUICE_STEP_NAME`.
fn variable(fact: &str) -> String {
    let mut name = String::from("SLUICE_");
    let mut after_lower = false;
    for letter in fact.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        name.push(if letter.is_ascii_alphanumeric() {
            letter.to_ascii_uppercase()
        } else {
            '_'
        });
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_become_upper_snake_variables() {
        for (fact, name) in [
            ("service", "SLUICE_SERVICE"),
            ("stepName", "SLUICE_STEP_NAME"),
            ("step-name", "SLUICE_STEP_NAME"),
            ("p95Ms", "SLUICE_P95_MS"),
            ("URL", "SLUICE_URL"),
            ("straße", "SLUICE_STRA_E"),
        ] {
            assert_eq!(variable(fact), name, "{fact}");
        }
    }
}
