//! Changes to a text, collected first and made at once, so that everything else stays as it was written.

use std::ops::Range;

/// Replacements by the bytes they take the place of.
#[derive(Clone, Debug, Default)]
pub struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `text` in the place of `range`; an earlier edit of any of these bytes wins.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) -> bool {
        let meets = |(other, _): &(Range<usize>, String)| match range.is_empty() || other.is_empty()
        {
            true => range.start > other.start && range.start < other.end,
            false => range.start < other.end && other.start < range.end,
        };
        let is_free = !self.0.iter().any(meets);
        if is_free {
            self.0.push((range, text.into()));
        }
        is_free
    }

    /// Puts `text` before the byte `at`.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) -> bool {
        self.replace(at..at, text)
    }

    /// Adds all of `more`, or none where one of them meets an edit that is there.
    pub fn extend(&mut self, more: Edits) -> bool {
        let before = self.0.len();
        let all = more.0.into_iter().all(|(range, text)| self.replace(range, text));
        if !all {
            self.0.truncate(before);
        }
        all
    }

    /// The changed text.
    pub fn apply(&self, text: &str) -> String {
        let mut changed = String::with_capacity(text.len());
        let mut done = 0;
        for (range, new) in self.sorted() {
            changed.push_str(&text[done..range.start]);
            changed.push_str(new);
            done = range.end;
        }
        changed.push_str(&text[done..]);
        changed
    }

    /// Where the byte `at` of the old text is in the new one; of what is gone, where it was.
    pub fn moved(&self, at: usize) -> usize {
        let mut moved = at;
        for (range, new) in self.sorted() {
            if range.end <= at && range.start < at || range.is_empty() && range.start <= at {
                moved = moved + new.len() - range.len();
            } else if range.contains(&at) {
                moved -= at - range.start;
            }
        }
        moved
    }

    fn sorted(&self) -> Vec<&(Range<usize>, String)> {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(range, _)| (range.start, range.end));
        sorted
    }
}

/// From the start of the line of `range` to behind its line break, if there is nothing else on these lines
/// but blanks, the dash of a list and a comment behind.
pub fn whole_lines(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let before = text[start..range.start].trim_start_matches('\u{feff}').trim_start();
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
    let behind = text[range.end..end].trim();
    let is_alone = matches!(before.trim_end(), "" | "-");
    (is_alone && (behind.is_empty() || behind.starts_with('#'))).then_some(start..end)
}

/// The blanks that `at` is indented with; `None` where something else precedes it on its line.
pub fn indent(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let before = text[start..at].trim_start_matches('\u{feff}');
    before.trim().is_empty().then_some(before)
}

/// How lines end in `text`.
pub fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// Line and column of the byte `at`, both from 1; the column counts characters.
pub fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].trim_start_matches('\u{feff}').chars().count() + 1;
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    (small(line), small(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_behind_the_edits_before_it() {
        let text = "one two three";
        let mut edits = Edits::default();
        assert!(edits.replace(4..7, "2"));
        assert!(edits.insert(0, ">> "));
        assert!(!edits.replace(5..9, "overlaps"));
        assert_eq!(edits.apply(text), ">> one 2 three");
        assert_eq!(edits.moved(0), 3);
        assert_eq!(edits.moved(5), 7, "what is gone");
        assert_eq!(edits.moved(8), 9);
    }

    #[test]
    fn lines_are_whole_only_where_nothing_else_is_on_them() {
        let text = "a:\n  - b # c\n  - d\n";
        assert_eq!(whole_lines(text, &(7..8)), Some(3..13));
        assert_eq!(whole_lines("a: [b, c]\n", &(4..5)), None);
    }
}
