//! The files of one revision, however they are stored: a git commit, a directory, a generation's record.

use std::fmt;
use std::sync::Arc;

/// What a path in a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Whether it may be executed.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link; it is never followed.
    Symlink,
    /// A submodule, socket or anything else that a manifest cannot use.
    Other,
}

/// One name in a directory of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without any slash.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// Why a tree could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Larger than the caller's limit.
    #[error("`{path}` is {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Neither stored nor readable: a damaged mirror, wrong permissions.
    #[error("`{path}` cannot be read: {why}")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// The storage's own words.
        why: String,
    },
}

/// The files of one revision, by path relative to the repository's root.
///
/// Paths use `/`, have no leading slash, no `.` and no `..`; the empty path is the root. Links are
/// reported, never followed. All calls may block on the disk.
pub trait Tree: Send + Sync {
    /// What stands at `path`; `None` where there is nothing.
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError>;

    /// The entries of the directory at `path`, sorted by name; empty where there is no directory.
    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError>;

    /// The content of the file at `path`, at most `limit` bytes; `None` where there is no file.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError>;

    /// A text that is the same for two paths exactly when kind, names, executable bits and contents are
    /// the same, within one kind of source. `None` where there is nothing.
    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError>;
}

/// A tree that several owners read.
#[derive(Clone)]
pub struct SharedTree(pub Arc<dyn Tree>);

impl fmt::Debug for SharedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTree")
    }
}

impl std::ops::Deref for SharedTree {
    type Target = dyn Tree;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// One revision of a source: what a manifest is loaded from.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The source it came from.
    pub source: super::SourceName,
    /// The commit; a source without commits gives the fingerprint of its files.
    pub commit: super::CommitId,
    /// Its files.
    pub tree: SharedTree,
    /// Where stacks are looked for; empty for the root.
    pub path: String,
}
