//! The path of a file that `include` or `extends` names.

use super::Project;
use crate::manifest::node::Value;
use crate::manifest::read::At;
use crate::manifest::repository;
use crate::model::Problem;

/// How addresses of other places begin.
const REMOTE: [&str; 8] =
    ["http://", "https://", "git://", "ssh://", "git@", "oci://", "github.com/", "file://"];

/// Where in the repository the path at `at` leads, starting from the project's directory.
///
/// # Errors
/// It is no path, leads somewhere else, or holds a value of the server's.
pub(super) fn inside(at: &At<'_>, project: &Project) -> Result<String, Box<Problem>> {
    let Some(text) = text(at).filter(|text| !text.is_empty()) else {
        let message = format!("expected a path, found {}", at.node.kind());
        return Err(at.trouble("wrong-type", message).into());
    };
    if at.node.sensitive {
        return Err(at
            .trouble("wrong-path", "a value of the server's cannot say which file is read")
            .note("messages name the files of a manifest, and would show it")
            .hint("set this variable in the stack's `.env` in git")
            .into());
    }
    let shown = at.shown();
    if REMOTE.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(at
            .trouble("unsupported-key", format!("{shown} is not in this repository"))
            .note("what runs on a server is what one commit says; another place could change by itself")
            .hint("copy the file into the repository, and name it by its path")
            .into());
    }
    if text.starts_with(['/', '~']) {
        return Err(at
            .trouble("wrong-path", format!("{shown} is a path of the server"))
            .hint("files of a manifest are read from git: write a relative path")
            .into());
    }
    repository::join(&project.directory, text).ok_or_else(|| {
        at.trouble("wrong-path", format!("{shown} leaves the repository"))
            .hint("only files of the same source can be named")
            .into()
    })
}

/// The text of a single value; nothing where it is no single value.
pub(super) fn text<'a>(at: &At<'a>) -> Option<&'a str> {
    match &at.node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// A file that could not be read, told where it is named.
pub(super) fn told_at(at: &At<'_>, path: &str, what: &str) -> Problem {
    at.trouble("no-such-path", format!("{what} `{path}` is not in this revision"))
        .hint("write the path as seen from the directory of the stack or of the file's project")
}
