//! Finding a file that a manifest names: the server's first, then the repository's (interface: 3).

use super::discover::unreadable;
use super::read::At;
use super::repository::{self, Found};
use super::scene::Scene;
use crate::model::Problem;

/// The file that was meant.
pub struct TextFile {
    /// Its path, for people.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it is one of the server's, and so must not be shown.
    pub from_server: bool,
    /// A remark where it holds secrets and others can get at it.
    pub exposure: Option<String>,
}

/// What a search came to.
pub enum Search {
    /// There it is.
    Found(TextFile),
    /// It is nowhere.
    Missing(Missing),
    /// Something else is wrong, and was reported.
    Failed,
}

/// Where a file was looked for.
pub struct Missing {
    /// The places, in order.
    pub looked: Vec<String>,
    /// Where an operator would put it.
    pub put: String,
}

impl Missing {
    /// The path holds a value of the server and is not spelt out.
    fn unspoken() -> Self {
        let there = "where the server's value says".to_owned();
        Self { looked: vec![there.clone()], put: there }
    }

    /// `problem`, with the places and the next move; `or` is another way out.
    pub fn explain(self, problem: Problem, or: &str) -> Problem {
        problem
            .note(format!("looked for {}", self.looked.join(", then ")))
            .hint(format!("put it at {} (mode 0600){or}", self.put))
    }
}

/// Looks for the file that the value at `at` names.
pub fn find(scene: &Scene<'_>, at: &At<'_>) -> Search {
    at.filled().map_or(Search::Failed, |path| find_path(scene, at, path))
}

/// Looks for the file `path` that is part of the value at `at`.
pub fn find_path(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Search {
    match search(scene, at, path) {
        Ok(Search::Missing(_)) if at.node.sensitive => Search::Missing(Missing::unspoken()),
        Ok(found) => found,
        Err(_) if at.node.sensitive => {
            at.problem("wrong-path", "the path that a value of the server makes cannot be used");
            Search::Failed
        }
        Err(problem) => {
            at.report(complete(*problem, at));
            Search::Failed
        }
    }
}

/// The places a problem of a server's file lacks: where it was asked for.
fn complete(mut problem: Problem, at: &At<'_>) -> Problem {
    if problem.place.is_none() {
        problem = problem.at(at.place().clone());
    }
    if problem.path.is_none() { problem.path(&at.path) } else { problem }
}

fn search(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Result<Search, Box<Problem>> {
    if path.starts_with('~') {
        let Some(home) = scene.options.at_home(path) else {
            return Err(at
                .trouble("wrong-path", format!("{} is in a home that is not known", at.shown()))
                .note("`~` is the home of the user evenkeel runs as")
                .hint("write the absolute path")
                .into());
        };
        return on_the_server(scene, at, &home.to_string_lossy());
    }
    if path.starts_with('/') {
        return on_the_server(scene, at, path);
    }
    let (mut looked, mut put) = (Vec::new(), scene.server.directory.join(path));
    if let Some(below) = below_the_stack(scene, at, path) {
        if let Some(file) = scene.server.file(&below)? {
            return Ok(Search::Found(server_file(file)));
        }
        let places = scene.server.places(&below);
        looked.extend(places.iter().map(|place| place.display().to_string()));
        put = places.into_iter().next().unwrap_or(put);
    }
    let put = put.display().to_string();
    let Some(inside) = repository::join(scene.directory_of(at.node), path) else {
        let problem = at.trouble("wrong-path", format!("{} leaves the repository", at.shown()));
        return Err(problem.hint("write an absolute path for a file of the server").into());
    };
    if let Some(file) = in_the_repository(scene, at, &inside)? {
        return Ok(Search::Found(file));
    }
    looked.push(format!("{inside} in the repository"));
    Ok(Search::Missing(Missing { looked, put }))
}

/// The path below the stack's directory, where the server's files lie as those in git do. A file that is
/// included or extended from elsewhere means by it what the stack itself would mean.
///
/// `None` for a path that climbs: it could reach another stack's secrets.
fn below_the_stack(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Option<String> {
    let of_origin = at.node.origin.as_ref().and_then(|origin| {
        let inside = repository::join(&origin.directory, path)?;
        repository::beneath(scene.directory, &inside).map(str::to_owned)
    });
    of_origin.or_else(|| repository::join("", path))
}

fn on_the_server(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Result<Search, Box<Problem>> {
    scene.note_host_file(path.into(), at);
    Ok(match scene.server.file(path)? {
        Some(file) => Search::Found(server_file(file)),
        None => Search::Missing(Missing {
            looked: vec![format!("{path} on this server")],
            put: path.to_owned(),
        }),
    })
}

fn server_file(file: super::server::ServerFile) -> TextFile {
    let (name, exposure) = (file.path.display().to_string(), file.exposure());
    TextFile { name, bytes: file.bytes, from_server: true, exposure }
}

fn in_the_repository(
    scene: &Scene<'_>,
    at: &At<'_>,
    path: &str,
) -> Result<Option<TextFile>, Box<Problem>> {
    let tree = &*scene.revision.tree;
    match repository::look(tree, path).map_err(|error| unreadable(&error))? {
        Found::Nothing => Ok(None),
        Found::File => {
            let limit = scene.options.limits.file_bytes;
            let bytes = tree.read(path, limit).map_err(|error| unreadable(&error))?;
            let Some(bytes) = bytes else { return Ok(None) };
            scene.keep(path, &bytes);
            let name = path.to_owned();
            Ok(Some(TextFile { name, bytes, from_server: false, exposure: None }))
        }
        Found::Directory => {
            Err(at.trouble("wrong-path", format!("`{path}` is a directory")).into())
        }
        Found::Obstacle { path, what } => Err(at
            .trouble("wrong-path", format!("`{path}` is {what}, which is not followed"))
            .into()),
    }
}
