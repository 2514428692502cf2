//! A revision's own copy of its files: its digest, what runs from it, and what is refused.

mod support;

use sluice_local::artifacts::{capture, collect_garbage};
use sluice_model::workload::Workload;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::{Stage, get, revision, server};
use tempfile::TempDir;

/// A project: a program, a site with a link, and an environment file.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new() -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Project { folder };
        fs::create_dir_all(project.path("site/en")).expect("writable");
        project.write("site/index.html", "hello");
        project.write("site/en/page.html", "page");
        symlink("en/page.html", project.path("site/link.html")).expect("writable");
        project.write("shop.env", "COLOUR=blue\nSIZE=1\n");
        project.write("serve", "#!/bin/sh\necho serving $1\nexec sleep 1000\n");
        project.set_mode("serve", 0o755);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writable");
    }

    fn set_mode(&self, name: &str, mode: u32) {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), mode).expect("it is ours");
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn workload(&self) -> Workload {
        let words = ["./serve", "site", "--root=./site/en", "$COLOUR"];
        Workload {
            command: words.map(str::to_owned).to_vec(),
            artifacts: vec![self.path("site").display().to_string()],
            env_files: vec![self.path("shop.env").display().to_string()],
            env: [("SIZE".to_owned(), "2".to_owned())].into(),
            workdir: self.path("").display().to_string(),
            ..server(&[])
        }
    }

    fn digest(&self) -> String {
        capture(&self.state(), &self.workload())
            .expect("all is there")
            .digest
    }
}

/// Everything below a folder: path, mode, and contents or the link's target.
fn tree(folder: &Path) -> Vec<(String, u32, String)> {
    let mut entries = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let metadata = fs::symlink_metadata(&path).expect("it exists");
            let name = path
                .strip_prefix(folder)
                .expect("it lies there")
                .display()
                .to_string();
            let contents = if metadata.is_symlink() {
                fs::read_link(&path).expect("a link").display().to_string()
            } else if metadata.is_dir() {
                folders.push(path);
                continue;
            } else {
                fs::read_to_string(&path).expect("text")
            };
            entries.push((name, metadata.permissions().mode() & 0o777, contents));
        }
    }
    entries.sort();
    entries
}

#[test]
fn the_copy_is_complete_and_the_workload_runs_from_it() {
    let project = Project::new();
    let captured = capture(&project.state(), &project.workload()).expect("all is there");
    let home = project.state().join("artifacts").join(&captured.digest);
    let tree = tree(&home);
    let seen: Vec<(&str, u32, &str)> = tree
        .iter()
        .map(|(name, mode, text)| (name.as_str(), *mode, text.as_str()))
        .collect();
    let program = "#!/bin/sh\necho serving $1\nexec sleep 1000\n";
    assert_eq!(
        seen,
        [
            ("serve", 0o555, program),
            ("site/en/page.html", 0o444, "page"),
            ("site/index.html", 0o444, "hello"),
            ("site/link.html", 0o777, "en/page.html"),
        ]
    );
    let home = home.display();
    let run = captured.workload;
    let root = format!("--root={home}/site/en");
    assert_eq!(
        run.command,
        [
            format!("{home}/serve"),
            format!("{home}/site"),
            root,
            "$COLOUR".to_owned()
        ]
    );
    assert_eq!(run.env_files, Vec::<String>::new());
    let env: Vec<(&str, &str)> = run
        .env
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let home = home.to_string();
    assert_eq!(
        env,
        [
            ("COLOUR", "blue"),
            ("SIZE", "2"),
            ("SLUICE_ARTIFACTS", home.as_str())
        ]
    );
}

#[test]
fn the_digest_is_that_of_the_contents_and_of_nothing_else() {
    let project = Project::new();
    let first = project.digest();
    assert_eq!(first.len(), 64);
    // Neither times nor a second run change it.
    let file = fs::File::open(project.path("site/index.html")).expect("it exists");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .expect("it is ours");
    assert_eq!(project.digest(), first);
    type Change = fn(&Project);
    let changes: [(&str, Change); 6] = [
        ("contents", |project| {
            project.write("site/index.html", "hullo")
        }),
        ("another file", |project| project.write("site/new.html", "")),
        ("a name", |project| {
            fs::rename(
                project.path("site/new.html"),
                project.path("site/newer.html"),
            )
            .expect("ours");
        }),
        ("an executable bit", |project| {
            project.set_mode("site/newer.html", 0o755)
        }),
        ("a link's target", |project| {
            fs::remove_file(project.path("site/link.html")).expect("ours");
            symlink("index.html", project.path("site/link.html")).expect("ours");
        }),
        ("an environment file", |project| {
            project.write("shop.env", "COLOUR=green\n")
        }),
    ];
    let mut seen = BTreeSet::from([first]);
    for (name, change) in changes {
        change(&project);
        assert!(seen.insert(project.digest()), "{name} does not show");
    }
    let copies = fs::read_dir(project.state().join("artifacts"))
        .expect("it exists")
        .count();
    assert_eq!(copies, seen.len(), "one copy each, and no draft");
}

#[tokio::test]
async fn a_revision_runs_as_it_was_although_its_files_have_changed_or_are_gone() {
    let project = Project::new();
    let server_file = fs::read(support::SERVER).expect("it exists");
    fs::write(project.path("serve"), server_file).expect("writable");
    let words = ["./serve", "serve"].map(str::to_owned).to_vec();
    let workload = Workload {
        command: words,
        ..project.workload()
    };
    let captured = capture(&project.state(), &workload).expect("all is there");
    fs::remove_dir_all(project.path("site")).expect("it is ours");
    project.write("serve", "broken");
    let stage = Stage::open().await;
    let one = revision(1, captured.workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let port = stage.replicas()[0].port.expect("it runs");
    let env = get(port, "/env");
    let home = env
        .lines()
        .find_map(|line| line.strip_prefix("SLUICE_ARTIFACTS="))
        .expect("it is told");
    let page = fs::read_to_string(Path::new(home).join("site/index.html")).expect("it is kept");
    assert_eq!(page, "hello");
    assert!(env.contains("COLOUR=blue"));
    stage.close().await;
}

#[test]
fn a_program_of_the_machine_is_looked_up_and_not_copied() {
    let project = Project::new();
    let words = ["sh", "-c", "true"].map(str::to_owned).to_vec();
    let workload = Workload {
        command: words,
        artifacts: Vec::new(),
        ..project.workload()
    };
    let captured = capture(&project.state(), &workload).expect("sh is there");
    assert!(captured.workload.command[0].ends_with("/sh"));
    assert!(captured.workload.command[0].starts_with('/'));
    assert!(!captured.workload.env.contains_key("SLUICE_ARTIFACTS"));
    assert!(!project.state().join("artifacts").exists());
}

#[test]
fn what_lies_twice_under_one_name_or_within_another_is_kept_apart_or_once() {
    let project = Project::new();
    fs::create_dir_all(project.path("other/site")).expect("writable");
    project.write("other/site/index.html", "other");
    let path = |name: &str| project.path(name).display().to_string();
    let artifacts = ["site/en", "site", "other/site", "site"].map(path).to_vec();
    let words = ["./serve", "other/site/index.html", "site/en/page.html"].map(str::to_owned);
    let workload = Workload {
        artifacts,
        command: words.to_vec(),
        ..project.workload()
    };
    let captured = capture(&project.state(), &workload).expect("all is there");
    let home = project.state().join("artifacts").join(&captured.digest);
    let mut names: Vec<String> = fs::read_dir(&home)
        .expect("it exists")
        .map(|entry| {
            entry
                .expect("it can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["serve", "site", "site-2"]);
    let read = |word: &String| fs::read_to_string(word).expect("it points into the copy");
    assert_eq!(
        captured.workload.command[1..]
            .iter()
            .map(read)
            .collect::<Vec<_>>(),
        ["other", "page"]
    );
}

#[test]
fn links_are_kept_inside_followed_to_files_and_refused_where_they_lead_out() {
    let project = Project::new();
    project.write("outside.txt", "outside");
    symlink(project.path("outside.txt"), project.path("site/out.txt")).expect("writable");
    symlink(project.path("site/en"), project.path("site/absolute")).expect("writable");
    symlink("site", project.path("current")).expect("writable");
    let current = vec![project.path("current").display().to_string()];
    let workload = Workload {
        artifacts: current,
        ..project.workload()
    };
    let captured = capture(&project.state(), &workload).expect("all is there");
    let home = project.state().join("artifacts").join(&captured.digest);
    project.write("outside.txt", "changed");
    assert_eq!(
        fs::read_to_string(home.join("current/out.txt")).expect("a file"),
        "outside"
    );
    let absolute = fs::read_link(home.join("current/absolute")).expect("a link");
    assert_eq!(absolute, Path::new("en"));
    for (target, name) in [
        ("../../state", "to-a-folder"),
        ("/no/such/file", "dangling"),
    ] {
        let link = project.path("site").join(name);
        fs::create_dir_all(project.state()).expect("writable");
        symlink(target, &link).expect("writable");
        let error = capture(&project.state(), &workload)
            .expect_err(name)
            .to_string();
        assert!(
            error.contains(&format!("site/{name} links to {target}")),
            "{error}"
        );
        fs::remove_file(&link).expect("it is ours");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_name_and_leaves_nothing_behind() {
    let project = Project::new();
    make_fifo(&project.path("site/pipe"));
    let fifo = project.workload();
    let base = Workload {
        artifacts: Vec::new(),
        ..project.workload()
    };
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let path = |name: &str| project.path(name).display().to_string();
    let cases = [
        (fifo, "site/pipe is neither a file nor a folder"),
        (
            Workload {
                artifacts: vec![path("dist")],
                ..base.clone()
            },
            "project/dist does not exist: build it first",
        ),
        (
            Workload {
                command: words(&["./srve"]),
                ..base.clone()
            },
            "command not found: ./srve",
        ),
        (
            Workload {
                command: words(&["no-such-shop"]),
                ..base.clone()
            },
            "command not found: no-such-shop",
        ),
        (
            Workload {
                command: words(&["./shop.env"]),
                ..base.clone()
            },
            "shop.env is not executable",
        ),
        (
            Workload {
                command: words(&["./serve", "$COLUOR"]),
                ..base.clone()
            },
            "uses $COLUOR, which is not set",
        ),
        (
            Workload {
                command: Vec::new(),
                ..base.clone()
            },
            "the command is empty",
        ),
        (
            Workload {
                env_files: vec![path("serve")],
                ..base.clone()
            },
            "serve:2: there is no `=`",
        ),
        (
            Workload {
                workdir: path("nowhere"),
                ..base.clone()
            },
            "nowhere does not exist",
        ),
        (
            Workload {
                artifacts: vec![project.folder.path().display().to_string()],
                ..base
            },
            "holds Sluice's own state folder",
        ),
    ];
    for (workload, said) in cases {
        let error = capture(&project.state(), &workload)
            .expect_err(said)
            .to_string();
        assert!(error.contains(said), "{error}");
        if said.contains("pipe") {
            fs::remove_file(project.path("site/pipe")).expect("it is ours");
        }
    }
    let artifacts = project.state().join("artifacts");
    assert_eq!(
        fs::read_dir(artifacts).map_or(0, |entries| entries.count()),
        0
    );
}

fn make_fifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.expect("mkfifo is there").success());
}

#[test]
fn copies_that_nobody_needs_are_removed_with_drafts_that_a_crash_left() {
    let project = Project::new();
    assert_eq!(
        collect_garbage(&project.state(), &BTreeSet::new()).expect("nothing to do"),
        Vec::<String>::new()
    );
    let old = project.digest();
    project.write("site/index.html", "new");
    let new = project.digest();
    let draft = project.state().join("artifacts/.draft-0123");
    fs::create_dir_all(draft.join("site")).expect("writable");
    let keep = BTreeSet::from([new.clone()]);
    assert_eq!(
        collect_garbage(&project.state(), &keep).expect("they can be removed"),
        [old]
    );
    let left: Vec<_> = fs::read_dir(project.state().join("artifacts"))
        .expect("it exists")
        .map(|entry| {
            entry
                .expect("it can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(left, [new]);
}
