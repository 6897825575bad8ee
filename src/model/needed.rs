//! What hosts need of registries, as `evenkeel images` writes it: lines, or JSON (`evenkeel.images/v1`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Digest, ImageRef};

const SCHEMA: &str = "evenkeel.images/v1";

/// The digests that hosts need, whatever the repository: the same digest is the same image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed(BTreeMap<Digest, Need>);

/// Why one digest is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    /// Who needs it: a host, or a list.
    who: String,
    /// Whose it may be: those of repositories that are known.
    repositories: Vec<Option<ImageRef>>,
}

#[derive(Deserialize)]
struct Document {
    schema: String,
    host: String,
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    repository: Option<String>,
    digest: Digest,
    children: Vec<Digest>,
}

impl Needed {
    /// Adds what `text`, the list called `name`, says: the whole list or an error for people, never a part of it.
    ///
    /// A text without any line is an error: it is what a command leaves behind that failed.
    pub fn read(&mut self, name: &str, text: &str) -> Result<(), String> {
        let read = match text.trim_start().starts_with('{') {
            true => from_json(text)?,
            false => from_lines(name, text)?,
        };
        for (digest, who, repository) in read {
            let need = Need { who, repositories: Vec::new() };
            self.0.entry(digest).or_insert(need).repositories.push(repository);
        }
        Ok(())
    }

    /// Who needs `digest`.
    pub fn by(&self, digest: &Digest) -> Option<&str> {
        self.0.get(digest).map(|need| need.who.as_str())
    }

    /// The digests that are, or may be, in the repository of `image`.
    pub fn of(&self, image: &ImageRef) -> impl Iterator<Item = &Digest> {
        let may_be = |repository: &Option<ImageRef>| {
            repository.as_ref().is_none_or(|repository| repository.same_repository(image))
        };
        self.0
            .iter()
            .filter(move |(_, need)| need.repositories.iter().any(may_be))
            .map(|(digest, _)| digest)
    }
}

type Line = (Digest, String, Option<ImageRef>);

fn from_json(text: &str) -> Result<Vec<Line>, String> {
    let document: Document =
        serde_json::from_str(text).map_err(|error| format!("it is not `{SCHEMA}`: {error}"))?;
    if document.schema != SCHEMA {
        return Err(format!("it is `{}`, and not `{SCHEMA}`", document.schema));
    }
    let lines = document.images.into_iter().flat_map(|image| {
        let repository = image.repository.as_deref().and_then(repository);
        let digests = std::iter::once(image.digest).chain(image.children);
        digests.map(|digest| (digest, repository.clone())).collect::<Vec<_>>()
    });
    let host = document.host;
    Ok(lines.map(|(digest, repository)| (digest, host.clone(), repository)).collect())
}

fn from_lines(name: &str, text: &str) -> Result<Vec<Line>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<Line> = lines
        .map(|(at, line)| {
            let (before, digest) = line.trim().rsplit_once('@').unwrap_or(("", line.trim()));
            let digest = Digest::parse(digest).ok_or_else(|| {
                format!("line {} is no `repository@digest`, as `evenkeel images` writes it", at + 1)
            })?;
            Ok((digest, format!("the list {name}"), repository(before)))
        })
        .collect::<Result<_, String>>()?;
    if lines.is_empty() {
        return Err("it is empty, as if the command that wrote it had failed".to_owned());
    }
    Ok(lines)
}

/// `None` where it is not known, or not shown as it is.
fn repository(text: &str) -> Option<ImageRef> {
    ImageRef::parse(text).ok().filter(|_| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> Digest {
        Digest::parse(&format!("sha256:{}", String::from(letter).repeat(64))).unwrap()
    }

    fn read(text: &str) -> Result<Needed, String> {
        let mut needed = Needed::default();
        needed.read("a.txt", text).map(|()| needed)
    }

    #[test]
    fn lines_and_json_say_the_same() {
        let (a, b, c) = (digest('a'), digest('b'), digest('c'));
        let lines = read(&format!("ghcr.io/acme/api@{a}\n•••.lan/web@{b}\n\n{c}\n")).unwrap();
        let json = serde_json::json!({
            "schema": SCHEMA, "host": "web-1", "new": 1, "images": [
                {"repository": "ghcr.io/acme/api", "digest": a, "children": [b], "because": "x"},
                {"repository": null, "digest": c, "children": [], "because": "x"},
            ],
        });
        let json = read(&json.to_string()).unwrap();
        let image = |text| ImageRef::parse(text).unwrap();
        let (api, web) = (image("ghcr.io/acme/api:1"), image("ghcr.io/acme/web"));
        for (needed, of_api, of_web) in
            [(&lines, vec![&a, &b, &c], vec![&b, &c]), (&json, vec![&a, &b, &c], vec![&c])]
        {
            assert_eq!(needed.of(&api).collect::<Vec<_>>(), of_api);
            assert_eq!(needed.of(&web).collect::<Vec<_>>(), of_web);
        }
        assert_eq!((json.by(&b), lines.by(&b)), (Some("web-1"), Some("the list a.txt")));
        assert_eq!(json.by(&digest('d')), None);
    }

    #[test]
    fn a_list_that_is_not_whole_is_none() {
        let a = digest('a');
        for (text, why) in [
            (String::new(), "empty"),
            ("\n \n".to_owned(), "empty"),
            (format!("acme/api@{a}\nacme/api@sha256:12"), "line 2"),
            (format!("acme/api@{a}\nacme/api:1"), "line 2"),
            (format!("acme/api@{a}\nerror: no"), "line 2"),
            ("{".to_owned(), "not `evenkeel.images/v1`"),
            ("{}".to_owned(), "missing field"),
            (r#"{"schema":"evenkeel.prune/v1","host":"a","images":[]}"#.to_owned(), "prune/v1"),
            (
                r#"{"schema":"evenkeel.images/v1","host":"a","images":[{"digest":"1"}]}"#
                    .to_owned(),
                "not a digest",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let none = r#"{"schema":"evenkeel.images/v1","host":"a","images":[]}"#;
        assert_eq!(read(none), Ok(Needed::default()), "a host may need nothing, where it says so");
    }
}
