//! A document as YAML: block style, quoted only where a plain word would mean something else.

use std::io;

use serde_json::{Map, Value};

/// Writes `document` as one YAML document.
pub fn yaml(out: &mut (impl io::Write + ?Sized), document: &Value) -> io::Result<()> {
    let mut text = String::new();
    match Block::of(document) {
        Some(block) => block.write(&mut text, 0),
        None => {
            scalar(&mut text, document, 0);
            text.push('\n');
        }
    }
    out.write_all(text.as_bytes())
}

/// A value that takes lines of its own.
enum Block<'v> {
    Mapping(&'v Map<String, Value>),
    List(&'v [Value]),
}

impl<'v> Block<'v> {
    /// `None` for what stands on the line of its key.
    fn of(value: &'v Value) -> Option<Self> {
        match value {
            Value::Object(fields) => (!fields.is_empty()).then_some(Self::Mapping(fields)),
            Value::Array(items) => (!items.is_empty()).then_some(Self::List(items)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    fn write(&self, text: &mut String, depth: usize) {
        match self {
            Self::Mapping(fields) => mapping(text, fields, depth),
            Self::List(items) => list(text, items, depth),
        }
    }
}

fn mapping(text: &mut String, fields: &Map<String, Value>, depth: usize) {
    for (number, (key, value)) in fields.iter().enumerate() {
        // The first one stands behind the dash of a list, or at the line's beginning.
        if number > 0 {
            indent(text, depth);
        }
        *text += &word(key);
        text.push(':');
        below(text, value, depth);
    }
}

fn list(text: &mut String, items: &[Value], depth: usize) {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            indent(text, depth);
        }
        text.push('-');
        match Block::of(item) {
            Some(block) => {
                text.push(' ');
                block.write(text, depth + 1);
            }
            None => below(text, item, depth),
        }
    }
}

/// What stands behind a colon or a dash, with its line's end.
fn below(text: &mut String, value: &Value, depth: usize) {
    match Block::of(value) {
        Some(block) => {
            text.push('\n');
            indent(text, depth + 1);
            block.write(text, depth + 1);
        }
        None => {
            text.push(' ');
            scalar(text, value, depth + 1);
            text.push('\n');
        }
    }
}

fn scalar(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(value) => match block(value, depth) {
            Some(block) => *text += &block,
            None => *text += &word(value),
        },
        Value::Array(_) => *text += "[]",
        Value::Object(_) => *text += "{}",
        Value::Null | Value::Bool(_) | Value::Number(_) => *text += &value.to_string(),
    }
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// A text of several lines as it is; `None` where that would change it (YAML 1.2, 8.1.2).
fn block(value: &str, depth: usize) -> Option<String> {
    let lines = value.strip_suffix('\n').unwrap_or(value);
    let is_simple = lines.contains('\n')
        && !lines.starts_with([' ', '\n'])
        && !lines.ends_with('\n')
        && lines.chars().all(|c| c == '\n' || is_printable(c));
    if !is_simple {
        return None;
    }
    let mut text = if lines.len() < value.len() { "|".to_owned() } else { "|-".to_owned() };
    for line in lines.lines() {
        text.push('\n');
        if !line.is_empty() {
            indent(&mut text, depth);
            text += line;
        }
    }
    Some(text)
}

/// A text on one line, in quotes where it needs them.
fn word(value: &str) -> String {
    if is_plain(value) { value.to_owned() } else { quoted(value) }
}

/// Words that YAML 1.1 or 1.2 takes for something else than a text.
const MEANING: [&str; 13] =
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", ".inf", ".nan", "t", "f"];

fn is_plain(value: &str) -> bool {
    let may_begin = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '$' | '•');
    let is_number = || {
        value.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && value.chars().all(|c| c.is_ascii_hexdigit() || "xXoO._+-:TZ ".contains(c))
    };
    value.starts_with(may_begin)
        && value.chars().all(is_printable)
        && !value.ends_with([':', ' '])
        && !value.contains(": ")
        && !value.contains(" #")
        && !MEANING.contains(&value.to_lowercase().as_str())
        && !is_number()
}

/// Characters that need no escape; the line breaks of other systems do.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text in double quotes (YAML 1.2, 7.3.1).
fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' => text += "\\\"",
            '\\' => text += "\\\\",
            '\n' => text += "\\n",
            '\t' => text += "\\t",
            _ if is_printable(c) => text.push(c),
            _ => text += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(document: &Value) -> String {
        let mut out = Vec::new();
        yaml(&mut out, document).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_document_is_written_in_block_style() {
        let document = json!({
            "name": "shop",
            "services": {"api": {
                "command": null,
                "ports": [{"target": 80, "published": "80"}, {"target": 81}],
                "environment": {"A": "true", "B": "•••", "C": "a: b", "D": ""},
                "script": "set -e\n\n  run\n",
                "healthcheck": {},
                "nested": [["a", "b"], []],
            }},
        });
        insta::assert_snapshot!(written(&document), @r#"
        name: shop
        services:
          api:
            command: null
            ports:
              - target: 80
                published: "80"
              - target: 81
            environment:
              A: "true"
              B: •••
              C: "a: b"
              D: ""
            script: |
              set -e

                run
            healthcheck: {}
            nested:
              - - a
                - b
              - []
        "#);
    }

    #[test]
    fn what_would_mean_something_else_is_quoted() {
        for text in [
            "",
            "1",
            "0x1F",
            "1e3",
            "12:30",
            "2024-01-01",
            "NO",
            "~",
            "- a",
            "a #b",
            "a:",
            "*a",
            "'",
        ] {
            assert!(word(text).starts_with('"'), "{text}");
        }
        for text in ["a", "10m", "/a:/b:ro", "postgres:16.1", "${A}", "CMD-SHELL", "no way", "ä"] {
            assert_eq!(word(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            texts in proptest::collection::vec("(\\PC|[\n\t:#' \"\\\\|-])*", 0..4),
            number in proptest::num::i32::ANY,
        ) {
            let document = json!({"texts": texts, "number": number, "map": {"k": texts, "e": {}}});
            let read: Value = serde_yaml::from_str(&written(&document)).unwrap();
            proptest::prop_assert_eq!(read, document);
        }
    }
}
