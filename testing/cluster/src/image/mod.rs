//! Container images, assembled from files of this machine: nothing is pulled from anywhere.
//!
//! `layout` writes them as an archive that containerd imports; `libraries` finds what a program is linked to.

mod layout;
mod libraries;

use anyhow::{Context, Result, bail};
pub use layout::write_archive;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The domain and the folder that a short name stands for.
const DEFAULT_DOMAIN: &str = "docker.io";
const DEFAULT_FOLDER: &str = "library";
const DEFAULT_TAG: &str = "latest";

/// One image of one layer.
#[derive(Clone, Debug)]
pub struct Image {
    names: Vec<String>,
    /// What lies where, by the path without the leading `/`.
    entries: BTreeMap<PathBuf, Entry>,
    entrypoint: Vec<String>,
    command: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Folder {
        mode: u32,
    },
    /// The content of a file of this machine.
    Copy {
        from: PathBuf,
        mode: u32,
    },
    Text(String),
    Link(PathBuf),
}

impl Image {
    /// An image with nothing in it but `/tmp` and the users `root` and `nobody`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let users = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
        let groups = "root:x:0:\nnogroup:x:65534:\n";
        let entries = [
            ("tmp", Entry::Folder { mode: 0o1777 }),
            ("etc/passwd", Entry::Text(users.to_owned())),
            ("etc/group", Entry::Text(groups.to_owned())),
        ];
        Self {
            names: vec![canonical(name)],
            entries: entries
                .into_iter()
                .map(|(path, entry)| (PathBuf::from(path), entry))
                .collect(),
            entrypoint: Vec::new(),
            command: Vec::new(),
        }
    }

    /// An image that runs a program of this machine, with the libraries that the program is linked to.
    ///
    /// # Errors
    /// When the program is not there, or one of its libraries is not.
    pub fn of_program(name: &str, program: &Path) -> Result<Self> {
        let file_name = program
            .file_name()
            .and_then(|name| name.to_str())
            .with_context(|| format!("{} is no program", program.display()))?;
        let inside = format!("/bin/{file_name}");
        let mut image = Self::new(name).with_file(program, &inside)?;
        for library in libraries::of(program)? {
            let place = library.to_string_lossy().into_owned();
            image = image.with_file(&library, &place)?;
        }
        Ok(image.with_entrypoint(&[&inside]))
    }

    /// An image with busybox under the names of all its programs; it runs a shell.
    ///
    /// # Errors
    /// When busybox is not there or does not say what it can do.
    pub fn of_busybox(name: &str, busybox: &Path) -> Result<Self> {
        let mut image = Self::of_program(name, busybox)?;
        for applet in libraries::busybox_applets(busybox)? {
            let place = PathBuf::from("bin").join(applet);
            image
                .entries
                .entry(place)
                .or_insert_with(|| Entry::Link(PathBuf::from("busybox")));
        }
        image.entrypoint = Vec::new();
        image.command = vec!["sh".to_owned()];
        Ok(image)
    }

    /// Also under this name.
    #[must_use]
    pub fn also_named(mut self, name: &str) -> Self {
        self.names.push(canonical(name));
        self
    }

    /// With a file of this machine at `inside`; readable, and executable where it is here.
    ///
    /// # Errors
    /// When the file is not there, or `inside` is no absolute path.
    pub fn with_file(mut self, from: &Path, inside: &str) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let Some(place) = inside.strip_prefix('/').filter(|place| !place.is_empty()) else {
            bail!("`{inside}` is no place in an image; use an absolute path");
        };
        let metadata = std::fs::metadata(from)
            .with_context(|| format!("{} is needed in an image", from.display()))?;
        let mode = 0o644 | metadata.permissions().mode() & 0o111;
        let entry = Entry::Copy {
            from: from.to_owned(),
            mode,
        };
        self.entries.insert(PathBuf::from(place), entry);
        Ok(self)
    }

    /// With this program and arguments, which a pod's `command` replaces.
    #[must_use]
    pub fn with_entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// With these arguments, which a pod's `args` replace.
    #[must_use]
    pub fn with_command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The full names, as containerd knows the image.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The full form of an image's name: `busybox:1` is `docker.io/library/busybox:1`.
///
/// A first part is a domain when it has a dot or a port or is `localhost`; otherwise it is a folder on the default domain.
#[must_use]
pub fn canonical(name: &str) -> String {
    let with_domain = match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("{DEFAULT_DOMAIN}/{name}"),
        None => format!("{DEFAULT_DOMAIN}/{DEFAULT_FOLDER}/{name}"),
    };
    let last = with_domain.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) {
        with_domain
    } else {
        format!("{with_domain}:{DEFAULT_TAG}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stand_for_full_ones() {
        for (short, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("argoproj/demo:blue", "docker.io/argoproj/demo:blue"),
            ("localhost/pause:1", "localhost/pause:1"),
            ("localhost:5000/web", "localhost:5000/web:latest"),
            ("example.org/a/b:c", "example.org/a/b:c"),
        ] {
            assert_eq!(canonical(short), full, "{short}");
        }
    }

    #[test]
    fn a_file_has_to_be_there_and_to_get_an_absolute_place() {
        let relative = Image::new("x").with_file(Path::new("/bin/sh"), "bin/sh");
        assert!(relative.is_err_and(|error| error.to_string().contains("absolute")));
        let absent = Image::of_program("x", Path::new("/no/such/program"));
        assert!(absent.is_err_and(|error| error.to_string().contains("/no/such/program")));
    }
}
