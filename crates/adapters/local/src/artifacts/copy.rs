//! Walking through what is captured: hashing it, and copying it in the same pass.
//!
//! The hash is over what is written to the copy, so that a file that changes while it is read
//! cannot make a copy whose digest lies.

use super::ensure_folder;
use super::error::ArtifactError;
use crate::clock;
use rustix::fs::{FlockOperation, flock, syncfs};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Most bytes of a revision's files, all together.
pub const ARTIFACT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Most files and folders of a revision.
pub const ARTIFACT_FILES_MAX: u64 = 200_000;
/// Deepest folder; the walk recurses.
const DEPTH_MAX: usize = 100;
/// Files that are synced to the disk one by one; beyond that the whole file system is, once.
const SYNCED_EACH_MAX: u64 = 100;
/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Begins the names of unfinished copies.
pub(super) const DRAFT_PREFIX: &str = ".draft-";

/// A path that is copied, absolute and without `..`, and its name in the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// Whether it was listed; otherwise it is there for being the program.
    pub(super) listed: bool,
}

/// Hashes everything, without copying it.
pub(super) fn read_all(copies: &[Captured], hasher: &mut Sha256) -> Result<(), ArtifactError> {
    Walk::new(hasher).all(copies, None)
}

/// A copy that is not finished. It is removed unless published.
pub(super) struct Draft {
    folder: PathBuf,
    path: PathBuf,
    /// Held so that nobody takes it for abandoned.
    lock: File,
    published: bool,
}

impl Draft {
    pub(super) fn create(folder: &Path) -> Result<Draft, ArtifactError> {
        ensure_folder(folder)?;
        let path = folder.join(format!("{DRAFT_PREFIX}{:016x}", clock::random()));
        fs::create_dir(&path).map_err(ArtifactError::at("create", &path))?;
        let lock = try_lock(&path).map_err(ArtifactError::at("lock", &path))?;
        let lock = lock.ok_or_else(|| {
            ArtifactError::at("lock", &path)(io::Error::other("somebody else has it"))
        })?;
        Ok(Draft {
            folder: folder.to_owned(),
            path,
            lock,
            published: false,
        })
    }

    pub(super) fn fill(
        &self,
        copies: &[Captured],
        hasher: &mut Sha256,
    ) -> Result<(), ArtifactError> {
        if let Some(copy) = copies.iter().find(|copy| self.path.starts_with(&copy.path)) {
            let (path, state) = (copy.path.clone(), self.folder.clone());
            return Err(ArtifactError::HoldsState { path, state });
        }
        let mut walk = Walk::new(hasher);
        walk.all(copies, Some(&self.path))?;
        if walk.files > SYNCED_EACH_MAX {
            syncfs(&self.lock).map_err(|error| {
                ArtifactError::at("write to the disk", &self.path)(error.into())
            })?;
        }
        Ok(())
    }

    /// Makes the copy durable, then visible in one step. Somebody may have been faster: then theirs
    /// is as good.
    pub(super) fn publish(mut self, digest: &str) -> Result<(), ArtifactError> {
        let target = self.folder.join(digest);
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&self.path, readable)
            .map_err(ArtifactError::at("open up", &self.path))?;
        sync(&self.path)?;
        match fs::rename(&self.path, &target) {
            Ok(()) => self.published = true,
            Err(_) if target.is_dir() => return Ok(()),
            Err(error) => return Err(ArtifactError::at("rename the copy to", &target)(error)),
        }
        sync(&self.folder)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = remove_tree(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished copy stays behind until the next clean-up");
        }
    }
}

/// Takes the lock of a folder; `None` when somebody else has it.
pub(super) fn try_lock(folder: &Path) -> io::Result<Option<File>> {
    let file = File::open(folder)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes a copy. Gone already is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_dir());
    let removed = if is_file {
        fs::remove_file(path)
    } else {
        fs::remove_dir_all(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(path: &Path) -> Result<(), ArtifactError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(ArtifactError::at("write to the disk", path))
}

/// One pass over everything.
struct Walk<'a> {
    hasher: &'a mut Sha256,
    bytes: u64,
    files: u64,
    buffer: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(hasher: &'a mut Sha256) -> Walk<'a> {
        Walk {
            hasher,
            bytes: 0,
            files: 0,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    fn all(&mut self, copies: &[Captured], into: Option<&Path>) -> Result<(), ArtifactError> {
        for copy in copies {
            // The path itself may be a link (`current`): what counts is what it leads to now.
            let from = fs::canonicalize(&copy.path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ArtifactError::Missing(copy.path.clone()),
                _ => ArtifactError::at("read the artifact", &copy.path)(error),
            })?;
            let to = into.map(|folder| folder.join(&copy.name));
            self.field(copy.name.as_bytes());
            self.entry(&from, &from, to.as_deref(), 0)?;
        }
        Ok(())
    }

    /// Hashes a text with its length, so that no two lists of texts are hashed alike.
    fn field(&mut self, text: &[u8]) {
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }

    fn entry(
        &mut self,
        root: &Path,
        from: &Path,
        to: Option<&Path>,
        depth: usize,
    ) -> Result<(), ArtifactError> {
        self.files += 1;
        if self.files > ARTIFACT_FILES_MAX {
            return Err(ArtifactError::TooMany {
                files: ARTIFACT_FILES_MAX,
                at: from.to_owned(),
            });
        }
        if depth > DEPTH_MAX {
            return Err(ArtifactError::TooDeep {
                depth: DEPTH_MAX,
                at: from.to_owned(),
            });
        }
        let metadata = fs::symlink_metadata(from).map_err(ArtifactError::at("read", from))?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            self.link(root, from, to)
        } else if kind.is_dir() {
            self.folder(root, from, to, depth)
        } else if kind.is_file() {
            self.file(from, to)
        } else {
            Err(ArtifactError::Special(from.to_owned()))
        }
    }

    fn folder(
        &mut self,
        root: &Path,
        from: &Path,
        to: Option<&Path>,
        depth: usize,
    ) -> Result<(), ArtifactError> {
        let listed = fs::read_dir(from).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = listed.map_err(ArtifactError::at("list", from))?;
        names.sort();
        if let Some(to) = to {
            fs::create_dir(to).map_err(ArtifactError::at("create", to))?;
        }
        self.field(b"folder");
        self.hasher.update((names.len() as u64).to_le_bytes());
        for name in names {
            self.field(name.as_bytes());
            let target = to.map(|to| to.join(&name));
            self.entry(root, &from.join(&name), target.as_deref(), depth + 1)?;
        }
        if let Some(to) = to {
            fs::set_permissions(to, fs::Permissions::from_mode(0o755))
                .map_err(ArtifactError::at("open up", to))?;
            if self.files <= SYNCED_EACH_MAX {
                sync(to)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: Option<&Path>) -> Result<(), ArtifactError> {
        let reading = || ArtifactError::at("read", from);
        let mut source = File::open(from).map_err(reading())?;
        let metadata = source.metadata().map_err(reading())?;
        if !metadata.is_file() {
            return Err(ArtifactError::Special(from.to_owned()));
        }
        let executable = metadata.permissions().mode() & 0o111 != 0;
        // Nobody writes to a copy, and whoever may run the replica may read it.
        let mode = if executable { 0o555 } else { 0o444 };
        let mut target = match to {
            None => None,
            Some(to) => {
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(to);
                Some((file.map_err(ArtifactError::at("create", to))?, to))
            }
        };
        self.field(if executable { b"program" } else { b"file" });
        let mut length = 0_u64;
        loop {
            let read = match source.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(reading()(error)),
            };
            length += read as u64;
            self.bytes += read as u64;
            if self.bytes > ARTIFACT_BYTES_MAX {
                return Err(ArtifactError::TooLarge {
                    bytes: ARTIFACT_BYTES_MAX,
                    at: from.to_owned(),
                });
            }
            let piece = &self.buffer[..read];
            self.hasher.update(piece);
            if let Some((file, to)) = &mut target {
                file.write_all(piece)
                    .map_err(ArtifactError::at("write", to))?;
            }
        }
        // After the contents, for a file may grow while it is read.
        self.hasher.update(length.to_le_bytes());
        if let Some((file, to)) = target {
            // Against a umask that takes the right to read from others.
            let alone = self.files <= SYNCED_EACH_MAX;
            file.set_permissions(fs::Permissions::from_mode(mode))
                .and_then(|()| if alone { file.sync_all() } else { Ok(()) })
                .map_err(ArtifactError::at("write to the disk", to))?;
        }
        Ok(())
    }

    /// A link within the captured folder stays one; a link to a file elsewhere becomes the file.
    fn link(&mut self, root: &Path, from: &Path, to: Option<&Path>) -> Result<(), ArtifactError> {
        let target = fs::read_link(from).map_err(ArtifactError::at("read", from))?;
        let lost = || ArtifactError::Link {
            link: from.to_owned(),
            target: target.clone(),
        };
        let real = fs::canonicalize(from).map_err(|_| lost())?;
        if !real.starts_with(root) {
            return if real.is_file() {
                self.file(&real, to)
            } else {
                Err(lost())
            };
        }
        // Written anew, relative, so that it holds wherever the copy lies.
        let folder = from.parent().unwrap_or(root);
        let relative = relative(folder, &real);
        self.field(b"link");
        self.field(relative.as_os_str().as_bytes());
        if let Some(to) = to {
            symlink(&relative, to).map_err(ArtifactError::at("create", to))?;
        }
        Ok(())
    }
}

/// The way from `folder` to `target`, both absolute and free of links.
fn relative(folder: &Path, target: &Path) -> PathBuf {
    let shared = folder
        .components()
        .zip(target.components())
        .take_while(|(a, b)| a == b)
        .count();
    let mut way: PathBuf = folder.components().skip(shared).map(|_| "..").collect();
    way.extend(target.components().skip(shared));
    if way.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        way
    }
}
