//! The files of one stack, read, parsed and named; nothing in them is understood yet.

use std::collections::BTreeSet;

use super::discover::Candidate;
use super::files::{self, Files};
use super::interpolate;
use super::node::{Field, Node, Value};
use super::options::Options;
use super::repository;
use super::sealed::seal_of;
use super::variables::Variables;
use super::{merge, names, project};
use crate::model::tree::Revision;
use crate::model::{Place, Problem, StackName};

/// A stack that could not be read far enough to know its name.
pub struct Unnamed {
    /// Its directory and files.
    pub candidate: Candidate,
    /// What its directory makes of a name.
    pub guess: Option<StackName>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What there is of it under a name that is only guessed, where its files could be read.
    pub readable: Option<Manifest>,
}

/// The files of one stack, parsed, and its name.
pub struct Manifest {
    /// Its directory and files.
    pub candidate: Candidate,
    /// The stack's name.
    pub name: StackName,
    /// What was read.
    pub files: Files,
    /// Every document of every file, in the order they are merged, before interpolation.
    pub documents: Vec<Node>,
    /// The top of the file without what it describes, merged, before interpolation.
    heading: Node,
}

/// What the heading of a manifest says.
const HEADING: [&str; 2] = ["name", "x-evenkeel"];

impl Manifest {
    /// Reads and names the stack of `candidate`.
    ///
    /// # Errors
    /// A file cannot be read or parsed, or gives no name.
    pub fn read(
        candidate: Candidate,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Self, Box<Unnamed>> {
        let guess = name_of_directory(&candidate.directory, revision);
        let (mut files, mut documents, mut problems) = (Files::default(), Vec::new(), Vec::new());
        for file in &candidate.files {
            match files.read(file, revision, options) {
                Ok(mut more) => documents.append(&mut more),
                Err(mut why) => problems.append(&mut why),
            }
        }
        let heading = heading(&documents, &mut files.flaws);
        let (Some(heading), true) = (heading, problems.is_empty()) else {
            problems.append(&mut files.flaws);
            problems.iter_mut().for_each(|problem| files.texts.show_line(problem));
            return Err(Box::new(Unnamed { candidate, guess, problems, readable: None }));
        };
        let (name, problem) = match written_name(&heading, &candidate, revision, options) {
            Ok(name) => (Some(name), None),
            Err(mut problem) => {
                files.texts.show_line(&mut problem);
                (guess.clone(), Some(*problem))
            }
        };
        let directory = candidate.clone();
        let readable = name.map(|name| Self { candidate, name, files, documents, heading });
        match (readable, problem) {
            (Some(manifest), None) => Ok(manifest),
            (readable, problem) => Err(Box::new(Unnamed {
                candidate: directory,
                guess,
                problems: problem.into_iter().collect(),
                readable,
            })),
        }
    }

    /// Whether it is meant for this host; without a server at hand, whatever host it is meant for.
    pub fn is_for(&self, options: &Options<'_>) -> bool {
        options.server.is_away() || project::evenkeel::is_for(&self.heading, options.host)
    }

    /// The globs of the hosts it is meant for; none where it is for every one.
    pub fn hosts(&self) -> Vec<String> {
        project::evenkeel::hosts(&self.heading)
    }

    /// How many services its own files list, whatever their profiles.
    pub fn service_count(&self) -> usize {
        let mut names = BTreeSet::new();
        for document in &self.documents {
            if let Some(Value::Mapping(services)) = document.get("services").map(|node| &node.value)
            {
                names.extend(services.keys());
            }
        }
        names.len()
    }
}

/// What says for whom a manifest is and what it is called; what does not fit is added to `problems`.
fn heading(documents: &[Node], problems: &mut Vec<Problem>) -> Option<Node> {
    let headings = documents.iter().map(|document| {
        let kept = |(key, field): (&String, &Field)| {
            HEADING.contains(&key.as_str()).then(|| (key.clone(), field.clone()))
        };
        let fields = match &document.value {
            Value::Mapping(fields) => fields.iter().filter_map(kept).collect(),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => Default::default(),
        };
        Node::new(document.place.clone(), Value::Mapping(fields))
    });
    merge::all(headings, problems)
}

/// What Compose would make of the directory's name. The root is called as its source is: by default as the
/// repository, so as the directory of a clone.
fn name_of_directory(directory: &str, revision: &Revision) -> Option<StackName> {
    let last = match directory.rsplit('/').next() {
        None | Some("") => revision.source.as_str(),
        Some(last) => last,
    };
    let name = names::normalise_project(last);
    (!name.is_empty()).then(|| StackName::new(name))
}

/// `name:`, else the directory's name; at the root of the repository, the source's.
///
/// The stack's own server file cannot say what the stack is called, since it is found by that name.
fn written_name(
    heading: &Node,
    candidate: &Candidate,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<StackName, Box<Problem>> {
    let file = candidate.files.first().cloned().unwrap_or_default();
    let Some(node) = heading.get("name").filter(|node| !matches!(node.value, Value::Null)) else {
        return name_of_directory(&candidate.directory, revision)
            .ok_or_else(|| Box::new(unnamed(&file)));
    };
    let trouble = |why: String| Problem::new("wrong-name", why).at(node.place.clone()).path("name");
    let Value::Scalar(scalar) = &node.value else {
        let problem = trouble(format!("expected a name, found {}", node.kind()));
        return Err(Box::new(problem.hint("write it like `name: shop`")));
    };
    let mut variables = Variables::default();
    let env = repository::join(&candidate.directory, ".env").unwrap_or_default();
    let bytes = files::look(&env, revision, options)?;
    // What is encrypted is a secret, and a name is none.
    if let Some(bytes) = bytes.filter(|bytes| seal_of(&env, bytes).is_none()) {
        variables.add_git(&env, &bytes, &mut Vec::new());
    }
    variables.add_built_in(None, options.host, revision);
    let expanded = interpolate::expand(&scalar.text, &variables).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        trouble(errors.join("; ")).hint("write the name without variables")
    })?;
    if let Some(name) = expanded.unset.first() {
        let problem = trouble(format!("the stack's name uses `{name}`, which is not set"));
        return Err(Box::new(
            problem
                .note(format!("only {env} and EVENKEEL_… can be used in a name"))
                .hint(format!("set `{name}` in {env}, or write the name out")),
        ));
    }
    let name = expanded.text.reveal();
    names::check_project(name).map_err(|why| {
        let possible = names::normalise_project(name);
        let problem = trouble(why);
        Box::new(match possible.is_empty() {
            true => problem.hint("give it another name"),
            false => problem.hint(format!("write `name: {possible}`")),
        })
    })?;
    Ok(StackName::new(name))
}

fn unnamed(file: &str) -> Problem {
    Problem::new("unnamed-stack", "this stack has no name, and its directory's makes none")
        .at(Place::file(file))
        .hint("write `name:` at the top of the file")
}
