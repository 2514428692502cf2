//! The shared configuration files: profiles by name, and their settings.
//!
//! Source: "AWS SDKs and Tools Reference Guide", "Shared config and credentials files". Own code,
//! because the format is not that of INI libraries: lines that are indented belong to the setting
//! above, and the two files title their sections differently.

use super::environment::AwsEnvironment;
use super::error::AwsError;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// All profiles of both files.
#[derive(Default)]
pub(super) struct Profiles {
    by_name: BTreeMap<String, Profile>,
    /// The files that were read, for messages.
    files: Vec<String>,
    /// Those that were not, with the cause.
    unread: Vec<String>,
}

/// A profile's settings. It has no `Debug` form: keys are among them.
#[derive(Default)]
pub(super) struct Profile(BTreeMap<String, String>);

/// Which of the two files it is.
#[derive(Clone, Copy)]
enum File {
    /// Profiles other than `default` are titled `[profile name]`.
    Config,
    /// Sections are titled by the profile's name; their settings go before those of the other file.
    Credentials,
}

impl Profiles {
    /// The profiles of the files that there are.
    ///
    /// # Errors
    /// A file cannot be read. One that is missing has no profiles; nor has one of a home folder that
    /// this process may not look into, which in a container is somebody else's.
    pub(super) async fn read(environment: &AwsEnvironment) -> Result<Profiles, AwsError> {
        let mut profiles = Profiles::default();
        for (file, variable, name) in [
            (File::Config, "AWS_CONFIG_FILE", "config"),
            (
                File::Credentials,
                "AWS_SHARED_CREDENTIALS_FILE",
                "credentials",
            ),
        ] {
            let Some(path) = environment.file(variable, name) else {
                continue;
            };
            match read(&path).await {
                Ok(text) => {
                    profiles.add(file, &text);
                    profiles.files.push(path.display().to_string());
                }
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        || (error.kind() == ErrorKind::PermissionDenied
                            && environment.get(variable).is_none()) =>
                {
                    profiles.unread.push(format!("{}: {error}", path.display()));
                }
                Err(error) => {
                    return Err(AwsError::new(
                        format!("{} cannot be read: {error}", path.display()),
                        format!("let this process read it, or name another file in {variable}"),
                    ));
                }
            }
        }
        Ok(profiles)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.by_name.get(name)
    }

    /// The files that were read, as messages call them.
    pub(super) fn files(&self) -> String {
        self.files.join(" and ")
    }

    /// Where was looked, as messages call it.
    pub(super) fn looked_for(&self) -> String {
        match (self.files.as_slice(), self.unread.as_slice()) {
            ([], []) => "any file: neither is named, and there is no HOME".to_owned(),
            ([], unread) => format!("any file ({})", unread.join(", ")),
            (_, []) => self.files(),
            (_, unread) => format!("{} ({})", self.files(), unread.join(", ")),
        }
    }

    fn add(&mut self, file: File, text: &str) {
        let mut profile: Option<&mut Profile> = None;
        // Indented lines below `s3 =` are settings of that service.
        let mut is_nested = false;
        for line in text.lines() {
            let (line, is_indented) = (line.trim(), line.starts_with([' ', '\t']));
            if line.is_empty() || line.starts_with(['#', ';']) || (is_nested && is_indented) {
                continue;
            }
            is_nested = false;
            if let Some(title) = title(line) {
                let name = file.profile(title).map(str::to_owned);
                profile = name.map(|name| self.by_name.entry(name).or_default());
            } else if let Some((name, value)) = line.split_once('=') {
                let value = without_comment(value);
                is_nested = value.is_empty();
                if let Some(profile) = &mut profile {
                    let name = name.trim().to_ascii_lowercase();
                    profile.0.insert(name, value.to_owned());
                }
            }
        }
    }
}

impl Profile {
    /// A setting, unless it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

impl File {
    /// The name of the profile that a section with this title belongs to.
    fn profile(self, title: &str) -> Option<&str> {
        match self {
            File::Credentials => Some(title),
            File::Config if title == "default" => Some(title),
            File::Config => title
                .strip_prefix("profile")
                .filter(|rest| rest.starts_with(char::is_whitespace))
                .map(str::trim),
        }
    }
}

fn title(line: &str) -> Option<&str> {
    let (title, _comment) = line.strip_prefix('[')?.split_once(']')?;
    Some(title.trim())
}

/// A value up to a comment, which begins behind a space.
fn without_comment(value: &str) -> &str {
    let comment = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, before), mark)| before.is_whitespace() && matches!(mark, '#' | ';'));
    let end = comment.map_or(value.len(), |((place, _), _)| place);
    value[..end].trim()
}

/// A small file as text.
pub(super) async fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await?;
    let mut file = file.take(FILE_BYTES_MAX + 1);
    file.read_to_string(&mut text).await?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let cause = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, cause));
    }
    Ok(text)
}

#[cfg(test)]
impl Profiles {
    /// Profiles of files with these texts.
    pub(super) fn of(config: &str, credentials: &str) -> Profiles {
        let mut profiles = Profiles::default();
        profiles.add(File::Config, config);
        profiles.add(File::Credentials, credentials);
        profiles.files = vec!["config".to_owned(), "credentials".to_owned()];
        profiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[default]
region = eu-central-1

[profile shop] # the shop's own
ROLE_ARN = arn:aws:iam::1:role/shop ; not yet
s3 =
  max_concurrent_requests = 20
  region = us-east-1
  region = us-east-2
source_profile=default
aws_access_key_id = old

[sso-session shop]
region = us-west-1
[services shop]
region = us-west-2
";

    const CREDENTIALS: &str = "\
[default]
aws_access_key_id = AKID
# aws_secret_access_key = no

[ shop ]
  aws_access_key_id=SHOP
  aws_secret_access_key = a=b/c+#d
";

    #[test]
    fn both_files_say_what_a_profile_has() {
        let profiles = Profiles::of(CONFIG, CREDENTIALS);
        for (profile, setting, expected) in [
            ("default", "region", Some("eu-central-1")),
            ("default", "aws_access_key_id", Some("AKID")),
            ("default", "aws_secret_access_key", None),
            ("shop", "role_arn", Some("arn:aws:iam::1:role/shop")),
            ("shop", "region", None),
            ("shop", "source_profile", Some("default")),
            ("shop", "aws_access_key_id", Some("SHOP")),
            ("shop", "aws_secret_access_key", Some("a=b/c+#d")),
        ] {
            let found = profiles.get(profile).expect(profile);
            assert_eq!(found.get(setting), expected, "{profile} {setting}");
        }
        assert!(profiles.get("sso-session shop").is_none());
        assert!(profiles.get("bank").is_none());
    }

    #[tokio::test]
    async fn a_file_that_is_too_long_is_not_read_in_part() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        std::fs::write(&path, vec![b'#'; 300 * 1024]).expect("a file");
        let shown = path.display().to_string();
        let environment = AwsEnvironment::new(|name| {
            (name == "AWS_SHARED_CREDENTIALS_FILE").then(|| shown.clone())
        });
        let error = Profiles::read(&environment).await.err().expect("refused");
        assert!(error.to_string().contains("longer than"), "{error}");
    }
}
