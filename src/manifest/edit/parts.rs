//! Which parts of a text with variables have to change so that it says another image.

use std::ops::Range;

use crate::manifest::interpolate::{Part, PartKind};
use crate::model::ImageRef;

/// A text in the place of some bytes of another.
pub type Replacement = (Range<usize>, String);

/// What has to change.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// Bytes of the template itself.
    Template(Replacement),
    /// Bytes of the value of a variable.
    Variable(String, Replacement),
    /// The variable is not set in the files that are known.
    Unset(String),
}

/// What has to change in `parts` so that what they come to is `image`: only what differs.
///
/// A digest goes where the tag is that it belongs to, also into a variable or a default: where another tag takes
/// its place, that digest must not stay.
pub fn targets(parts: &[Part], image: &ImageRef) -> Vec<Target> {
    if let Some(name) = parts.iter().find_map(unset) {
        return vec![Target::Unset(name.to_owned())];
    }
    let text: String = parts.iter().map(|part| part.value.reveal()).collect();
    let spans = spans(parts);
    let edits = differences(&text, image);
    let each: Option<Vec<Target>> = edits.iter().map(|edit| within(&spans, edit)).collect();
    each.unwrap_or_else(|| {
        let together = together(&text, &edits);
        vec![within(&spans, &together).unwrap_or_else(|| across(&spans, &together))]
    })
}

type Spans<'p> = Vec<(Range<usize>, &'p Part)>;

/// The parts, each with the bytes that it is of what they come to.
fn spans(parts: &[Part]) -> Spans<'_> {
    let mut begin = 0;
    let span = |part| {
        let part: &Part = part;
        let span = begin..begin + part.value.reveal().len();
        begin = span.end;
        (span, part)
    };
    parts.iter().map(span).collect()
}

/// All of `edits`, which are sorted, as one, with what is between them.
fn together(text: &str, edits: &[Replacement]) -> Replacement {
    let start = edits.first().map_or(0, |(range, _)| range.start);
    let (mut new, mut at) = (String::new(), start);
    for (range, replacement) in edits {
        new.push_str(&text[at..range.start]);
        new.push_str(replacement);
        at = range.end;
    }
    (start..at, new)
}

fn unset(part: &Part) -> Option<&str> {
    match &part.kind {
        PartKind::Unset(name) => Some(name),
        PartKind::Text | PartKind::Variable(_) => None,
    }
}

/// What has to be replaced in `text`, which is an image or close to one, so that it says `image`.
fn differences(text: &str, image: &ImageRef) -> Vec<Replacement> {
    let start = text.len() - text.trim_start().len();
    let end = start + text.trim().len();
    let at = text.find('@').filter(|at| *at < end).unwrap_or(end);
    let slash = text[..at].rfind('/').map_or(start, |slash| slash + 1);
    let colon = text[slash..at].find(':').map_or(at, |colon| slash + colon);
    let sign = |sign: char, part: Option<&str>| part.map(|part| format!("{sign}{part}"));
    let digest = image.digest().map(|digest| digest.as_str());
    let wanted = [
        (start..colon, Some(image.name().to_owned())),
        (colon..at, sign(':', image.tag())),
        (at..end, sign('@', digest)),
    ];
    let mut found = Vec::new();
    for (range, wanted) in wanted {
        let wanted = wanted.unwrap_or_default();
        if text[range.clone()] == wanted {
            continue;
        }
        // The sign before a tag or digest stays, where there was one and will be one.
        let stays = [':', '@']
            .into_iter()
            .any(|sign| text[range.clone()].starts_with(sign) && wanted.starts_with(sign));
        match stays {
            true => found.push((range.start + 1..range.end, wanted[1..].to_owned())),
            false => found.push((range, wanted)),
        }
    }
    found
}

/// The edit as one of a single part, if it is.
fn within(spans: &Spans<'_>, (range, new): &Replacement) -> Option<Target> {
    let holds = |(span, _): &&(Range<usize>, &Part)| match range.is_empty() {
        // What is put in belongs to what it follows.
        true => span.start < range.start && range.start <= span.end,
        false => span.start <= range.start && range.end <= span.end,
    };
    let (span, part) = spans.iter().find(holds)?;
    let inside = range.start - span.start..range.end - span.start;
    Some(match &part.kind {
        PartKind::Variable(name) | PartKind::Unset(name) => {
            Target::Variable(name.clone(), (inside, new.clone()))
        }
        PartKind::Text => {
            let start = part.written.start + inside.start;
            Target::Template((start..start + inside.len(), new.clone()))
        }
    })
}

/// An edit of several parts takes the place of all of them; what they say besides is written out.
fn across(spans: &Spans<'_>, (range, new): &Replacement) -> Target {
    let meets = |span: &Range<usize>| span.start < range.end && range.start < span.end;
    let touched: Vec<_> = spans.iter().filter(|(span, _)| meets(span)).collect();
    let (Some((first_span, first)), Some((last_span, last))) = (touched.first(), touched.last())
    else {
        return Target::Template((0..0, new.to_owned()));
    };
    let before = &first.value.reveal()[..range.start.saturating_sub(first_span.start)];
    let behind = &last.value.reveal()[range.end.min(last_span.end) - last_span.start..];
    // Parts of one default stay within it.
    let written = match first.outer == last.outer {
        true => first.written.start..last.written.end,
        false => first.outer.start..last.outer.end,
    };
    Target::Template((written, format!("{before}{new}{behind}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::interpolate::{Lookup, Variable, parts};
    use crate::model::Hidden;

    struct Set(&'static [(&'static str, &'static str)]);

    impl Lookup for Set {
        fn get(&self, name: &str) -> Option<Variable> {
            let (_, value) = self.0.iter().find(|(set, _)| *set == name)?;
            Some(Variable { value: Hidden::new(*value), from_server: false })
        }
    }

    const SET: Set = Set(&[("TAG", "1.4.2"), ("IMAGE", "acme/api:1.4.2"), ("MINOR", "4")]);

    /// The template with all that is changed in it, and what variables become.
    fn check(template: &str, image: &str, expected: &str) {
        let image = ImageRef::parse(image).unwrap();
        let (mut text, mut variables) = (template.to_owned(), Vec::new());
        for target in targets(&parts(template, &SET), &image).into_iter().rev() {
            match target {
                Target::Template((range, new)) => text.replace_range(range, &new),
                Target::Variable(name, (range, new)) => {
                    let mut value = SET.get(&name).unwrap().value.reveal().to_owned();
                    value.replace_range(range, &new);
                    variables.insert(0, format!(" {name}={value}"));
                }
                Target::Unset(name) => variables.push(format!(" {name}?")),
            }
        }
        assert_eq!(format!("{text}{}", variables.concat()), expected, "{template}");
    }

    #[test]
    fn only_what_differs_is_replaced() {
        check("acme/api:1.4.2", "acme/api:1.4.7", "acme/api:1.4.7");
        check("acme/api:1.4.2", "acme/api", "acme/api");
        check("host:5000/api", "host:5000/api:2", "host:5000/api:2");
        let digest = format!("sha256:{}", "a".repeat(64));
        check("acme/api:1", &format!("acme/api:1@{digest}"), &format!("acme/api:1@{digest}"));
        check(&format!("acme/api:1@{digest}"), "acme/api:2", "acme/api:2");
        check("acme/api:1", "other/api:1", "other/api:1");
    }

    #[test]
    fn a_variable_is_changed_where_it_is_set_and_a_default_where_it_is_written() {
        check("acme/api:${TAG}", "acme/api:1.4.7", "acme/api:${TAG} TAG=1.4.7");
        check("${IMAGE}", "acme/api:1.4.7", "${IMAGE} IMAGE=acme/api:1.4.7");
        check("acme/api:${OTHER:-1.4.2}", "acme/api:1.4.7", "acme/api:${OTHER:-1.4.7}");
        check("acme/api:${A:-${B:-1.4.2}}", "acme/api:1.4.7", "acme/api:${A:-${B:-1.4.7}}");
        check("acme/api:${TAG:+1.0}", "acme/api:1.1", "acme/api:${TAG:+1.1}");
        check("acme/api:${NONE}", "acme/api:1.4.7", "acme/api:${NONE} NONE?");
        check("acme/api:$TAG", "acme/api:1.4.7", "acme/api:$TAG TAG=1.4.7");
    }

    #[test]
    fn a_digest_goes_where_its_tag_is() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let image = format!("acme/api:1.4.2@{digest}");
        check("acme/api:${OTHER:-1.4.2}", &image, &format!("acme/api:${{OTHER:-1.4.2@{digest}}}"));
        check("acme/api:${TAG}", &image, &format!("acme/api:${{TAG}} TAG=1.4.2@{digest}"));
    }

    #[test]
    fn a_tag_made_of_several_parts_is_written_out() {
        check("acme/api:1.${MINOR}.2", "acme/api:1.5.0", "acme/api:1.5.0");
        check("acme/api:${MINOR}.2-x", "acme/api:5.0", "acme/api:5.0");
        check("${R:-acme}/${N:-api}:1", "new/app:2", "new/app:2");
        check("${I:-acme/api:1.${MINOR}.2}", "acme/api:1.5", "${I:-acme/api:1.5}");
        let image = format!("acme/api:1.5@sha256:{}", "a".repeat(64));
        check("acme/api:1.${MINOR}", &image, &image);
        check("$ :ää", "acme/api:2", "acme/api:2");
    }
}
