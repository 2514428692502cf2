//! Images as an archive in the OCI image layout (image-spec v1.1, image-layout.md), which may hold many images under many names.

use super::{Entry, Image};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// By this annotation of the index containerd knows an image's full name.
const NAME: &str = "io.containerd.image.name";
/// Bytes of one image at most: layers are built in memory.
const LAYER_MAX: u64 = 1 << 30;

/// Writes images as one archive for `ctr images import`. The same images give the same bytes.
///
/// # Errors
/// When a file of an image cannot be read or is too large, or the archive cannot be written.
pub fn write_archive(images: &[Image], to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("{} cannot be written", to.display()))?;
    let mut archive = Archive {
        builder: Builder::new(BufWriter::new(file)),
        written: BTreeSet::new(),
    };
    let mut manifests = Vec::new();
    for image in images {
        let layer = archive.blob(LAYER, &layer(image)?)?;
        let config = archive.blob(CONFIG, &to_bytes(&config(image, &layer)?)?)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
        });
        let descriptor = archive.blob(MANIFEST, &to_bytes(&manifest)?)?;
        for name in image.names() {
            let mut named = descriptor.clone();
            named["annotations"] = json!({NAME: name});
            manifests.push(named);
        }
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    archive.file("index.json", &to_bytes(&index)?)?;
    archive.file(
        "oci-layout",
        &to_bytes(&json!({"imageLayoutVersion": "1.0.0"}))?,
    )?;
    archive.builder.into_inner()?.flush()?;
    Ok(())
}

struct Archive {
    builder: Builder<BufWriter<File>>,
    /// Digests of blobs that are in the archive: images with the same files share their layer.
    written: BTreeSet<String>,
}

impl Archive {
    /// Adds a blob; answers its descriptor.
    fn blob(&mut self, media_type: &str, content: &[u8]) -> Result<Value> {
        let digest: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if self.written.insert(digest.clone()) {
            self.file(&format!("blobs/sha256/{digest}"), content)?;
        }
        Ok(
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len()}),
        )
    }

    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        add_file(&mut self.builder, Path::new(path), 0o644, content)
    }
}

fn config(image: &Image, layer: &Value) -> Result<Value> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("images for {other} are not known here"),
    };
    Ok(json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
        },
        // The layer is not compressed: its digest is that of its content.
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }))
}

/// The files of an image with their folders, in order, owned by root, without a time.
fn layer(image: &Image) -> Result<Vec<u8>> {
    let mut entries: BTreeMap<PathBuf, Entry> = BTreeMap::new();
    for (path, entry) in &image.entries {
        for folder in path
            .ancestors()
            .skip(1)
            .filter(|folder| folder.components().next().is_some())
        {
            entries
                .entry(folder.to_owned())
                .or_insert(Entry::Folder { mode: 0o755 });
        }
        entries.insert(path.clone(), entry.clone());
    }
    let mut builder = Builder::new(Vec::new());
    let mut bytes = 0;
    for (path, entry) in &entries {
        match entry {
            Entry::Folder { mode } => {
                let mut header = header(EntryType::Directory, *mode, 0);
                builder.append_data(&mut header, path, &[][..])?;
            }
            Entry::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                builder.append_link(&mut header, path, target)?;
            }
            Entry::Text(text) => add_file(&mut builder, path, 0o644, text.as_bytes())?,
            Entry::Copy { from, mode } => {
                bytes += fs::metadata(from)?.len();
                if bytes > LAYER_MAX {
                    bail!(
                        "an image of more than {LAYER_MAX} bytes, with {}",
                        from.display()
                    );
                }
                let content = fs::read(from).with_context(|| from.display().to_string())?;
                add_file(&mut builder, path, *mode, &content)?;
            }
        }
    }
    Ok(builder.into_inner()?)
}

fn add_file<W: Write>(
    builder: &mut Builder<W>,
    path: &Path,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = header(EntryType::Regular, mode, content.len() as u64);
    Ok(builder.append_data(&mut header, path, content)?)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn to_bytes(value: &Value) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().expect("an archive");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let path = entry.path().expect("a path").display().to_string();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("content");
                (path, content)
            })
            .collect()
    }

    fn written(images: &[Image]) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("images.tar");
        write_archive(images, &place).expect("it is written");
        fs::read(place).expect("it is there")
    }

    #[test]
    fn every_descriptor_leads_to_a_blob_of_that_digest_and_size() {
        let image = Image::of_program("demo:1", Path::new("/bin/sh"))
            .expect("a shell")
            .also_named("demo:2");
        let files = read(&written(&[image]));
        assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"]
                .as_str()
                .and_then(|text| text.strip_prefix("sha256:"))
                .expect("a digest");
            let content = &files[&format!("blobs/sha256/{digest}")];
            let real: String = Sha256::digest(content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(
                (digest, descriptor["size"].as_u64()),
                (real.as_str(), Some(content.len() as u64))
            );
            content
        };
        let index = json(&files["index.json"]);
        let manifests = index["manifests"].as_array().expect("manifests");
        let names: Vec<&str> = manifests
            .iter()
            .filter_map(|one| one["annotations"][NAME].as_str())
            .collect();
        assert_eq!(
            names,
            ["docker.io/library/demo:1", "docker.io/library/demo:2"]
        );
        let manifest = json(blob(&manifests[0]));
        let config = json(blob(&manifest["config"]));
        assert_eq!(config["config"]["Entrypoint"], json!(["/bin/sh"]));
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        let layer = read(blob(&manifest["layers"][0]));
        assert_eq!(layer["bin/sh"], fs::read("/bin/sh").expect("a shell"));
        assert!(
            layer.contains_key("etc/passwd") && layer.keys().any(|path| path.contains("libc.so")),
            "{:?}",
            layer.keys()
        );
    }

    #[test]
    fn the_same_images_give_the_same_bytes_and_equal_layers_are_there_once() {
        let image = |name| Image::of_program(name, Path::new("/bin/sh")).expect("a shell");
        let one = written(&[image("a")]);
        assert_eq!(one, written(&[image("a")]));
        let two = written(&[image("a"), image("b").with_command(&["-c", "true"])]);
        assert!(
            two.len() < one.len() + 64 * 1024,
            "{} after {}",
            two.len(),
            one.len()
        );
    }
}
