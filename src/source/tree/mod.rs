//! The trees of this room: a commit in a mirror, and a directory on disk.

mod directory;
mod git;

pub use directory::DirectoryTree;
pub use git::GitTree;

/// The names of `path` from the root down; `None` for a path that no tree has: one with an empty, `.` or
/// `..` part.
fn parts(path: &str) -> Option<Vec<&str>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = path.split('/').collect();
    let proper = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('\0');
    parts.iter().all(proper).then_some(parts)
}
