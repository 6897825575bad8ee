//! The next move, where whoever found a problem does not say it: what is written in such a place, or where
//! a key belongs.

use super::keys;
use super::schema::lookup;
use crate::model::Problem;

/// As many keys as are listed; of more, nobody would read the list.
const MOST_LISTED: usize = 10;

/// Adds a hint to `problem`, unless it has one or none is known.
pub fn complete(problem: &mut Problem) {
    if problem.hint.is_none() {
        problem.hint = general(problem);
    }
}

fn general(problem: &Problem) -> Option<String> {
    Some(match problem.code {
        "wrong-type" | "wrong-value" | "missing-key" => {
            format!("write it like `{}`", lookup::example(problem.path.as_deref()?)?)
        }
        "unsupported-key" => {
            "take it out; what evenkeel cannot do is refused, never left out silently".to_owned()
        }
        "contradiction" => "keep one of the two".to_owned(),
        "reserved-label" => "take it out".to_owned(),
        "no-health-check" => {
            "give it a `healthcheck`, or wait for `service_started` only".to_owned()
        }
        "two-names" => "give one of them another name, or none: then it is made for it".to_owned(),
        "two-mounts" => "give one of them another path".to_owned(),
        "bad-merge" => "write `<<: *name`, the anchor `&name` standing at a mapping".to_owned(),
        "unknown-tag" => "take the tag out; Compose knows `!reset` and `!override`".to_owned(),
        "bad-key" => "write `key: value`, with a single value before the colon".to_owned(),
        "wrong-name" => "give it another name".to_owned(),
        _ => return None,
    })
}

/// What to do about the unknown key at `path`, where `known` may stand.
pub fn unknown_key(key: &str, path: &str, known: &[&str]) -> String {
    if let Some(near) = keys::nearest(key, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match lookup::home(key, path) {
        Some(home) if home.is_empty() => return format!("`{key}:` belongs to the top of the file"),
        Some(home) => return format!("`{key}` belongs below `{home}`"),
        None => {}
    }
    match known.len() {
        0 => "take it out".to_owned(),
        1..=MOST_LISTED => format!("take it out; known here: {}", keys::listed(known)),
        _ => "take it out; keys of your own begin with `x-`".to_owned(),
    }
}

/// What to do about `text`, which is none of the `words`.
pub fn choice(text: &str, words: &[&str]) -> String {
    let part = || words.iter().copied().find(|word| text.len() > 3 && word.contains(text));
    match keys::nearest(text, words.iter().copied()).or_else(part) {
        Some(near) => format!("did you mean `{near}`? Known here: {}", keys::listed(words)),
        None if words.len() == 1 => format!("write {}", keys::listed(words)),
        None => format!("write one of {}", keys::listed(words)),
    }
}

/// What to do about the name `name` that nothing has: the nearest of `known`, else `otherwise`.
pub fn undefined<'k>(name: &str, known: impl Iterator<Item = &'k str>, otherwise: &str) -> String {
    match keys::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? Otherwise {otherwise}"),
        None => otherwise.to_owned(),
    }
}
