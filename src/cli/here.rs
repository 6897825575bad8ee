//! A tree of manifests on disk that somebody wants to have a look at, without a server.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{Trouble, setting};
use crate::config::Config;
use crate::manifest::{Loaded, Options, ServerFiles, is_manifest};
use crate::model::sealed::Nobody;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Place, Problem, SourceName};
use crate::reconcile::places::Places;
use crate::reconcile::sources;
use crate::source::tree::DirectoryTree;

/// Reads what lies at `path`, without a server and its settings: a manifest must make sense without them. `env`
/// is taken for every stack's server file. `read` gets the directory of the tree too; `named` are those that a
/// sound stack mentions.
pub fn offline<T>(
    path: &Path,
    env: Option<PathBuf>,
    read: impl FnOnce(&Revision, &Options<'_>, &Path) -> Loaded<T>,
    named: impl Fn(&mut T) -> Vec<&mut Place>,
) -> Result<(Config, Loaded<T>), Trouble> {
    let here = Here::find(path)?;
    let revision = here.revision()?;
    let read = |options: &Options<'_>| read(&revision, options, &here.root);
    let (config, mut loaded) = without_server(&revision, env, read)?;
    add_no_stack(&mut loaded, path);
    here.rename(&mut loaded, named);
    Ok((config, loaded))
}

/// Reads `revision` without a server and its settings; `env` is taken for every stack's server file.
pub fn without_server<T>(
    revision: &Revision,
    env: Option<PathBuf>,
    read: impl FnOnce(&Options<'_>) -> T,
) -> Result<(Config, T), Trouble> {
    let config = Config::for_repo("repository", None, None, &setting::ambient())
        .map_err(Trouble::Problems)?;
    let (server, all) = (ServerFiles::Offline { env }, ["**".to_owned()]);
    let read = sources::with_options(
        revision,
        &config,
        &Places::new(),
        (&all, &[]),
        server,
        &Nobody,
        read,
    );
    let read = read.map_err(|problem| Trouble::Problems(vec![*problem]))?;
    Ok((config, read))
}

/// Where in which tree somebody wants to have a look.
pub struct Here {
    /// The repository's directory, as a manifest may name files all over it; else the directory itself.
    pub root: PathBuf,
    /// The directory or file below it.
    pub path: String,
    /// Where the user is.
    from: PathBuf,
}

impl Here {
    /// Finds `path`: a directory with stacks, or a Compose file.
    pub fn find(path: &Path) -> Result<Self, Trouble> {
        Self::look(path).map_err(|error| unreadable(path, &error))
    }

    fn look(path: &Path) -> std::io::Result<Self> {
        let mut path = path.canonicalize()?;
        // A manifest by its usual name is its directory's stack, together with what overrides it.
        let by_name = path.file_name().and_then(|name| name.to_str()).is_some_and(is_manifest);
        if path.is_file() && by_name {
            path.pop();
        }
        let nearest = if path.is_file() { path.parent() } else { Some(path.as_path()) };
        let nearest = nearest.unwrap_or(Path::new("/"));
        let root = nearest.ancestors().find(|above| above.join(".git").exists());
        let root = root.unwrap_or(nearest).to_owned();
        let inside = path.strip_prefix(&root).unwrap_or(Path::new("")).display().to_string();
        Ok(Self { root, path: inside, from: std::env::current_dir()? })
    }

    /// The same tree, from its root on.
    pub fn whole(self) -> Self {
        Self { path: String::new(), ..self }
    }

    /// What is on disk, as if it were a commit.
    pub fn revision(&self) -> Result<Revision, Trouble> {
        let tree =
            DirectoryTree::open(&self.root).map_err(|error| unreadable(&self.root, &error))?;
        // The directory's own name: a stack at the root is called by it.
        let name = self.root.file_name().map(|name| name.to_string_lossy());
        Ok(Revision {
            source: SourceName::new(name.as_deref().unwrap_or("repository")),
            commit: CommitId::new("0".repeat(40)),
            tree: SharedTree(Arc::new(tree)),
            path: self.path.clone(),
        })
    }

    /// The name by which a file of the tree can be opened from the working directory.
    pub fn renamed(&self, file: &str) -> String {
        match file.starts_with('/') {
            // A file of the server has its whole path already.
            true => file.to_owned(),
            false => between(&self.from, &self.root.join(file)).display().to_string(),
        }
    }

    /// Calls files of the tree by names that can be opened from the working directory. `places` are those
    /// that a sound stack mentions.
    fn rename<T>(&self, loaded: &mut Loaded<T>, places: impl Fn(&mut T) -> Vec<&mut Place>) {
        let renamed = |file: &str| self.renamed(file);
        let rename = |place: &mut Place| place.file = renamed(&place.file).into();
        let problem = |problem: &mut Problem| problem.place.iter_mut().for_each(rename);
        loaded.problems.iter_mut().for_each(problem);
        for stack in &mut loaded.stacks {
            stack.files.iter_mut().for_each(|file| *file = renamed(file));
            match &mut stack.result {
                Err(problems) => problems.iter_mut().for_each(problem),
                Ok(stack) => places(stack).into_iter().for_each(rename),
            }
        }
    }
}

/// Says so where there is no stack at all.
fn add_no_stack<T>(loaded: &mut Loaded<T>, path: &Path) {
    if loaded.stacks.is_empty() && loaded.problems.is_empty() {
        let message = format!("no stack below {}", path.display());
        let problem = Problem::new("no-stack", message);
        loaded.problems.push(problem.hint("a stack is a directory with a compose.yaml"));
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::Message {
        text: format!("{} cannot be read: {error}", path.display()),
        hint: Some("name the directory that holds the stacks, or a Compose file".to_owned()),
    }
}

/// The way from an absolute directory to another, or to a file.
fn between(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_the_way_to_it() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(between(from.as_ref(), to.as_ref()), Path::new(expected), "{from} to {to}");
        };
        check("/repo", "/repo/a.yaml", "a.yaml");
        check("/", "/repo/a.yaml", "repo/a.yaml");
        check("/repo/hosts/web-1", "/repo/hosts/web-1/a.yaml", "a.yaml");
        check("/repo/hosts", "/other/a.yaml", "../../other/a.yaml");
    }
}
