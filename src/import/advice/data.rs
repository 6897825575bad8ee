//! Where the data of a service is: in git, on the server, or in a volume without a name.

use super::{Of, Told, items, text};
use crate::import::{Input, Weight};
use crate::manifest::node::{Node, Value};
use crate::manifest::repository;
use crate::model::StackName;
use crate::model::tree::EntryKind;

/// Tells what is worth a word about the volumes of one service.
pub fn advise(of: &Of<'_>, stack: &StackName, input: &Input<'_>, told: &mut Told<'_>) {
    let Some(volumes) = of.service.get("volumes") else { return };
    for node in items(volumes) {
        match mounted(node) {
            Mounted::Nameless => nameless(of, node, told),
            Mounted::Relative(path) => relative(of, node, &path, stack, input, told),
            Mounted::Other => {}
        }
    }
}

enum Mounted {
    /// A volume without a name.
    Nameless,
    /// A path beside the Compose file.
    Relative(String),
    Other,
}

fn mounted(node: &Node) -> Mounted {
    let source = match &node.value {
        Value::Mapping(_) => {
            let kind = node.get("type").and_then(text).unwrap_or_default();
            match (kind, node.get("source").and_then(text)) {
                ("volume", None) => return Mounted::Nameless,
                ("bind", Some(source)) => source,
                _ => return Mounted::Other,
            }
        }
        Value::Scalar(scalar) if scalar.text.contains("${") => return Mounted::Other,
        Value::Scalar(scalar) => match scalar.text.split_once(':') {
            None => return Mounted::Nameless,
            Some((source, _)) if source.starts_with('.') => source,
            Some(_) => return Mounted::Other,
        },
        Value::Null | Value::Sequence(_) => return Mounted::Other,
    };
    match source.starts_with('/') || source.starts_with('~') || source.contains('$') {
        true => Mounted::Other,
        false => Mounted::Relative(source.to_owned()),
    }
}

fn nameless(of: &Of<'_>, node: &Node, told: &mut Told<'_>) {
    let text =
        "its volume has no name: nobody finds the data again once the container is gone".to_owned();
    let next = "give it a name: `data:/path`, and `volumes: {data: }` at the top";
    told.add(Weight::Worth, &node.place, Some(of.name), text, next);
}

fn relative(
    of: &Of<'_>,
    node: &Node,
    path: &str,
    stack: &StackName,
    input: &Input<'_>,
    told: &mut Told<'_>,
) {
    let inside = repository::join("", path);
    let kind = inside.and_then(|inside| input.beside.kind(&inside).ok().flatten());
    let there = format!("/var/lib/evenkeel/data/{stack}/{}", path.trim_start_matches("./"));
    let (text, next) = match (kind, input.working_dir) {
        (Some(EntryKind::File { .. }), _) => (
            format!("`{path}` is a file"),
            format!(
                "put it into git beside the manifest, where a change of it rolls out; or, with secrets in it, on the server at {there}"
            ),
        ),
        (Some(_) | None, Some(dir)) => (
            format!("`{path}` stays in {} if the server's configuration says so", dir.display()),
            "should it hold nothing but configuration, put it into git beside the manifest"
                .to_owned(),
        ),
        (Some(_), None) => (
            format!(
                "`{path}` is a directory: of git, if it lies beside the manifest there; else of the server"
            ),
            format!("put configuration into git; move data to {there} before the first deployment"),
        ),
        (None, None) => (
            format!("`{path}` is not beside the file: it is made on the server, empty, at {there}"),
            "move data there before the first deployment, if there is any".to_owned(),
        ),
    };
    told.add(Weight::Server, &node.place, Some(of.name), text, &next);
}
