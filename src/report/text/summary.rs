//! How things stand in one line, for `systemctl status`.

use super::lines::short_commit;
use crate::report::style::one_line;
use crate::report::wire::{PassReport, PassService};

/// What is counted, the best first.
const WORDS: [&str; 8] =
    ["in sync", "held", "waiting", "skipped", "blocked", "degraded", "rolled back", "failed"];

/// `infra@4f2c9e1 · 12 in sync · 1 held`: the revision of each source, the services by how they came out, and what
/// is wrong besides.
pub fn summary<'a>(
    report: &PassReport,
    sources: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    let is_failed = |name: &str| report.failed_sources.iter().any(|one| one.source == name);
    let revision = |(name, commit): (&str, Option<&str>)| match commit {
        Some(commit) if !is_failed(name) => format!("{name}@{}", short_commit(commit)),
        Some(commit) => format!("{name}@{} (failed)", short_commit(commit)),
        None => format!("{name} (failed)"),
    };
    let mut parts: Vec<String> = sources.into_iter().map(revision).collect();
    let services = report.stacks.iter().flat_map(|stack| &stack.services);
    let words: Vec<&str> = services.filter_map(word).collect();
    for word in WORDS {
        let count = words.iter().filter(|one| **one == word).count();
        if count > 0 || (word == "in sync" && words.is_empty()) {
            parts.push(format!("{count} {word}"));
        }
    }
    match report.stacks.iter().filter(|stack| !stack.problems.is_empty()).count() {
        0 => {}
        1 => parts.push("1 stack cannot be used".to_owned()),
        count => parts.push(format!("{count} stacks cannot be used")),
    }
    one_line(&parts.join(" · "))
}

/// How a service counts; one that was removed counts no more.
fn word(service: &PassService) -> Option<&'static str> {
    match service.outcome {
        "unchanged" | "done" if service.verdict == "remove" => None,
        "unchanged" | "done" if service.error.is_some() => Some("degraded"),
        "unchanged" | "done" => Some("in sync"),
        "blocked" if service.error.is_none() => Some("waiting"),
        "rolled-back" => Some("rolled back"),
        other => WORDS.into_iter().find(|word| *word == other),
    }
}
