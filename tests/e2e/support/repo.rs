//! A git repository of the test's own: the source that a host follows.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stdout_of;

/// A repository with a work tree, on branch `main`.
pub struct GitRepo {
    directory: PathBuf,
}

impl GitRepo {
    /// Makes an empty one, without any commit.
    pub fn create(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        let repo = Self { directory };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// Where the work tree lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file of the work tree.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.directory.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    /// Makes a symbolic link in the work tree.
    pub fn link(&self, path: &str, target: &str) {
        let file = self.directory.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, file).unwrap();
    }

    /// Removes a file or directory of the work tree.
    pub fn remove(&self, path: &str) {
        self.git(&["rm", "-r", "--quiet", "--cached", "--ignore-unmatch", path]);
        let path = self.directory.join(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .unwrap();
    }

    /// Commits the work tree as it is; gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits the work tree onto a new branch, as for a pull request, and goes back to `main`; gives its id.
    pub fn propose(&self, branch: &str) -> String {
        self.git(&["switch", "--quiet", "--create", branch]);
        let commit = self.commit("proposal");
        self.git(&["switch", "--quiet", "main"]);
        commit
    }

    /// Runs git in the work tree.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(&self.directory).args(arguments);
        // Nobody's own settings take part.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "tester");
            command.env(format!("GIT_{who}_EMAIL"), "tester@example.com");
        }
        stdout_of(&mut command)
    }
}
