//! Env files in Compose's own grammar, and in Docker's raw one (`format: raw`).
//!
//! An env file may hold secrets, so a problem names the line and the key and never shows the text.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexMap;

use super::interpolate::{self, Lookup, Variable};
use super::variables::NoVariables;
use crate::model::{Hidden, Place, Problem};

/// The entries of an env file, in their order; a name without a value is inherited. A name occurs once.
pub type Entries = Vec<(String, Option<Hidden>)>;

/// Reads an env file. `$X` in it is looked up in `outer` first, then among the entries before it; an
/// unset variable is nothing.
///
/// # Errors
/// Every line that is wrong, by number and name only: the file may hold secrets.
pub fn parse(file: &str, text: &[u8], outer: &dyn Lookup) -> Result<Entries, Vec<Problem>> {
    let text = decode(file, text)?.replace("\r\n", "\n");
    let mut reader = Reader::new(file, &text, outer);
    reader.read();
    finish(reader.entries, reader.problems)
}

/// The bytes that stand for the value of `name` in the file, without quotes; where it is set more than once, those
/// that count. `None` where nothing sets it, or the file cannot be read.
pub fn value_of(name: &str, bytes: &[u8]) -> Option<Range<usize>> {
    let whole = std::str::from_utf8(bytes).ok()?;
    let text = decode("", bytes).ok()?;
    let joined = text.replace("\r\n", "\n");
    let mut reader = Reader::new("", &joined, &NoVariables);
    reader.read();
    let value = reader.values.get(name)?;
    let mark = whole.len() - text.len();
    Some(mark + as_written(text, value.start)..mark + as_written(text, value.end))
}

/// Where the byte `at` is in `text`, counted without the `\r` of its line breaks.
fn as_written(text: &str, at: usize) -> usize {
    let breaks = text.match_indices("\r\n").map(|(position, _)| position);
    breaks.enumerate().take_while(|(before, position)| position - before < at).count() + at
}

/// Reads an env file of `format: raw`: no quotes, no variables, blanks kept.
///
/// # Errors
/// As [`parse`].
pub fn parse_raw(file: &str, text: &[u8]) -> Result<Entries, Vec<Problem>> {
    let text = decode(file, text)?;
    let (mut entries, mut problems) = (IndexMap::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(Hidden::new(value))),
            None => (line, None),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            let message = "the name before `=` is missing or has a blank in it";
            problems.push(problem(file, number, message));
        } else {
            entries.insert(key.to_owned(), value);
        }
    }
    finish(entries, problems)
}

/// Reads a mapping of names to single values, as SOPS hands it over of what was YAML or JSON: the values are taken as
/// they are.
///
/// # Errors
/// It is something else.
pub fn parse_json(file: &str, text: &[u8]) -> Result<Entries, Vec<Problem>> {
    use serde_json::{Map, Value};

    let wrong = |message: String| {
        let problem = Problem::new("bad-env-file", message).at(Place::file(file));
        vec![problem.hint("write `NAME: value` lines, nothing below them")]
    };
    // The library's words may quote the text.
    let fields: Map<String, Value> = serde_json::from_slice(text)
        .map_err(|_| wrong("the file is no mapping of names to values".to_owned()))?;
    let entry = |(name, value): (String, Value)| match value {
        Value::Null => Ok((name, None)),
        Value::String(text) => Ok((name, Some(Hidden::new(text)))),
        Value::Bool(_) | Value::Number(_) => Ok((name, Some(Hidden::new(value.to_string())))),
        Value::Array(_) | Value::Object(_) => {
            Err(wrong(format!("`{name}` is a list or a mapping, where a variable has one value")))
        }
    };
    fields.into_iter().map(entry).collect()
}

fn finish(
    entries: IndexMap<String, Option<Hidden>>,
    problems: Vec<Problem>,
) -> Result<Entries, Vec<Problem>> {
    if problems.is_empty() { Ok(entries.into_iter().collect()) } else { Err(problems) }
}

fn decode<'t>(file: &str, bytes: &'t [u8]) -> Result<&'t str, Vec<Problem>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            let line = 1 + before.filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            let problem = problem(file, line, "the file is not UTF-8");
            Err(vec![problem.hint("save the file as UTF-8")])
        }
    }
}

fn problem(file: &str, line: u32, message: impl Into<String>) -> Problem {
    let place = Place { file: file.into(), line, column: 1 };
    Problem::new("bad-env-file", message).at(place)
}

struct Reader<'t> {
    file: &'t str,
    outer: &'t dyn Lookup,
    rest: &'t str,
    line: u32,
    /// The bytes of the text that are not read yet are `rest`; it is so long in all.
    length: usize,
    entries: IndexMap<String, Option<Hidden>>,
    /// The bytes of each value, without its quotes.
    values: BTreeMap<String, Range<usize>>,
    problems: Vec<Problem>,
}

/// How a name ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// With `=` or `:`; a value follows.
    Value,
    /// With its line.
    Line,
}

impl<'t> Reader<'t> {
    fn new(file: &'t str, text: &'t str, outer: &'t dyn Lookup) -> Self {
        Self {
            file,
            outer,
            rest: text,
            line: 1,
            length: text.len(),
            entries: IndexMap::new(),
            values: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn read(&mut self) {
        while self.find_statement() {
            self.statement();
        }
    }

    /// Moves to the next statement; false at the end of the file.
    fn find_statement(&mut self) -> bool {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.take_line();
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        let lines = taken.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = rest;
        taken
    }

    fn take_line(&mut self) -> &'t str {
        self.take(self.rest.find('\n').unwrap_or(self.rest.len()))
    }

    fn skip_blanks(&mut self) {
        let inline = |c: char| c.is_whitespace() && c != '\n';
        self.take(self.rest.len() - self.rest.trim_start_matches(inline).len());
    }

    fn report(&mut self, line: u32, message: impl Into<String>) {
        self.problems.push(problem(self.file, line, message));
    }

    fn statement(&mut self) {
        let line = self.line;
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t'])
        {
            self.take("export".len());
            self.skip_blanks();
        }
        let Some((key, end)) = self.key() else {
            // What stands in the place of a name may be a secret.
            self.report(line, "a line does not begin with a name and `=`");
            self.take_line();
            return;
        };
        let value = match end {
            // Inherited; where there is nothing to inherit, an earlier line counts.
            End::Line if self.entries.contains_key(key) && self.outer.get(key).is_none() => return,
            End::Line => None,
            End::Value => match self.value() {
                Ok((value, written)) => {
                    self.values.insert(key.to_owned(), written);
                    Some(Hidden::new(value))
                }
                Err(message) => return self.report(line, format!("{key}: {message}")),
            },
        };
        if value.is_none() {
            self.values.remove(key);
        }
        self.entries.insert(key.to_owned(), value);
    }

    /// The name, and what it ends with.
    fn key(&mut self) -> Option<(&'t str, End)> {
        let blank = |c: char| c.is_whitespace() && c != '\n';
        let part = |c: char| c.is_alphanumeric() || "_.-[]".contains(c) || blank(c);
        let length = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let end = match self.rest[length..].chars().next() {
            Some('=' | ':') => End::Value,
            None | Some('\n') => End::Line,
            Some(_) => return None,
        };
        let key = self.rest[..length].trim_end();
        if key.contains(char::is_whitespace) {
            return None;
        }
        let delimiter = match end {
            End::Value => 1,
            End::Line => 0,
        };
        self.take(length + delimiter);
        self.skip_blanks();
        Some((key, end))
    }

    /// The value, and which bytes stand for it.
    fn value(&mut self) -> Result<(String, Range<usize>), &'static str> {
        let start = self.length - self.rest.len();
        let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let line = self.take_line();
            let value = line.split_once(" #").map_or(line, |(value, _)| value).trim_end();
            return Ok((self.expand(value)?, start..start + value.len()));
        };
        let Some(text) = self.quoted(quote) else {
            self.take(self.rest.len());
            return Err("the quoted value is not closed");
        };
        let written = start + 1..self.length - self.rest.len() - 1;
        self.skip_blanks();
        if !self.rest.is_empty() && !self.rest.starts_with(['\n', '#']) {
            self.take_line();
            return Err("text follows the closing quote");
        }
        let text = if quote == '\'' { text } else { self.expand(&unescape(&text))? };
        Ok((text, written))
    }

    /// What stands between the quotes, which may be several lines. Only an escaped quote loses its
    /// backslash.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut escaped = false;
        for (index, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if c == quote && !escaped => {
                    self.take(index + 1);
                    return Some(text);
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                _ if escaped && c != quote => text.push('\\'),
                _ => {}
            }
            escaped = false;
            text.push(c);
        }
        None
    }

    fn expand(&self, template: &str) -> Result<String, &'static str> {
        let vars = OuterFirst { outer: self.outer, entries: &self.entries };
        match interpolate::expand(template, &vars) {
            Ok(expanded) => Ok(expanded.text.reveal().to_owned()),
            Err(_) => Err("a variable in the value is malformed, or required and not set"),
        }
    }
}

struct OuterFirst<'a> {
    outer: &'a dyn Lookup,
    entries: &'a IndexMap<String, Option<Hidden>>,
}

impl Lookup for OuterFirst<'_> {
    fn get(&self, name: &str) -> Option<Variable> {
        self.outer.get(name).or_else(|| {
            let value = self.entries.get(name)?.clone()?;
            Some(Variable { value, from_server: false })
        })
    }
}

/// The shell's escapes in double quotes; `\$` becomes `$$`, which interpolation turns into `$`.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        plain.push_str(&rest[..start]);
        let escape = &rest[start..];
        let length = match escape_of(escape) {
            Some((meaning, length)) => {
                plain.push_str(&meaning);
                length
            }
            None => {
                plain.push('\\');
                1
            }
        };
        rest = &escape[length..];
    }
    plain.push_str(rest);
    plain
}

/// What the escape at the start of `text` means, and its length.
fn escape_of(text: &str) -> Option<(String, usize)> {
    let meaning = match text[1..].chars().next()? {
        'a' => "\u{7}",
        'b' => "\u{8}",
        'f' => "\u{c}",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        'v' => "\u{b}",
        '"' => "\"",
        '\\' => "\\",
        '$' => "$$",
        '0' => {
            let digits = text.get(2..5).filter(|digits| !digits.starts_with('+'))?;
            let code = u8::from_str_radix(digits, 8).ok()?;
            return Some((char::from(code).to_string(), 5));
        }
        _ => return None,
    };
    Some((meaning.to_owned(), 2))
}
