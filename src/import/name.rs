//! What the stack is called: as the project was, so that its volumes and networks stay its own.

use super::edits::Edits;
use super::find::literal;
use super::{Note, Source, Weight, source};
use crate::manifest::interpolate::{self, Lookup};
use crate::manifest::names;
use crate::model::{Place, Problem, StackName};

/// The name of the project, in Compose's order: what was asked for, `COMPOSE_PROJECT_NAME`, `name:`, the
/// directory.
///
/// # Errors
/// None of them gives one, or what is written is no name.
pub fn decide(
    asked: Option<&StackName>,
    sources: &[Source],
    directory: &str,
    variables: &dyn Lookup,
) -> Result<StackName, Box<Problem>> {
    if let Some(name) = asked {
        return Ok(name.clone());
    }
    let set = variables.get("COMPOSE_PROJECT_NAME").map(|set| set.value.reveal().to_owned());
    if let Some(name) = set.filter(|name| !name.is_empty()) {
        return checked(name, Place::file(".env"));
    }
    let mut written = None;
    for (source, entry) in source::main(sources).flat_map(Source::names) {
        let template = entry.text().unwrap_or_default();
        let expanded = interpolate::expand(template, variables).ok();
        let name = expanded.map(|expanded| expanded.text.reveal().to_owned()).unwrap_or_default();
        if !name.is_empty() {
            written = Some((name, source.place(entry.span.start)));
        }
    }
    if let Some((name, place)) = written {
        return checked(name, place);
    }
    let name = names::normalise_project(directory);
    match name.is_empty() {
        true => Err(Problem::new("unnamed-stack", "this project has no name")
            .hint("write `name:` at the top of the file, or put it into a directory with a name")
            .into()),
        false => Ok(StackName::new(name)),
    }
}

fn checked(name: String, place: Place) -> Result<StackName, Box<Problem>> {
    match names::check_project(&name) {
        Ok(()) => Ok(StackName::new(name)),
        // What is written may come from a file of values, and is not quoted.
        Err(_) => {
            let message = "what is written here makes no project name";
            Err(Problem::new("wrong-name", message)
                .at(place)
                .hint("a name takes lower-case letters, digits, `-` and `_`, and begins with a letter or a digit")
                .into())
        }
    }
}

/// Writes the name where a file says another, or one that only the server's variables would tell.
pub fn settle(stack: &StackName, sources: &[Source], edits: &mut [Edits], notes: &mut Vec<Note>) {
    for (number, source) in source::main(sources).enumerate() {
        for (_, name) in source.names() {
            let says = name.text().and_then(literal);
            if says.as_deref() == Some(stack.as_str()) || name.text().is_none() {
                continue;
            }
            edits[number].replace(name.span.clone(), stack.as_str());
            notes.push(Note::new(
                Weight::Worth,
                (number, name.span.start),
                None,
                format!("the project was called `{stack}`; `name:` says so now"),
                Some("leave it: volumes and networks are called by it".to_owned()),
            ));
        }
    }
}
