//! Credentials and headers of outside servers. A secret is named by a variable or a file; one that is written out is refused.

use super::hooks::header_name;
use super::places::path;
use super::words::{plain_text, present};
use crate::notes::{Notes, clip};
use crate::reading::Located;
use crate::shape::{BasicFields, Brief, Entries, Field, SecretFields, SourceFields, Text};
use http::HeaderValue;
use sluice_model::outside::{Credentials, HeaderText, SecretPlace};
use std::collections::BTreeMap;

/// Headers whose values are secrets.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
];

/// How a source is shown who asks.
pub(super) fn credentials(
    notes: &Notes,
    base_dir: &str,
    fields: &SourceFields,
) -> Option<Credentials> {
    match (&fields.bearer, &fields.basic) {
        (None, None) => Some(Credentials::None),
        (Some(field), None) => secret(notes, base_dir, field).map(Credentials::Bearer),
        (None, Some(field)) => basic(notes, base_dir, field),
        (Some(_), Some(second)) => {
            notes.error(
                second.node,
                "conflict",
                "the source has both `bearer` and `basic`",
                "leave one of them out",
            );
            None
        }
    }
}

fn basic(notes: &Notes, base_dir: &str, field: &Located<BasicFields>) -> Option<Credentials> {
    let fields = field.value.as_ref()?;
    let (Some(username), Some(password)) = (&fields.username, &fields.password) else {
        notes.error(
            field.node,
            "missing-field",
            "`basic` needs a user and a password",
            "write `basic: {username: NAME, password: {env: VARIABLE}}`",
        );
        return None;
    };
    let username = plain_text(notes, username).map(str::to_owned);
    let password = secret(notes, base_dir, password);
    Some(Credentials::Basic {
        username: username?,
        password: password?,
    })
}

fn secret(notes: &Notes, base_dir: &str, field: &Located<SecretFields>) -> Option<SecretPlace> {
    let fields = field.value.as_ref()?;
    match (&fields.env, &fields.file) {
        (Some(env), None) => {
            let name = plain_text(notes, env)?;
            if name.is_empty() || name.contains(['=', '\0']) {
                notes.error(
                    env.node,
                    "bad-name",
                    format!("`{}` is not the name of a variable", clip(name)),
                    "write a name, as in `env: PROM_TOKEN`",
                );
                return None;
            }
            Some(SecretPlace::Env(name.to_owned()))
        }
        (None, Some(file)) => path(notes, base_dir, file).map(SecretPlace::File),
        (Some(_), Some(second)) => {
            notes.error(
                second.node,
                "conflict",
                "the secret is in two places",
                "leave `env` or `file` out",
            );
            None
        }
        (None, None) => {
            notes.error(
                field.node,
                "missing-field",
                "nothing says where the secret is found",
                "write `{env: VARIABLE}` or `{file: PATH}`",
            );
            None
        }
    }
}

type HeaderEntries = Entries<Brief<Text, SecretFields>>;

/// The headers of every request.
pub(super) fn headers(
    notes: &Notes,
    base_dir: &str,
    field: &Field<HeaderEntries>,
) -> Option<BTreeMap<String, HeaderText>> {
    let mut headers = BTreeMap::new();
    let Some((_, Entries(entries))) = present(field) else {
        return field.is_none().then_some(headers);
    };
    let mut sound = true;
    for (name, value) in entries {
        let read = name
            .value
            .as_ref()
            .and_then(|Text(text)| header_name(notes, name.node, text))
            .and_then(|name| Some((header(notes, base_dir, &name, value)?, name)));
        sound &= read.is_some();
        headers.extend(read.map(|(value, name)| (name, value)));
    }
    sound.then_some(headers)
}

fn header(
    notes: &Notes,
    base_dir: &str,
    name: &str,
    value: &Located<Brief<Text, SecretFields>>,
) -> Option<HeaderText> {
    let text = match value.value.as_ref()? {
        Brief::Word(Text(text)) => text,
        Brief::Full(fields) => {
            let field = Located {
                node: value.node,
                value: Some(fields.clone()),
            };
            return secret(notes, base_dir, &field).map(HeaderText::Secret);
        }
    };
    if SECRET_HEADERS.contains(&name) {
        notes.error(
            value.node,
            "literal-secret",
            format!("the value of `{name}` is a secret, and would be stored and shown"),
            "write `{env: VARIABLE}` or `{file: PATH}` instead",
        );
        return None;
    }
    if HeaderValue::from_str(text).is_err() {
        notes.error(
            value.node,
            "bad-header",
            "the value has characters that a header cannot carry",
            "write it on one line, without control characters",
        );
        return None;
    }
    Some(HeaderText::Plain(text.clone()))
}
