//! Text to [`File`], and the YAML library's words to a [`Problem`] with place and next move.

use super::file::File;
use super::place;
use super::scalar::NO_WINDOW;
use crate::model::{Place, Problem};

/// The largest configuration that is read, in bytes.
pub(super) const LIMIT: u64 = 256 * 1024;

/// Deeper than any configuration; the scanner's time grows with the square of the depth.
const DEEPEST: usize = 50;

/// A suggestion is at least this similar (Jaro-Winkler).
pub(super) const NEAR: f64 = 0.8;

/// Reads the text of the file called `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<File, Box<Problem>> {
    if deepest(text) > DEEPEST {
        let problem = Problem::new("too-deep", "the configuration is nested too deeply")
            .at(Place::file(name))
            .hint("no key of it needs more than a few levels; see `evenkeel schema config`");
        return Err(Box::new(problem));
    }
    let typed = serde_yaml::from_str::<File>(text);
    // A plain value refuses a key that stands twice in any mapping; a typed map of names takes the last.
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Err(error) => Err(Box::new(problem(name, text, typed.as_ref().err().unwrap_or(&error)))),
        Ok(serde_yaml::Value::Mapping(_)) => {
            typed.map_err(|error| Box::new(problem(name, text, &error)))
        }
        Ok(serde_yaml::Value::Null) => Ok(File::default()),
        Ok(
            serde_yaml::Value::Bool(_)
            | serde_yaml::Value::Number(_)
            | serde_yaml::Value::String(_)
            | serde_yaml::Value::Sequence(_)
            | serde_yaml::Value::Tagged(_),
        ) => {
            let problem =
                Problem::new("wrong-type", "the configuration is not a mapping of keys to values")
                    .at(Place { file: name.into(), line: 1, column: 1 })
                    .hint("start with `sources:`; see `evenkeel schema config`");
            Err(Box::new(problem))
        }
    }
}

/// Brackets open at once, a harmless overestimate where they stand in texts.
fn deepest(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn problem(name: &str, text: &str, error: &serde_yaml::Error) -> Problem {
    let full = error.to_string();
    let bare = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message);
    let (path, message) = split_path(bare);
    let mut problem = explain(message);
    if let Some(path) = path {
        problem = problem.path(path);
    }
    place::at(problem, name, text, error.location())
}

/// `sources[0].name: invalid type …`: a path has no spaces, a message has.
fn split_path(message: &str) -> (Option<&str>, &str) {
    match message.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => (Some(path), rest),
        Some(_) | None => (None, message),
    }
}

fn explain(message: &str) -> Problem {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return Problem::new("missing-key", format!("the key {rest} is missing"));
    }
    if let Some((message, hint)) =
        message.strip_prefix(NO_WINDOW).and_then(|rest| rest.split_once('\n'))
    {
        return Problem::new("wrong-value", message).hint(hint);
    }
    if message.starts_with("duplicate ") {
        let key = message.split(['`', '"']).nth(1).unwrap_or_default();
        return Problem::new("duplicate-key", format!("`{key}` stands twice in what starts here"))
            .hint("write each key once");
    }
    let code = if message.starts_with("invalid type") || message.starts_with("unknown variant") {
        "wrong-type"
    } else if message.starts_with("invalid value") {
        "wrong-value"
    } else {
        "yaml-syntax"
    };
    Problem::new(code, message)
}

/// `names` is what serde says: the unknown key, then the known ones, each in backticks.
fn unknown_key(names: &str) -> Problem {
    let mut words = names.split('`').skip(1).step_by(2);
    let key = words.next().unwrap_or_default();
    let known: Vec<&str> = words.collect();
    let problem = Problem::new("unknown-key", format!("unknown key `{key}`"));
    let holds_it = |word: &&&str| **word == "password_file" || **word == format!("{key}_file");
    let hint = if place::is_secret(key)
        && let Some(file) = known.iter().find(holds_it)
    {
        format!("secrets do not belong here: write it to a file and name that with `{file}`")
    } else if let Some(near) = nearest(key, &known) {
        format!("did you mean `{near}`?")
    } else {
        format!("known here: {}", known.join(", "))
    };
    problem.hint(hint)
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(key, word), *word))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}
