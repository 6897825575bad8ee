//! `x-evenkeel` on a service: what Compose has no word for.

use super::{Draft, probe, update};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::stack::Stamp;

const YET: &str = "not supported yet";

/// `x-evenkeel`
pub fn evenkeel<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    if !at.is_mapping() {
        return at.expected("a mapping");
    }
    for (key, value) in at.fields() {
        match key {
            "keep" => keep(&value, draft),
            "rollout" => rollout(&value, draft),
            "stamp" => stamp(&value, draft),
            "probe" => probe::probe(&value, draft),
            "update" => update::update(&value, draft),
            "ingress" => value.unsupported(key, YET),
            _ => {
                let known = ["keep", "rollout", "update", "probe", "stamp", "ingress"];
                value.unknown(key, known.into_iter());
            }
        }
    }
}

fn keep(at: &At<'_>, draft: &mut Draft<'_>) {
    match at.integer::<u32>() {
        Some(0) => at.wrong("would keep nothing to go back to; the least is 1"),
        keep => draft.keep = keep,
    }
}

const STAMPS: [(&str, Stamp); 4] = [
    ("generation", Stamp::Generation),
    ("commit", Stamp::Commit),
    ("image", Stamp::Image),
    ("digest", Stamp::Digest),
];

fn stamp<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    for (name, value) in at.fields() {
        if !is_variable(name) {
            let message = format!("`{name}` is no name of a variable: letters, digits and `_`");
            value.report(value.trouble("wrong-value", message).at(value.key_place().clone()));
        } else if let Some(stamp) = value.word(&STAMPS) {
            draft.stamps.insert(name.to_owned(), (stamp, value));
        }
    }
}

fn is_variable(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| is_word(c) && !c.is_ascii_digit()) && name.chars().all(is_word)
}

/// A stamp in place of a variable that the manifest sets would hide that one.
pub fn settle(draft: &Draft<'_>) {
    let set =
        draft.stamps.iter().filter(|(name, _)| draft.settings.environment.contains_key(*name));
    for (name, (_, at)) in set {
        let message = format!("`{name}` is stamped, and set in `environment` or an env file too");
        let problem = at.trouble("contradiction", message).at(at.key_place().clone());
        at.report(problem.hint("take one of the two out, or give the stamp another name"));
    }
}

fn rollout(at: &At<'_>, draft: &mut Draft<'_>) {
    let known = ["stable", "deadline", "restarts", "shared_writers"];
    let later = [("drain", YET), ("max_error_ratio", YET)];
    strict(at, &known, &later);
    if let Some(stable) = at.value("stable").and_then(|at| at.duration()) {
        draft.rollout.stable = stable;
    }
    if let Some(at) = at.value("deadline") {
        match at.duration() {
            Some(deadline) if deadline.is_zero() => at.wrong("leaves no time at all"),
            Some(deadline) => draft.rollout.deadline = Some(deadline),
            None => {}
        }
    }
    if let Some(restarts) = at.value("restarts").and_then(|at| at.integer()) {
        draft.rollout.restarts = restarts;
    }
    if let Some(shared) = at.value("shared_writers").and_then(|at| at.boolean()) {
        draft.rollout.shared_writers = shared;
    }
}

/// As [`At::only`], but `x-…` is unknown too: below `x-evenkeel` there are no others.
pub fn strict(at: &At<'_>, known: &[&str], refused: &[(&str, &str)]) {
    at.only(known, refused);
    for (key, value) in at.fields().into_iter().filter(|(key, _)| key.starts_with("x-")) {
        value.unknown(key, known.iter().copied());
    }
}
