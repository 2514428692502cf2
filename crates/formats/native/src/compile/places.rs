//! Reading addresses, paths and commands.

use super::words::plain_text;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{AddressText, Brief, Command, CommandText, Entries, Field, Text};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most words of a command; the operating system's bound is far higher.
const WORDS_MAX: usize = 1_000;

/// An address to listen on, as written or of this machine only.
pub(crate) fn address(notes: &Notes, field: &Field<AddressText>) -> Option<(NodeId, SocketAddr)> {
    let located = field.as_ref()?;
    let AddressText(text) = located.value.as_ref()?;
    match parse_address(text) {
        Ok(address) => Some((located.node, address)),
        Err((message, help)) => {
            notes.error(located.node, "bad-address", message, help);
            None
        }
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, (String, String)> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let shown = clip(text);
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(text) || text.strip_prefix("localhost:").is_some_and(digits) {
        let port = text.strip_prefix("localhost:").unwrap_or(text);
        return port
            .parse()
            .map(|port| SocketAddr::new(loopback, port))
            .map_err(|_| {
                (
                    format!("`{}` is not a port", clip(port)),
                    "write a number from 1 to 65535".to_owned(),
                )
            });
    }
    Err(match text.split_once(':') {
        Some(("", port)) if digits(port) => (
            format!("`{shown}` does not say on which address"),
            format!(
                "write `127.0.0.1:{port}` for this machine only, `0.0.0.0:{port}` for all its addresses"
            ),
        ),
        Some((outer, inner)) if digits(outer) && digits(inner) => (
            format!("`{shown}` is not an address"),
            format!(
                "write `listen: 127.0.0.1:{outer}`; the program itself gets its port as `$PORT`"
            ),
        ),
        None if text.parse::<IpAddr>().is_ok() => (
            format!("`{shown}` has no port"),
            format!("add it: `{shown}:8080`"),
        ),
        _ => (
            format!("`{shown}` is not an address to listen on"),
            "write an IP address and a port, as in `127.0.0.1:8080`, `0.0.0.0:80`, `[::1]:8080`"
                .to_owned(),
        ),
    })
}

/// Whether two listeners cannot exist together.
pub(crate) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// A path made absolute without looking at the disk: `.` and `..` are resolved by their text.
pub(crate) fn absolute(base_dir: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{base_dir}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A file or folder, made absolute.
pub(crate) fn path(notes: &Notes, base_dir: &str, field: &Located<Text>) -> Option<String> {
    let text = plain_text(notes, field)?;
    if text.is_empty() {
        notes.error(
            field.node,
            "bad-path",
            "the path is empty",
            "write the path of a file or folder",
        );
        return None;
    }
    if text == "~" || text.starts_with("~/") {
        notes.error(
            field.node,
            "bad-path",
            format!(
                "`{}`: `~` is not replaced, as no shell is involved",
                clip(text)
            ),
            "write the whole path, or one relative to this file",
        );
        return None;
    }
    Some(absolute(base_dir, text))
}

/// A program and its arguments. A program that is a relative path is made absolute.
pub(crate) fn command(
    notes: &Notes,
    base_dir: &str,
    node: NodeId,
    command: &Command,
) -> Option<Vec<String>> {
    let mut words = match command {
        Brief::Word(CommandText(line)) => split(notes, node, line)?,
        Brief::Full(list) => {
            let words: Vec<Option<&str>> =
                list.iter().map(|word| plain_text(notes, word)).collect();
            let words: Option<Vec<&str>> = words.into_iter().collect();
            words?.into_iter().map(str::to_owned).collect()
        }
    };
    if words.len() > WORDS_MAX {
        notes.error(
            node,
            "bad-command",
            format!("the command has more than {WORDS_MAX} words"),
            "move them to a file",
        );
        return None;
    }
    match words.first_mut() {
        Some(program) if !program.trim().is_empty() => {
            if program.contains('/') && !program.starts_with(['/', '$']) {
                *program = absolute(base_dir, program);
            }
            Some(words)
        }
        _ => {
            notes.error(
                node,
                "empty-command",
                "the command is empty",
                "write a program and its arguments, as in `./checkout --port $PORT`",
            );
            None
        }
    }
}

/// Words of one line, as a shell would split them.
pub(crate) fn split(notes: &Notes, node: NodeId, line: &str) -> Option<Vec<String>> {
    // `#` begins a comment for the splitter, and must not: arguments would vanish without a word.
    const HASH: char = '\u{f8ff}';
    let words = if line.contains(HASH) {
        shlex::split(line)
    } else {
        shlex::split(&line.replace('#', &HASH.to_string())).map(|words| {
            words
                .into_iter()
                .map(|word| word.replace(HASH, "#"))
                .collect()
        })
    };
    let Some(words) = words else {
        notes.error(
            node,
            "bad-command",
            format!("a quote in `{}` is not closed", clip(line)),
            "close it, or write the command as a list",
        );
        return None;
    };
    if words.iter().any(|word: &String| word.contains('\0')) {
        notes.error(
            node,
            "bad-command",
            "the command has a NUL character",
            "remove it",
        );
        return None;
    }
    if let Some(first) = words.first()
        && let Some((name, _)) = first.split_once('=')
        && !name.is_empty()
        && !name.contains('/')
    {
        notes.error(
            node,
            "bad-command",
            format!(
                "`{}` is no program: there is no shell that would set a variable",
                clip(first)
            ),
            format!("move it to `env`, as `{}: …`", clip(name)),
        );
        return None;
    }
    if let Some(word) = words.iter().find(|word| is_shell_syntax(word)) {
        notes.warning(
            node,
            "shell-syntax",
            format!("`{}` is handed to the program as it stands: there is no shell", clip(word)),
            "for a shell write `[sh, -c, '…']`, with `exec` before the program so that it gets the signals",
        );
    }
    Some(words)
}

fn is_shell_syntax(word: &str) -> bool {
    matches!(
        word,
        "&&" | "||" | "|" | ";" | "&" | ">" | ">>" | "<" | "2>&1" | "2>" | "&>"
    ) || word.contains("$(")
        || word.contains('`')
}

/// Environment variables.
pub(crate) fn environment(notes: &Notes, field: &Field<Entries<Text>>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(Entries(entries)) = field.as_ref().and_then(|located| located.value.as_ref()) else {
        return variables;
    };
    for (name, value) in entries {
        let Some(name_text) = plain_text(notes, name) else {
            continue;
        };
        if name_text.is_empty() || name_text.contains(['=', ' ']) {
            notes.error(
                name.node,
                "bad-name",
                format!("`{}` is not a name of a variable", clip(name_text)),
                "write `NAME: value`",
            );
            continue;
        }
        if name_text == "PORT" || name_text.starts_with("SLUICE_") {
            notes.error(
                name.node,
                "reserved-name",
                format!("`{}` is set by Sluice itself", clip(name_text)),
                "rename it; the port of a replica is in `$PORT`",
            );
            continue;
        }
        if let Some(value) = plain_text(notes, value) {
            variables.insert(name_text.to_owned(), value.to_owned());
        }
    }
    variables
}
