//! Which parts of a short form, such as `${DATA}:/data:ro`, hold a value of the server: only these are hidden.

use std::ops::Range;

use super::make;
use crate::manifest::node::Node;
use crate::manifest::read::At;

/// The parts of a text between its colons.
pub struct Parts<'t> {
    parts: Vec<(&'t str, bool)>,
}

impl<'t> Parts<'t> {
    /// Cuts the single value at `at`.
    ///
    /// What was written is cut too. Where a value of the server has a colon of its own, it cannot be told which
    /// part is whose, and all are hidden.
    pub fn of(at: &At<'t>) -> Self {
        let text: Vec<&str> = make::text_of(at.node).unwrap_or_default().split(':').collect();
        let written = at.node.written.as_deref().map(cut).unwrap_or_default();
        let hides = |index: usize| {
            let is_written = written.len() == text.len();
            at.node.sensitive
                && (!is_written || written.get(index).is_none_or(|part| has_variable(part)))
        };
        Self { parts: text.iter().enumerate().map(|(at, part)| (*part, hides(at))).collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether part `index` is `text`.
    pub fn is(&self, index: usize, text: &str) -> bool {
        self.parts.get(index).is_some_and(|(part, _)| *part == text)
    }

    /// `node`, which comes from these parts, hidden if one of them has to be.
    pub fn shown(&self, node: Node, parts: Range<usize>) -> Node {
        let parts = self.parts.get(parts).unwrap_or(&self.parts);
        Node { sensitive: parts.iter().any(|(_, hides)| *hides), ..node }
    }
}

/// Cuts at the colons that are not within a `${…}`.
fn cut(written: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut before = ' ';
    let outside = |c: char| {
        match c {
            '{' if before == '$' || depth > 0 => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = c;
        c == ':' && depth == 0
    };
    written.split(outside).collect()
}

/// Whether a variable is written in `part`; `$$` is a `$`.
fn has_variable(part: &str) -> bool {
    part.replace("$$", "").contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_text_is_cut_outside_of_its_variables() {
        assert_eq!(cut("${A:-b:c}:/d:ro"), ["${A:-b:c}", "/d", "ro"]);
        assert_eq!(cut("${A:-${B:-c}:d}:$E:f"), ["${A:-${B:-c}:d}", "$E", "f"]);
        assert_eq!(cut("{a}:b"), ["{a}", "b"]);
        assert!(has_variable("$A") && has_variable("a$$$A") && !has_variable("a$$b"));
    }
}
