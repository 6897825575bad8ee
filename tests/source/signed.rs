//! A repository whose commits are signed by git itself, with keys made by ssh-keygen and gpg.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::upstream::Upstream;

/// A work tree whose branch is pushed to a bare repository, and the keys to sign with.
pub struct Signed {
    pub upstream: Upstream,
    directory: tempfile::TempDir,
    clock: std::cell::Cell<u32>,
}

/// When the first commit is made: 2026-01-01T00:00:00Z.
const BEGIN: u32 = 1_767_225_600;

impl Signed {
    /// With the SSH keys `alice` and `mallory`, and one commit that is signed by `alice`.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::empty();
        let signed = Self { upstream, directory, clock: std::cell::Cell::new(BEGIN) };
        signed.key("alice");
        signed.key("mallory");
        signed.run("git", &["init", "-q", "-b", "main", "work"]);
        let remote = signed.upstream.path().display().to_string();
        signed.git(&["remote", "add", "origin", &remote]);
        signed.commit(Some("alice"), "one");
        signed
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn key(&self, name: &str) {
        let key = self.path(name).display().to_string();
        self.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &key]);
    }

    /// Writes a file of those who may sign; `ALICE` and `MALLORY` in it are their keys.
    pub fn signers(&self, text: &str) -> PathBuf {
        let key = |name: &str| {
            std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
        };
        let text = text.replace("ALICE", &key("alice")).replace("MALLORY", &key("mallory"));
        std::fs::write(self.path("signers"), text).unwrap();
        self.path("signers")
    }

    /// Commits a stack file with `content` onto the branch that is checked out, signed with an SSH key, and pushes it.
    pub fn commit(&self, key: Option<&str>, content: &str) -> String {
        self.write(content);
        let commit = self.commit_as_it_is(key);
        self.push("HEAD");
        commit
    }

    pub fn write(&self, content: &str) {
        crate::write(&self.path("work/hosts/web-1/compose.yaml"), content);
    }

    /// Commits the work tree, and pushes nothing.
    pub fn commit_as_it_is(&self, key: Option<&str>) -> String {
        self.git(&["add", "--all"]);
        match key {
            None => self.git(&["commit", "-q", "--allow-empty", "-m", "m"]),
            Some(key) => {
                let key = format!("user.signingkey={}", self.path(key).display());
                let commit = ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S"];
                self.git(&[&commit[..], &["--allow-empty", "-m", "m"]].concat())
            }
        };
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes `main` of the bare repository what `what` is in the work tree, whatever it was.
    pub fn push(&self, what: &str) {
        self.git(&["push", "-q", "--force", "origin", &format!("{what}:refs/heads/main")]);
    }

    /// Makes a commit of these very bytes the newest of `main`.
    pub fn put(&self, raw: &[u8]) -> String {
        std::fs::write(self.path("raw"), raw).unwrap();
        let raw = self.path("raw").display().to_string();
        let commit = self.git(&["hash-object", "-t", "commit", "-w", "--literally", &raw]);
        self.push(&commit);
        commit
    }

    pub fn raw(&self, commit: &str) -> String {
        self.git(&["cat-file", "commit", commit]) + "\n"
    }

    /// Runs git in the work tree; each call is a minute later than the one before.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.run("git", &[&["-C", "work"], arguments].concat())
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        self.clock.set(self.clock.get() + 60);
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).args(arguments).stdin(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GNUPGHOME", self.path("gnupg")).env("LC_ALL", "C");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Tester");
            command.env(format!("GIT_{who}_EMAIL"), "t@example.org");
            command.env(format!("GIT_{who}_DATE"), format!("{} +0000", self.clock.get()));
        }
        command
    }

    /// Makes an OpenPGP key for `user` that expires after `lasting`, as if it were `when`; gives its fingerprint.
    pub fn gpg_key(&self, user: &str, lasting: &str, when: &str) -> String {
        let home = self.path("gnupg");
        std::fs::create_dir_all(&home).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&home, private).unwrap();
        let generate = ["--quick-generate-key", user, "ed25519", "sign", lasting];
        self.gpg(
            when,
            &[&["--passphrase", "", "--pinentry-mode", "loopback"], &generate[..]].concat(),
        );
        let listed = self.gpg(when, &["--list-keys", "--with-colons", user]);
        let line = listed.lines().find(|line| line.starts_with("fpr")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// Runs gpg as if it were `when`.
    pub fn gpg(&self, when: &str, arguments: &[&str]) -> String {
        let time = if when.is_empty() { vec![] } else { vec!["--faked-system-time", when] };
        self.run("gpg", &[&["--batch", "--quiet", "--yes"], &time[..], arguments].concat())
    }

    /// Writes the keys of `users` as `keyring` wants them.
    pub fn keyring(&self, name: &str, users: &[&str]) -> PathBuf {
        let file = self.path(name).display().to_string();
        self.gpg("", &[&["--output", file.as_str(), "--export"], users].concat());
        self.path(name)
    }

    /// Commits as [`Signed::commit`] does, signed with an OpenPGP key as if it were `when`.
    pub fn commit_by_gpg(&self, key: &str, when: &str, content: &str) -> String {
        self.write(content);
        let program = self.path("gpg-at");
        let time =
            if when.is_empty() { String::new() } else { format!("--faked-system-time {when}") };
        let script = format!("#!/bin/sh\nexec gpg --batch --quiet {time} \"$@\"\n");
        std::fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        self.git(&["add", "--all"]);
        let program = format!("gpg.program={}", program.display());
        let key = format!("user.signingkey={key}!");
        self.git(&["-c", &program, "-c", &key, "commit", "-q", "-S", "-m", "m"]);
        self.push("HEAD");
        self.git(&["rev-parse", "HEAD"])
    }
}

impl Drop for Signed {
    fn drop(&mut self) {
        let home: &Path = &self.path("gnupg");
        if home.exists() {
            // gpg leaves a program behind that holds keys.
            let _ = self.command("gpgconf", &["--kill", "all"]).output();
        }
    }
}
