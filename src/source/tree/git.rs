//! The files of one commit, read from a mirror's object database.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Oid, Repository};

use super::parts;
use crate::model::tree::{Entry, EntryKind, Tree, TreeError};
use crate::source::mirror;

/// One commit of a mirror. Nothing is read before it is asked for.
pub struct GitTree {
    repository: Mutex<Repository>,
    mirror: PathBuf,
    root: Oid,
}

/// An entry of a git tree: what it points to, and its mode.
#[derive(Clone, Copy)]
struct Node {
    id: Oid,
    mode: i32,
}

const MODE_DIRECTORY: i32 = 0o040_000;

impl GitTree {
    /// Opens `mirror` at `commit`. Fails if the commit or its root directory is not there.
    pub fn open(mirror: &Path, commit: Oid) -> Result<Self, git2::Error> {
        let repository = Repository::open_bare(mirror)?;
        let root = repository.find_commit(commit)?.tree()?.id();
        Ok(Self { repository: Mutex::new(repository), mirror: mirror.to_owned(), root })
    }

    fn lock(&self) -> MutexGuard<'_, Repository> {
        // A panic in the middle of a read leaves nothing half-done in a repository.
        self.repository.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks down to `path`; links are entries like others and have nothing below them.
    fn find(&self, repository: &Repository, path: &str) -> Result<Option<Node>, TreeError> {
        let Some(parts) = parts(path) else { return Ok(None) };
        let mut node = Node { id: self.root, mode: MODE_DIRECTORY };
        for part in parts {
            if kind_of(node.mode) != EntryKind::Directory {
                return Ok(None);
            }
            let tree = repository.find_tree(node.id).map_err(|error| self.damage(path, &error))?;
            let Some(entry) = tree.get_name(part) else { return Ok(None) };
            node = Node { id: entry.id(), mode: entry.filemode() };
        }
        Ok(Some(node))
    }

    /// Every object of a commit belongs in the mirror, so one that cannot be read is a damage. It is marked,
    /// for the next fetch to start from nothing.
    fn damage(&self, path: &str, error: &git2::Error) -> TreeError {
        mirror::mark_damaged(&self.mirror, error.message());
        TreeError::Unreadable { path: path.to_owned(), why: error.message().to_owned() }
    }
}

impl Tree for GitTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(self.find(&self.lock(), path)?.map(|node| kind_of(node.mode)))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        let repository = self.lock();
        let Some(node) = self.find(&repository, path)? else { return Ok(Vec::new()) };
        if kind_of(node.mode) != EntryKind::Directory {
            return Ok(Vec::new());
        }
        let tree = repository.find_tree(node.id).map_err(|error| self.damage(path, &error))?;
        let entry = |entry: git2::TreeEntry<'_>| Entry {
            name: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
            kind: kind_of(entry.filemode()),
        };
        let mut entries: Vec<Entry> = tree.iter().map(entry).collect();
        // Git sorts a directory as if its name ended in a slash.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let repository = self.lock();
        let Some(node) = self.find(&repository, path)? else { return Ok(None) };
        let EntryKind::File { .. } = kind_of(node.mode) else { return Ok(None) };
        let damage = |error: git2::Error| self.damage(path, &error);
        let odb = repository.odb().map_err(damage)?;
        let (size, kind) = odb.read_header(node.id).map_err(damage)?;
        if size as u64 > limit {
            return Err(TreeError::TooLarge { path: path.to_owned(), size: size as u64, limit });
        }
        if kind != ObjectType::Blob {
            return Err(self.damage(path, &git2::Error::from_str("it is not stored as a file")));
        }
        let object = odb.read(node.id).map_err(damage)?;
        Ok(Some(object.data().to_vec()))
    }

    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError> {
        let Some(node) = self.find(&self.lock(), path)? else { return Ok(None) };
        let kind = match kind_of(node.mode) {
            EntryKind::File { executable: false } => "file",
            EntryKind::File { executable: true } => "exec",
            EntryKind::Directory => "dir",
            EntryKind::Symlink => "link",
            EntryKind::Other => "other",
        };
        Ok(Some(format!("{kind}:{}", node.id)))
    }
}

fn kind_of(mode: i32) -> EntryKind {
    match mode & 0o170_000 {
        0o100_000 => EntryKind::File { executable: mode & 0o100 != 0 },
        MODE_DIRECTORY => EntryKind::Directory,
        0o120_000 => EntryKind::Symlink,
        // A submodule, or something git does not know yet.
        _ => EntryKind::Other,
    }
}
