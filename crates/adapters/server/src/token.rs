//! The bearer token of the TCP listener: 256 random bits in hex, in a file that only the state
//! folder's owner may read.
//!
//! Whoever has the token may do everything the API offers. It is never printed; its `Debug` form is
//! blank.

use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The token's file within the state folder.
pub const TOKEN_FILE: &str = "api.token";

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// Longest file that is read as a token: the token and some white space.
const TOKEN_FILE_BYTES_MAX: u64 = 1024;

/// Why there is no usable token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file could not be read or written.
    #[error("cannot {doing} the API token {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "the API token {} may be read by other users (mode {mode:03o}); delete the file, and Sluice \
         makes a new one at its next start", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what Sluice writes.
    #[error(
        "{what} is not an API token: it has to be {} hex digits", TOKEN_BYTES * 2
    )]
    Malformed {
        /// The file, or where else the token came from.
        what: String,
    },
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A token from text; white space around it is dropped.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], naming `what` the text was.
    pub fn parse(text: &str, what: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        if text.len() == TOKEN_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Token(text.to_ascii_lowercase()))
        } else {
            Err(TokenError::Malformed {
                what: what.to_owned(),
            })
        }
    }

    /// The token of a state folder, if it has one.
    ///
    /// # Errors
    /// See [`TokenError`]; a token that others may read is refused.
    pub fn load(state_dir: &Path) -> Result<Option<Token>, TokenError> {
        Self::load_file(&state_dir.join(TOKEN_FILE))
    }

    /// The token in a file, if there is such a file.
    ///
    /// # Errors
    /// See [`TokenError`]; a token that others may read is refused.
    pub fn load_file(path: &Path) -> Result<Option<Token>, TokenError> {
        let failed = |source| TokenError::Io {
            doing: "read",
            path: path.to_path_buf(),
            source,
        };
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.to_path_buf(),
                mode,
            });
        }
        let mut text = String::new();
        file.take(TOKEN_FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Token::parse(&text, &path.display().to_string()).map(Some)
    }

    /// The token of a state folder; makes one if there is none.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn load_or_create(state_dir: &Path) -> Result<Token, TokenError> {
        if let Some(token) = Self::load(state_dir)? {
            return Ok(token);
        }
        let path = state_dir.join(TOKEN_FILE);
        let token = Self::random()
            .and_then(|token| token.write(&path).map(|()| token))
            .map_err(|source| TokenError::Io {
                doing: "write",
                path,
                source,
            })?;
        Ok(token)
    }

    fn random() -> io::Result<Token> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
        }
        Ok(Token(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// Written aside and renamed, so that a crash leaves a whole token or none.
    fn write(&self, path: &Path) -> io::Result<()> {
        let aside = path.with_extension(format!("token.{}", std::process::id()));
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(self.0.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&aside, path)
    }

    /// The value of an `Authorization` header that carries it.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether an `Authorization` header carries it, in a time that does not depend on how much of
    /// it is right.
    #[must_use]
    pub fn is_borne_by(&self, header: &[u8]) -> bool {
        let presented = match header.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
            _ => return false,
        };
        self.0.as_bytes().ct_eq(presented.trim_ascii()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_closed_to_others_and_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Token::load(folder.path()).expect("load"), None);
        let made = Token::load_or_create(folder.path()).expect("create");
        assert_eq!(Token::load_or_create(folder.path()).expect("again"), made);
        let path = folder.path().join(TOKEN_FILE);
        assert_eq!(
            fs::metadata(&path).expect("metadata").permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_to_string(&path).expect("read").trim().len(), 64);
        let other = tempfile::tempdir().expect("a folder");
        assert_ne!(Token::load_or_create(other.path()).expect("create"), made);
        assert_eq!(format!("{made:?}"), "Token(..)");
    }

    #[test]
    fn a_token_that_others_may_read_or_that_is_cut_short_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        Token::load_or_create(folder.path()).expect("create");
        let path = folder.path().join(TOKEN_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = Token::load(folder.path()).expect_err("exposed");
        assert!(error.to_string().contains("mode 640"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        fs::write(&path, "abc").expect("write");
        let error = Token::load(folder.path()).expect_err("malformed");
        assert!(error.to_string().contains("64 hex digits"), "{error}");
    }

    #[test]
    fn only_the_whole_token_in_a_bearer_header_counts() {
        let text = "0123456789abcdef".repeat(4);
        let token = Token::parse(&text, "test").expect("token");
        let other = "1".repeat(64);
        for (header, expected) in [
            (format!("Bearer {text}"), true),
            (format!("bearer {text} "), true),
            (format!("Bearer {}", &text[..63]), false),
            (format!("Bearer {text}0"), false),
            (format!("Bearer {other}"), false),
            (format!("Basic {text}"), false),
            (text.clone(), false),
            ("Bearer ".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(token.is_borne_by(header.as_bytes()), expected, "{header}");
        }
        assert!(token.is_borne_by(token.bearer().as_bytes()));
    }
}
