//! A replica's environment, what `$NAME` becomes in its command, and which file a program's name means.
//!
//! No shell is involved: there is no quoting, no default value and no splitting into words.

use crate::account::Account;
use crate::config::DEFAULT_PATH;
use crate::procfs::{REPLICA_MARK, STATE_MARK};
use crate::record::Spec;
use rustix::fs::Access;
use sluice_model::ReplicaId;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The address that replicas shall listen on.
pub(crate) const HOST: &str = "127.0.0.1";
/// Variables that exist only when a replica starts.
pub(crate) const AT_START: [&str; 6] = [
    "PORT",
    "HOST",
    "SLUICE_SERVICE",
    "SLUICE_REVISION",
    REPLICA_MARK,
    STATE_MARK,
];

/// Why a command cannot be started as it is written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the command is empty: name a program")]
    Empty,
    #[error(
        "`{word}` uses ${name}, which is not set: set {name} in `env`, or write $$ for a literal $"
    )]
    UnknownVariable { word: String, name: String },
    #[error("`{word}` has a `${{` without a name and `}}`: write ${{NAME}}, or $$ for a literal $")]
    BadReference { word: String },
    #[error("command not found: {program} (looked for {})", .looked_for.join(", "))]
    NotFound {
        program: String,
        looked_for: Vec<String>,
    },
    #[error("{} is not executable: `chmod +x` it, or name the interpreter first", .0.display())]
    NotExecutable(PathBuf),
    #[error("{} is a folder, not a program", .0.display())]
    Folder(PathBuf),
}

/// The environment of one replica: the inherited minimum, then the account's, then the user's own,
/// then what Sluice says and nobody may change.
pub(crate) fn of_replica(
    inherited: &BTreeMap<String, String>,
    account: Option<&Account>,
    spec: &Spec,
    state_id: &str,
    replica: &ReplicaId,
    port: u16,
) -> BTreeMap<String, String> {
    let mut env = inherited.clone();
    if let Some((name, home)) = account.and_then(|account| account.login.clone()) {
        env.insert("HOME".to_owned(), home);
        env.insert("LOGNAME".to_owned(), name.clone());
        env.insert("USER".to_owned(), name);
    }
    env.insert("HOST".to_owned(), HOST.to_owned());
    env.extend(spec.workload.env.clone());
    for (name, value) in [
        ("PORT", port.to_string()),
        ("SLUICE_SERVICE", spec.service.to_string()),
        ("SLUICE_REVISION", spec.revision.to_string()),
        (REPLICA_MARK, replica.to_string()),
        (STATE_MARK, state_id.to_owned()),
    ] {
        env.insert(name.to_owned(), value);
    }
    env
}

/// Replaces `$NAME` and `${NAME}` by `value_of`, and `$$` by `$`; a `$` before anything else stays.
pub(crate) fn expand(
    word: &str,
    value_of: impl Fn(&str) -> Option<String>,
) -> Result<String, CommandError> {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(literal) = after.strip_prefix('$') {
            expanded.push('$');
            rest = literal;
            continue;
        }
        let braced = after.strip_prefix('{');
        let text = braced.unwrap_or(after);
        let name = &text[..name_length(text)];
        rest = &text[name.len()..];
        if braced.is_some() {
            rest = rest
                .strip_prefix('}')
                .filter(|_| !name.is_empty())
                .ok_or_else(|| CommandError::BadReference {
                    word: word.to_owned(),
                })?;
        } else if name.is_empty() {
            expanded.push('$');
            continue;
        }
        let value = value_of(name).ok_or_else(|| CommandError::UnknownVariable {
            word: word.to_owned(),
            name: name.to_owned(),
        })?;
        expanded.push_str(&value);
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The bytes at the start of `text` that are a variable's name.
fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

/// The file that `program` means: a path (it has a `/`) as it is, from `workdir`; a plain name by
/// the search path.
pub(crate) fn resolve(
    program: &str,
    path: Option<&str>,
    workdir: &Path,
) -> Result<PathBuf, CommandError> {
    if program.is_empty() {
        return Err(CommandError::Empty);
    }
    if program.contains('/') {
        let file = workdir.join(program);
        return match fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => Err(CommandError::Folder(file)),
            Ok(_) if is_executable(&file) => Ok(file),
            Ok(_) => Err(CommandError::NotExecutable(file)),
            Err(_) => Err(CommandError::NotFound {
                program: program.to_owned(),
                looked_for: vec![file.display().to_string()],
            }),
        };
    }
    let folders: Vec<&str> = path.unwrap_or(DEFAULT_PATH).split(':').collect();
    folders
        .iter()
        .map(|folder| workdir.join(folder).join(program))
        .find(|file| {
            fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) && is_executable(file)
        })
        .ok_or_else(|| CommandError::NotFound {
            program: program.to_owned(),
            looked_for: vec![format!("it in PATH: {}", folders.join(":"))],
        })
}

fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "A_1" => Some("$PORT".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_once_and_nothing_else_is_touched() {
        for (word, expanded) in [
            ("--port=$PORT", "--port=8080"),
            ("${PORT}1$A_1/", "80801$PORT/"),
            ("$$PORT costs 5$ or $1 $", "$PORT costs 5$ or $1 $"),
            ("", ""),
            ("ünïcode $PORT→", "ünïcode 8080→"),
        ] {
            assert_eq!(expand(word, value_of).as_deref(), Ok(expanded), "{word}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        for (word, message) in [
            (
                "--to=$HSOT:1",
                "`--to=$HSOT:1` uses $HSOT, which is not set",
            ),
            ("${PORT", "`${PORT` has a `${` without a name and `}`"),
            ("${}", "`${}` has a `${` without a name and `}`"),
        ] {
            let error = expand(word, value_of).expect_err(word).to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_program_is_found_as_a_shell_would_or_the_message_says_where_it_was_looked_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plain = folder.path().join("notes.txt");
        fs::write(&plain, "no program").expect("the folder is writable");
        let resolve = |program: &str| resolve(program, Some("/nowhere:/bin"), folder.path());
        assert_eq!(resolve("sh"), Ok(PathBuf::from("/bin/sh")));
        assert_eq!(resolve("/bin/sh"), Ok(PathBuf::from("/bin/sh")));
        assert_eq!(
            resolve("./notes.txt"),
            Err(CommandError::NotExecutable(
                folder.path().join("./notes.txt")
            ))
        );
        let missing = resolve("checkuot").expect_err("there is none").to_string();
        assert_eq!(
            missing,
            "command not found: checkuot (looked for it in PATH: /nowhere:/bin)"
        );
        assert!(matches!(
            resolve("./missing"),
            Err(CommandError::NotFound { .. })
        ));
        assert!(matches!(resolve("/"), Err(CommandError::Folder(_))));
    }
}
