//! Finding things: the document, the state folder, the Sluice to talk to, the service that is meant.

use super::args::Global;
use super::failure::{Exit, Failure};
use sluice_model::ids::ServiceName;
use sluice_server::{Client, Token};
use std::path::{Path, PathBuf};

/// The document's file name.
pub(crate) const DOCUMENT_FILE: &str = "sluice.yaml";
/// The state folder's name beside the document.
pub(crate) const STATE_FOLDER: &str = ".sluice";

/// The document to use: the one named, or the first found here or above.
pub(crate) fn document(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_path_buf());
    }
    let here = current_dir()?;
    find_above(&here).ok_or_else(|| {
        let message = format!(
            "there is no {DOCUMENT_FILE} in {} or above it",
            here.display()
        );
        Failure::new(Exit::Missing, "no-document", message)
            .with_help("name the file, or go to the folder that has it")
    })
}

/// The state folder to use: the one named, or the one beside the document.
pub(crate) fn state_dir(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_path_buf());
    }
    let here = current_dir()?;
    match find_above(&here) {
        Some(document) => Ok(beside(&document)),
        None => {
            let message = format!(
                "cannot tell which Sluice is meant: there is no {DOCUMENT_FILE} in {} or above it",
                here.display()
            );
            Err(Failure::new(Exit::Missing, "no-document", message)
                .with_help("go to the document's folder, or name the state folder with --state"))
        }
    }
}

/// The state folder of a document.
pub(crate) fn beside(document: &Path) -> PathBuf {
    document.with_file_name(STATE_FOLDER)
}

fn current_dir() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| {
        Failure::new(
            Exit::Failed,
            "file",
            format!("the current folder is gone: {error}"),
        )
    })
}

fn find_above(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .map(|folder| folder.join(DOCUMENT_FILE))
        .find(|path| path.is_file())
}

/// A client of the Sluice that is meant.
pub(crate) fn client(global: &Global) -> Result<Client, Failure> {
    let Some(address) = &global.server else {
        return Ok(Client::local(state_dir(global.state.as_deref())?));
    };
    let bad_token = |error: sluice_server::token::TokenError| {
        Failure::new(Exit::Usage, "token", error.to_string())
    };
    // Not an option: a token on a command line is seen by every user of the machine.
    if let Some(text) = std::env::var_os("SLUICE_TOKEN") {
        let token = Token::parse(&text.to_string_lossy(), "SLUICE_TOKEN").map_err(bad_token)?;
        return Ok(Client::remote(address, token));
    }
    let found = match state_dir(global.state.as_deref()) {
        Ok(state_dir) => Token::load(&state_dir).map_err(bad_token)?,
        Err(_) => None,
    };
    found
        .map(|token| Client::remote(address, token))
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "token",
                format!("there is no token for {address}"),
            )
            .with_help("set SLUICE_TOKEN to what the file api.token in its state folder says")
        })
}

/// The service that is meant: the one named, or the only one there is.
pub(crate) async fn service(
    client: &Client,
    named: Option<ServiceName>,
) -> Result<ServiceName, Failure> {
    if let Some(name) = named {
        return Ok(name);
    }
    let mut names: Vec<ServiceName> = client
        .services()
        .await?
        .into_iter()
        .map(|view| view.service)
        .collect();
    match names.len() {
        0 => Err(Failure::new(
            Exit::Missing,
            "unknown-service",
            "there are no services yet",
        )
        .with_help(format!(
            "add one to {DOCUMENT_FILE} and run `sluice deploy`"
        ))),
        1 => Ok(names.remove(0)),
        _ => Err(only_one(&names)),
    }
}

/// The failure for a service left out where there are several.
pub(crate) fn only_one(names: &[ServiceName]) -> Failure {
    let listed: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
    Failure::new(
        Exit::Usage,
        "which-service",
        "there are several services; say which one",
    )
    .with_help(format!("one of: {}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_found_from_a_folder_below() {
        let root = tempfile::tempdir().expect("a folder");
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).expect("folders");
        assert_eq!(find_above(&below), None);
        std::fs::write(root.path().join(DOCUMENT_FILE), "").expect("write");
        let found = find_above(&below).expect("found");
        assert_eq!(found, root.path().join(DOCUMENT_FILE));
        assert_eq!(beside(&found), root.path().join(".sluice"));
        // A folder of that name is no document.
        std::fs::create_dir(below.join(DOCUMENT_FILE)).expect("folder");
        assert_eq!(find_above(&below), Some(found));
    }
}
