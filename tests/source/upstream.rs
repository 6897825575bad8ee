//! A bare repository that tests push to, made with `git fast-import`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with one bare repository, `repo.git`. Times count up, so that no two commits are equal.
pub struct Upstream {
    directory: tempfile::TempDir,
    clock: std::cell::Cell<u32>,
}

impl Upstream {
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Self { directory, clock: std::cell::Cell::new(1_700_000_000) };
        upstream.git(&["init", "-q", "--bare", "-b", "main", "."]);
        upstream
    }

    /// One commit on `main` with a stack in `hosts/web-1`.
    pub fn new() -> Self {
        let upstream = Self::empty();
        upstream.commit("main", &[("hosts/web-1/compose.yaml", "one")]);
        upstream
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("repo.git")
    }

    /// Adds a commit to `branch`; returns its id.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let exists =
            self.try_git(&["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")]);
        let from = exists.then(|| format!("refs/heads/{branch}^0"));
        self.commit_from(branch, from.as_deref(), files)
    }

    /// Makes `branch` one commit on top of `from`, whatever it was.
    pub fn commit_from(&self, branch: &str, from: Option<&str>, files: &[(&str, &str)]) -> String {
        self.clock.set(self.clock.get() + 1);
        let mut stream = format!(
            "commit refs/heads/{branch}\ncommitter T <t@example.org> {} +0000\ndata 1\nm\n",
            self.clock.get()
        );
        if let Some(from) = from {
            writeln!(stream, "from {from}").unwrap();
        }
        for (path, content) in files {
            let (mode, path) = match path.split_once(':') {
                Some(("link", path)) => ("120000", path),
                Some(("exec", path)) => ("100755", path),
                Some(_) | None => ("100644", *path),
            };
            writeln!(stream, "M {mode} inline {path}\ndata {}\n{content}", content.len()).unwrap();
        }
        self.import(stream.as_bytes());
        self.git(&["rev-parse", &format!("refs/heads/{branch}")])
    }

    pub fn import(&self, stream: &[u8]) {
        let mut child = self
            .command(&["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stream).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Runs git in the repository; returns what it prints.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn try_git(&self, arguments: &[&str]) -> bool {
        self.command(arguments).output().unwrap().status.success()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        std::fs::create_dir_all(self.path()).unwrap();
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for (name, value) in [("NAME", "T"), ("EMAIL", "t@example.org")] {
            command.env(format!("GIT_AUTHOR_{name}"), value);
            command.env(format!("GIT_COMMITTER_{name}"), value);
        }
        command
    }
}
