//! Where the source of a bind mount lies: on the server, in the stack's own directory there, or in git
//! (interface: 3, "exported by content").

use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::discover::unreadable;
use super::read::At;
use super::repository::{self, Found};
use super::scene::Scene;
use crate::model::Problem;
use crate::model::fingerprint::hex;
use crate::model::stack::{Export, ServerDirectory};
use crate::model::tree::TreeError;

/// The source of a bind mount.
pub enum Resolved {
    /// An absolute path: the server's own.
    Server(PathBuf),
    /// Below the stack's directory on the server, to be made where it is missing.
    Untracked(ServerDirectory),
    /// A file or directory of the repository.
    Tracked(Export),
}

/// Finds out where `path`, written at `at`, lies; what is wrong with it is reported.
pub fn resolve(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Option<Resolved> {
    match find(scene, at, path) {
        Ok(resolved) => Some(resolved),
        Err(problem) if at.node.sensitive => {
            at.problem(problem.code, "the path that a value of the server makes cannot be mounted");
            None
        }
        Err(problem) => {
            at.report(*problem);
            None
        }
    }
}

fn find(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Result<Resolved, Box<Problem>> {
    if path.starts_with('/') {
        return Ok(Resolved::Server(clean(Path::new(path))));
    }
    let shown = at.quoted(path);
    if path.starts_with('~') {
        let home = scene.options.at_home(path).map(|path| Resolved::Server(clean(&path)));
        return home.ok_or_else(|| {
            at.trouble("wrong-path", format!("the path {shown} is in a home that is not known"))
                .note("`~` is the home of the user evenkeel runs as")
                .hint("write the absolute path")
                .into()
        });
    }
    let Some(inside) = repository::join(scene.directory_of(at.node), path) else {
        return Err(at
            .trouble("wrong-path", format!("the path {shown} leaves the repository"))
            .hint("write an absolute path for a directory of the server")
            .into());
    };
    if is_tracked(scene, at, &inside)? {
        return export(scene, at, inside).map(Resolved::Tracked);
    }
    let path = repository::relative(scene.directory, &inside);
    scene.uses_working_dir();
    untracked(&scene.working_dir, &path).map(Resolved::Untracked).ok_or_else(|| {
        at.trouble("wrong-path", format!("the path {shown} leads out of the stacks' directories"))
            .note("git does not track it, so it would be a directory of the server")
            .hint("write an absolute path, or a path below the stack's directory")
            .into()
    })
}

/// `path` below the stack's directory or a neighbour's: stacks share data that way. Further off lie
/// evenkeel's own files.
fn untracked(working_dir: &Path, path: &str) -> Option<ServerDirectory> {
    let (parent, own) = (working_dir.parent()?, working_dir.file_name()?.to_str()?);
    let beside = repository::join(own, path)?;
    let is_stack = !beside.is_empty() && !beside.starts_with('.');
    let stack = beside.split('/').next().unwrap_or_default();
    is_stack.then(|| ServerDirectory {
        path: clean(&parent.join(&beside)),
        below: clean(&parent.join(stack)),
    })
}

fn is_tracked(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Result<bool, Box<Problem>> {
    let tree = &*scene.revision.tree;
    let failed = |error: TreeError| unreadable(&error);
    match repository::look(tree, path).map_err(failed)? {
        Found::Nothing => Ok(false),
        Found::File => Ok(true),
        Found::Directory => Ok(!repository::is_placeholder(tree, path).map_err(failed)?),
        Found::Obstacle { path, what } => Err(at
            .trouble("wrong-path", format!("`{path}` is {what}, which is not followed"))
            .into()),
    }
}

fn export(scene: &Scene<'_>, at: &At<'_>, path: String) -> Result<Export, Box<Problem>> {
    let tree = &scene.revision.tree;
    let failed = |error: TreeError| unreadable(&error);
    let obstacle = repository::first_obstacle(&**tree, &path).map_err(failed)?;
    if let Some(Found::Obstacle { path: inner, what }) = obstacle {
        let shown = repository::shown(&path);
        let message = format!("`{shown}` cannot be mounted: `{inner}` in it is {what}");
        return Err(at
            .trouble("wrong-path", message)
            .hint("put a plain file in its place, or mount what is needed one by one")
            .into());
    }
    let Some(fingerprint) = tree.fingerprint(&path).map_err(failed)? else {
        return Err(at.trouble("wrong-path", format!("`{path}` is not in this revision")).into());
    };
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("root");
    let directory = scene.options.data_dir.join(".exported").join(file_name(&fingerprint));
    Ok(Export { target: directory.join(name), tree: tree.clone(), path })
}

/// `fingerprint` where it can be a file's name, else its hash.
fn file_name(fingerprint: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !fingerprint.is_empty() && fingerprint.len() <= 128 && fingerprint.chars().all(is_plain) {
        true => fingerprint.to_owned(),
        false => hex(&Sha256::digest(fingerprint.as_bytes())),
    }
}

/// Without `.` and trailing slashes; `..` only where a link can no longer change its meaning.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Normal(_) | Component::Prefix(_) => clean.push(part),
        }
    }
    clean
}
