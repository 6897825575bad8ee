//! The steps of an import, in their order; each of them is in a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::choose::Names;
use super::edits::{Edits, position};
use super::find::Finds;
use super::rewrite::Rewrite;
use super::source::{self, Source};
use super::{
    Advice, File, Imported, Input, Moved, Note, ServerText, Weight, advice, build, check,
    env_files, env_text, name, repeated, watchtower,
};
use crate::manifest::dotenv;
use crate::manifest::interpolate::{self, Lookup, Variable};
use crate::manifest::node::{Node, Value};
use crate::model::{Hidden, Place, Problem, StackName};

/// Imports `input`, whose files are `sources`.
///
/// # Errors
/// The files do not fit together, or give the project no name.
pub fn convert(input: &Input<'_>, sources: &[Source]) -> Result<Imported, Vec<Problem>> {
    let merged = source::merged(sources)?;
    let mut notes = Vec::new();
    let mut remarks = Vec::new();
    let env = Env::read(input.env, &mut remarks);
    let stack = name::decide(input.project, sources, input.directory, &env)
        .map_err(|problem| vec![*problem])?;
    let mut edits = vec![Edits::default(); sources.len()];
    name::settle(&stack, sources, &mut edits, &mut notes);
    watchtower::convert(sources, &mut edits, &mut notes);
    build::propose(&stack, &merged, sources, &mut edits, &mut notes);
    let moved = move_secrets(&stack, &env, sources, &mut edits, &mut notes);
    let grows = !moved.is_empty();
    let mut server = env_files::take_along(input, &stack, grows, sources, &mut edits, &mut notes);
    server.extend(stack_env(&stack, input.env, &moved));

    if let Some((name, _)) = moved.first() {
        let text = format!(
            "secrets such as `{name}` were in clear text, and whoever had the file knows them"
        );
        let next =
            "change them, above all if the file was ever in a repository: its history keeps them";
        remarks.push(Advice {
            weight: Weight::Worth,
            place: None,
            service: None,
            text,
            next: Some(next.to_owned()),
        });
    }
    let (manifests, placed) = texts(&stack, sources, &edits);
    remarks.extend(notes.into_iter().map(|note| placed.advice(note, sources, &edits, &manifests)));
    let checked = check::check(&stack, &manifests, &server, input.host);
    remarks.extend(checked.remarks);
    remarks.extend(advice::advise(&stack, &manifests, &env, input));
    remarks.sort_by(|a, b| (&a.place, a.weight, &a.text).cmp(&(&b.place, b.weight, &b.text)));
    remarks.dedup();
    Ok(Imported {
        variables: env.variables(moved),
        stack,
        manifests,
        server,
        dir: input.working_dir.map(std::path::Path::to_owned),
        problems: checked.problems,
        remarks,
    })
}

/// The `.env` beside the files.
pub struct Env(Vec<(String, Hidden)>);

impl Env {
    fn read(file: Option<&File>, remarks: &mut Vec<Advice>) -> Self {
        let Some(file) = file else { return Self(Vec::new()) };
        let entries = dotenv::parse(&file.name, file.text.as_bytes(), &Self(Vec::new()));
        let entries = entries.unwrap_or_else(|problems| {
            let told = problems.into_iter().map(|problem| Advice {
                weight: Weight::First,
                text: problem.message,
                place: problem.place,
                service: None,
                next: Some("mend it, and import again".to_owned()),
            });
            remarks.extend(told);
            Vec::new()
        });
        Self(entries.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// All variables of the stack's server file, `moved` among them.
    fn variables(self, moved: Vec<(String, Hidden)>) -> Vec<Moved> {
        let old = self.0.into_iter().map(|(name, value)| (name, value, false));
        let new = moved.into_iter().map(|(name, value)| (name, value, true));
        let all = old.chain(new);
        all.map(|(name, value, from_manifest)| Moved { name, value, from_manifest }).collect()
    }
}

impl Lookup for Env {
    fn get(&self, name: &str) -> Option<Variable> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(Variable { value: value.clone(), from_server: true })
    }
}

/// Moves the secrets of all files out, and tells what was moved.
fn move_secrets(
    stack: &StackName,
    env: &Env,
    sources: &[Source],
    edits: &mut [Edits],
    notes: &mut Vec<Note>,
) -> Vec<(String, Hidden)> {
    let mut finds = Finds::default();
    for (number, source) in sources.iter().enumerate() {
        source.search(number, &mut finds);
    }
    let set: BTreeMap<String, Hidden> = env.0.iter().cloned().collect();
    let mut names = Names::new(set, used(sources));
    let chosen = names.choose(&finds.secrets);
    let mut rewrite = Rewrite::default();
    for (found, name) in finds.secrets.iter().zip(&chosen) {
        rewrite.put(found.at, found.range.clone(), name);
        let text =
            format!("the secret of `{}` is `{name}` in the server's {stack}.env", found.holder);
        notes.push(note(&found.at, Weight::Server, found.service.as_deref(), text, None));
    }
    for (at, holder, service) in &finds.defaults {
        let text = format!("`{holder}` has a default in clear text");
        let next =
            format!("set it in the server's {stack}.env, and write `:?` in place of the default");
        notes.push(note(at, Weight::Worth, service.as_deref(), text, Some(next)));
    }
    for (name, value) in &names.moved {
        repeated::in_values(name, value, &finds, &mut rewrite);
    }
    let texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
    rewrite.write(&texts, edits);
    for (source, edits) in sources.iter().zip(edits) {
        for (name, value) in &names.moved {
            repeated::in_comments(name, value, &source.text, &source.documents, edits);
        }
    }
    names.moved.into_iter().collect()
}

fn note(
    at: &super::find::Spot<'_>,
    weight: Weight,
    service: Option<&str>,
    text: String,
    next: Option<String>,
) -> Note {
    let service = service.map(crate::model::ServiceName::new);
    Note::new(weight, (at.file, at.piece.span.start), service, text, next)
}

/// Names that the files use as variables, by `${…}` or by passing them through.
fn used(sources: &[Source]) -> BTreeSet<String> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    for tree in sources.iter().flat_map(|source| &source.trees) {
        used.extend(interpolate::variables(tree).into_keys());
        passed_through(tree, &mut used);
    }
    used
}

/// Every name without a value, wherever it stands: some of them are variables that are handed on.
fn passed_through(node: &Node, used: &mut BTreeSet<String>) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(scalar) => drop(used.insert(scalar.text.clone())),
        Value::Sequence(items) => items.iter().for_each(|item| passed_through(item, used)),
        Value::Mapping(fields) => {
            for (key, field) in fields {
                if matches!(field.node.value, Value::Null) {
                    used.insert(key.clone());
                }
                passed_through(&field.node, used);
            }
        }
    }
}

/// The stack's own server file.
fn stack_env(
    stack: &StackName,
    env: Option<&File>,
    moved: &[(String, Hidden)],
) -> Option<ServerText> {
    let mut text = env.map(|env| env.text.clone()).unwrap_or_default();
    if text.is_empty() && moved.is_empty() {
        return None;
    }
    if !moved.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(
            "# Moved out of the Compose file. This file belongs on the server, never in git.\n",
        );
    }
    for (name, value) in moved {
        text.push_str(&env_text::entry(name, value.reveal()));
        text.push('\n');
    }
    Some(ServerText { path: format!("{stack}.env"), content: Hidden::new(text) })
}

/// Which manifest a file became part of, and from which byte on.
struct Placed(Vec<(usize, usize)>);

/// The manifests: the first file, and all others as what is laid over it.
fn texts(stack: &StackName, sources: &[Source], edits: &[Edits]) -> (Vec<File>, Placed) {
    let mut manifests: Vec<File> = Vec::new();
    let mut placed = Vec::new();
    for (number, (source, edits)) in sources.iter().zip(edits).enumerate() {
        let text = edits.apply(&source.text);
        if let Some(path) = &source.attached {
            placed.push((manifests.len(), 0));
            manifests.push(File { name: format!("{stack}/{path}"), text });
            continue;
        }
        let name = match number {
            0 => format!("{stack}/compose.yaml"),
            _ => format!("{stack}/compose.override.yaml"),
        };
        match manifests.last_mut() {
            // There is one override; Compose merges the documents of a file in their order.
            Some(last) if number > 1 => {
                let gap = if last.text.ends_with('\n') { "---\n" } else { "\n---\n" };
                last.text.push_str(gap);
                placed.push((1, last.text.len()));
                last.text.push_str(text.trim_start_matches('\u{feff}'));
            }
            Some(_) | None => {
                placed.push((manifests.len(), 0));
                manifests.push(File { name, text });
            }
        }
    }
    (manifests, Placed(placed))
}

impl Placed {
    /// The note with its place in the result.
    fn advice(
        &self,
        note: Note,
        sources: &[Source],
        edits: &[Edits],
        manifests: &[File],
    ) -> Advice {
        let (file, at) = note.at;
        let at = at.min(sources[file].text.len());
        let (manifest, start) = self.0[file];
        let manifest = &manifests[manifest];
        let (line, column) = position(&manifest.text, start + edits[file].moved(at));
        Advice {
            weight: note.weight,
            place: Some(Place { file: manifest.name.as_str().into(), line, column }),
            service: note.service,
            text: note.text,
            next: note.next,
        }
    }
}
