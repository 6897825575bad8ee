//! A tree held in memory: a recorded generation, or the files of a test.

use std::collections::BTreeMap;

use super::fingerprint;
use super::tree::{Entry, EntryKind, Tree, TreeError};

/// Files by path. Directories are there because files are: an empty one cannot be held, as in git.
#[derive(Clone, Default)]
pub struct MemoryTree {
    leaves: BTreeMap<String, Leaf>,
}

#[derive(Clone)]
enum Leaf {
    File { content: Vec<u8>, executable: bool },
    Symlink,
}

impl MemoryTree {
    /// A tree of ordinary files.
    pub fn new<P, C>(files: impl IntoIterator<Item = (P, C)>) -> Self
    where
        P: Into<String>,
        C: Into<Vec<u8>>,
    {
        let mut tree = Self::default();
        for (path, content) in files {
            tree.insert(path, content);
        }
        tree
    }

    /// Adds or replaces an ordinary file.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        let file = Leaf::File { content: content.into(), executable: false };
        self.leaves.insert(path.into(), file);
    }

    /// Adds or replaces an executable file.
    pub fn insert_executable(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        let file = Leaf::File { content: content.into(), executable: true };
        self.leaves.insert(path.into(), file);
    }

    /// Adds or replaces a symbolic link. Where it points is not kept: links are never followed.
    pub fn insert_symlink(&mut self, path: impl Into<String>) {
        self.leaves.insert(path.into(), Leaf::Symlink);
    }

    /// Takes a file or link away; its directory goes with the last one.
    pub fn remove(&mut self, path: &str) {
        self.leaves.remove(path);
    }

    /// Every leaf below the directory `path`, by its path relative to it.
    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Leaf)> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.leaves.range(prefix.clone()..).map_while(move |(leaf_path, leaf)| {
            leaf_path.strip_prefix(&prefix).map(|rest| (rest, leaf))
        })
    }
}

impl std::fmt::Debug for MemoryTree {
    /// Contents are not shown: a recorded generation is as long as its manifest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.leaves.keys()).finish()
    }
}

impl Leaf {
    fn kind(&self) -> EntryKind {
        match self {
            Self::File { executable, .. } => EntryKind::File { executable: *executable },
            Self::Symlink => EntryKind::Symlink,
        }
    }
}

impl Tree for MemoryTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        if let Some(leaf) = self.leaves.get(path) {
            return Ok(Some(leaf.kind()));
        }
        let is_directory = path.is_empty() || self.below(path).next().is_some();
        Ok(is_directory.then_some(EntryKind::Directory))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        let mut entries = BTreeMap::new();
        for (rest, leaf) in self.below(path) {
            match rest.split_once('/') {
                Some((directory, _)) => entries.insert(directory, EntryKind::Directory),
                None => entries.insert(rest, leaf.kind()),
            };
        }
        let entry = |(name, kind): (&str, EntryKind)| Entry { name: name.to_owned(), kind };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(Leaf::File { content, .. }) = self.leaves.get(path) else { return Ok(None) };
        let size = content.len() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { path: path.to_owned(), size, limit });
        }
        Ok(Some(content.clone()))
    }

    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError> {
        fingerprint::of_tree(self, path, &|file| {
            let content = self.read(file, u64::MAX)?;
            Ok(content.map(|bytes| fingerprint::sha256_hex(&bytes)).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> MemoryTree {
        MemoryTree::new([("a.txt", "1"), ("shop/compose.yaml", "2"), ("shop/conf/x", "3")])
    }

    #[test]
    fn directories_exist_because_files_do() {
        let mut tree = shop();
        tree.insert_symlink("shop/link");
        let names: Vec<String> =
            tree.list("shop").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["compose.yaml", "conf", "link"]);
        assert_eq!(tree.kind("shop/conf").unwrap(), Some(EntryKind::Directory));
        assert_eq!(tree.kind("").unwrap(), Some(EntryKind::Directory));
        assert_eq!(tree.kind("sho").unwrap(), None);
        assert_eq!(tree.read("shop/link", 9).unwrap(), None);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let refused = shop().read("a.txt", 0).unwrap_err();
        assert_eq!(refused, TreeError::TooLarge { path: "a.txt".into(), size: 1, limit: 0 });
    }

    #[test]
    fn a_fingerprint_changes_with_content_name_and_executable_bit() {
        let first = shop().fingerprint("shop").unwrap();
        assert_eq!(first, shop().fingerprint("shop").unwrap());
        let change = |edit: fn(&mut MemoryTree)| {
            let mut tree = shop();
            edit(&mut tree);
            tree.fingerprint("shop").unwrap()
        };
        assert_ne!(first, change(|tree| tree.insert("shop/conf/x", "4")));
        assert_ne!(first, change(|tree| tree.insert_executable("shop/conf/x", "3")));
        assert_ne!(first, change(|tree| tree.insert("shop/conf/y", "3")));
        assert_eq!(first, change(|tree| tree.insert("a.txt", "other")));
        assert_eq!(shop().fingerprint("nothing").unwrap(), None);
    }
}
