//! Where the image of a service is written, and the files with another one in its place.

use std::collections::BTreeMap;

use super::forms::Found;
use super::parts::{Replacement, Target, targets};
use super::{refusal, scalar};
use crate::manifest::dotenv;
use crate::manifest::files;
use crate::manifest::interpolate::{PartKind, parts};
use crate::manifest::options::Options;
use crate::manifest::variables::Setting;
use crate::manifest::yaml::layout::Shape;
use crate::model::tree::Revision;
use crate::model::{ImageRef, Place, Problem, ServiceId};

/// The files that change so that `service` gets `image`, as they are to be.
///
/// # Errors
/// The image is made of what is not in git.
pub fn write(
    revision: &Revision,
    options: &Options<'_>,
    service: &ServiceId,
    found: &Found,
    image: &ImageRef,
) -> Result<BTreeMap<String, Vec<u8>>, Box<Problem>> {
    let place = &found.image.place;
    let text = text_of(&place.file, revision, options)?;
    let lost = || {
        let problem = refusal(format!("`image` of {service} is not found where it is read"), place);
        Box::new(problem.hint("please report this, with the file"))
    };
    let piece = scalar::at(&text, place).ok_or_else(lost)?;
    let Shape::Scalar(written) = &piece.shape else { return Err(lost()) };
    // In single quotes and out of them, variables are the same to Compose.
    let pieces = parts(&written.text, &found.variables);
    let is_made_of_server = |name: &str| match found.variables.setting(name) {
        Some(
            Setting::Server { .. }
            | Setting::Sealed { .. }
            | Setting::Git { with_server: true, .. },
        ) => true,
        Some(Setting::Git { .. } | Setting::BuiltIn) | None => false,
    };
    let (mut template, mut variables) = (Vec::new(), BTreeMap::<String, Vec<Replacement>>::new());
    for target in targets(&pieces, image) {
        match target {
            Target::Template((range, new)) => {
                let server = pieces.iter().find_map(|part| match &part.kind {
                    PartKind::Variable(name)
                        if part.outer.start < range.end
                            && range.start < part.outer.end
                            && is_made_of_server(name) =>
                    {
                        Some(name)
                    }
                    PartKind::Variable(_) | PartKind::Unset(_) | PartKind::Text => None,
                });
                match server {
                    Some(name) => return Err(from_server(service, name, found).into()),
                    None => template.push((range, new)),
                }
            }
            Target::Variable(name, edit) => variables.entry(name).or_default().push(edit),
            Target::Unset(name) => return Err(unset(service, &name, place).into()),
        }
    }
    let mut files = BTreeMap::new();
    for (name, edits) in variables {
        let Some(Setting::Git { file, line, with_server: false }) = found.variables.setting(&name)
        else {
            return Err(from_server(service, &name, found).into());
        };
        let at = Place { file: file.into(), line, column: 1 };
        let changed = files.get(file).cloned();
        let changed = match changed {
            Some(changed) => changed,
            None => text_of(file, revision, options)?.into_bytes(),
        };
        let old: String = pieces
            .iter()
            .find(|part| part.kind == PartKind::Variable(name.clone()))
            .map(|part| part.value.reveal().to_owned())
            .unwrap_or_default();
        let changed = in_env_file(&name, &changed, &old, &edits)
            .ok_or_else(|| Box::new(composed(service, &name, &at)))?;
        files.insert(file.to_owned(), changed);
    }
    if !template.is_empty() {
        let edits = scalar::in_text(&text, &piece, written, &template);

        files.insert(place.file.to_string(), scalar::apply(&text, &edits).into_bytes());
    }
    Ok(files)
}

fn text_of(file: &str, revision: &Revision, options: &Options<'_>) -> Result<String, Box<Problem>> {
    let bytes = files::look(file, revision, options)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        let place = Place::file(file);
        Box::new(
            refusal(format!("`{file}` cannot be read as text"), &place).hint("save it as UTF-8"),
        )
    })
}

/// The env file with `edits` of the value of `name`, which is `old`; `None` where it is not written as it is.
fn in_env_file(name: &str, bytes: &[u8], old: &str, edits: &[Replacement]) -> Option<Vec<u8>> {
    let value = dotenv::value_of(name, bytes)?;
    let text = std::str::from_utf8(bytes).ok()?;
    if text.get(value.clone())? != old {
        return None;
    }
    let moved: Vec<Replacement> = edits
        .iter()
        .map(|(range, new)| (value.start + range.start..value.start + range.end, new.clone()))
        .collect();
    Some(scalar::apply(text, &moved).into_bytes())
}

fn from_server(service: &ServiceId, name: &str, found: &Found) -> Problem {
    let place = &found.image.place;
    let text = format!(
        "what changes in `image` of {service} is `${{{name}}}`, which is not readable in git"
    );
    let problem = refusal(text, place);
    match found.variables.setting(name) {
        Some(Setting::Server { file, line }) => {
            problem.note(format!("{name} is set on the server: {file}:{line}")).hint(format!(
                "set {name} there, or take it out there and set it in the stack's `.env` in git"
            ))
        }
        Some(Setting::Sealed { file, .. }) => problem
            .note(format!("{name} is set in {file}, which is encrypted"))
            .hint(format!("set {name} in the stack's `.env`, and take it out there")),
        Some(Setting::Git { file, line, .. }) => problem
            .note(format!("{name} is set in {file}:{line}, with a value of the server's"))
            .hint(format!("write out {name} there")),
        Some(Setting::BuiltIn) | None => problem
            .note(format!("{name} is set by evenkeel itself"))
            .hint("write the tag out in its place"),
    }
}

fn unset(service: &ServiceId, name: &str, place: &Place) -> Problem {
    let text = format!("`image` of {service} holds `${{{name}}}`, which nothing in git sets");
    refusal(text, place).note("it may be set on the server").hint(format!(
        "set {name} in the stack's `.env` in git, or give it a default: ${{{name}:-…}}"
    ))
}

fn composed(service: &ServiceId, name: &str, at: &Place) -> Problem {
    let text = format!("{name}, which is in `image` of {service}, is made of other variables");
    refusal(text, at).hint(format!("write {name} out: {name}=…"))
}
