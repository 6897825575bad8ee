//! Whether a branch went on or was rewritten, as far as a mirror can tell.

use git2::{ObjectType, Oid, Repository};

/// Whether `commit` is known not to build on `before`.
///
/// With the whole history that is a fact. A shallow mirror knows a commit's parents and no more: one that
/// takes the place of `before`, or was its parent, tells of a rewrite.
pub fn replaced(repository: &Repository, before: Oid, commit: Oid) -> bool {
    if !repository.is_shallow() {
        return !repository.graph_descendant_of(commit, before).unwrap_or(true);
    }
    let (ours, theirs) = (parents(repository, before), parents(repository, commit));
    let siblings = ours.iter().any(|parent| theirs.contains(parent)) || (theirs.is_empty());
    !theirs.contains(&before) && (siblings || ours.contains(&commit))
}

fn parents(repository: &Repository, commit: Oid) -> Vec<Oid> {
    parents_of(repository, commit).unwrap_or_default()
}

/// The parents as the commit names them; `None` where it is not there. libgit2 hides those that a shallow mirror lacks.
pub fn parents_of(repository: &Repository, commit: Oid) -> Option<Vec<Oid>> {
    let odb = repository.odb().ok()?;
    let object = odb.read(commit).ok().filter(|object| object.kind() == ObjectType::Commit)?;
    let header = object.data().split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let parent = |line: &[u8]| {
        let id = line.strip_prefix(b"parent ")?;
        Oid::from_str(std::str::from_utf8(id).ok()?).ok()
    };
    Some(header.filter_map(parent).collect())
}
