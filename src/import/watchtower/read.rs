//! What a file says of Watchtower: labels, and how often it looks.

use std::ops::Range;

use crate::import::source::Source;
use crate::manifest::yaml::layout::{Entry, Piece, Shape};

/// Once a day, as Watchtower looks where it is told nothing else.
const USUAL: u64 = 24 * 60 * 60;

/// A label, and the bytes of its entry.
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The bytes of its entry.
    pub span: Range<usize>,
}

/// Whether `image` is Watchtower itself.
pub fn is_watchtower(image: &str) -> bool {
    let name = image.split(['@']).next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split(':').next() == Some("watchtower")
}

/// The entries of `labels`, those without a name among them.
pub fn labels(piece: &Piece) -> Vec<Label> {
    let of_entry = |entry: &Entry| {
        let value = entry.value.text().unwrap_or_default().to_owned();
        let span = entry.key.span.start..entry.value.span.end.max(entry.key.span.end);
        entry.key.text().map(|name| Label { name: name.to_owned(), value, span })
    };
    let of_item = |item: &Piece| {
        let text = item.text()?;
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let value = value.trim_matches(['"', '\'']).to_owned();
        Some(Label { name: name.to_owned(), value, span: item.span.clone() })
    };
    match &piece.shape {
        Shape::Mapping { entries, .. } => entries.iter().filter_map(of_entry).collect(),
        Shape::Sequence { items, .. } => items
            .iter()
            .map(|item| {
                of_item(item).unwrap_or(Label {
                    name: String::new(),
                    value: String::new(),
                    span: item.span.clone(),
                })
            })
            .collect(),
        Shape::Scalar(_) | Shape::Alias(_) => Vec::new(),
    }
}

/// An entry in brackets or braces, with the comma behind it or else the one before it.
pub fn with_comma(text: &str, range: &Range<usize>) -> Range<usize> {
    let behind = &text[range.end..];
    let blanks = behind.len() - behind.trim_start().len();
    if behind[blanks..].starts_with(',') {
        let rest = &behind[blanks + 1..];
        let more = rest.len() - rest.trim_start_matches(' ').len();
        return range.start..range.end + blanks + 1 + more;
    }
    let before = text[..range.start].trim_end();
    match before.ends_with(',') {
        true => before.len() - 1..range.end,
        false => range.clone(),
    }
}

/// How often Watchtower looked, as far as it is told in the same files.
pub fn policy(sources: &[Source]) -> String {
    let services = sources.iter().flat_map(Source::services);
    let watchtower = services.filter(|(_, service)| {
        service.get("image").and_then(Piece::text).is_some_and(is_watchtower)
    });
    let seconds = watchtower.filter_map(|(_, service)| interval(service)).next().unwrap_or(USUAL);
    match seconds {
        USUAL => "daily".to_owned(),
        604_800 => "weekly".to_owned(),
        seconds if seconds % 3600 == 0 => format!("every_{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("every_{}m", seconds / 60),
        seconds => format!("every_{seconds}s"),
    }
}

fn interval(service: &Piece) -> Option<u64> {
    const NAME: &str = "WATCHTOWER_POLL_INTERVAL";
    let environment = service.get("environment")?;
    let written = environment.get(NAME).and_then(Piece::text).or_else(|| {
        let texts = environment.items().iter().filter_map(Piece::text);
        texts.filter_map(|text| text.split_once('=')).find(|(name, _)| *name == NAME).map(|p| p.1)
    });
    written?.trim().parse().ok().filter(|seconds| *seconds > 0)
}
