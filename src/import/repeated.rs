//! Further places where a secret that was moved is written: other values, and comments.
//!
//! A value that could be any word (`postgres`, `changeme`) is looked for nowhere else.

use std::ops::Range;

use super::edits::Edits;
use super::find::Finds;
use super::rewrite::Rewrite;
use crate::manifest::yaml::layout::{Piece, Shape};
use crate::model::Hidden;

/// Replaces every further `value` among `finds` by the variable `name`.
pub fn in_values<'p>(name: &str, value: &Hidden, finds: &Finds<'p>, rewrite: &mut Rewrite<'p>) {
    let Some(written) = distinctive(value) else { return };
    for spot in &finds.values {
        for range in occurrences(&spot.written.text, &written) {
            if !rewrite.covers(spot, &range) {
                rewrite.put(*spot, range, name);
            }
        }
    }
}

/// Replaces every `value` in a comment of `text`, which is laid out as `documents`.
pub fn in_comments(name: &str, value: &Hidden, text: &str, documents: &[Piece], edits: &mut Edits) {
    let Some(written) = distinctive(value) else { return };
    let mut values = Vec::new();
    documents.iter().for_each(|piece| spans(piece, &mut values));
    for range in occurrences(text, &written) {
        let is_comment = !values.iter().any(|v| v.start < range.end && range.start < v.end);
        if is_comment {
            edits.replace(range, format!("${{{name}}}"));
        }
    }
}

/// The value as a file writes it, if it is like no other word.
fn distinctive(value: &Hidden) -> Option<String> {
    let value = value.reveal();
    let has = |is: fn(char) -> bool| value.contains(is);
    let kinds = [
        has(|c| c.is_lowercase()),
        has(|c| c.is_uppercase()),
        has(|c| c.is_ascii_digit()),
        has(|c| !c.is_alphanumeric()),
    ];
    let mixed = kinds.into_iter().filter(|is| *is).count() > 1;
    let long = value.chars().count();
    let is_number = value.parse::<f64>().is_ok();
    let is_like_no_other = !is_number && !value.contains('\n') && mixed && long >= 6;
    is_like_no_other.then(|| value.replace('$', "$$"))
}

fn occurrences(text: &str, value: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let stands_alone = |range: &Range<usize>| {
        let before = &text[..range.start];
        let is_begun = !before.ends_with(is_word) || before.ends_with("-p");
        is_begun && !text[range.end..].starts_with(is_word)
    };
    text.match_indices(value).map(|(at, _)| at..at + value.len()).filter(stands_alone).collect()
}

fn spans(piece: &Piece, found: &mut Vec<Range<usize>>) {
    match &piece.shape {
        Shape::Scalar(_) | Shape::Alias(_) => found.push(piece.span.clone()),
        Shape::Sequence { items, .. } => items.iter().for_each(|item| spans(item, found)),
        Shape::Mapping { entries, .. } => {
            for entry in entries {
                spans(&entry.key, found);
                spans(&entry.value, found);
            }
        }
    }
}
