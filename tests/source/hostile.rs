//! A repository that would have something run on the host of whoever reads it: nothing is.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel::model::tree::EntryKind;
use evenkeel::source::SourceError;

use crate::Follower;
use crate::upstream::Upstream;

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";

/// Every hook that git knows at either side.
const HOOKS: [&str; 9] = [
    "fsmonitor-watchman",
    "post-checkout",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-update",
    "pre-receive",
    "reference-transaction",
    "update",
];

/// A program that leaves a mark when it is run.
struct Canary {
    directory: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A program of its own in `place`. Another process writes it: what is open for writing here while a test beside
    /// this one forks cannot be run.
    fn program(&self, place: &Path) -> PathBuf {
        let mark = self.directory.path().join("ran");
        let text = format!("#!/bin/sh\necho \"$0 $*\" >>{}\n", mark.display());
        let write = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
        let written = Command::new("sh").args(["-c", write]).arg(place).arg(text).status();
        assert!(written.unwrap().success());
        place.to_owned()
    }

    fn marks(&self) -> String {
        fs::read_to_string(self.directory.path().join("ran")).unwrap_or_default()
    }

    /// Puts it wherever git would look for programs: the configuration of the repository at `git`, and its hooks.
    fn plant(&self, git: &Path) {
        let evil = self.program(&self.directory.path().join("evil")).display().to_string();
        let config = format!(
            "[core]\n fsmonitor = {evil}\n sshCommand = {evil}\n gitProxy = {evil}\n pager = {evil}\n\
              askPass = {evil}\n hooksPath = {hooks}\n alternateRefsCommand = {evil}\n\
             [uploadpack]\n packObjectsHook = {evil}\n\
             [remote \"origin\"]\n uploadpack = {evil}\n url = ext::{evil}\n\
             [filter \"evil\"]\n smudge = {evil}\n clean = {evil}\n process = {evil}\n required\n\
             [diff \"evil\"]\n textconv = {evil}\n command = {evil}\n[credential]\n helper = !{evil}\n",
            hooks = git.join("hooks").display(),
        );
        let mut file = fs::File::options().append(true).open(git.join("config")).unwrap();
        file.write_all(config.as_bytes()).unwrap();
        fs::create_dir_all(git.join("hooks")).unwrap();
        HOOKS.iter().for_each(|name| drop(self.program(&git.join("hooks").join(name))));
    }
}

fn hostile(canary: &Canary) -> Upstream {
    let upstream = Upstream::new();
    let evil = canary.program(&canary.directory.path().join("evil")).display().to_string();
    let modules = format!(
        "[submodule \"a\"]\n path = hosts/web-1/sub\n url = ext::{evil}\n update = !{evil}\n\
         [submodule \"b\"]\n path = -x\n url = -u{evil}\n"
    );
    let attributes = "* filter=evil diff=evil merge=evil ident\n*.bin filter=lfs\n";
    let own = format!("[core]\n fsmonitor = {evil}\n sshCommand = {evil}\n");
    upstream.commit(
        "main",
        &[
            ("hosts/web-1/compose.yaml", "two $Id$"),
            (".gitattributes", attributes),
            ("hosts/.gitattributes", attributes),
            (".gitmodules", &modules),
            (".gitconfig", &own),
            ("config", &own),
            ("hosts/web-1/large.bin", LFS),
            ("exec:hosts/web-1/run.sh", "#!/bin/sh\n"),
            ("link:hosts/web-1/out", "/etc/passwd"),
            ("link:hosts/web-1/up", "../../../.."),
        ],
    );
    canary.plant(&upstream.path());
    upstream
}

#[tokio::test]
async fn nothing_that_a_repository_names_is_run_and_everything_is_what_it_is_in_git() {
    let canary = Canary::new();
    let upstream = hostile(&canary);
    let path = upstream.path().display().to_string();
    for repo in [path.clone(), format!("file://{path}")] {
        let follower = Follower::of(repo);
        follower.latest().await;
        if follower.state.path().join("git").exists() {
            canary.plant(&follower.mirror());
        }
        upstream.commit("main", &[("hosts/web-1/more", "x")]);
        let before = canary.marks();
        let revision = follower.latest().await.revision;
        let read = |path: &str| {
            let bytes = revision.tree.read(&format!("hosts/web-1/{path}"), 1 << 20).unwrap();
            bytes.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(read("compose.yaml").as_deref(), Some("two $Id$"));
        assert_eq!(read("large.bin").as_deref(), Some(LFS), "a pointer is what git has");
        assert_eq!((read("out"), read("up"), read("up/etc/passwd")), (None, None, None));
        let kind = |path: &str| revision.tree.kind(&format!("hosts/web-1/{path}")).unwrap();
        assert_eq!((kind("out"), kind("up")), (Some(EntryKind::Symlink), Some(EntryKind::Symlink)));
        assert_eq!(canary.marks(), before, "something was run");
    }
    // The canary does sing: git itself runs what stands there.
    let shown =
        Command::new("git").arg("-C").arg(upstream.path()).args(["var", "GIT_PAGER"]).output();
    assert!(String::from_utf8_lossy(&shown.unwrap().stdout).contains("evil"));
    let hook = upstream.path().join("hooks/update");
    assert!(Command::new(&hook).status().unwrap().success());
    assert!(canary.marks().contains("hooks/update"));
}

/// A tree of these entries, whatever their names are; git itself would refuse some.
fn raw_tree(upstream: &Upstream, entries: &[(&str, &str, &str)]) -> String {
    let mut tree = Vec::new();
    for (mode, name, id) in entries {
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
        tree.extend((0..id.len()).step_by(2).map(byte));
    }
    write_object(upstream, "tree", &tree)
}

fn write_object(upstream: &Upstream, kind: &str, bytes: &[u8]) -> String {
    let mut git = Command::new("git")
        .arg("-C")
        .arg(upstream.path())
        .args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn names_that_lead_elsewhere_lead_nowhere() {
    let upstream = Upstream::new();
    let blob = write_object(&upstream, "blob", b"planted");
    let inner = raw_tree(&upstream, &[("100644", "passwd", &blob), ("100644", "config", &blob)]);
    let names = [("40000", ".."), ("40000", "."), ("40000", ".git"), ("100644", "a/b")];
    let mut entries: Vec<(&str, &str, &str)> = names
        .iter()
        .map(|(mode, name)| (*mode, *name, if *mode == "40000" { &*inner } else { &*blob }))
        .collect();
    entries.sort_by_key(|(_, name, _)| *name);
    let conf = raw_tree(&upstream, &entries);
    let stack = write_object(&upstream, "blob", b"one");
    let host = raw_tree(&upstream, &[("100644", "compose.yaml", &stack), ("40000", "conf", &conf)]);
    let hosts = raw_tree(&upstream, &[("40000", "web-1", &host)]);
    let root = raw_tree(&upstream, &[("40000", "hosts", &hosts)]);
    let commit = upstream.git(&["commit-tree", "-m", "m", &root]);
    upstream.git(&["update-ref", "refs/heads/main", &commit]);

    let path = upstream.path().display().to_string();
    let follower = Follower::of(format!("file://{path}"));
    // Refusing the commit as a whole would be right as well.
    let Ok(fetched) = follower.source.latest().await else { return };
    let tree = &fetched.revision.tree;
    for inside in ["../passwd", "./passwd", "a/b", ".."] {
        let path = format!("hosts/web-1/conf/{inside}");
        assert_eq!(tree.read(&path, 1 << 20).unwrap(), None, "{path}");
    }
    let to = tempfile::tempdir().unwrap();
    let target = to.path().join(".exported/f00/conf");
    let tree = fetched.revision.tree.clone();
    let export = evenkeel::model::stack::Export { target, tree, path: "hosts/web-1/conf".into() };
    evenkeel::apply::files::export(&export).unwrap_err();
    assert!(!to.path().join(".exported/f00/passwd").exists());
    assert!(!to.path().join(".exported/f00/conf").exists());
}

#[tokio::test]
async fn an_address_never_becomes_an_option_or_a_command() {
    let canary = Canary::new();
    let evil = canary.program(&canary.directory.path().join("evil")).display().to_string();
    for address in [
        format!("ssh://-oProxyCommand={evil}/x"),
        format!("-oProxyCommand={evil}:x"),
        format!("git@-oProxyCommand={evil}:x"),
        format!("git@host.invalid:--upload-pack={evil}"),
    ] {
        let error = Follower::of(address.as_str()).failure().await;
        let is_refused =
            matches!(error, SourceError::Address { .. } | SourceError::Directory { .. });
        assert!(is_refused, "{address}: {error}");
    }
    // These are names of servers that are not there, and of directories.
    for address in [format!("ext::{evil}"), format!("ssh://git@host.invalid/$({evil})`{evil}`")] {
        Follower::of(address.as_str()).failure().await;
    }
    assert_eq!(canary.marks(), "");
    let mode = fs::metadata(&evil).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it could have been run");
}
