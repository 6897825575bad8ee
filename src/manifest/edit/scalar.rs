//! A part of a single YAML value is replaced as it is written there: in quotes, folded or as a block.

use std::ops::Range;

use super::parts::Replacement;
use crate::manifest::yaml::layout::{Piece, Shape, Style, Written, layout};
use crate::model::Place;

/// The single value that is written at `place` of the file whose text is `text`.
pub fn at(text: &str, place: &Place) -> Option<Piece> {
    let at = offset(text, place)?;
    layout(text).iter().find_map(|document| find(document, at)).cloned()
}

fn find(piece: &Piece, at: usize) -> Option<&Piece> {
    match &piece.shape {
        Shape::Scalar(_) => (piece.span.start <= at && at < piece.span.end).then_some(piece),
        Shape::Alias(_) => None,
        Shape::Sequence { items, .. } => items.iter().find_map(|item| find(item, at)),
        Shape::Mapping { entries, .. } => {
            entries.iter().find_map(|entry| find(&entry.value, at).or_else(|| find(&entry.key, at)))
        }
    }
}

/// The byte at which a place is. A line ends with `\n`, `\r\n` or a lone `\r`.
fn offset(text: &str, place: &Place) -> Option<usize> {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut start = mark;
    for _ in 1..place.line {
        let rest = &text[start..];
        let end = rest.find(['\n', '\r'])?;
        let length = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        start += end + length;
    }
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let (at, _) = text[start..].char_indices().nth(column)?;
    Some(start + at)
}

/// The same `edits` of what a value says, as edits of the bytes that are written for it; the whole value anew
/// where its quoting or folding stands in the way.
pub fn in_text(
    text: &str,
    piece: &Piece,
    written: &Written,
    edits: &[Replacement],
) -> Vec<Replacement> {
    let raw = &text[piece.span.clone()];
    let inner = inner(raw, written.style);
    let start = piece.span.start + inner.start;
    let within = edits.iter().map(|(range, new)| {
        let range = part(&raw[inner.clone()], &written.text, range)?;
        Some((start + range.start..start + range.end, new.clone()))
    });
    within.collect::<Option<Vec<_>>>().unwrap_or_else(|| {
        let mut value = written.text.clone();
        for (range, new) in sorted(edits).into_iter().rev() {
            value.replace_range(range.clone(), new);
        }
        vec![(start..piece.span.start + inner.end, value.trim().to_owned())]
    })
}

/// `text` with all `edits`, which do not meet.
pub fn apply(text: &str, edits: &[Replacement]) -> String {
    let mut changed = text.to_owned();
    for (range, new) in sorted(edits).into_iter().rev() {
        changed.replace_range(range.clone(), new);
    }
    changed
}

fn sorted(edits: &[Replacement]) -> Vec<&Replacement> {
    let mut sorted: Vec<_> = edits.iter().collect();
    sorted.sort_by_key(|(range, _)| (range.start, range.end));
    sorted
}

/// The bytes between the quotes, or of the lines of a block.
fn inner(raw: &str, style: Style) -> Range<usize> {
    match style {
        Style::Plain => 0..raw.len(),
        Style::Single | Style::Double => 1..raw.len().saturating_sub(1).max(1),
        Style::Block => {
            let lines = raw.find('\n').map_or(0, |at| at + 1);
            let blanks = raw[lines..].len() - raw[lines..].trim_start().len();
            lines + blanks..raw.len()
        }
    }
}

/// Where `range` of what a value says is in what is written for it.
fn part(raw: &str, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    if raw == text || raw == text.trim_end() {
        return (range.end <= raw.len()).then(|| range.clone());
    }
    let part = text.get(range.clone()).filter(|part| !part.is_empty())?;
    let number = text.match_indices(part).position(|(at, _)| at == range.start)?;
    if text.matches(part).count() != raw.matches(part).count() {
        return None;
    }
    let (at, _) = raw.match_indices(part).nth(number)?;
    Some(at..at + part.len())
}
