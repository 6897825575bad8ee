//! Whether every source can be read, its stacks make sense, its server has the same time, and its token lasts.

use std::time::Duration;

use jiff::Timestamp;

use super::{Finding, WITHIN, expiry, registries, silent, verify};
use crate::history::History;
use crate::model::{ImageRef, Problem};
use crate::reconcile::World;
use crate::reconcile::places::Places;
use crate::reconcile::sources::{self, Freshness, SourceSeen};
use crate::report::span;
use crate::source::Heard;

/// A clock that is off by more makes tokens and certificates look expired, or not yet valid.
const SKEW: Duration = Duration::from_secs(60);

/// The sources, what is wrong with their stacks, and the registries these name.
pub(super) async fn look(world: &World, now: Timestamp) -> Vec<Finding> {
    let fetched = sources::fetch_within(world, Freshness::Latest, now, WITHIN).await;
    let accepted = History::read_only(&world.config.state_dir).and_then(|it| it.accepted());
    // What is wrong with the record is told of the state directory; to begin with, nothing was accepted.
    let accepted = accepted.unwrap_or_default();
    let reading = sources::read(world, fetched, &accepted, Places::new(), now);
    // To judge a commit may take a look at the past, which has to be fetched.
    let Ok(read) = tokio::time::timeout(WITHIN, reading).await else {
        return vec![silent("sources")];
    };
    let mut findings: Vec<Finding> = read.sources.iter().flat_map(source).collect();
    findings.extend(verify::look(&world.config, now));
    let heard = world.sources.iter().map(async |source| {
        let what = format!("source {}", source.spec().name);
        let expires = tokio::time::timeout(WITHIN, source.expires()).await.ok().flatten();
        let of_token = expires.and_then(|at| expiry::judged(&what, at, now));
        source
            .heard()
            .and_then(|heard| clock(&heard))
            .into_iter()
            .chain(of_token)
            .collect::<Vec<_>>()
    });
    findings.extend(futures_util::future::join_all(heard).await.into_iter().flatten());
    let mut images: Vec<&ImageRef> = Vec::new();
    for stack in &read.loaded.stacks {
        match &stack.content {
            Ok(stack) => images.extend(stack.services.values().map(|service| &service.image)),
            Err(problems) => {
                findings.push(unusable(format!("stack {}", stack.name), problems));
            }
        }
    }
    findings.extend(registries::look(world, images, now).await);
    findings
}

/// This host's clock, held against that of a server.
fn clock(heard: &Heard) -> Option<Finding> {
    let skew = heard.at.duration_since(heard.date?);
    let (off, word) = (skew.unsigned_abs(), if skew.is_negative() { "behind" } else { "ahead of" });
    if off <= SKEW {
        return Some(Finding::ok("clock", "agrees with that of the source's server"));
    }
    let says = format!("this host is {} {word} the source's server", span::took(off));
    Some(Finding::warning("clock", says, "set it: `timedatectl set-ntp true`"))
}

fn source(seen: &SourceSeen) -> Vec<Finding> {
    let what = format!("source {}", seen.name);
    let mut findings = Vec::new();
    match (&seen.report.error, &seen.report.commit) {
        (Some(error), _) => {
            let remedy = seen
                .hint
                .clone()
                .unwrap_or_else(|| "see `sources` in the configuration".to_owned());
            findings.push(Finding::failed(&what, error, remedy));
        }
        (None, Some(commit)) => {
            let by = seen.report.signed_by.as_ref();
            let by = by.map(|by| format!(", signed by {by}")).unwrap_or_default();
            let says = format!("{}, at {}{by}", seen.report.repo, commit.short());
            findings.push(Finding::ok(&what, says));
        }
        (None, None) => {}
    }
    if let Some(alarm) = &seen.report.alarm {
        let remedy = "see whether the repository has newer ones that do not come through";
        findings.push(Finding::warning(&what, alarm, remedy));
    }
    if !seen.problems.is_empty() {
        findings.push(unusable(what, &seen.problems));
    }
    findings
}

/// The first of `problems`, and how many more there are.
fn unusable(what: String, problems: &[Problem]) -> Finding {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let more = match problems.len() {
        0 | 1 => String::new(),
        number => format!(" (and {} more)", number - 1),
    };
    let hint = problems.first().and_then(|problem| problem.hint.clone());
    let see = "`evenkeel plan` shows all of it";
    let remedy = hint.map_or(see.to_owned(), |hint| format!("{hint}; {see}"));
    Finding::failed(what, format!("{first}{more}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_a_warning_that_says_by_how_much() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let check = |date: Option<&str>, expected: Option<(State, &str)>| {
            let date = date.map(|text| text.parse().unwrap());
            let found = clock(&Heard { date, at, expires: None });
            assert_eq!(found.as_ref().map(|found| found.state), expected.map(|(state, _)| state));
            if let (Some(found), Some((_, part))) = (found, expected) {
                assert!(found.says.contains(part), "{}", found.says);
            }
        };
        check(None, None);
        check(Some("2026-11-21T11:59:00Z"), Some((State::Ok, "agrees")));
        check(Some("2026-11-21T11:57:00Z"), Some((State::Warning, "3m ahead of")));
        check(Some("2026-11-21T14:00:00Z"), Some((State::Warning, "2h behind")));
    }
}
