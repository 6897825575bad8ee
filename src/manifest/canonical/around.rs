//! Where the canonical form is made: the stack's surroundings, and its directory on this disk.

use std::path::{Component, Path, PathBuf};

use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// The surroundings of one stack.
pub struct Around<'a> {
    /// What the stack's readers look around in.
    pub scene: &'a Scene<'a>,
    /// Where the repository's root is on this disk.
    pub root: &'a Path,
}

impl Around<'_> {
    /// `path`, written at `at`, as seen from the directory of
    /// the project that it is written in. One that is absolute stays as it
    /// is, but for `~`.
    pub fn absolute(&self, at: &At<'_>, path: &str) -> String {
        if let Some(path) = self.scene.options.at_home(path) {
            return path.display().to_string();
        }
        if path.starts_with(['/', '~']) {
            return path.to_owned();
        }
        joined(&self.root.join(self.scene.directory_of(at.node)), path).display().to_string()
    }
}

/// `path` below `directory`, without `.` and `..`.
fn joined(directory: &Path, path: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for part in directory.join(path).components() {
        match part {
            Component::ParentDir => {
                joined.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Normal(_) | Component::Prefix(_) => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_in_the_stacks_directory() {
        let absolute = |path| joined(Path::new("/wd/shop"), path).display().to_string();
        assert_eq!(absolute("./data/"), "/wd/shop/data");
        assert_eq!(absolute("../x/./y"), "/wd/x/y");
        assert_eq!(absolute("."), "/wd/shop");
    }
}
