//! A revision with some of its files changed, or with a word on which of them are looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::fingerprint::sha256_hex;
use crate::model::tree::{Entry, EntryKind, Revision, SharedTree, Tree, TreeError};

/// `revision` with `files`, which are all there already, as they are given.
pub fn over(revision: &Revision, files: BTreeMap<String, Vec<u8>>) -> Revision {
    let overlay = Overlay { below: revision.tree.clone(), files };
    Revision { tree: SharedTree(Arc::new(overlay)), ..revision.clone() }
}

struct Overlay {
    below: SharedTree,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree for Overlay {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.below.kind(path)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        self.below.list(path)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(bytes) = self.files.get(path) else { return self.below.read(path, limit) };
        let size = bytes.len() as u64;
        match size > limit {
            true => Err(TreeError::TooLarge { path: path.to_owned(), size, limit }),
            false => Ok(Some(bytes.clone())),
        }
    }

    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError> {
        let Some(below) = self.below.fingerprint(path)? else { return Ok(None) };
        let directory = if path.is_empty() { String::new() } else { format!("{path}/") };
        let inside = self
            .files
            .iter()
            .filter(|(name, _)| name.as_str() == path || name.starts_with(directory.as_str()));
        let changed: Vec<String> =
            inside.map(|(name, bytes)| format!("{name}={}", sha256_hex(bytes))).collect();
        Ok(Some(match changed.is_empty() {
            true => below,
            false => sha256_hex(format!("{below} {}", changed.join(" ")).as_bytes()),
        }))
    }
}

/// `revision`, and what will have been looked into in it.
pub fn watched(revision: &Revision) -> (Revision, Arc<Watched>) {
    let watched = Arc::new(Watched { below: revision.tree.clone(), seen: Mutex::default() });
    let tree = SharedTree(Arc::clone(&watched) as Arc<dyn Tree>);
    (Revision { tree, ..revision.clone() }, watched)
}

/// A tree that remembers which files were looked into.
pub struct Watched {
    below: SharedTree,
    seen: Mutex<BTreeSet<String>>,
}

impl Watched {
    /// The paths that were asked for; of directories only the fingerprint is.
    pub fn files(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, path: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

impl Tree for Watched {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.below.kind(path)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        self.below.list(path)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError> {
        self.note(path);
        self.below.read(path, limit)
    }

    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError> {
        self.note(path);
        self.below.fingerprint(path)
    }
}
