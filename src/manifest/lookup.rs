//! Finding a file that a manifest names: the server's first, then the repository's (interface: 3).

use super::discover::unreadable;
use super::read::At;
use super::repository::{self, Found};
use super::scene::Scene;
use super::sealed::{self, Content};
use crate::model::Problem;

/// The file that was meant.
pub struct TextFile {
    /// Its path, for people.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
    /// A remark where it holds secrets and others can get at it.
    pub exposure: Option<String>,
}

/// How a pointer begins (git-lfs, `docs/spec.md`).
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Where a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is in git for all to read.
    Git,
    /// It is one of the server's.
    Server,
    /// It is encrypted in git.
    Sealed {
        /// Whether SOPS had it as YAML or JSON, and it is JSON now, as [`find_env`] wants it.
        is_json: bool,
    },
}

impl TextFile {
    /// Whether what it holds must not be shown.
    pub fn is_secret(&self) -> bool {
        self.origin != Origin::Git
    }
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

/// Looks for the file with variables that the value at `at` names.
pub fn find_env(scene: &Scene<'_>, at: &At<'_>) -> Search {
    at.filled().map_or(Search::Failed, |path| told(search(scene, at, path, true), at))
}

/// Looks for the file `path` that is part of the value at `at`.
pub fn find_path(scene: &Scene<'_>, at: &At<'_>, path: &str) -> Search {
    told(search(scene, at, path, false), at)
}

fn told(search: Result<Search, Box<Problem>>, at: &At<'_>) -> Search {
    match search {
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

fn search(
    scene: &Scene<'_>,
    at: &At<'_>,
    path: &str,
    is_env: bool,
) -> Result<Search, Box<Problem>> {
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
    if let Some(file) = in_the_repository(scene, at, &inside, is_env)? {
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
    TextFile { name, bytes: file.bytes, origin: Origin::Server, exposure }
}

fn in_the_repository(
    scene: &Scene<'_>,
    at: &At<'_>,
    path: &str,
    is_env: bool,
) -> Result<Option<TextFile>, Box<Problem>> {
    let tree = &*scene.revision.tree;
    match repository::look(tree, path).map_err(|error| unreadable(&error))? {
        Found::Nothing => Ok(None),
        Found::File => {
            let limit = scene.options.limits.file_bytes;
            let bytes = tree.read(path, limit).map_err(|error| unreadable(&error))?;
            let Some(bytes) = bytes else { return Ok(None) };
            scene.keep(path, &bytes);
            if bytes.starts_with(LFS) {
                let text = format!(
                    "`{path}` is a pointer of Git LFS, and taken as it is: what it points to is not fetched"
                );
                at.remark(None, text);
            }
            let (bytes, origin) = match sealed::content(path, bytes, is_env, scene.options)? {
                Content::Plain(bytes) => (bytes, Origin::Git),
                Content::Opened { bytes, is_json } => (bytes, Origin::Sealed { is_json }),
                Content::Closed(remark) => {
                    at.remark(None, remark);
                    (Vec::new(), Origin::Sealed { is_json: false })
                }
            };
            let name = path.to_owned();
            Ok(Some(TextFile { name, bytes, origin, exposure: None }))
        }
        Found::Directory => {
            Err(at.trouble("wrong-path", format!("`{path}` is a directory")).into())
        }
        Found::Obstacle { path, what } => Err(at
            .trouble("wrong-path", format!("`{path}` is {what}, which is not followed"))
            .into()),
    }
}
