//! Fingerprints of trees that have no object ids of their own: a directory on disk, a tree in memory.

use sha2::{Digest as _, Sha256};

use super::tree::{EntryKind, Tree, TreeError};

/// The SHA-256 of `bytes` in 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `bytes` in lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The fingerprint of what stands at `path`: its kind, and for a directory all that is below it.
///
/// `content` gives a text that stands for the content of a file or the target of a link; it is asked
/// once for each.
pub fn of_tree(
    tree: &dyn Tree,
    path: &str,
    content: &dyn Fn(&str) -> Result<String, TreeError>,
) -> Result<Option<String>, TreeError> {
    let Some(kind) = tree.kind(path)? else { return Ok(None) };
    of_entry(tree, path, kind, content).map(Some)
}

fn of_entry(
    tree: &dyn Tree,
    path: &str,
    kind: EntryKind,
    content: &dyn Fn(&str) -> Result<String, TreeError>,
) -> Result<String, TreeError> {
    Ok(match kind {
        EntryKind::File { executable: false } => format!("file:{}", content(path)?),
        EntryKind::File { executable: true } => format!("exec:{}", content(path)?),
        EntryKind::Symlink => format!("link:{}", content(path)?),
        EntryKind::Other => "other:".to_owned(),
        EntryKind::Directory => format!("dir:{}", of_directory(tree, path, content)?),
    })
}

fn of_directory(
    tree: &dyn Tree,
    path: &str,
    content: &dyn Fn(&str) -> Result<String, TreeError>,
) -> Result<String, TreeError> {
    let mut hash = Sha256::new();
    for entry in tree.list(path)? {
        let below = join(path, &entry.name);
        let fingerprint = of_entry(tree, &below, entry.kind, content)?;
        // A name holds neither a slash nor a zero byte, so no two directories give the same bytes.
        hash.update(entry.name.as_bytes());
        hash.update([0]);
        hash.update(fingerprint.as_bytes());
        hash.update([0]);
    }
    Ok(hex(&hash.finalize()))
}

/// `name` below the directory `path`; the empty path is the root.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
