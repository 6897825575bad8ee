//! Single values of a file with variables in the place of secrets, written as they were before.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edits::Edits;
use super::find::Spot;
use crate::manifest::yaml::layout::{Style, Written};

/// What is put into the place of which bytes of a value's text.
pub type Replacements = Vec<(Range<usize>, String)>;

/// Collects what is to be replaced in which value, and writes each once.
#[derive(Debug, Default)]
pub struct Rewrite<'p> {
    /// By file and place.
    spots: BTreeMap<(usize, usize), (Spot<'p>, Replacements)>,
}

impl<'p> Rewrite<'p> {
    /// Puts `${name}` in the place of `range` of the value at `spot`, unless something else goes there.
    pub fn put(&mut self, spot: Spot<'p>, range: Range<usize>, name: &str) {
        let key = (spot.file, spot.piece.span.start);
        let (_, replacements) = self.spots.entry(key).or_insert_with(|| (spot, Vec::new()));
        let is_free = |(other, _): &(Range<usize>, String)| {
            other.end <= range.start || range.end <= other.start
        };
        if replacements.iter().all(is_free) {
            replacements.push((range, format!("${{{name}}}")));
            replacements.sort_by_key(|(range, _)| range.start);
        }
    }

    /// Whether `range` of the value at `spot` is replaced already.
    pub fn covers(&self, spot: &Spot<'_>, range: &Range<usize>) -> bool {
        let replaced = self.spots.get(&(spot.file, spot.piece.span.start));
        replaced.is_some_and(|(_, replacements)| {
            replacements.iter().any(|(other, _)| other.start < range.end && range.start < other.end)
        })
    }

    /// Writes all of it into the edits of the files, whose texts are `texts`.
    pub fn write(self, texts: &[&str], edits: &mut [Edits]) {
        for ((file, _), (spot, replacements)) in self.spots {
            let span = spot.piece.span.clone();
            match in_place(&texts[file][span.clone()], spot, &replacements) {
                Some(parts) => {
                    for (range, text) in parts {
                        edits[file].replace(span.start + range.start..span.start + range.end, text);
                    }
                }
                None => {
                    let text = quoted(&replaced(&spot.written.text, &replacements));
                    edits[file].replace(span, text);
                }
            }
        }
    }
}

/// The same replacements within what is written, where its quoting does not stand in the way.
fn in_place(raw: &str, spot: Spot<'_>, replacements: &Replacements) -> Option<Replacements> {
    let Written { text, style } = spot.written;
    if let [(range, new)] = replacements.as_slice()
        && *range == (0..text.len())
    {
        return Some(vec![(0..raw.len(), whole(new, *style, spot.flow))]);
    }
    // Braces end a value without quotes where other braces or brackets are around it.
    if *style == Style::Plain && spot.flow {
        return None;
    }
    replacements.iter().map(|(range, new)| Some((within(raw, text, range)?, new.clone()))).collect()
}

fn whole(new: &str, style: Style, flow: bool) -> String {
    match style {
        Style::Single => format!("'{new}'"),
        Style::Double => format!("\"{new}\""),
        Style::Plain | Style::Block if flow => format!("\"{new}\""),
        Style::Plain | Style::Block => new.to_owned(),
    }
}

/// Where `range` of `text` is in `raw`: the part occurs as often in the one as in the other.
fn within(raw: &str, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let part = &text[range.clone()];
    let number = text.match_indices(part).position(|(at, _)| at == range.start)?;
    if text.matches(part).count() != raw.matches(part).count() {
        return None;
    }
    let (at, _) = raw.match_indices(part).nth(number)?;
    Some(at..at + part.len())
}

fn replaced(text: &str, replacements: &Replacements) -> String {
    let mut edits = Edits::default();
    for (range, new) in replacements {
        edits.replace(range.clone(), new.clone());
    }
    edits.apply(text)
}

/// `text` in double quotes (YAML 1.2, section 7.3.1), which can say everything.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
