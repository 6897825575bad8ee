//! `validate`: a source tree on disk, offline.

use std::path::Path;
use std::sync::Arc;

use super::arguments::{Global, Output, Validate};
use super::{Trouble, print, setting, style};
use crate::config::Config;
use crate::manifest::ServerFiles;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Problem, SourceName};
use crate::reconcile::sources;
use crate::report::{exit, text, wire};
use crate::source::tree::DirectoryTree;

/// Checks the tree.
pub fn run(global: &Global, args: &Validate) -> Result<u8, Trouble> {
    let path = args.path.display().to_string();
    // The server's own settings are not at hand here; a manifest must make sense without them.
    let config =
        Config::for_repo(&path, None, None, &setting::ambient()).map_err(Trouble::Problems)?;
    let tree = DirectoryTree::open(&args.path).map_err(|error| Trouble::Message {
        text: format!("{path} cannot be read: {error}"),
        hint: Some("name the directory that holds the stacks".to_owned()),
    })?;
    let revision = Revision {
        source: name(&args.path),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(tree)),
        path: String::new(),
    };
    let server = ServerFiles::Offline { env: args.env.clone() };
    let all = ["**".to_owned()];
    let loaded = sources::load(&revision, &config, &all, &[], server)
        .map_err(|problem| Trouble::Problems(vec![*problem]))?;
    let mut found: Vec<Problem> = loaded.problems;
    if loaded.stacks.is_empty() && found.is_empty() {
        let hint = "a stack is a directory with a compose.yaml";
        found.push(Problem::new("no-stack", format!("no stack below {path}")).hint(hint));
    }
    let validated: Vec<wire::Validated<'_>> = loaded
        .stacks
        .iter()
        .map(|stack| wire::Validated {
            name: stack.name.as_str(),
            files: &stack.files,
            result: stack.result.as_ref().map_err(Vec::as_slice),
        })
        .collect();
    let report = wire::validate(&validated, &found);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::validate(out, &report, colors))?;
    Ok(exit::of_validate(&report).code())
}

/// The directory's own name, also where it is written `.`: a stack at the root is called by it.
fn name(path: &Path) -> SourceName {
    let full = path.canonicalize().ok();
    let name = full.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    SourceName::new(name.as_deref().unwrap_or("repository"))
}
