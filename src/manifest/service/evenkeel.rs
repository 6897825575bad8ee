//! `x-evenkeel` on a service: what Compose has no word for.

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

const YET: &str = "not supported yet";

/// `x-evenkeel`
pub fn evenkeel(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    if !at.is_mapping() {
        return at.expected("a mapping");
    }
    for (key, value) in at.fields() {
        match key {
            "keep" => keep(&value, draft),
            "rollout" => rollout(&value, draft),
            "update" | "probe" | "stamp" | "ingress" => value.unsupported(key, YET),
            _ => {
                let known = ["keep", "rollout", "update", "probe", "stamp", "ingress"];
                value.unknown(key, known.into_iter());
            }
        }
    }
}

fn keep(at: &At<'_>, draft: &Draft<'_>) {
    match at.integer::<u32>() {
        Some(0) => at.wrong("would keep nothing to go back to; the least is 1"),
        Some(_) => at.remark(Some(&draft.name), "`keep` has no effect yet: no image is removed"),
        None => {}
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
