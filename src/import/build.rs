//! `build:`: a server never builds, so an image has to be named. Which one, only a person can say.

use super::edits::{Edits, indent, line_break};
use super::{Note, Source, Weight, source};
use crate::manifest::node::Node;
use crate::model::{ServiceName, StackName};

/// Proposes an `image:` line, as a comment, wherever there is a `build` and no image.
pub fn propose(
    stack: &StackName,
    merged: &Node,
    sources: &[Source],
    edits: &mut [Edits],
    notes: &mut Vec<Note>,
) {
    // Whether a part that others take gets an image, only they know.
    for (number, source) in source::main(sources).enumerate() {
        for (service, piece) in source.services() {
            let Some(build) = piece.entry("build") else { continue };
            let at = build.key.span.start;
            let name = Some(ServiceName::new(service));
            if has_image(merged, service) {
                let text = "`build` is ignored: the server pulls the image that is named beside it";
                let next = "let the CI build and push that image";
                notes.push(Note::new(Weight::Worth, (number, at), name, text, Some(next.into())));
                continue;
            }
            let line = format!("# image: REGISTRY/OWNER/{stack}-{service}:VERSION");
            let next = format!(
                "build and push it in the CI, and write `image: REGISTRY/OWNER/{stack}-{service}:VERSION` in its place"
            );
            let text = "it is built here, and a server never builds: there is no image to run";
            notes.push(Note::new(Weight::First, (number, at), name, text, Some(next)));
            if let Some(blanks) = indent(&source.text, at)
                && !source.text[..at].trim_end().ends_with(&line)
            {
                let line_break = line_break(&source.text);
                edits[number].insert(at, format!("{line}{line_break}{blanks}"));
            }
        }
    }
}

fn has_image(merged: &Node, service: &str) -> bool {
    let service = merged.get("services").and_then(|services| services.get(service));
    let image = |service: &Node| service.get("image").is_some() || service.get("extends").is_some();
    service.is_some_and(image)
}
