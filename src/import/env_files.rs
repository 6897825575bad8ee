//! Env files that services read, and files of secrets: those beside the Compose file are taken along for the
//! server.

use std::collections::BTreeSet;

use super::edits::Edits;
use super::find::literal;
use super::source::Source;
use super::{Input, Note, ServerText, Weight};
use crate::manifest::repository;
use crate::manifest::yaml::layout::{Piece, Shape};
use crate::model::{Hidden, StackName};

/// The largest env file that is taken along, in bytes; the loader reads no larger one.
const LARGEST: u64 = 1024 * 1024;

/// The stack's own server file.
const OWN: &str = ".env";

/// A file that is asked for: where, by the file's number and the bytes of the value, and for what.
struct Asked<'p> {
    file: usize,
    what: &'static str,
    piece: &'p Piece,
    path: String,
}

/// The env files and secrets that lie beside the Compose file, for `env_dir`.
///
/// The stack's own server file is what `env_file: .env` means. Where secrets are added to it (`grows`), the
/// services that read it would get them all; so they read a copy of what it was.
pub fn take_along(
    input: &Input<'_>,
    stack: &StackName,
    grows: bool,
    sources: &[Source],
    edits: &mut [Edits],
    notes: &mut Vec<Note>,
) -> Vec<ServerText> {
    let asked = asked(sources);
    let mut taken = Vec::new();
    let mut seen = BTreeSet::new();
    for Asked { file, what, piece, path } in asked.iter().filter(|asked| asked.path != OWN) {
        let bytes = input.beside.read(path, LARGEST).ok().flatten();
        let Some(content) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
        if seen.insert(path) {
            let text = format!("{what} `{path}` belongs on the server; a copy is made for it");
            notes.push(Note::new(Weight::Server, (*file, piece.span.start), None, text, None));
            let (path, content) = (format!("{stack}/{path}"), Hidden::new(content));
            taken.push(ServerText { path, content });
        }
    }
    let own: Vec<&Asked<'_>> = asked.iter().filter(|asked| asked.path == OWN).collect();
    if !grows || own.is_empty() {
        return taken;
    }
    let name = free_name(&asked);
    let path = format!("{stack}/{name}");
    let (text, next) = match input.env {
        Some(_) => (
            "the container read all of `.env`; now it reads a copy of it, without the secrets that were moved",
            format!("leave in `{name}` what the container needs, and nothing else"),
        ),
        None => (
            "the container wants all of `.env`, which is not beside the file; with the secrets that were moved, it would get too much",
            format!("put what the container needs at /etc/evenkeel/env/{path}"),
        ),
    };
    for Asked { file, piece, .. } in own {
        edits[*file].replace(piece.span.clone(), &name);
        let at = (*file, piece.span.start);
        notes.push(Note::new(Weight::Server, at, None, text, Some(next.clone())));
    }
    taken.extend(input.env.map(|env| ServerText { path, content: Hidden::new(&env.text) }));
    taken
}

/// The relative paths below every `env_file` and of every secret that is written out.
fn asked(sources: &[Source]) -> Vec<Asked<'_>> {
    let mut found = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        let directory = source.directory();
        for document in &source.documents {
            walk((file, directory), document, &mut found);
            let secrets = document.get("secrets").map(Piece::entries).unwrap_or_default();
            for path in secrets.iter().filter_map(|secret| secret.value.get("file")) {
                paths((file, directory), "the file of a secret", path, &mut found);
            }
        }
    }
    found
}

fn walk<'p>(from: (usize, &str), piece: &'p Piece, found: &mut Vec<Asked<'p>>) {
    for entry in piece.entries() {
        match entry.key.text() {
            Some("env_file") => paths(from, "env file", &entry.value, found),
            Some(_) | None => walk(from, &entry.value, found),
        }
    }
}

fn paths<'p>(
    from: (usize, &str),
    what: &'static str,
    piece: &'p Piece,
    found: &mut Vec<Asked<'p>>,
) {
    match &piece.shape {
        Shape::Scalar(written) => {
            let path = literal(&written.text).and_then(|path| repository::join(from.1, &path));
            let path = path.filter(|path| !path.is_empty());
            found.extend(path.map(|path| Asked { file: from.0, what, piece, path }));
        }
        Shape::Sequence { items, .. } => {
            items.iter().for_each(|item| paths(from, what, item, found))
        }
        Shape::Mapping { .. } => {
            if let Some(path) = piece.get("path") {
                paths(from, what, path, found);
            }
        }
        Shape::Alias(_) => {}
    }
}

fn free_name(asked: &[Asked<'_>]) -> String {
    let names = ["container.env".to_owned()].into_iter();
    let mut names = names.chain((2_u32..).map(|number| format!("container{number}.env")));
    let is_free = |name: &String| asked.iter().all(|asked| asked.path != *name);
    names.find(is_free).unwrap_or_default()
}
