//! Documents become one tree, in Compose's order: in each one the variables are replaced, then `include` and
//! `extends` are followed; then it is laid over those before it.
//!
//! Nothing is understood here but these two keys. Where a value came from goes along as its
//! [`Origin`](super::origin::Origin).

mod extends;
mod include;
mod paths;

use std::sync::Arc;

use self::extends::Family;
use super::files::Files;
use super::findings::Findings;
use super::interpolate::{self, Unset};
use super::merge;
use super::node::{Node, Value};
use super::options::Options;
use super::origin::Origin;
use super::server::Server;
use super::variables::Variables;
use crate::model::tree::Revision;
use crate::model::{Masks, Place, Problem};

/// What is looked around in on the way.
pub struct Surroundings<'a> {
    /// The host's side.
    pub options: &'a Options<'a>,
    /// The revision that is read.
    pub revision: &'a Revision,
    /// The server's files.
    pub server: &'a Server,
    /// The stack's directory in the repository.
    pub directory: &'a str,
    /// What an unset variable is.
    pub unset: Unset,
}

/// What came out, or how far it came.
pub struct Assembled {
    /// The tree; `None` where a file could not be followed or does not fit.
    pub tree: Option<Node>,
    /// What is wrong with the files or how they fit together.
    pub problems: Vec<Problem>,
    /// What is wrong with variables; among it those that have to be set and are not.
    pub variables: Vec<Problem>,
    /// Unset variables that nothing was put in the place of.
    pub blanks: Vec<Problem>,
    /// Things worth saying, with where they stand.
    pub remarks: Vec<(Place, String)>,
    /// Files of variables that belong to included files.
    pub included: Vec<Arc<Variables>>,
}

/// Follows `documents` of the stack's own files, whose variables are `variables`.
pub fn assemble(
    documents: Vec<Node>,
    files: &mut Files,
    variables: &Variables,
    around: &Surroundings<'_>,
) -> Assembled {
    let mut assembly = Assembly {
        around,
        files,
        own: variables,
        left: around.options.limits.expansion,
        is_spent: false,
        is_broken: false,
        families: Vec::new(),
        found: Findings::default(),
        variables: Vec::new(),
        blanks: Vec::new(),
        remarks: Vec::new(),
        included: Vec::new(),
    };
    let project = Project::of_the_stack(around.directory);
    let tree = assembly.project(documents, &project);
    assembly.finish(tree)
}

/// Files that share a directory and variables: the stack's own, or what one `include` names.
struct Project {
    /// The directory that relative paths start from.
    directory: String,
    /// `None` for the stack's own.
    origin: Option<Arc<Origin>>,
    /// The files that include each other down to here.
    trail: Vec<String>,
}

impl Project {
    fn of_the_stack(directory: &str) -> Self {
        Self { directory: directory.to_owned(), origin: None, trail: Vec::new() }
    }

    fn variables(&self) -> Option<&Arc<Variables>> {
        self.origin.as_ref()?.variables.as_ref()
    }
}

struct Assembly<'a> {
    around: &'a Surroundings<'a>,
    files: &'a mut Files,
    /// The stack's own variables.
    own: &'a Variables,
    /// How much may still be added to what the stack's own files say.
    left: usize,
    is_spent: bool,
    /// Something could not be followed: what is missing now is no further problem.
    is_broken: bool,
    families: Vec<Family>,
    found: Findings,
    variables: Vec<Problem>,
    blanks: Vec<Problem>,
    remarks: Vec<(Place, String)>,
    included: Vec<Arc<Variables>>,
}

impl Assembly<'_> {
    /// The documents of one project as one tree.
    fn project(&mut self, documents: Vec<Node>, project: &Project) -> Option<Node> {
        let mut layers = Vec::with_capacity(documents.len());
        for document in documents {
            let document = self.interpolated(document, project);
            let document = self.with_includes(document, project);
            layers.push(self.with_extends(document, project));
        }
        let mut problems = Vec::new();
        let tree = merge::all(layers, &mut problems);
        problems.into_iter().for_each(|problem| self.found.problem(problem));
        tree
    }

    /// `tree` with its variables replaced.
    fn interpolated(&mut self, tree: Node, project: &Project) -> Node {
        let variables = project.variables().map_or(self.own, |variables| variables);
        let (unset, texts) = (self.around.unset, &self.files.texts);
        let (found, blanks) = (&mut self.variables, &mut self.blanks);
        let before = project.origin.as_ref().map(|_| tree.weight());
        let tree = interpolate::interpolate(tree, variables, unset, texts, found, blanks);
        match before {
            Some(before) if !self.can_add(tree.weight().saturating_sub(before), &tree.place) => {
                Node::new(tree.place, Value::Null)
            }
            Some(_) | None => tree,
        }
    }

    /// Books `weight` that `include` or `extends` adds at `place`; false once the limit is passed.
    fn can_add(&mut self, weight: usize, place: &Place) -> bool {
        let Some(left) = self.left.checked_sub(weight) else {
            if !self.is_spent {
                let limit = self.around.options.limits.expansion;
                let message = format!("`include` and `extends` add more than {limit} values");
                let problem = Problem::new("too-large", message).at(place.clone());
                self.report(problem.hint("raise `limits.expansion` if it has to be so much"));
            }
            self.is_spent = true;
            return false;
        };
        self.left = left;
        !self.is_spent
    }

    /// A problem that leaves something out.
    fn report(&mut self, problem: Problem) {
        self.is_broken = true;
        self.found.problem(problem);
    }

    fn report_all(&mut self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.report(problem));
    }

    fn finish(self, tree: Option<Node>) -> Assembled {
        let (problems, _) = self.found.into_parts(&Masks::default());
        Assembled {
            tree: tree.filter(|_| !self.is_broken),
            problems,
            variables: self.variables,
            blanks: self.blanks,
            remarks: self.remarks,
            included: self.included,
        }
    }
}

/// The directory that holds the file at `path`; empty for the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
