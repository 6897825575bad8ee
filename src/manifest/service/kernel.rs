//! `oom_…`, `shm_size`, `sysctls`, `ulimits`: what the kernel is told.

use super::Draft;
use crate::manifest::keys;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::Ulimit;

/// Names that the engine knows (`getrlimit(2)`).
pub const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `oom_kill_disable`
pub fn oom_kill_disable(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.kernel.oom_kill_disable = at.boolean().unwrap_or_default();
}

/// `oom_score_adj`
pub fn oom_score_adj(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.kernel.oom_score_adj = at.between(-1000, 1000).unwrap_or_default();
}

/// `shm_size`
pub fn shm_size(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.kernel.shm_size = at.bytes().filter(|size| *size > 0);
}

/// `sysctls`
pub fn sysctls(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for pair in at.pairs() {
        match pair.value {
            Some(value) => drop(draft.settings.kernel.sysctls.insert(pair.key, value)),
            None => {
                let message = format!("the kernel parameter {} has no value", at.quoted(&pair.key));
                pair.at.problem("wrong-value", message);
            }
        }
    }
}

/// `ulimits`
pub fn ulimits(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for (name, at) in at.fields() {
        if !ULIMITS.contains(&name) {
            if !name.starts_with("x-") {
                unknown(&at, name);
            }
            continue;
        }
        let limit = limit(&at).map(WrittenLimit::meant);
        draft.settings.kernel.ulimits.extend(limit.map(|limit| (name.to_owned(), limit)));
    }
}

/// One of `ulimits`, as it is written.
#[derive(Clone, Copy)]
pub enum WrittenLimit {
    /// A number, for both.
    Both(i64),
    /// One for each.
    Pair(Ulimit),
}

impl WrittenLimit {
    fn meant(self) -> Ulimit {
        match self {
            Self::Both(limit) => Ulimit { soft: limit, hard: limit },
            Self::Pair(limit) => limit,
        }
    }
}

/// Reads one of `ulimits`.
pub fn limit(at: &At<'_>) -> Option<WrittenLimit> {
    match at.is_mapping() {
        true => pair(at).map(WrittenLimit::Pair),
        false => number(at).map(WrittenLimit::Both),
    }
}

fn unknown(at: &At<'_>, name: &str) {
    let problem = at.trouble("unknown-key", format!("`{name}` is no limit that the kernel has"));
    let problem = problem.at(at.key_place().clone());
    at.report(match keys::nearest(name, ULIMITS.into_iter()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("common ones are `nofile`, `nproc` and `memlock`"),
    });
}

fn pair(at: &At<'_>) -> Option<Ulimit> {
    at.only(&["soft", "hard"], &[]);
    let (Some(soft), Some(hard)) = (at.value("soft"), at.value("hard")) else {
        at.problem("missing-key", "a limit needs both `soft` and `hard`, or a single number");
        return None;
    };
    let limit = Ulimit { soft: number(&soft)?, hard: number(&hard)? };
    let is_above = limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard);
    if is_above {
        soft.problem("contradiction", "the `soft` limit is above the `hard` one");
        return None;
    }
    Some(limit)
}

/// -1 is "without limit".
fn number(at: &At<'_>) -> Option<i64> {
    at.between(-1, i64::MAX)
}
