//! `validate`: a source tree on disk, or one Compose file; offline.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::arguments::{Global, Output, Validate};
use super::{Trouble, print, setting, style};
use crate::config::Config;
use crate::manifest::{Loaded, ServerFiles, is_manifest};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Place, Problem, SourceName};
use crate::reconcile::sources;
use crate::report::{exit, text, wire};
use crate::source::tree::DirectoryTree;

/// Checks the tree.
pub fn run(global: &Global, args: &Validate) -> Result<u8, Trouble> {
    let path = args.path.display().to_string();
    // The server's own settings are not at hand here; a manifest must make sense without them.
    let config =
        Config::for_repo(&path, None, None, &setting::ambient()).map_err(Trouble::Problems)?;
    let unreadable = |error: std::io::Error| Trouble::Message {
        text: format!("{path} cannot be read: {error}"),
        hint: Some("name the directory that holds the stacks, or a Compose file".to_owned()),
    };
    let tree = Here::find(&args.path).map_err(unreadable)?;
    let revision = Revision {
        source: name(&tree.root),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(DirectoryTree::open(&tree.root).map_err(unreadable)?)),
        path: tree.path.clone(),
    };
    let server = ServerFiles::Offline { env: args.env.clone() };
    let all = ["**".to_owned()];
    let mut loaded = sources::load(&revision, &config, &all, &[], server)
        .map_err(|problem| Trouble::Problems(vec![*problem]))?;
    if loaded.stacks.is_empty() && loaded.problems.is_empty() {
        let hint = "a stack is a directory with a compose.yaml";
        let problem = Problem::new("no-stack", format!("no stack below {path}")).hint(hint);
        loaded.problems.push(problem);
    }
    tree.rename(&mut loaded);
    let validated: Vec<wire::Validated<'_>> = loaded
        .stacks
        .iter()
        .map(|stack| wire::Validated {
            name: stack.name.as_str(),
            files: &stack.files,
            result: stack.result.as_ref().map_err(Vec::as_slice),
        })
        .collect();
    let report = wire::validate(&validated, &loaded.problems, config.rollout.deadline);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::validate(out, &report, colors))?;
    Ok(exit::of_validate(&report).code())
}

/// The directory's own name: a stack at the root is called by it.
fn name(root: &Path) -> SourceName {
    let name = root.file_name().map(|name| name.to_string_lossy());
    SourceName::new(name.as_deref().unwrap_or("repository"))
}

/// Where in which tree somebody wants to have a look.
struct Here {
    /// The repository's directory, as a manifest may name files all over it; else the directory itself.
    root: PathBuf,
    /// The directory or file below it.
    path: String,
    /// Where the user is.
    from: PathBuf,
}

impl Here {
    fn find(path: &Path) -> std::io::Result<Self> {
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

    /// Calls files of the tree by names that can be opened from the working directory.
    fn rename(&self, loaded: &mut Loaded) {
        let renamed = |file: &str| match file.starts_with('/') {
            // A file of the server has its whole path already.
            true => file.to_owned(),
            false => between(&self.from, &self.root.join(file)).display().to_string(),
        };
        let rename = |place: &mut Place| place.file = renamed(&place.file).into();
        let place = |problem: &mut Problem| problem.place.iter_mut().for_each(rename);
        loaded.problems.iter_mut().for_each(place);
        for stack in &mut loaded.stacks {
            stack.files.iter_mut().for_each(|file| *file = renamed(file));
            match &mut stack.result {
                Err(problems) => problems.iter_mut().for_each(place),
                Ok(stack) => {
                    let remarks = stack.remarks.iter_mut();
                    let places = remarks.filter_map(|remark| remark.place.as_mut());
                    places.for_each(rename);
                }
            }
        }
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
