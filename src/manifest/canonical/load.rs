//! The stacks of a revision, each in its canonical form.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::around::Around;
use super::canonical;
use super::show::{Show, document};
use crate::manifest::discover::{self, Candidate};
use crate::manifest::load::{Loaded, load_each};
use crate::manifest::node::Node;
use crate::manifest::options::Options;
use crate::manifest::project;
use crate::manifest::read::At;
use crate::manifest::understand::{Prepared, with_prepared};
use crate::model::stack::Remark;
use crate::model::tree::Revision;
use crate::model::{Masks, Place, Problem};

/// Which stacks are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that are found below the revision's path.
    All,
    /// The one that these files make, laid over each other in this order; paths in the repository. It is
    /// in the directory of the first.
    Files(Vec<String>),
}

/// A stack in its canonical form.
#[derive(Debug)]
pub struct Canonical {
    node: Node,
    masks: Masks,
    /// What is worth saying, such as a variable that is not set.
    pub remarks: Vec<Remark>,
    /// What Compose accepts and evenkeel does not: keys it does not support, values the engine would
    /// refuse, files that are not there.
    pub refused: Vec<Problem>,
}

impl Canonical {
    /// The document that Compose prints.
    pub fn document(&self, show: Show) -> Json {
        document(&self.node, show, &self.masks)
    }
}

/// Reads the stacks of `revision` that are meant for this host. `root` is where the repository's root is
/// on this disk: relative paths are shown absolute. May block on the disk.
pub fn load_canonical(
    revision: &Revision,
    options: &Options<'_>,
    root: &Path,
    which: &Which,
) -> Loaded<Canonical> {
    let candidates = match which {
        Which::All => discover::candidates(revision, options),
        Which::Files(files) => Ok(vec![candidate(files)]),
    };
    let make = |manifest, revision: &_, options: &Options<'_>, services_left: &mut _| {
        with_prepared(manifest, revision, options, services_left, |prepared| {
            understand(prepared, root)
        })
    };
    match candidates {
        Ok(candidates) => load_each(candidates, revision, options, make),
        Err(problem) => Loaded { stacks: Vec::new(), problems: vec![*problem], complete: false },
    }
}

fn candidate(files: &[String]) -> Candidate {
    let parent = files.first().and_then(|first| first.rsplit_once('/'));
    let directory = parent.map(|(directory, _)| directory.to_owned()).unwrap_or_default();
    Candidate { directory, files: files.to_vec() }
}

/// The canonical form of a stack that is put together; `root` is where the repository's root is on this disk.
///
/// # Errors
/// Everything that Compose has against it too.
pub fn understand(prepared: Prepared<'_>, root: &Path) -> Result<Canonical, Vec<Problem>> {
    let Prepared { tree, findings, mut scene, .. } = prepared;
    let around = Around { scene: &scene, root };
    let node = canonical(&At::root(&tree, &findings), &around);
    let wrong: Vec<_> = findings.problems().iter().map(identity).collect();
    project::examine(&tree, &findings, &mut scene);
    let masks = scene.masks();
    let (problems, mut remarks) = findings.into_parts(&masks);
    let problems = distinct(problems);
    let mut seen = BTreeSet::new();
    remarks.retain(|remark| seen.insert((remark.place.clone(), remark.text.clone())));
    let is_wrong =
        |problem: &Problem| WRONG.contains(&problem.code) || wrong.contains(&identity(problem));
    let (wrong, refused): (Vec<_>, Vec<_>) = problems.into_iter().partition(is_wrong);
    match wrong.is_empty() {
        true => Ok(Canonical { node, masks, remarks, refused }),
        false => Err(wrong),
    }
}

/// Problems that Compose has with a manifest too, and that only show when the stack is read. All else is
/// what evenkeel does not do, or what is checked before the engine would.
const WRONG: [&str; 12] = [
    "unknown-key",
    "wrong-type",
    "wrong-name",
    "no-services",
    "undefined-network",
    "undefined-volume",
    "undefined-secret",
    "undefined-config",
    "undefined-service",
    "circle",
    "contradiction",
    "two-mounts",
];

/// What makes two problems the same: hints may differ, and messages are masked later.
fn identity(problem: &Problem) -> (Option<Place>, Option<String>, &'static str) {
    (problem.place.clone(), problem.path.clone(), problem.code)
}

/// The canonical form and the stack are read from the same tree and complain of the same things.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut is_new = |problem: &Problem| {
        seen.insert((problem.place.clone(), problem.path.clone(), problem.message.clone()))
    };
    problems.into_iter().filter(|problem| is_new(problem)).collect()
}
