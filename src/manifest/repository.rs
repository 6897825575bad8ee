//! Paths in the repository: joined without leaving it, looked up without following links.

use crate::model::tree::{Entry, EntryKind, Tree, TreeError};

/// Files that only make git keep a directory.
const PLACEHOLDERS: [&str; 3] = [".gitkeep", ".keep", ".gitignore"];

/// What stands at a path of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A link, submodule or the like stands there or on the way; it is never followed.
    Obstacle {
        /// Where.
        path: String,
        /// A few words for people.
        what: &'static str,
    },
}

/// `relative` as seen from `directory`; `None` where it leaves the repository or is absolute.
pub fn join(directory: &str, relative: &str) -> Option<String> {
    if relative.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// `path` as seen from `directory`, which holds it; `None` where it lies elsewhere.
pub fn beneath<'p>(directory: &str, path: &'p str) -> Option<&'p str> {
    match directory {
        "" => Some(path),
        directory => path.strip_prefix(directory)?.strip_prefix('/'),
    }
}

/// `path` as seen from `directory`, with a `..` for each directory that has to be left; both in the
/// repository.
pub fn relative(directory: &str, path: &str) -> String {
    let from: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    up.chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// What stands at `path`, looking at every directory on the way.
///
/// # Errors
/// Those of the tree.
pub fn look(tree: &dyn Tree, path: &str) -> Result<Found, TreeError> {
    let on_the_way = path.match_indices('/').map(|(end, _)| &path[..end]);
    for parent in on_the_way {
        match tree.kind(parent)? {
            Some(EntryKind::Directory) => {}
            None | Some(EntryKind::File { .. }) => return Ok(Found::Nothing),
            Some(kind @ (EntryKind::Symlink | EntryKind::Other)) => {
                return Ok(obstacle(parent, kind));
            }
        }
    }
    Ok(match tree.kind(path)? {
        None => Found::Nothing,
        Some(EntryKind::File { .. }) => Found::File,
        Some(EntryKind::Directory) => Found::Directory,
        Some(kind @ (EntryKind::Symlink | EntryKind::Other)) => obstacle(path, kind),
    })
}

fn obstacle(path: &str, kind: EntryKind) -> Found {
    let what = match kind {
        EntryKind::Symlink => "a symbolic link",
        EntryKind::Other | EntryKind::File { .. } | EntryKind::Directory => {
            "a submodule or special file"
        }
    };
    Found::Obstacle { path: path.to_owned(), what }
}

/// Whether the directory at `path` holds nothing but what makes git keep it.
///
/// # Errors
/// Those of the tree.
pub fn is_placeholder(tree: &dyn Tree, path: &str) -> Result<bool, TreeError> {
    for entry in tree.list(path)? {
        let empty = match entry.kind {
            EntryKind::File { .. } => PLACEHOLDERS.contains(&entry.name.as_str()),
            EntryKind::Directory => is_placeholder(tree, &below(path, &entry))?,
            EntryKind::Symlink | EntryKind::Other => false,
        };
        if !empty {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first link or submodule at or below `path`, if there is one.
///
/// # Errors
/// Those of the tree.
pub fn first_obstacle(tree: &dyn Tree, path: &str) -> Result<Option<Found>, TreeError> {
    for entry in tree.list(path)? {
        let inner = below(path, &entry);
        let found = match entry.kind {
            EntryKind::File { .. } => None,
            EntryKind::Directory => first_obstacle(tree, &inner)?,
            EntryKind::Symlink | EntryKind::Other => Some(obstacle(&inner, entry.kind)),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The path of an entry of the directory at `path`.
pub fn below(path: &str, entry: &Entry) -> String {
    if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) }
}

/// `path` for people; the root has no name of its own.
pub fn shown(path: &str) -> &str {
    if path.is_empty() { "the repository's root" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_within_the_repository() {
        assert_eq!(join("a/b", "./c").as_deref(), Some("a/b/c"));
        assert_eq!(join("a/b", "../c/").as_deref(), Some("a/c"));
        assert_eq!(join("a/b", "../..").as_deref(), Some(""));
        assert_eq!(join("a/b", "."), Some("a/b".to_owned()));
    }

    #[test]
    fn a_path_is_seen_from_a_directory() {
        assert_eq!(beneath("a", "a/b/c"), Some("b/c"));
        assert_eq!(beneath("", "a"), Some("a"));
        assert_eq!(beneath("a", "ab/c"), None);
        assert_eq!(relative("a/b", "a/c/d"), "../c/d");
        assert_eq!(relative("a", "a/b"), "b");
        assert_eq!(relative("", "a"), "a");
    }

    #[test]
    fn a_path_out_of_the_repository_is_refused() {
        assert_eq!(join("a", "../.."), None);
        assert_eq!(join("", "../a"), None);
        assert_eq!(join("a", "b/../../../a"), None);
        assert_eq!(join("a", "/etc/passwd"), None);
    }
}
