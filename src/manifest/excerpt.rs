//! The texts of the files that were read, so that a problem can show the line it stands on.
//!
//! Only files of the repository belong here, never a server's env file: an excerpt is shown to people.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Place, Problem};

/// The longest excerpt, in characters; the rest of a longer line is cut.
const LONGEST: usize = 200;

/// One file, by line, as it was written.
#[derive(Clone, Debug, Default)]
pub struct SourceText {
    file: Arc<str>,
    lines: Arc<[String]>,
}

impl SourceText {
    /// Cuts `text` into lines. `file` is the name that places carry.
    pub fn new(file: impl Into<Arc<str>>, text: &str) -> Self {
        let lines = text.lines().flat_map(|line| line.split('\r')).map(excerpt).collect();
        Self { file: file.into(), lines }
    }

    /// The name that places carry.
    pub fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// The line `number`, from 1, cut if it is very long.
    pub fn line(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.lines.get(index).map(String::as_str)
    }

    /// Whether git wrote both sides of a conflict into it.
    pub fn has_conflict(&self) -> bool {
        let begins = |mark: &str| self.lines.iter().any(|line| line.starts_with(mark));
        begins("<<<<<<< ") && begins(">>>>>>> ")
    }

    /// A problem at `place`, which is in this file, with the line it stands on.
    pub fn problem_at(
        &self,
        code: &'static str,
        message: impl Into<String>,
        place: &Place,
    ) -> Problem {
        let problem = Problem::new(code, message).at(place.clone());
        match self.line(place.line) {
            Some(line) => problem.excerpt(line),
            None => problem,
        }
    }
}

/// The files that a tree was made of. A place in a file that is not here gets no excerpt.
#[derive(Clone, Debug, Default)]
pub struct SourceTexts(BTreeMap<Arc<str>, SourceText>);

impl SourceTexts {
    /// Adds a file, or replaces the one of the same name.
    pub fn add(&mut self, file: impl Into<Arc<str>>, text: &str) {
        let text = SourceText::new(file, text);
        self.0.insert(text.file.clone(), text);
    }

    /// The line that `place` is on.
    pub fn line(&self, place: &Place) -> Option<&str> {
        self.0.get(&*place.file)?.line(place.line)
    }

    /// Adds the line that `problem` stands on, unless it has one.
    pub fn show_line(&self, problem: &mut Problem) {
        if problem.excerpt.is_none() {
            let line = problem.place.as_ref().and_then(|place| self.line(place));
            problem.excerpt = line.map(str::to_owned);
        }
    }

    /// A problem at `place`, with the line it stands on.
    pub fn problem_at(
        &self,
        code: &'static str,
        message: impl Into<String>,
        place: &Place,
    ) -> Problem {
        match self.0.get(&*place.file) {
            Some(text) => text.problem_at(code, message, place),
            None => Problem::new(code, message).at(place.clone()),
        }
    }
}

fn excerpt(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place { file: "compose.yaml".into(), line, column: 1 }
    }

    #[test]
    fn a_problem_shows_the_line_it_stands_on() {
        let mut texts = SourceTexts::default();
        texts.add("compose.yaml", "services:\r\n  api:\r\n");
        let problem = texts.problem_at("unknown-key", "no", &place(2));
        assert_eq!(problem.excerpt.as_deref(), Some("  api:"));
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line_too() {
        let text = SourceText::new("compose.yaml", "a\rb\r\nc\n");
        assert_eq!((1..4).filter_map(|line| text.line(line)).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_place_outside_the_text_has_no_excerpt() {
        let texts = SourceText::new("compose.yaml", "a\n");
        assert_eq!(texts.problem_at("x", "y", &place(9)).excerpt, None);
        assert_eq!(texts.problem_at("x", "y", &place(0)).excerpt, None);
    }

    #[test]
    fn a_very_long_line_is_cut() {
        let text = SourceText::new("compose.yaml", &"ä".repeat(10_000));
        assert_eq!(text.line(1).map(|line| line.chars().count()), Some(LONGEST + 1));
    }
}
