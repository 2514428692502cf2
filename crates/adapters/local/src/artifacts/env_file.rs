//! Files of `NAME=value` lines.
//!
//! Blank lines and lines that begin with `#` are skipped; a leading `export` and quotes around the
//! whole value are removed. Nothing is expanded.

use super::error::ArtifactError;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Largest file, in bytes; the kernel takes no more in an environment.
const ENV_FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn read(file: &Path) -> Result<BTreeMap<String, String>, ArtifactError> {
    let at = |what| ArtifactError::at(what, file);
    let opened = File::open(file).map_err(at("read the environment file"))?;
    let mut text = String::new();
    let read = opened
        .take(ENV_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(at("read the environment file"))?;
    if read as u64 > ENV_FILE_BYTES_MAX {
        let too_large = io::Error::other(format!("it is larger than {ENV_FILE_BYTES_MAX} bytes"));
        return Err(at("read the environment file")(too_large));
    }
    parse(&text).map_err(|(line, problem)| ArtifactError::EnvFile {
        file: file.to_owned(),
        line,
        problem: problem.to_owned(),
    })
}

/// The variables, or the line (from 1) and what is wrong with it.
fn parse(text: &str) -> Result<BTreeMap<String, String>, (usize, &'static str)> {
    let mut env = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or((index + 1, "there is no `=`"))?;
        let name = name.trim();
        let first_ok = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !first_ok
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err((
                index + 1,
                "the name before `=` is not one of letters, digits and `_`",
            ));
        }
        if value.contains('\0') {
            return Err((index + 1, "the value holds a zero byte"));
        }
        env.insert(name.to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(env)
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_people_write_them() {
        let text = "# database\nURL=postgres://db/shop?a=b\n\nexport NAME = 'two words' \nEMPTY=\r\nQ=\"\n_x=\"$HOME\"\n";
        let env = parse(text).expect("it is well formed");
        let expected = [
            ("EMPTY", ""),
            ("NAME", "two words"),
            ("Q", "\""),
            ("URL", "postgres://db/shop?a=b"),
            ("_x", "$HOME"),
        ];
        let read: Vec<(&str, &str)> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, line) in [("A=1\nB\n", 2), ("=x", 1), ("1A=x", 1), ("#\n\nA B=1", 3)] {
            assert_eq!(parse(text).map_err(|(line, _)| line), Err(line), "{text}");
        }
        let missing = read(Path::new("/nowhere/shop.env"))
            .expect_err("there is none")
            .to_string();
        assert!(
            missing.starts_with("cannot read the environment file /nowhere/shop.env: "),
            "{missing}"
        );
    }
}
